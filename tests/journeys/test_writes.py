"""A write that met a missing authorization: kept, delivered once, and never by a GET."""

from __future__ import annotations

import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.browsing import Person, approve, check_looks, link_to, wait_until_closed
from tests.journeys.conftest import Meets
from tests.thirdparty import ThirdParty

NOTE = "Call Greta about the crates."
WRITE = {"method": "POST", "path": "/api/notes"}


def write_note(person: Person, text: str = NOTE, page: Page | None = None) -> Page:
    """Send the form of add-note."""
    page = page or person.opens("/integrations/add-note/")
    page.get_by_label("Note").fill(text)
    page.get_by_role("button", name="Send to Acme CRM").click()
    return page


def connects(person: Person) -> None:
    """Be authorized before anything is written."""
    page = person.opens("/pages/pages/contacts/")
    person.authorizes(page)
    expect(page.locator("[data-result]")).to_be_visible()


def held_page(person: Person) -> Page:
    """The page of the one held submission."""
    page = person.opens("/integrations/held/")
    page.get_by_role("link", name="Add a note").click()
    return page


def act(page: Page, label: str) -> None:
    page.get_by_role("button", name=label, exact=True).click()


def state_of(page: Page, state: str) -> Any:
    return expect(page.locator("[data-state]").first).to_have_attribute("data-state", state)


def test_alice_writes_a_note_that_is_not_lost(alice: Person, thirdparty: ThirdParty) -> None:
    page = write_note(alice)
    link = link_to(page).filter(has_text="Authorize Acme CRM and send")
    check_looks(page)
    with page.expect_popup() as opened:
        link.click()
    approve(opened.value)
    expect(page.get_by_text("It arrived, once. There is nothing left to do.")).to_be_visible()
    wait_until_closed(opened.value)
    state_of(page, "delivered")
    check_looks(page)
    assert thirdparty.count(**WRITE) == 1
    page.reload()
    assert thirdparty.count(**WRITE) == 1


def test_without_script_the_user_sends_it(meets: Meets, thirdparty: ThirdParty) -> None:
    alice = meets("alice", java_script_enabled=False)
    page = write_note(alice)
    link_to(page).click()
    approve(page)
    expect(page.get_by_text(NOTE)).to_be_visible()
    assert thirdparty.count(**WRITE) == 0
    act(page, "Send now")
    state_of(page, "delivered")
    assert thirdparty.count(**WRITE) == 1


def test_a_walk_begun_elsewhere_sends_nothing(alice: Person, thirdparty: ThirdParty) -> None:
    write_note(alice)
    connects(alice)
    page = held_page(alice)
    expect(page.get_by_role("button", name="Send now")).to_be_visible()
    state_of(page, "waiting")
    assert thirdparty.count(**WRITE) == 0


def test_two_callbacks_at_once_deliver_once(alice: Person, thirdparty: ThirdParty) -> None:
    """Two tabs of one held submission come back in the same moment."""
    page = write_note(alice)
    other = alice.new_tab(page.get_by_role("link", name="look at it").get_attribute("href") or "/")
    expect(other.get_by_role("button", name="Send now")).to_be_visible()
    walk = link_to(page).get_attribute("href") or ""
    tabs = [alice.new_tab(walk) for _ in range(2)]
    for tab in tabs:
        tab.get_by_role("button", name="Continue to Acme CRM").click()
    approve_both(tabs)
    for tab in tabs:
        expect(
            tab.get_by_text("It arrived, once.").or_(tab.get_by_text(NOTE)).first
        ).to_be_visible()
    tab = alice.new_tab("/integrations/held/")
    state_of(tab, "delivered")
    assert thirdparty.count(**WRITE) == 1


def approve_both(tabs: list[Page]) -> None:
    """Both consents are given before either callback has been answered."""
    for tab in tabs:
        tab.reload()
        tab.get_by_role("button", name="Be ada").click()
        expect(tab.get_by_role("button", name="Allow")).to_be_visible()
    tabs[0].reload()  # the second log-in there changed what its form has to say
    for tab in tabs:
        tab.get_by_role("button", name="Allow").click(no_wait_after=True)


def test_two_deliveries_at_once_are_one(alice: Person, thirdparty: ThirdParty) -> None:
    write_note(alice)
    connects(alice)
    held = held_page(alice).url
    cookies = {str(each["name"]): str(each["value"]) for each in alice.context.cookies(held)}
    token = cookies[f"csrftoken_{urlsplit(alice.site.url).port}"]
    form = {"csrfmiddlewaretoken": token, "action": "deliver"}
    request = urllib.request.Request(
        held,
        data=urlencode(form).encode(),
        headers={
            "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()),
            "Origin": alice.site.url,
        },
    )

    def deliver(_: int) -> int:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            return int(answer.status)

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(deliver, range(4))) == [200] * 4
    assert thirdparty.count(**WRITE) == 1


def test_reload_back_and_double_click_write_once(alice: Person, thirdparty: ThirdParty) -> None:
    connects(alice)
    page = alice.opens("/integrations/add-note/")
    page.get_by_label("Note").fill(NOTE)
    page.get_by_role("button", name="Send to Acme CRM").dblclick()
    expect(page.locator("[data-result]")).to_be_visible()
    assert thirdparty.count(**WRITE) == 1
    page.reload()  # the browser POSTs the same form again
    expect(page.get_by_text("nothing was sent again")).to_be_visible()
    page.go_back()
    assert thirdparty.count(**WRITE) == 1


def test_it_is_edited_before_it_is_sent(alice: Person, thirdparty: ThirdParty) -> None:
    write_note(alice)
    page = held_page(alice)
    check_looks(page)
    act(page, "Edit")
    page.get_by_label("Note").fill("Call Greta tomorrow.")
    act(page, "Keep these changes")
    expect(page.get_by_text("Call Greta tomorrow.")).to_be_visible()
    connects(alice)
    page = held_page(alice)
    act(page, "Send now")
    state_of(page, "delivered")
    page = alice.opens("/integrations/list-notes/")
    expect(page.locator("[data-result]")).to_contain_text("Call Greta tomorrow.")
    expect(page.locator("[data-result]")).not_to_contain_text(NOTE)


def test_it_is_discarded(alice: Person, thirdparty: ThirdParty) -> None:
    write_note(alice)
    page = held_page(alice)
    act(page, "Discard")
    expect(page.get_by_text("Nothing was sent.")).to_be_visible()
    expect(page.get_by_role("heading", name="Nothing is held")).to_be_visible()
    assert thirdparty.count(**WRITE) == 0


@pytest.fixture
def lost(alice: Person, thirdparty: ThirdParty) -> Page:
    """A page whose delivery arrived, though its answer got lost."""
    write_note(alice)
    connects(alice)
    page = held_page(alice)
    thirdparty.control(api={"cut": True, "act_first": True, "times": 1})
    alice.forgives("Failed to load resource")
    act(page, "Send now")
    state_of(page, "outcome_unknown")
    return page


def test_the_user_says_that_it_arrived(lost: Page, thirdparty: ThirdParty) -> None:
    check_looks(lost)
    act(lost, "It arrived")
    state_of(lost, "delivered")
    assert thirdparty.count(**WRITE) == 1


def test_the_user_sends_it_again(lost: Page, thirdparty: ThirdParty) -> None:
    act(lost, "Send again")
    state_of(lost, "delivered")
    assert thirdparty.count(**WRITE) == 2
