"""What designers do: the article's walk A1 to A10 on the form, and what the form says on the way."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.journeys.browsing import approve, check_looks, wait_until_closed
from tests.journeys.conftest import Meets
from tests.thirdparty import ThirdParty

ADD = "/admin/connectedsystems/connectedsystem/add/"
CLIENT_ID = "designed"
CLIENT_SECRET = "designed-on-the-desk-Kx4"


def fill_in(
    page: Page,
    thirdparty: ThirdParty,
    name: str = "Acme by Dora",
    *,
    application: str = "CRM",
) -> None:
    """The form as the article fills it; the other side knows the redirect URI it shows."""
    page.get_by_label("Application", exact=True).select_option(label=application)
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Description").fill("Contacts, from the other system")
    page.get_by_label("Base URL").fill(f"{thirdparty.url}/api")
    page.get_by_label("Authentication", exact=True).select_option(
        label="OAuth 2.0: Authorization Code"
    )
    redirect_uri = page.get_by_label("Redirect URI").input_value()
    thirdparty.register(CLIENT_ID, CLIENT_SECRET, [redirect_uri], name="Acme by Dora")
    page.get_by_label("Client ID", exact=True).fill(CLIENT_ID)
    page.get_by_label("Client Secret", exact=True).fill(CLIENT_SECRET)
    page.get_by_label("Authorization Endpoint").fill(f"{thirdparty.url}/oauth/authorize")
    page.get_by_label("Token Request Endpoint").fill(f"{thirdparty.url}/oauth/token")
    page.get_by_label("Scope").fill("contacts.read")


def authorize(page: Page) -> Page:
    """Click Authorize; the other system's pop-up."""
    with page.expect_popup() as opened:
        page.get_by_role("button", name="Authorize", exact=True).click()
    return opened.value


def done(page: Page) -> None:
    page.get_by_role("button", name="Done Authorizing").click()


def alert(page: Page) -> Locator:
    return page.get_by_role("alert")


def save(page: Page) -> None:
    page.get_by_role("button", name="Save", exact=True).click()


def test_the_articles_walk(meets: Meets, thirdparty: ThirdParty) -> None:
    """A1 to A10, and on to A11."""
    page = meets("dora").opens("/admin/connectedsystems/application/")
    page.get_by_role("link", name="CRM", exact=True).click()
    page.get_by_role("link", name="New connected system").click()
    expect(page.get_by_label("Application", exact=True).locator("option:checked")).to_have_text(
        "CRM"
    )
    redirect_uri = page.get_by_label("Redirect URI").input_value()
    fill_in(page, thirdparty)
    check_looks(page)
    popup = authorize(page)
    expect(page.get_by_text("Waiting for your approval in the other window")).to_be_visible()
    done(page)
    expect(alert(page)).to_have_attribute("data-code", "attempt_not_finished")
    approve(popup)
    wait_until_closed(popup)
    done(page)
    expect(page.get_by_role("heading", name="You are authorized")).to_be_visible()
    expect(alert(page)).to_have_count(0)
    expect(page.get_by_label("Client Secret", exact=True)).to_have_value(CLIENT_SECRET)
    save(page)
    expect(page.get_by_text("Acme by Dora is created, and you are authorized.")).to_be_visible()
    expect(page.get_by_label("Redirect URI")).to_have_value(redirect_uri)
    expect(page.get_by_label("Client Secret", exact=True)).to_have_value("")
    assert CLIENT_SECRET not in page.content()
    check_looks(page)
    assert thirdparty.count(path="/oauth/token") == 1
    page.get_by_role("link", name="Use in new integration").last.click()
    expect(page).to_have_url(re.compile(r"/admin/integrations/integration/add/\?connected_system="))


def test_a_field_left_empty(meets: Meets, thirdparty: ThirdParty) -> None:
    page = meets("dora").opens(ADD)
    fill_in(page, thirdparty)
    page.get_by_label("Client ID", exact=True).fill("")
    page.get_by_role("button", name="Authorize", exact=True).click()
    expect(alert(page)).to_contain_text("Client ID needs a value")
    expect(page.get_by_label("Client ID", exact=True)).to_be_focused()
    expect(page.get_by_label("Client Secret", exact=True)).to_have_value(CLIENT_SECRET)


