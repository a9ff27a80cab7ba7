"""`python -m tests.journeys.pictures`: takes the pictures that README and documents show.

With names, such as `mistake-scope`, only those of troubles and mistakes.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from tests import thirdparty
from tests.journeys import mistaken
from tests.journeys.browsing import Person, browser
from tests.journeys.site import Site, running
from tests.mistakes import MISTAKES
from tests.thirdparty import ROOT, ThirdParty

PICTURES = ROOT / "docs" / "pictures"
SIZE = {"width": 960, "height": 420}
DESK = {"width": 960, "height": 560}
SYSTEMS = "/admin/connectedsystems/connectedsystem/"
BOX = {"width": 900, "height": 900}
COLOURS = 64
DOCUMENT = ROOT / "tests" / "workbench" / "documents" / "petstore.yaml"

# Leaves of a page only what it is about: a box, and with it the field that is marked.
ALONE = """box => {
    const marked = document.querySelector('[aria-invalid=true]');
    const kept = [box, marked && marked.closest('.desk-field')].filter(Boolean);
    let all = box;
    while (!kept.every(each => all.contains(each))) all = all.parentElement;
    const clear = each => {
        if (kept.includes(each)) return;
        for (const child of each.children) {
            if (kept.some(one => child.contains(one))) clear(child);
            else child.style.display = 'none';
        }
    };
    clear(all);
    all.dataset.picture = '';
}"""
TROUBLES: dict[str, tuple[str, mistaken.Walk]] = {
    "trouble-never-authorized": ("bob", mistaken.never_authorized),
    "trouble-token-endpoint": ("dora", mistaken.token_endpoint_at_a_test),
    "trouble-client-secret": ("dora", mistaken.secret_changed_there),
}


def picture_of(mistake: str) -> str:
    """The name of a mistake's picture."""
    return f"mistake-{mistake.replace('_', '-')}"


def main(names: list[str]) -> None:
    """Walk as people do, and stop where there is something to see."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    walks = {picture_of(each): ("dora", mistaken.TOLD[each].walk) for each in MISTAKES} | TROUBLES
    with tempfile.TemporaryDirectory() as folder:
        process, acme = thirdparty.run(Path(folder) / "acme")
        try:
            with running(acme.url, Path(folder)) as site, browser() as launched:
                site.register_at(acme)
                if not names:
                    alice = Person(launched, site, "alice", viewport=SIZE)
                    dora = Person(launched, site, "dora", viewport=DESK)
                    _walk(alice)
                    _design(dora, acme.url)
                    _import(dora)
                    _fail(alice, dora, acme)
                for name, (who, walk) in walks.items():
                    if not names or name in names:
                        _go_wrong(launched, site, acme, name, who, walk)
        finally:
            thirdparty.stop(process)


def _walk(alice: Person) -> None:
    page = alice.opens("/pages/pages/contacts/")
    _take(page, "authorization-link")
    alice.authorizes(page)
    expect(page.locator("[data-result]")).to_be_visible()
    _take(page, "contacts")
    _take(alice.opens("/connections/"), "my-connections")


def _design(dora: Person, acme: str) -> None:
    page = dora.opens(f"{SYSTEMS}add/")
    page.get_by_label("Address to look at").fill(acme)
    page.get_by_role("button", name="Find endpoints").click()
    _take(page, "find-endpoints", page.locator("[data-found]"))
    page = dora.opens(f"{SYSTEMS}add/?preset=google")
    page.get_by_label("Client ID", exact=True).fill("our-client-id")
    page.locator("[data-preview-address] > summary").click()
    _take(page, "preview", page.locator("[data-request=token-request]"))
    page = dora.opens(SYSTEMS)
    page.get_by_role("link", name="Acme CRM", exact=True).click()
    page.get_by_label("Token Request Endpoint").fill(f"{acme}/oauth/token2")
    page.keyboard.press("Tab")
    _take(page, "who-is-affected", page.locator("[data-affected] .says"))


def _import(dora: Person) -> None:
    page = dora.opens("/admin/integrations/integration/from-openapi/")
    page.get_by_label("Connected system").select_option("acme")
    page.get_by_label("File", exact=True).set_input_files(DOCUMENT)
    page.get_by_role("button", name="Show its operations").click()
    _take(page, "from-openapi", page.locator(".operations li").first)


def _fail(alice: Person, dora: Person, acme: ThirdParty) -> None:
    """A call that fails, as its reference tells it to a designer."""
    acme.control(api={"status": 500})
    page = alice.opens("/integrations/list-contacts/")
    reference = page.get_by_role("alert").get_attribute("data-reference")
    acme.reset()
    page = dora.opens(f"/references/{reference}/")
    page.set_viewport_size(BOX)  # type: ignore[arg-type]
    page.locator("details summary").first.click()
    _take(page, "reference", page.locator("ol.timeline"))


def _go_wrong(
    launched: Browser, site: Site, acme: ThirdParty, name: str, who: str, walk: mistaken.Walk
) -> None:
    """A box alone, in few colours: there are many of them."""
    site.forget()
    acme.reset()
    person = Person(launched, site, who, viewport=BOX)
    box = walk(person, acme)
    expect(box).to_be_visible()
    box.page.set_viewport_size(BOX)  # type: ignore[arg-type]
    box.evaluate(ALONE)
    path = PICTURES / f"{name}.png"
    box.page.locator("[data-picture]").screenshot(path=path, animations="disabled")
    _in_few_colours(path)
    person.context.close()


def _take(page: Page, name: str, at: Locator | None = None) -> None:
    """What the window shows; with ``at`` in the middle of it, as soon as that is there."""
    if at is not None:
        expect(at).to_be_visible()
        at.evaluate("each => each.scrollIntoView({block: 'center'})")
    path = PICTURES / f"{name}.png"
    page.screenshot(path=path, animations="disabled")
    _in_few_colours(path)


def _in_few_colours(path: Path) -> None:
    """A third of the size, and nobody sees the difference."""
    with Image.open(path) as taken:
        taken.convert("RGB").quantize(COLOURS).save(path, optimize=True)
    print(path.relative_to(ROOT))


if __name__ == "__main__":
    main(sys.argv[1:])
