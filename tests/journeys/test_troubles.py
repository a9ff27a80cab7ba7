"""The article's three troubles (T1 to T3): what is read then, where it leads, and the way out."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.journeys.browsing import approve
from tests.journeys.conftest import Meets
from tests.journeys.mistaken import (
    TOLD,
    never_authorized,
    secret_changed_there,
    token_endpoint_at_a_test,
)
from tests.journeys.test_designer import CLIENT_ID, CLIENT_SECRET, alert, authorize
from tests.thirdparty import ThirdParty


def reads(box: Locator, code: str, *, cause: str, fix: str) -> None:
    """The box has this code, and says why and what to do in so many words."""
    expect(box).to_have_attribute("data-code", code)
    expect(box).to_contain_text("Cause")
    expect(box).to_contain_text(cause)
    expect(box).to_contain_text("Fix")
    expect(box).to_contain_text(fix)


def marks(page: Page, field: str) -> Locator:
    """One field is marked, has the keyboard, and is led to by the box."""
    marked = page.locator("[aria-invalid=true]")
    expect(marked).to_have_id(f"id_{field}")
    expect(marked).to_be_focused()
    expect(alert(page).locator(f"a[href='#id_{field}']")).to_be_visible()
    return marked


def mended(page: Page) -> None:
    """What was typed is right now: Acme knows ada already, and asks her only to allow it."""
    popup = authorize(page)
    popup.get_by_role("button", name="Allow", exact=True).click(no_wait_after=True)
    expect(page.get_by_role("heading", name="You are authorized")).to_be_visible()


# T1: the other system's authorization page is missing


def test_a_wrong_authorization_endpoint(meets: Meets, thirdparty: ThirdParty) -> None:
    dora = meets("dora")
    reads(
        TOLD["authorization_endpoint"].walk(dora, thirdparty),
        "attempt_not_finished",
        cause="The path is another one, or the address belongs to something else.",
        fix="Take the Authorization Endpoint from the other system's documentation.",
    )
    marks(dora.page, "authorization_endpoint").fill(f"{thirdparty.url}/oauth/authorize")
    approve(authorize(dora.page))
    expect(dora.page.get_by_role("heading", name="You are authorized")).to_be_visible()


def test_a_wrong_scope(meets: Meets, thirdparty: ThirdParty) -> None:
    dora = meets("dora")
    reads(
        TOLD["scope"].walk(dora, thirdparty),
        "scope_refused",
        cause="At least one name in the Scope is unknown there",
        fix="Compare the Scope with the other system's documentation, name by name",
    )
    marks(dora.page, "scope").fill("contacts.read")
    mended(dora.page)


# T2: the page appears, but permission cannot be granted


def test_a_wrong_client_secret(meets: Meets, thirdparty: ThirdParty) -> None:
    dora = meets("dora")
    reads(
        TOLD["client_secret"].walk(dora, thirdparty),
        "client_auth_failed",
        cause="The Client Secret is not the one shown there",
        fix="Enter the Client Secret again, as shown in the other system, without blanks.",
    )
    marks(dora.page, "client_secret").fill(CLIENT_SECRET)
    mended(dora.page)


def test_a_wrong_redirect_uri(meets: Meets, thirdparty: ThirdParty) -> None:
    dora = meets("dora")
    reads(
        TOLD["redirect_uri"].walk(dora, thirdparty),
        "attempt_not_finished",
        cause="the redirect URI or the Client ID is not registered there",
        fix="compare the redirect URI (also called callback URL) and the Client ID there",
    )
    shown = marks(dora.page, "redirect_uri").input_value()
    thirdparty.register(CLIENT_ID, CLIENT_SECRET, [shown])
    mended(dora.page)


# T3: the integration gets an error


def test_an_integration_of_somebody_who_never_authorized(
    meets: Meets, thirdparty: ThirdParty
) -> None:
    box = never_authorized(meets("bob"), thirdparty)
    expect(box).to_have_attribute("data-code", "needs_authorization")
    expect(box).to_contain_text("You are bob here.")
    expect(box.get_by_role("link", name="Authorize Acme CRM")).to_be_visible()
    assert thirdparty.log() == []


def test_an_integration_with_a_wrong_token_endpoint(meets: Meets, thirdparty: ThirdParty) -> None:
    dora = meets("dora")
    box = token_endpoint_at_a_test(dora, thirdparty)
    reads(
        box,
        "token_http_error",
        cause="There is nothing at the Token Request Endpoint that is entered here.",
        fix="Copy the Token Request Endpoint from the other system's documentation again",
    )
    expect(box).to_be_focused()
    expect(box.page.get_by_role("link", name="Start again")).to_be_visible()
    assert thirdparty.count(path="/oauth/tokens", status=404) == 1


def test_an_integration_with_a_wrong_client_secret(meets: Meets, thirdparty: ThirdParty) -> None:
    dora = meets("dora")
    box = secret_changed_there(dora, thirdparty)
    reads(
        box,
        "client_auth_failed",
        cause="It worked before, so the Client Secret was most likely changed",
        fix="Make or look up the present Client Secret in the other system, and enter it here.",
    )
    expect(box).to_be_focused()
    with dora.page.expect_popup() as opened:
        box.get_by_role("link", name=re.compile("^Look at Client Secret of ")).click()
    expect(opened.value.locator("#id_client_secret")).to_be_focused()
