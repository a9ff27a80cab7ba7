"""`python -m tests.journeys.pictures`: takes the pictures that README and documents show."""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect

from tests import thirdparty
from tests.journeys.browsing import Person, browser
from tests.journeys.site import running
from tests.thirdparty import ROOT

PICTURES = ROOT / "docs" / "pictures"
SIZE = {"width": 960, "height": 420}


def main() -> None:
    """Walk as alice does, and stop where there is something to see."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        process, acme = thirdparty.run(Path(folder) / "acme")
        try:
            with running(acme.url, Path(folder)) as site, browser() as launched:
                site.register_at(acme)
                _walk(Person(launched, site, "alice", viewport=SIZE))
        finally:
            thirdparty.stop(process)


def _walk(alice: Person) -> None:
    page = alice.opens("/pages/pages/contacts/")
    _take(page, "authorization-link")
    alice.authorizes(page)
    expect(page.locator("[data-result]")).to_be_visible()
    _take(page, "contacts")
    _take(alice.opens("/connections/"), "my-connections")


def _take(page: Page, name: str) -> None:
    page.screenshot(path=PICTURES / f"{name}.png", animations="disabled")
    print(PICTURES.relative_to(ROOT) / f"{name}.png")


if __name__ == "__main__":
    main()
