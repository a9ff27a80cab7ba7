"""An answer that comes as a form: it goes on as a GET, which alone is believed."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
from django.test import Client

from authlinks.models import Authorization
from connectedsystems.models import ConnectedSystem
from tests.acme import Visitor
from tests.thirdparty import ThirdParty

FORM = "application/x-www-form-urlencoded"


def test_a_form_from_another_site_brings_the_user_back(
    acme: ConnectedSystem, visitor: Callable[..., Visitor]
) -> None:
    alice = visitor("alice")
    path, _, query = alice.approves(
        alice.sets_out(next_path="/integrations/list-contacts/")
    ).partition("?")
    # As a browser does: a stranger's form brings no cookie, and no CSRF token.
    said = Client(enforce_csrf_checks=True).post(path, query, content_type=FORM)
    assert said.status_code == 303
    assert "sessionid" not in said.cookies
    assert said["Cache-Control"]
    assert not Authorization.objects.exists()
    answer = alice.client.get(said["Location"])
    assert answer.status_code == 303
    assert answer["Location"] == "/integrations/list-contacts/"
    assert Authorization.objects.get().user == alice.person


def test_what_was_posted_is_still_this_ones_own_answer_or_none(
    acme: ConnectedSystem, visitor: Callable[..., Visitor], thirdparty: ThirdParty
) -> None:
    mallory, alice = visitor("mallory"), visitor("alice")
    path, _, query = mallory.approves(mallory.sets_out()).partition("?")
    thirdparty.reset()
    said = Client().post(path, query, content_type=FORM)
    answer = alice.client.get(said["Location"])
    assert b'data-code="state_unknown"' in answer.content
    assert thirdparty.count(path="/oauth/token") == 0


def test_tokens_do_not_get_into_an_address(acme: ConnectedSystem) -> None:
    sent = {"state": "s & t", "code": "c", "user": '{"name": "Ada"}', "id_token": "a.b.c"}
    path = urlsplit(acme.redirect_uri).path
    said = Client().post(path, urlencode({**sent, "access_token": "x"}), content_type=FORM)
    sent.pop("id_token")
    address = urlsplit(said["Location"])
    assert (address.netloc, address.path) == ("", path)
    assert dict(parse_qsl(address.query)) == sent


def test_what_is_given_twice_stays_twice(acme: ConnectedSystem) -> None:
    path = urlsplit(acme.redirect_uri).path
    said = Client().post(path, "state=a&state=b&code=c", content_type=FORM)
    assert parse_qs(urlsplit(said["Location"]).query)["state"] == ["a", "b"]
    assert b'data-code="bad_callback"' in Client().get(said["Location"]).content


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("state=s&code=" + "c" * 8_000, FORM),
        ("state=s&code=" + "c" * 20_000, FORM),
    ],
    ids=["for an address", "for an answer"],
)
def test_what_is_too_long_is_refused(acme: ConnectedSystem, body: str, kind: str) -> None:
    said = Client().post(urlsplit(acme.redirect_uri).path, body, content_type=kind)
    assert said.status_code == 400
    assert b'data-code="bad_callback"' in said.content


@pytest.mark.parametrize(
    ("query", "body", "kind"),
    [
        ("", '{"state": "s", "code": "c"}', "application/json"),
        ("", "", "multipart/form-data; boundary=x"),
    ],
    ids=["json", "multipart"],
)
def test_what_is_no_such_form_is_no_callback(
    acme: ConnectedSystem, query: str, body: str, kind: str
) -> None:
    path = urlsplit(acme.redirect_uri).path
    said = Client().post(f"{path}{query}", body, content_type=kind)
    assert (said.status_code, said["Allow"]) == (405, "GET")


def test_A4_a_query_that_was_posted_comes_again_as_it_was(
    acme: ConnectedSystem, visitor: Callable[..., Visitor], thirdparty: ThirdParty
) -> None:
    alice = visitor("alice")
    callback = alice.approves(alice.sets_out(next_path="/integrations/list-contacts/"))
    thirdparty.reset()
    for body, kind in [("state=other&code=stolen", FORM), ("{", "application/json")]:
        said = Client(enforce_csrf_checks=True).post(callback, body, content_type=kind)
        assert (said.status_code, said["Location"]) == (303, callback)
        assert said["Cache-Control"] == "no-store"
    assert thirdparty.count() == 0
    assert alice.client.get(said["Location"])["Location"] == "/integrations/list-contacts/"


def test_other_methods_are_refused(acme: ConnectedSystem) -> None:
    assert Client().put(urlsplit(acme.redirect_uri).path).status_code == 405
