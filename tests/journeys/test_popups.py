"""Pop-ups: the other system's page gets no hold of ours, and nobody guesses whether one is open."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.browsing import Person, approve, link_to, wait_until_closed
from tests.journeys.conftest import Meets
from tests.journeys.test_designer import ADD, authorize, fill_in
from tests.journeys.test_end_user import CONTACTS
from tests.thirdparty import ThirdParty

# What a page of the other system would do with an opener.
LEAD_AWAY = """() => {
    for (const name of ["", "opener", "parent"]) {
        const other = name ? window[name] : window.opener;
        try { if (other && other !== window) other.location = "about:blank#led-away"; } catch (no) {}
    }
    return window.opener === null;
}"""
NOT_FINISHED = "Not finished yet. If you closed the window, open it again"
COMES_BACK = "() => window.dispatchEvent(new Event('focus'))"


def has_no_hold(popup: Page, of: Page, other: str) -> None:
    """At the other host: no opener, and an attempt to lead its page away does nothing."""
    popup.wait_for_url(lambda url: url.startswith(other))
    before = of.url
    assert popup.evaluate(LEAD_AWAY)
    of.wait_for_timeout(300)
    assert of.url == before


@pytest.mark.parametrize("path", [CONTACTS, "/connections/"])
def test_G9_an_end_users_pop_up_has_no_opener(
    alice: Person, thirdparty: ThirdParty, path: str
) -> None:
    page = alice.opens(path)
    with page.expect_popup() as opened:
        page.locator("a[data-authorize=acme]").first.click()
    has_no_hold(opened.value, page, thirdparty.url)
    approve(opened.value)
    wait_until_closed(opened.value)
    expect(alice.new_tab(CONTACTS).locator("[data-result]")).to_be_visible()


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_G9_a_designers_pop_up_has_no_opener(
    meets: Meets, thirdparty: ThirdParty, script: bool
) -> None:
    page = meets("dora", java_script_enabled=script).opens(ADD)
    if not script:
        page.get_by_label("Slug").fill("no-opener")
    fill_in(page, thirdparty, "No opener")
    popup = authorize(page)
    popup.wait_for_url(lambda url: url.startswith(thirdparty.url))
    if script:
        has_no_hold(popup, page, thirdparty.url)
    else:
        # Scripts run in neither of the two; what a script would see, the browser's protocol tells.
        session = popup.context.new_cdp_session(popup)
        (target,) = [
            each
            for each in session.send("Target.getTargets")["targetInfos"]
            if each["url"] == popup.url
        ]
        assert not target["canAccessOpener"]
    approve(popup)


def test_G9_a_second_click_opens_a_window_without_opener_too(
    alice: Person, thirdparty: ThirdParty
) -> None:
    page = alice.opens(CONTACTS)
    for _ in range(2):
        with page.expect_popup() as opened:
            link_to(page).click()
        has_no_hold(opened.value, page, thirdparty.url)
    approve(opened.value)
    expect(page.locator("[data-result]")).to_be_visible()


def test_H17_a_page_that_is_come_back_to_says_that_it_waits(alice: Person) -> None:
    page = alice.opens(CONTACTS)
    with page.expect_popup() as opened:
        link_to(page).click()
    opened.value.get_by_role("button", name="Be ada").wait_for()
    opened.value.close()
    expect(page.get_by_text(NOT_FINISHED)).to_have_count(0)
    page.evaluate(COMES_BACK)
    expect(page.get_by_text(NOT_FINISHED)).to_be_visible()
    # It goes on asking: the same attempt, finished in a window that the page knows nothing of.
    alice.authorizes(page)
    expect(page.locator("[data-result]")).to_be_visible()


def test_H17_the_window_may_be_open_still(alice: Person) -> None:
    page = alice.opens(CONTACTS)
    with page.expect_popup() as opened:
        link_to(page).click()
    opened.value.get_by_role("button", name="Be ada").wait_for()
    page.evaluate(COMES_BACK)
    expect(page.get_by_text(NOT_FINISHED)).to_be_visible()
    approve(opened.value)
    expect(page.locator("[data-result]")).to_be_visible()


def test_H17_it_says_so_where_the_server_is_silent(alice: Person) -> None:
    page = alice.opens(CONTACTS)
    with page.expect_popup() as opened:
        link_to(page).click()
    opened.value.get_by_role("button", name="Be ada").wait_for()
    page.route("**/status/", lambda route: None)
    page.evaluate(COMES_BACK)
    expect(page.get_by_text(NOT_FINISHED)).to_be_visible()


def test_H17_a_designers_form_says_it_too(meets: Meets, thirdparty: ThirdParty) -> None:
    page = meets("dora").opens(ADD)
    fill_in(page, thirdparty, "Come back")
    popup = authorize(page)
    popup.get_by_role("button", name="Be ada").wait_for()
    page.evaluate(COMES_BACK)
    expect(page.get_by_text(NOT_FINISHED)).to_be_visible()
    approve(popup)
    expect(page.get_by_role("heading", name="You are authorized")).to_be_visible()


def test_H17_a_blocked_pop_up_says_so(alice: Person) -> None:
    alice.context.add_init_script("window.open = () => null")
    page = alice.opens(CONTACTS)
    page.route("**/authorize/**", lambda route: route.fulfill(status=204))  # the page stays
    link_to(page).click()
    expect(page.locator("[data-code=popup_blocked]")).to_contain_text("blocked the pop-up")
