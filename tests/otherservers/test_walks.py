"""The walks of docs/walks.md against a second real OAuth server, in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.browsing import Person, approve, check_looks, link_to, wait_until_closed
from tests.journeys.conftest import Meets
from tests.journeys.site import Site
from tests.journeys.test_designer import authorize, done, save
from tests.journeys.test_integrations import outcome, run_test
from tests.otherservers.otherserver import SCOPE, OtherServer

pytestmark = pytest.mark.journey

SYSTEMS = "/admin/connectedsystems/connectedsystem/"
CLIENT_ID = "designed"
CLIENT_SECRET = "designed-beside-another-server-Hm6"
NOTE = "Call Greta about the crates."


def describe(page: Page, other: OtherServer) -> None:
    """A2 to A6: the endpoints are found from the issuer, all else is typed."""
    page.get_by_label("Name", exact=True).fill("Notebook by Dora")
    page.get_by_label("Description").fill("Notes, in the other system")
    page.get_by_label("Base URL").fill(f"{other.url}/api")
    page.get_by_label("Authentication", exact=True).select_option(
        label="OAuth 2.0: Authorization Code"
    )
    redirect_uri = page.get_by_label("Redirect URI").input_value()
    other.register(CLIENT_ID, CLIENT_SECRET, [redirect_uri])
    page.get_by_label("Client ID", exact=True).fill(CLIENT_ID)
    page.get_by_label("Client Secret", exact=True).fill(CLIENT_SECRET)
    page.get_by_label("Address to look at").fill(other.url)
    page.get_by_label("Address to look at").press("Enter")
    page.locator("[data-found]").get_by_role("button", name="Fill the empty fields").click()
    for label, path in (("Authorization Endpoint", "/auth"), ("Token Request Endpoint", "/token")):
        expect(page.get_by_label(label, exact=True)).to_have_value(other.url + path)
    page.get_by_label("Scope").fill(SCOPE)


def test_the_articles_walk(meets: Meets, other: OtherServer) -> None:
    """A1 to A13, from a desk where nothing is."""
    page = meets("dora").opens(SYSTEMS)
    expect(page.get_by_role("link", name="Notebook")).to_have_count(0)
    page.goto("/admin/connectedsystems/application/")
    page.get_by_role("link", name="Fresh", exact=True).click()
    page.get_by_role("link", name="New connected system").click()
    describe(page, other)
    check_looks(page)
    popup = authorize(page)
    approve(popup)
    wait_until_closed(popup)
    done(page)
    expect(page.get_by_role("heading", name="You are authorized")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    save(page)
    expect(page.get_by_text("Notebook by Dora is created, and you are authorized.")).to_be_visible()
    assert CLIENT_SECRET not in page.content()
    page.get_by_role("link", name="Use in new integration").last.click()
    page.fill("#id_name", "Who is it")
    page.fill("#id_path", "/me")
    run_test(page)
    expect(outcome(page)).to_have_attribute("data-test-outcome", "success")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page).to_have_url(re.compile(r"/admin/integrations/integration/$"))
    page.goto("/integrations/who-is-it/")
    expect(page.locator("[data-result]")).to_contain_text("ada")
    assert other.count(path="/token", status=200) == 1
    page.goto(SYSTEMS)
    expect(page.get_by_role("link", name="Notebook")).to_have_text("Notebook by Dora")


def test_alice_sees_her_account_and_the_page_goes_on_by_itself(
    alice: Person, site: Site, other: OtherServer
) -> None:
    page = alice.opens("/integrations/who-am-i/")
    with page.expect_popup() as opened:
        link_to(page, "Notebook").click()
    approve(opened.value)
    expect(page.locator("[data-result]")).to_contain_text("ada")
    wait_until_closed(opened.value)
    assert other.count(path="/token", status=200) == 1
    assert other.count(path="/api/me", status=200) == 1


def test_alice_writes_a_note_that_is_not_lost(
    alice: Person, site: Site, other: OtherServer
) -> None:
    page = alice.opens("/integrations/add-note/")
    page.get_by_label("Note").fill(NOTE)
    page.get_by_role("button", name="Send to Notebook").click()
    assert other.count(method="POST", path="/api/notes") == 0
    with page.expect_popup() as opened:
        link_to(page, "Notebook").filter(has_text="and send").click()
    approve(opened.value)
    expect(page.get_by_text("It arrived, once. There is nothing left to do.")).to_be_visible()
    wait_until_closed(opened.value)
    page.reload()
    expect(page.locator("[data-state]").first).to_have_attribute("data-state", "delivered")
    assert other.count(method="POST", path="/api/notes") == 1
    assert other.count(note=NOTE, status=201) == 1


def test_an_answer_that_the_browser_posts(alice: Person, site: Site, other: OtherServer) -> None:
    """From the other site, so without the session's cookie: the page goes on all the same."""
    page = alice.opens("/integrations/who-posts/")
    with page.expect_popup() as opened:
        link_to(page, "Posting").click()
    approve(opened.value)
    expect(page.locator("[data-result]")).to_contain_text("ada")
    wait_until_closed(opened.value)
    assert other.count(path="/token", status=200) == 1
