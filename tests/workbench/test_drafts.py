"""Authorize and Done Authorizing on a form that is not saved, over real HTTP."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import time_machine
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from authlinks.models import Authorization, AuthorizationAttempt
from connectedsystems.models import Application, ConnectedSystem
from tests.thirdparty import ThirdParty

ADD = "/admin/connectedsystems/connectedsystem/add/"
DRAFT = "/admin/connectedsystems/connectedsystem/draft/"
CLIENT_ID = "draft"
CLIENT_SECRET = "draft-client-secret-Wq3"
JSON = {"HTTP_ACCEPT": "application/json"}


@pytest.fixture
def crm(transactional_db: None) -> Application:
    application = Application.objects.create(slug="crm", name="CRM", open_to_everyone=False)
    application.designers.add(Group.objects.get_or_create(name="crm-designers")[0])
    return application


class Designer:
    """A designer at the add form: what they typed, and their session."""

    def __init__(self, person: Any, thirdparty: ThirdParty, application: Application) -> None:
        self.person, self.thirdparty = person, thirdparty
        self.client = Client()
        self.client.force_login(person)
        page = self.client.get(ADD).content.decode()
        hidden = re.search(r'name="public_id" value="([^"]+)"', page)
        shown = re.search(r'value="([^"]+/connections/callback/[^"]+)"', page)
        assert hidden and shown
        self.redirect_uri = shown[1]
        thirdparty.register(CLIENT_ID, CLIENT_SECRET, [self.redirect_uri])
        self.typed = {
            "public_id": hidden[1],
            "application": str(application.pk),
            "name": "Acme",
            "slug": "acme",
            "base_url": f"{thirdparty.url}/api",
            "authentication": "oauth2_authorization_code",
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "authorization_endpoint": f"{thirdparty.url}/oauth/authorize",
            "token_endpoint": f"{thirdparty.url}/oauth/token",
            "scope": "contacts.read",
        }

    def authorize(self, **more: str) -> dict[str, Any]:
        answer = self.client.post(f"{DRAFT}authorize/", {**self.typed, **more}, **JSON)
        said: dict[str, Any] = answer.json()
        return said

    def comes_back(self, url: str, client: Client | None = None, *, allow: bool = True) -> Any:
        back = urlsplit(self.thirdparty.approve(url, allow=allow))
        return (client or self.client).get(f"{back.path}?{back.query}")

    def tries(self, **more: str) -> None:
        self.comes_back(self.authorize(**more)["url"])

    def done(self, **more: str) -> dict[str, Any]:
        answer = self.client.post(f"{DRAFT}done/", {**self.typed, **more}, **JSON)
        said: dict[str, Any] = answer.json()
        return said

    def saves(self, **more: str) -> Any:
        return self.client.post(ADD, {**self.typed, **more})


@pytest.fixture
def dora(user: Callable[..., Any], thirdparty: ThirdParty, crm: Application) -> Designer:
    return Designer(user("dora", groups=["crm-designers"]), thirdparty, crm)


def test_nothing_is_saved_by_a_try(dora: Designer) -> None:
    dora.tries()
    assert dora.done()["tone"] == "good"
    assert not ConnectedSystem.objects.exists()
    assert not Authorization.objects.exists()


def test_save_creates_it_with_its_redirect_uri_and_the_designer_authorized(dora: Designer) -> None:
    dora.tries()
    assert dora.saves().status_code == 302
    system = ConnectedSystem.objects.get()
    assert system.redirect_uri == dora.redirect_uri
    authorization = Authorization.objects.get()
    assert (authorization.system, authorization.user) == (system, dora.person)
    assert authorization.fingerprint == system.parsed().fingerprint()
    assert authorization.scope_requested == "contacts.read"
    assert dora.client.get("/connections/acme/status/").json()["connected"] is True
    attempt = AuthorizationAttempt.objects.get()
    assert attempt.draft is None
    assert attempt.draft_answer is None


def test_the_tokens_age_counts(dora: Designer) -> None:
    dora.tries()
    with time_machine.travel(timezone.now() + timedelta(seconds=30)):
        dora.saves()
    lifetime = Authorization.objects.get().lifetime
    assert lifetime is not None
    assert 0 < lifetime <= 31


def test_without_a_try_it_is_saved_and_said(dora: Designer) -> None:
    answer = dora.client.post(ADD, dora.typed, follow=True)
    assert b"not authorized yet" in answer.content
    assert ConnectedSystem.objects.exists()


def test_done_before_authorize_says_so(dora: Designer) -> None:
    assert dora.done()["code"] == "attempt_not_finished"


def test_done_too_early_says_not_yet_and_why(dora: Designer) -> None:
    dora.authorize()
    said = dora.done()
    assert said["code"] == "attempt_not_finished"
    assert said["fields"] == ["redirect_uri"]
    assert "redirect URI" in said["html"]


def test_an_open_attempt_names_the_endpoint_that_is_not_there(dora: Designer) -> None:
    dora.typed["authorization_endpoint"] += "-else"
    dora.authorize()
    said = dora.done()
    assert said["code"] == "attempt_not_finished"
    assert said["fields"] == ["authorization_endpoint"]
    assert '<a href="#id_authorization_endpoint">Look at Authorization Endpoint</a>' in said["html"]
    assert "answers 404" in said["html"]


def test_a_refusal_is_told(dora: Designer) -> None:
    dora.comes_back(dora.authorize()["url"], allow=False)
    assert dora.done()["code"] == "access_denied"


@pytest.mark.parametrize(
    ("field", "value", "code", "marked"),
    [
        ("client_secret", "wrong", "client_auth_failed", "client_secret"),
        ("token_endpoint", "/oauth/no-such-address", "token_http_error", "token_endpoint"),
    ],
)
def test_a_wrong_field_is_named(
    dora: Designer, field: str, value: str, code: str, marked: str
) -> None:
    value = dora.thirdparty.url + value if value.startswith("/") else value
    dora.tries(**{field: value})
    said = dora.done()
    assert (said["code"], said["fields"]) == (code, [marked])
    assert 'role="alert"' in said["html"]


def test_only_what_a_walk_needs_is_checked(dora: Designer) -> None:
    said = dora.authorize(name="", slug="", application="", request_headers="no json")
    assert said["url"]


@pytest.mark.parametrize("field", ["client_id", "authorization_endpoint", "token_endpoint"])
def test_what_a_walk_needs_is_asked_for(dora: Designer, field: str) -> None:
    said = dora.authorize(**{field: ""})
    assert said["fields"] == [field]
    assert not said["url"]
    assert not AuthorizationAttempt.objects.exists()


def test_a_try_is_told_to_its_designer_with_what_was_sent(dora: Designer) -> None:
    dora.tries(token_endpoint=f"{dora.thirdparty.url}/oauth/nowhere")
    reference = AuthorizationAttempt.objects.get().reference
    page = dora.client.get(f"/references/{reference}/").content.decode()
    assert f"POST {dora.thirdparty.url}/oauth/nowhere" in page
    assert CLIENT_SECRET not in page


def test_E1_an_address_inside_is_refused(dora: Designer) -> None:
    said = dora.authorize(token_endpoint="http://169.254.169.254/latest")
    assert said["fields"] == ["token_endpoint"]
    assert "address_refused" in said["html"]


def test_a_change_after_the_try_is_named_and_nothing_is_saved(dora: Designer) -> None:
    dora.tries()
    elsewhere = dora.thirdparty.url.replace("127.0.0.1", "localhost")
    changed = {"token_endpoint": f"{elsewhere}/oauth/token"}
    assert dora.done(**changed)["code"] == "configuration_changed"
    answer = dora.saves(**changed)
    assert answer.status_code == 200
    assert b"Changed since you authorized: Token Request Endpoint" in answer.content
    assert not ConnectedSystem.objects.exists()
    dora.saves(**changed, save_untried="on")
    assert ConnectedSystem.objects.exists()
    assert not Authorization.objects.exists()


def test_a_base_url_filled_in_after_the_try_is_no_change(dora: Designer) -> None:
    dora.tries(base_url="")
    dora.saves()
    assert dora.client.get("/connections/acme/status/").json()["connected"] is True


def test_a_secret_typed_for_the_try_need_not_be_typed_again(dora: Designer) -> None:
    answer = dora.saves(base_url="")
    assert answer.status_code == 200
    assert CLIENT_SECRET.encode() not in answer.content
    dora.saves(client_secret="")
    assert ConnectedSystem.objects.get().opened_secrets() == {"client_secret": CLIENT_SECRET}


def test_another_designers_form_is_refused(
    dora: Designer, user: Callable[..., Any], crm: Application
) -> None:
    other = Client()
    other.force_login(user("dan", groups=["crm-designers"]))
    said = other.post(f"{DRAFT}authorize/", dora.typed, **JSON).json()
    assert said["code"] == "form_expired"
    assert not AuthorizationAttempt.objects.exists()


def test_the_answer_is_for_the_session_it_came_to(dora: Designer) -> None:
    dora.tries()
    elsewhere = Client()
    elsewhere.force_login(dora.person)
    said = elsewhere.post(f"{DRAFT}done/", dora.typed, **JSON).json()
    assert said["tone"] == "bad"
    elsewhere.post(ADD, dora.typed)
    assert not Authorization.objects.exists()


def test_the_answer_is_good_for_a_day(dora: Designer) -> None:
    dora.tries()
    AuthorizationAttempt.objects.update(finished_at=timezone.now() - timedelta(hours=25))
    assert dora.done()["tone"] == "bad"
    dora.saves()
    assert not Authorization.objects.exists()


def test_status_tells_only_its_own_user(
    dora: Designer, user: Callable[..., Any], crm: Application
) -> None:
    dora.authorize()
    attempt = AuthorizationAttempt.objects.get()
    path = f"{DRAFT}{attempt.system_id}/status/"
    assert dora.client.get(path).json()["attempt"] == "open"
    other = Client()
    other.force_login(user("dan", groups=["crm-designers"]))
    assert other.get(path).json()["attempt"] == ""


def test_without_script_it_leads_there_itself(dora: Designer) -> None:
    answer = dora.client.post(f"{DRAFT}authorize/", dora.typed)
    assert answer.status_code == 302
    assert answer["Location"].startswith(f"{dora.thirdparty.url}/oauth/authorize?")
    assert answer["Cross-Origin-Opener-Policy"] == "unsafe-none"
    came = dora.comes_back(answer["Location"])
    assert came.status_code == 303
    assert came["Location"].startswith("/connections/closing/")
    page = dora.client.post(f"{DRAFT}done/", dora.typed)
    assert b"You are authorized" in page.content


def test_a_draft_of_a_live_system_reaches_nobody(dora: Designer) -> None:
    dora.saves()
    system = ConnectedSystem.objects.get()
    page = dora.client.get(f"/admin/connectedsystems/connectedsystem/{system.pk}/change/")
    hidden = re.search(r'name="public_id" value="([^"]+)"', page.content.decode())
    assert hidden
    dora.typed |= {"public_id": hidden[1], "client_secret": "", "scope": "contacts.read notes.read"}
    dora.tries()
    assert dora.done()["tone"] == "good"
    system.refresh_from_db()
    assert system.configuration["oauth"]["scope"] == "contacts.read"
    assert not Authorization.objects.exists()


def test_a_try_that_fails_does_not_touch_how_its_designer_stands(dora: Designer) -> None:
    dora.tries()
    dora.saves()
    system = ConnectedSystem.objects.get()
    page = dora.client.get(f"/admin/connectedsystems/connectedsystem/{system.pk}/change/")
    hidden = re.search(r'name="public_id" value="([^"]+)"', page.content.decode())
    assert hidden
    dora.typed["public_id"] = hidden[1]
    dora.tries(client_secret="wrong")
    assert dora.done()["code"] == "client_auth_failed"
    standing = dora.client.get("/connections/acme/status/").json()
    assert (standing["connected"], standing["code"]) == (True, "")


def test_a_try_that_comes_back_logged_out_names_its_reason(dora: Designer) -> None:
    url = dora.authorize()["url"]
    assert b'data-code="state_missing_session"' in dora.comes_back(url, Client()).content


def test_people_of_another_application_get_404(
    dora: Designer, user: Callable[..., Any], crm: Application
) -> None:
    dora.saves()
    other = Application.objects.create(slug="hr", name="HR")
    other.designers.add(Group.objects.get_or_create(name="hr-designers")[0])
    hector = Client()
    hector.force_login(user("hector", groups=["hr-designers"]))
    system = ConnectedSystem.objects.get()
    path = f"/admin/connectedsystems/connectedsystem/{system.pk}/change/"
    assert hector.get(path).status_code == 404


def test_a_check_looks_without_spending_a_token(dora: Designer) -> None:
    answer = dora.client.post(f"{DRAFT}check/", dora.typed, **JSON)
    text = b"".join(answer.streaming_content).decode()
    assert 'data-outcome="ok"' in text
    assert 'data-outcome="fail"' not in text
    answer = dora.client.post(f"{DRAFT}check/", {**dora.typed, "client_secret": "wrong"}, **JSON)
    text = b"".join(answer.streaming_content).decode()
    assert 'data-code="client_auth_failed"' in text
    assert "Look at Client Secret" in text
    assert CLIENT_SECRET not in text
