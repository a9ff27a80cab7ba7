"""A failure's reference: its steps, the box that finds it, details that can be copied."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.journeys.browsing import check_looks
from tests.journeys.conftest import Meets
from tests.thirdparty import ThirdParty

CONTACTS = "/integrations/list-contacts/"


def test_a_reference_is_followed_copied_and_found_again(
    meets: Meets, thirdparty: ThirdParty
) -> None:
    alice = meets("alice")
    page = alice.opens(CONTACTS)
    alice.authorizes(page)
    expect(page.locator("[data-result]")).to_be_visible()
    thirdparty.control(api={"status": 500})
    alice.forgives("502", "500")
    page.goto(CONTACTS)
    page.get_by_role("alert").locator(".reference a").click()
    reference = page.get_by_role("heading", level=1).locator("code").inner_text()
    expect(page.locator("ol.timeline")).to_contain_text("It answered with 500")
    expect(page.locator("ol.timeline details")).to_have_count(0)
    alice.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy details for support").press("Enter")
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert copied.startswith(f"Reference: {reference}\n")
    page.get_by_role("link", name="Look up a reference").click()
    box = page.get_by_label("Reference, such as")
    box.fill("zz-9999")
    alice.forgives("404")
    box.press("Enter")
    expect(page.get_by_role("alert")).to_be_focused()
    expect(box).to_have_value("zz-9999")
    box.fill(reference.lower())
    box.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text(reference)
    check_looks(page)
