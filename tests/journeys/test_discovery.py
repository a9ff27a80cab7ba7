"""A designer who knows where the other system publishes its endpoints, and nothing else of them."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.journeys.browsing import approve, check_looks, wait_until_closed
from tests.journeys.conftest import Meets
from tests.journeys.test_designer import ADD, authorize, done, fill_in, save
from tests.thirdparty import ThirdParty


def test_the_discovery_url_alone_leads_to_a_connection(
    meets: Meets, thirdparty: ThirdParty
) -> None:
    page = meets("dora").opens(ADD)
    fill_in(page, thirdparty, "Acme by discovery")
    page.get_by_label("Authorization Endpoint").fill("")
    page.get_by_label("Token Request Endpoint").fill("")
    where = f"{thirdparty.url}/.well-known/oauth-authorization-server"
    page.get_by_label("Discovery URL").fill(where)
    page.get_by_text("The requests, as they would be sent").click()
    expect(page.get_by_text("which Authorize and Save ask").first).to_be_visible()
    popup = authorize(page)
    expect(page.get_by_text(f"{thirdparty.url}/oauth/token.")).to_be_visible()
    approve(popup)
    wait_until_closed(popup)
    done(page)
    expect(page.get_by_text("You are authorized", exact=True)).to_be_visible()
    shown = page.locator("[data-request=authorization-request]")
    page.get_by_label("Scope").fill("contacts.read contacts.write")
    expect(shown.get_by_text(f"GET {thirdparty.url}/oauth/authorize")).to_be_visible()
    page.get_by_label("Scope").fill("contacts.read")
    save(page)
    expect(page.get_by_text("and you are authorized")).to_be_visible()
    found = page.get_by_text(f"it is as the metadata says: {thirdparty.url}/oauth/token")
    expect(found).to_be_visible()
    check_looks(page)