def test_what_changed_since_authorizing_is_said(meets: Meets, thirdparty: ThirdParty) -> None:
    page = meets("dora").opens(ADD)
    fill_in(page, thirdparty, "Changed")
    popup = authorize(page)
    approve(popup)
    expect(page.get_by_role("heading", name="You are authorized")).to_be_visible()
    elsewhere = thirdparty.url.replace("127.0.0.1", "localhost")
    page.get_by_label("Token Request Endpoint").fill(f"{elsewhere}/oauth/token")
    save(page)
    expect(alert(page)).to_contain_text("Token Request Endpoint")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Changed")
    popup = authorize(page)
    popup.get_by_role("button", name="Allow", exact=True).click(no_wait_after=True)
    expect(page.get_by_role("heading", name="You are authorized")).to_be_visible()
    save(page)
    expect(page.get_by_text("Changed is created, and you are authorized.")).to_be_visible()
    touched = page.get_by_role("heading", name="Saving this ends 1 authorization")
    page.get_by_label("Client ID", exact=True).fill("other")
    page.get_by_label("Client ID", exact=True).blur()
    expect(touched).to_be_visible()
    page.get_by_label("Client ID", exact=True).fill(CLIENT_ID)
    page.get_by_label("Client ID", exact=True).blur()
    expect(touched).to_have_count(0)


def test_without_script_it_opens_tabs(meets: Meets, thirdparty: ThirdParty) -> None:
    dora = meets("dora", java_script_enabled=False)
    page = dora.opens(ADD)
    page.get_by_label("Slug").fill("no-script")
    fill_in(page, thirdparty, "No script")
    tab = authorize(page)
    approve(tab)
    expect(tab.get_by_text("You may close this window")).to_be_visible()
    with page.expect_popup() as opened:
        done(page)
    expect(opened.value.get_by_role("heading", name="You are authorized")).to_be_visible()
    save(page)
    expect(page.get_by_text("No script is created, and you are authorized.")).to_be_visible()


def test_a_blocked_pop_up_is_a_link(meets: Meets, thirdparty: ThirdParty) -> None:
    dora = meets("dora")
    dora.context.add_init_script("window.open = () => null")
    page = dora.opens(ADD)
    fill_in(page, thirdparty, "Blocked")
    page.get_by_role("button", name="Authorize", exact=True).click()
    expect(page.locator("[data-code=popup_blocked]")).to_be_visible()
    with page.expect_popup() as opened:
        page.get_by_role("link", name=re.compile("^Open ")).click()
    approve(opened.value)
    expect(page.get_by_role("heading", name="You are authorized")).to_be_visible()


def test_a_first_system_from_an_empty_desk(meets: Meets, thirdparty: ThirdParty) -> None:
    page = meets("admin").opens("/admin/connectedsystems/application/add/")
    page.locator("[name=name]").fill("Sales")
    page.locator("[name=slug]").fill("sales")
    save(page)
    page.goto("/admin/connectedsystems/application/")
    page.get_by_role("link", name="Sales", exact=True).click()
    page.get_by_role("link", name="New connected system").click()
    fill_in(page, thirdparty, "Acme of Sales", application="Sales")
    popup = authorize(page)
    approve(popup)
    expect(page.get_by_role("heading", name="You are authorized")).to_be_visible()
    save(page)
    expect(page.get_by_text("Acme of Sales is created, and you are authorized.")).to_be_visible()


def test_a_check_names_the_field(meets: Meets, thirdparty: ThirdParty) -> None:
    page = meets("dora").opens(ADD)
    fill_in(page, thirdparty)
    page.get_by_label("Client Secret", exact=True).fill("wrong")
    page.get_by_role("button", name="Check configuration").click()
    wrong = page.locator(".checked[data-outcome=fail]")
    expect(wrong).to_have_attribute("data-code", "client_auth_failed")
    check_looks(page)
    wrong.get_by_role("link", name="Look at Client Secret").click()
    expect(page.get_by_label("Client Secret", exact=True)).to_be_focused()


