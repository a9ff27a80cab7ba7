"""The authorization link wherever a browser is difficult: no script, no pop-up, no way to signal."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.browsing import Person, approve, check_looks, link_to, wait_until_closed
from tests.journeys.conftest import Meets
from tests.journeys.test_end_user import CONTACTS
from tests.thirdparty import ThirdParty

NO_CHANNEL = "delete window.BroadcastChannel"
NO_OPENER = """
    delete window.BroadcastChannel;
    const open = window.open;
    window.open = (url, name, features) => {
        const popup = open(url, name, features);
        return { closed: true, location: { replace: (to) => popup.location.replace(to) } };
    };
"""


def shows_contacts(page: Page, contact: str = "Mina Castellan") -> None:
    expect(page.locator("[data-result]")).to_contain_text(contact)


def test_without_script_it_is_an_ordinary_link(meets: Meets) -> None:
    alice = meets("alice", java_script_enabled=False)
    page = alice.opens(CONTACTS)
    link_to(page).click()
    approve(page)
    expect(page).to_have_url(alice.site.url + CONTACTS)
    shows_contacts(page)
    assert len(alice.context.pages) == 1


def test_the_keyboard_is_enough(alice: Person) -> None:
    page = alice.opens(CONTACTS)
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('a[data-authorize]')"):
            break
    with page.expect_popup() as opened:
        page.keyboard.press("Enter")
    popup = opened.value
    popup.get_by_label("User name").wait_for()
    popup.keyboard.type("ada")  # the field has the focus
    popup.keyboard.press("Tab")
    popup.keyboard.type("engine-1843")
    popup.keyboard.press("Enter")
    allow = popup.get_by_role("button", name="Allow", exact=True)
    allow.wait_for()
    for _ in range(20):
        popup.keyboard.press("Tab")
        if allow.evaluate("each => each === document.activeElement"):
            break
    popup.keyboard.press("Enter")
    shows_contacts(page)


def test_G7_a_blocked_pop_up_becomes_the_page_itself(alice: Person) -> None:
    alice.context.add_init_script("window.open = () => null")
    page = alice.opens(CONTACTS)
    link_to(page).click()
    approve(page)
    expect(page).to_have_url(alice.site.url + CONTACTS)
    shows_contacts(page)


@pytest.mark.parametrize("script", [NO_CHANNEL, NO_OPENER], ids=["no channel", "no opener"])
def test_asking_the_server_is_enough(alice: Person, script: str) -> None:
    alice.context.add_init_script(script)
    page = alice.opens(CONTACTS)
    with alice.context.expect_page() as opened:
        link_to(page).click()
    approve(opened.value)
    shows_contacts(page)


def test_a_window_that_stays_says_what_to_do(alice: Person) -> None:
    alice.context.add_init_script("window.close = () => {}")
    page = alice.opens(CONTACTS)
    with page.expect_popup() as opened:
        link_to(page).click()
    approve(opened.value)
    expect(opened.value.get_by_text("You may close this window")).to_be_visible()
    expect(opened.value.get_by_text("Go on here")).to_have_attribute("href", CONTACTS)
    check_looks(opened.value)
    shows_contacts(page)


def test_a_refusal_is_said_in_both_windows(alice: Person) -> None:
    alice.forgives("400")
    page = alice.opens(CONTACTS)
    with page.expect_popup() as opened:
        link_to(page).click()
    popup = opened.value
    approve(popup, allow=False)
    expect(popup.get_by_role("alert")).to_have_attribute("data-code", "access_denied")
    check_looks(popup)
    popup.close()
    expect(page.get_by_text("That did not work")).to_be_visible()
    alice.authorizes(page)
    shows_contacts(page)


def test_two_tabs_with_two_systems(meets: Meets) -> None:
    carol = meets("carol")
    first, second = carol.opens(CONTACTS), carol.new_tab("/integrations/beta-contacts/")
    with first.expect_popup() as to_acme:
        link_to(first).click()
    with second.expect_popup() as to_beta:
        link_to(second, "Beta CRM").click()
    approve(to_beta.value, "ada")
    shows_contacts(second)
    expect(link_to(first)).to_be_visible()
    to_acme.value.reload()  # the log-in there changed what its form has to say
    approve(to_acme.value, "ada")
    first.bring_to_front()
    shows_contacts(first)


def connects_again(page: Page) -> Page:
    """From My connections, as ben this time; the pop-up, which has a question."""
    row = page.get_by_role("article").filter(has_text="Knowing CRM")
    with page.expect_popup() as opened:
        row.locator("a[data-authorize]").click()
    approve(opened.value, "ben")
    return opened.value


def test_another_account_is_asked_about(meets: Meets) -> None:
    carol = meets("carol")
    page = carol.opens("/integrations/knowing-contacts/")
    carol.authorizes(page, "Knowing CRM")
    shows_contacts(page)
    carol.context.clear_cookies(name="acme_session")
    page = carol.opens("/connections/")
    popup = connects_again(page)
    expect(popup.get_by_role("heading", name="Another account at Knowing CRM")).to_be_visible()
    check_looks(popup)
    popup.get_by_role("button", name="Keep ada").click()
    wait_until_closed(popup)
    expect(page.get_by_text("Nothing was changed")).to_be_visible()
    shows_contacts(carol.opens("/integrations/knowing-contacts/"))
    page = carol.opens("/connections/")
    popup = connects_again(page)
    popup.get_by_role("button", name="Use ben from now on").click()
    wait_until_closed(popup)
    shows_contacts(carol.new_tab("/integrations/knowing-contacts/"), "Wanda Pereira")


def test_another_account_sends_nothing_by_itself(meets: Meets, thirdparty: ThirdParty) -> None:
    carol = meets("carol")
    page = carol.opens("/integrations/knowing-contacts/")
    carol.authorizes(page, "Knowing CRM")
    shows_contacts(page)
    thirdparty.control(revoke_user=True)
    carol.context.clear_cookies(name="acme_session")
    page = carol.opens("/integrations/knowing-note/")
    page.get_by_label("Note").fill("For ada alone.")
    page.get_by_role("button", name="Send to Knowing CRM").click()
    with page.expect_popup() as opened:
        link_to(page, "Knowing CRM").click()
    approve(opened.value, "ben")
    opened.value.get_by_role("button", name="Use ben from now on").click()
    expect(page.get_by_role("button", name="Send now")).to_be_visible()
    assert thirdparty.count(method="POST", path="/api/notes", status=201) == 0


def test_a_callback_after_log_out_asks_to_log_in(alice: Person, thirdparty: ThirdParty) -> None:
    alice.forgives("400")
    page = alice.opens(CONTACTS)
    with page.expect_popup() as opened:
        link_to(page).click()
    popup = opened.value
    popup.get_by_role("button", name="Be ada").click()
    expect(popup.get_by_role("button", name="Allow")).to_be_visible()
    page.close()
    other = alice.new_tab("/connections/")
    other.get_by_role("button", name="Log out").click()
    expect(other.get_by_role("button", name="Log in")).to_be_visible()
    popup.get_by_role("button", name="Allow").click(no_wait_after=True)
    expect(popup.get_by_role("alert")).to_have_attribute("data-code", "state_missing_session")
    log_in = popup.locator("main a", has_text="Log in")
    assert not re.search("code|state", log_in.get_attribute("href") or "?")
    assert thirdparty.count(path="/oauth/token") == 0
    log_in.click()
    assert not re.search("code=|state=", popup.url)
    alice.logs_in(popup)
    assert not re.search("code=|state=", popup.url)


def test_a_confirmation_leads_to_another_host_that_leads_on(meets: Meets, door: str) -> None:
    carol = meets("carol")
    page = carol.opens("/connections/doorway/authorize/?next=/integrations/doorway-contacts/")
    check_looks(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_role("button", name="Continue to Doorway CRM").click()
    approve(page)
    shows_contacts(page)
    assert any(url.startswith(door) for url in asked)
