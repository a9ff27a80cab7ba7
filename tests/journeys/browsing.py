"""People with a browser: each has a profile of their own, and everything the console says is heard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from tests.environment import CHROMIUM
from tests.journeys.site import Site

OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SECONDS = 20
WIDTHS = (1280, 390)

CUT = """() => [...document.querySelectorAll('label, button, a, h1, h2, h3, th, legend, summary')]
    .filter(each => each.clientWidth > 1 && getComputedStyle(each).overflowX !== 'visible'
                    && each.scrollWidth > each.clientWidth + 1)
    .map(each => each.textContent.trim())"""
SCROLLS = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@contextmanager
def browser() -> Iterator[Browser]:
    """A chromium without a window."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        try:
            yield launched
        finally:
            launched.close()


class Person:
    """Somebody at the product, logged in unless they are nobody; ``page`` is their first tab."""

    def __init__(self, browser: Browser, site: Site, name: str, **options: Any) -> None:
        self.name, self.site = name, site
        self.complaints: list[str] = []
        # Chromium says what it cleared at log-out.
        self._forgiven: tuple[str, ...] = ("Clear-Site-Data header",)
        self.context: BrowserContext = browser.new_context(base_url=site.url, **options)
        self.context.set_default_timeout(SECONDS * 1000)
        self.context.on("console", lambda said: self._hear(f"{said.text} ({said.page})"))
        self.context.on("weberror", lambda raised: self._hear(str(raised.error)))
        self.page: Page = self.context.new_page()
        if name:
            self.logs_in()

    def logs_in(self, page: Page | None = None) -> None:
        """Through the form, as people do."""
        page = page or self.page
        if "/accounts/login/" not in page.url:
            page.goto("/accounts/login/")
        page.fill("[name=username]", self.name)
        page.fill("[name=password]", self.site.passwords[self.name])
        page.get_by_role("button", name="Log in", exact=True).click()
        page.wait_for_url(lambda url: "/accounts/login/" not in url)

    def opens(self, path: str) -> Page:
        """A page of the product, in the first tab."""
        self.page.goto(path)
        return self.page

    def new_tab(self, path: str) -> Page:
        page = self.context.new_page()
        page.goto(path)
        return page

    def authorizes(self, page: Page, system: str = "Acme CRM", as_: str = "ada") -> None:
        """Click the authorization link, and in its pop-up log in there and allow."""
        with page.expect_popup() as opened:
            link_to(page, system).click()
        approve(opened.value, as_)

    def forgives(self, *words: str) -> None:
        """Console messages with such words are expected here."""
        self._forgiven += words

    def _hear(self, said: str) -> None:
        self.complaints.append(said)

    def unforgiven(self) -> list[str]:
        """What the console said and nobody expected."""
        return [
            said for said in self.complaints if not any(word in said for word in self._forgiven)
        ]


def link_to(page: Page, system: str = "Acme CRM") -> Locator:
    """The authorization link that leads to this system."""
    return page.locator("a[data-authorize]", has_text=f"Authorize {system}")


def approve(page: Page, as_: str = "ada", *, allow: bool = True) -> None:
    """Acme's pages: be somebody there where it asks who, then Allow or Cancel."""
    button = page.get_by_role("button", name="Allow" if allow else "Cancel", exact=True)
    who = page.get_by_role("button", name=f"Be {as_}", exact=True)
    expect(button.or_(who)).to_be_visible()
    if who.is_visible():
        who.click()
    button.click(no_wait_after=True)


def wait_until_closed(page: Page) -> None:
    """Until a pop-up has closed itself."""
    if not page.is_closed():
        page.wait_for_event("close")


def check_looks(page: Page) -> None:
    """Nothing to scroll sideways and no label cut, wide and narrow, light and dark.

    No link calls itself a button: those answer to Space, and links do not.
    """
    assert page.locator("main a[role=button]").count() == 0, page.url
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            where = f"{page.url} at {width} px, {scheme}"
            assert page.evaluate(SCROLLS) <= 0, f"scrolls sideways: {where}"
            assert page.evaluate(CUT) == [], f"cut: {where}"
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 900})