def test_a_check_that_is_cut_short_is_made_again(meets: Meets, thirdparty: ThirdParty) -> None:
    dora = meets("dora")
    dora.forgives("net::ERR_FAILED")
    page = dora.opens(ADD)
    fill_in(page, thirdparty)
    page.route("**/draft/check/", lambda route: route.abort())
    page.get_by_role("button", name="Check configuration").click()
    expect(alert(page)).to_contain_text("Nothing you typed is lost.")
    expect(alert(page)).to_be_focused()
    page.unroute("**/draft/check/")
    alert(page).get_by_role("button", name="Look again").click()
    expect(page.locator(".checked[data-outcome=ok]").last).to_be_visible()
    expect(alert(page)).to_have_count(0)


def test_the_box_of_the_chosen_authentication_shows(meets: Meets, thirdparty: ThirdParty) -> None:
    page = meets("dora").opens(ADD)
    chosen = page.get_by_label("Authentication", exact=True)
    chosen.select_option(label="API key")
    expect(page.get_by_label("Header or parameter")).to_be_visible()
    expect(page.get_by_label("Client ID", exact=True)).to_be_hidden()
    expect(page.get_by_role("button", name="Authorize", exact=True)).to_be_hidden()
    chosen.select_option(label="Basic")
    expect(page.get_by_label("Password", exact=True)).to_be_visible()
    chosen.select_option(label="OAuth 2.0: Client Credentials")
    expect(page.get_by_label("Client ID", exact=True)).to_be_visible()
    expect(page.get_by_label("Authorization Endpoint")).to_be_hidden()
    chosen.select_option(label="None")
    expect(page.get_by_label("Client ID", exact=True)).to_be_hidden()
    check_looks(page)


def test_the_redirect_uri_is_copied(meets: Meets, thirdparty: ThirdParty) -> None:
    dora = meets("dora", permissions=["clipboard-read", "clipboard-write"])
    page = dora.opens(ADD)
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.get_by_label("Redirect URI").input_value()


def test_a_live_system_is_tried_and_changed(meets: Meets, thirdparty: ThirdParty) -> None:
    page = meets("dora").opens(ADD)
    fill_in(page, thirdparty, "Live")
    approve(authorize(page))
    expect(page.get_by_role("heading", name="You are authorized")).to_be_visible()
    save(page)
    expect(page.get_by_text("Live is created, and you are authorized.")).to_be_visible()
    page.get_by_label("Client ID", exact=True).fill("live-two")
    redirect_uri = page.get_by_label("Redirect URI").input_value()
    thirdparty.register("live-two", CLIENT_SECRET, [redirect_uri], name="Live")
    popup = authorize(page)
    popup.get_by_role("button", name="Allow", exact=True).click(no_wait_after=True)
    expect(page.get_by_role("heading", name="You are authorized")).to_be_visible()
    save(page)
    expect(alert(page)).to_contain_text("This change ends 1 authorization")
    expect(alert(page)).to_be_focused()
    check_looks(page)
    page.get_by_label("End 1 authorization and save").check()
    save(page)
    expect(page.get_by_text("Live is saved, and you are authorized.")).to_be_visible()


def test_endpoints_are_found_and_filled_by_a_click(meets: Meets, thirdparty: ThirdParty) -> None:
    page = meets("dora").opens(ADD)
    fill_in(page, thirdparty)
    token, authorization = (
        page.get_by_label(label, exact=True)
        for label in ("Token Request Endpoint", "Authorization Endpoint")
    )
    token.fill("https://old.example/token")
    authorization.fill("")
    page.get_by_label("Address to look at").fill(thirdparty.url)
    page.get_by_label("Address to look at").press("Enter")
    found = page.locator("[data-found]")
    expect(found).to_be_visible()
    check_looks(page)
    found.get_by_role("button", name="Fill the empty fields").click()
    expect(authorization).to_have_value(f"{thirdparty.url}/oauth/authorize")
    expect(token).to_have_value("https://old.example/token")
    found.get_by_role("button", name="Replace it").first.click()
    expect(token).to_have_value(f"{thirdparty.url}/oauth/token")
