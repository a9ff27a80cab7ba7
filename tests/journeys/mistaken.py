"""The ten mistakes of tests/mistakes.py, made by dora at Acme CRM, and what she reads then.

The journeys walk them, docs/troubleshooting.md shows them, and the pictures are taken of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from playwright.sync_api import Locator, Page, expect

from tests.journeys.browsing import Person, approve
from tests.journeys.test_designer import (
    ADD,
    CLIENT_ID,
    CLIENT_SECRET,
    alert,
    authorize,
    done,
    fill_in,
    save,
)
from tests.journeys.test_integrations import run_test
from tests.mistakes import label
from tests.thirdparty import ThirdParty

Where = Literal["Done Authorizing", "Check configuration", "Test of an integration"]
Walk = Callable[[Person, ThirdParty], Locator]
"""Makes the mistake; gives the box that tells of it."""


@dataclass(frozen=True)
class Told:
    """Where a mistake shows, under which code, and the sentence that names the wrong field."""

    where: Where
    code: str
    message: str
    walk: Walk


def box(page: Page, where: Where) -> Locator:
    """What says that something is wrong."""
    if where == "Check configuration":
        return page.locator(".checked[data-outcome=fail]")
    if where == "Test of an integration":
        return page.locator("[data-test-panel] [role=alert]")
    return alert(page)


def filled(dora: Person, thirdparty: ThirdParty, name: str) -> Page:
    """A new form, right in everything so far."""
    dora.forgives("400", "401", "404", "502")
    page = dora.opens(ADD)
    fill_in(page, thirdparty, name)
    return page


def choose(page: Page, mistake: str, value: str) -> None:
    """Enter it into the field, wherever that is folded away."""
    field = page.locator(f"#id_{mistake}")
    page.locator("details:not([open])", has=field).evaluate_all(
        "found => found.forEach(each => each.open = true)"
    )
    if field.evaluate("field => field.tagName") == "SELECT":
        field.select_option(value)
    else:
        field.fill(value)


def log_in_there(popup: Page) -> None:
    """As far as somebody comes whom Acme asks nothing more."""
    popup.get_by_role("button", name="Be ada", exact=True).click(no_wait_after=True)


def _approved(mistake: str, wrong: Callable[[ThirdParty], str]) -> Walk:
    """A mistake that somebody can approve with; the form says so by itself."""

    def walk(dora: Person, thirdparty: ThirdParty) -> Locator:
        page = filled(dora, thirdparty, f"Wrong {label(mistake)}")
        choose(page, mistake, wrong(thirdparty))
        approve(authorize(page))
        return box(page, "Done Authorizing")

    return walk


def _sent_back(mistake: str, wrong: str) -> Walk:
    """A mistake that Acme answers without asking anything."""

    def walk(dora: Person, thirdparty: ThirdParty) -> Locator:
        page = filled(dora, thirdparty, f"Wrong {label(mistake)}")
        choose(page, mistake, wrong)
        log_in_there(authorize(page))
        return box(page, "Done Authorizing")

    return walk


def _checked(page: Page) -> Locator:
    page.get_by_role("button", name="Check configuration").click()
    return box(page, "Check configuration")


def _authorization_endpoint(dora: Person, thirdparty: ThirdParty) -> Locator:
    page = filled(dora, thirdparty, "Wrong Authorization Endpoint")
    choose(page, "authorization_endpoint", f"{thirdparty.url}/oauth/authorise")
    popup = authorize(page)
    expect(popup.locator("body")).to_contain_text("Not Found")
    done(page)
    return box(page, "Done Authorizing")


def _client_id(dora: Person, thirdparty: ThirdParty) -> Locator:
    page = filled(dora, thirdparty, "Wrong Client ID")
    choose(page, "client_id", f"{CLIENT_ID}-of-another-project")
    return _checked(page)


def _client_authentication(dora: Person, thirdparty: ThirdParty) -> Locator:
    page = filled(dora, thirdparty, "Wrong client authentication")
    thirdparty.control(client=CLIENT_ID, client_authentication="client_secret_post")
    return _checked(page)


def _redirect_uri(dora: Person, thirdparty: ThirdParty) -> Locator:
    page = filled(dora, thirdparty, "Wrong redirect URI")
    thirdparty.register(CLIENT_ID, CLIENT_SECRET, ["https://elsewhere.example/callback"])
    popup = authorize(page)
    log_in_there(popup)
    expect(popup.locator("body")).to_contain_text("redirect")
    done(page)
    return box(page, "Done Authorizing")


def _base_url(dora: Person, thirdparty: ThirdParty) -> Locator:
    page = filled(dora, thirdparty, "Wrong Base URL")
    choose(page, "base_url", f"{thirdparty.url}/apis")
    approve(authorize(page))
    expect(page.get_by_role("heading", name="You are authorized")).to_be_visible()
    save(page)
    tests_contacts(page)
    return box(page, "Test of an integration")


def tests_contacts(page: Page) -> None:
    """From a saved system to the test of a new integration of it."""
    page.get_by_role("link", name="Use in new integration").last.click()
    page.fill("#id_name", "Contacts of a trouble")
    page.fill("#id_path", "/contacts")
    run_test(page)


def never_authorized(bob: Person, thirdparty: ThirdParty) -> Locator:
    """T3: a page that queries data, opened by somebody who has given no permission yet."""
    return bob.opens("/integrations/list-contacts/").locator("section.authorization")


def token_endpoint_at_a_test(dora: Person, thirdparty: ThirdParty) -> Locator:
    """T3: a system saved untried, with a wrong token endpoint; dora authorizes at her test."""
    page = filled(dora, thirdparty, "Acme, saved untried")
    choose(page, "token_endpoint", f"{thirdparty.url}/oauth/tokens")
    save(page)
    tests_contacts(page)
    link = page.locator("[data-test-panel] [data-authorize]")
    with page.context.expect_page() as opened:
        link.click()
    approve(opened.value)
    return alert(opened.value)


def secret_changed_there(dora: Person, thirdparty: ThirdParty) -> Locator:
    """T3: it has worked; then the other side gave the client another secret, and time went by."""
    page = filled(dora, thirdparty, "Acme, with an old secret")
    approve(authorize(page))
    expect(page.get_by_role("heading", name="You are authorized")).to_be_visible()
    save(page)
    thirdparty.control(client=CLIENT_ID, rotate_secret=True, expire=True)
    tests_contacts(page)
    return box(page, "Test of an integration")


TOLD: dict[str, Told] = {
    "authorization_endpoint": Told(
        "Done Authorizing",
        "attempt_not_finished",
        "The address answers 404, so it is not the Authorization Endpoint.",
        _authorization_endpoint,
    ),
    "token_endpoint": Told(
        "Done Authorizing",
        "token_http_error",
        "There is nothing at the Token Request Endpoint that is entered here.",
        _approved("token_endpoint", lambda acme: f"{acme.url}/oauth/tokens"),
    ),
    "client_id": Told(
        "Check configuration",
        "client_auth_failed",
        "The other system does not accept this site's Client ID and Client Secret",
        _client_id,
    ),
    "client_secret": Told(
        "Done Authorizing",
        "client_auth_failed",
        "Enter the Client Secret again, as shown in the other system, without blanks.",
        _approved("client_secret", lambda acme: "not-the-secret"),
    ),
    "client_authentication": Told(
        "Check configuration",
        "client_auth_failed",
        "Choose client_secret_post as Client authentication.",
        _client_authentication,
    ),
    "redirect_uri": Told(
        "Done Authorizing",
        "attempt_not_finished",
        "compare the redirect URI (also called callback URL)",
        _redirect_uri,
    ),
    "scope": Told(
        "Done Authorizing",
        "scope_refused",
        "The other system refused the Scope that was asked for.",
        _sent_back("scope", "contacts.read contacts.fly"),
    ),
    "base_url": Told(
        "Test of an integration",
        "call_not_found",
        "compare the path and the Base URL with the other system's documentation",
        _base_url,
    ),
    "pkce": Told(
        "Done Authorizing",
        "provider_error",
        "Compare PKCE here with the settings of this client there.",
        _sent_back("pkce", "off"),
    ),
    "issuer": Told(
        "Done Authorizing",
        "issuer_mismatch",
        "Compare the Issuer with the value of issuer in the other system's metadata",
        _approved("issuer", lambda acme: "https://elsewhere.example"),
    ),
}
