"""Whatever comes back at the redirect URI: a 400 with a code, and no token request."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from authlinks.models import Authorization, AuthorizationAttempt
from connectedsystems.models import ConnectedSystem, redirect_uri_of
from integrations.models import Integration
from tests.acme import OWN_CLICK
from tests.faults.room import CODE, Guest, Room, alert_of, attempt, leaks

GOOD = f"code={CODE}&state={{state}}"

# row, query, code, whether the attempt is used up, and words on the page
QUERIES = [
    ("A8 nothing", "", "state_missing", False, ""),
    ("A8 no state", f"code={CODE}", "state_missing", False, ""),
    ("A8 an empty state", f"code={CODE}&state=", "state_missing", False, ""),
    ("A8 a wrong state", f"code={CODE}&state=wrong", "state_unknown", False, ""),
    ("A8 a longer state", f"{GOOD}x", "state_unknown", False, ""),
    ("A8 blanks round it", f"code={CODE}&state=%20{{state}}", "bad_callback", False, ""),
    ("A8 a state of 4 KB", f"code={CODE}&state={'x' * 4000}", "state_unknown", False, ""),
    ("A9 two states", f"{GOOD}&state=other", "bad_callback", False, "twice"),
    ("A9 the same state twice", f"{GOOD}&state={{state}}", "bad_callback", False, "twice"),
    ("A9 two codes", f"{GOOD}&code=other", "bad_callback", None, "twice"),
    ("A9 the same code twice", f"{GOOD}&code={CODE}", "bad_callback", None, "twice"),
    ("A9 two errors", "error=a&error=b&state={state}", "bad_callback", None, "twice"),
    ("A9 two issuers", f"{GOOD}&iss=a&iss=b", "bad_callback", None, "twice"),
    ("A9 hidden by coding", f"{GOOD}&c%6Fde=other", "bad_callback", None, "twice"),
    ("A10 neither code nor error", "state={state}", "code_missing", True, ""),
    ("A10 an empty code", "code=&state={state}", "code_missing", True, ""),
    ("A10 an empty code and error", "code=&error=&state={state}", "code_missing", True, ""),
    ("A10 both", f"{GOOD}&error=access_denied", "access_denied", True, ""),
    ("A20 denied", "error=access_denied&state={state}", "access_denied", True, "organization"),
    (
        "A20 LinkedIn's denied",
        "error=user_cancelled_login&state={state}",
        "access_denied",
        True,
        "",
    ),
    ("A21 server_error", "error=server_error&state={state}", "provider_error", True, ""),
    ("A21 busy", "error=temporarily_unavailable&state={state}", "provider_error", True, "wait"),
    ("A21 unknown", "error=teapot_42&state={state}", "provider_error", True, ""),
    ("A21 markup", "error=%3Cb%3E&state={state}", "provider_error", True, ""),
    ("A21 invalid_scope", "error=invalid_scope&state={state}", "scope_refused", True, ""),
    ("A24 a token", "access_token=stolen-token-1&state={state}", "code_missing", True, ""),
    (
        "F1 script",
        "error=x&error_description=%3Cscript%3Ealert(1)%3C/script%3E&state={state}",
        "provider_error",
        True,
        "&lt;script&gt;",
    ),
    (
        "F1 a template",
        "error=x&error_description={{7*7}}&state={state}",
        "provider_error",
        True,
        "{{7*7}}",
    ),
    (
        "F1 an address",
        "error=x&error_uri=javascript:alert(1)&state={state}",
        "provider_error",
        True,
        "",
    ),
    (
        "F2 a lure",
        "error=x&error_description=Go+to+http://evil.example&state={state}",
        "provider_error",
        True,
        "Go to http://evil.example",
    ),
    ("F8 NUL in the state", f"code={CODE}&state=a%00b", "bad_callback", False, ""),
    ("F8 NUL in the code", "code=a%00b&state={state}", "bad_callback", None, ""),
    ("F8 NUL in the error", "error=a%00b&state={state}", "bad_callback", None, ""),
    ("F8 NUL in anything", f"{GOOD}&x=%00", "bad_callback", False, ""),
    ("F8 line breaks in the code", "code=a%0D%0Ab&state={state}", "bad_callback", True, ""),
    ("F8 no UTF-8", "code=%ff%fe&state={state}", "bad_callback", True, ""),
    (
        "F8 no UTF-8 in the error",
        "error=%ff&error_description=%ff%fe&state={state}",
        "provider_error",
        True,
        "",
    ),
    (
        "F8 half a letter",
        "error=x&error_description=%ED%A0%80&state={state}",
        "provider_error",
        True,
        "",
    ),
    ("F8 a long error", f"error={'e' * 7000}&state={{state}}", "provider_error", True, ""),
    ("F8 20 KB", f"{GOOD}&x={'x' * 20_000}", "bad_callback", False, ""),
    ("F8 1000 parameters", GOOD + "&a=b" * 1000, "bad_callback", False, ""),
    (
        "F9 directions",
        "error=x&error_description=%E2%80%AEgnihsihp&state={state}",
        "provider_error",
        True,
        "\\u202e",
    ),
]


@pytest.mark.parametrize(
    ("query", "code", "used", "words"),
    [row[1:] for row in QUERIES],
    ids=[row[0] for row in QUERIES],
)
def test_an_odd_query_makes_no_token_request(
    query: str,
    code: str,
    used: bool | None,
    words: str,
    room: Room,
    guest: Guest,
    log_lines: Callable[[], list[dict[str, Any]]],
) -> None:
    guest.sets_out()
    state = guest.sets_out()
    page = guest.comes_back(query.replace("{state}", state))
    assert (page.status_code, alert_of(page)["code"]) == (400, code)
    assert room.server.told == []
    assert not Authorization.objects.exists()
    if used is not None:
        assert attempt().claimed is used
    assert AuthorizationAttempt.objects.filter(claimed=False).exists()
    text = page.content.decode()
    assert words in text
    assert 'href="http://evil' not in text
    assert 'href="javascript' not in text
    assert 'data-authorize="odd"' in text
    assert leaks(text, str(attempt().facts)) == []
    assert "stolen-token" not in text + str(attempt().facts)
    assert all(len(str(value)) <= 600 for line in log_lines() for value in line.values())
    assert CODE not in str(log_lines())
    if used is False:
        assert guest.comes_back(f"code={CODE}&state={state}").status_code == 303


def test_A8_a_state_in_the_other_case(room: Room, guest: Guest) -> None:
    state = guest.sets_out()
    page = guest.comes_back(f"code={CODE}&state={state.swapcase()}")
    assert (page.status_code, alert_of(page)["code"]) == (400, "state_unknown")


@pytest.mark.parametrize("error", ["", "&error=access_denied&error_description=Words"])
def test_A11_A15_another_issuer(
    room: Room, transactional_db: None, member: Any, error: str
) -> None:
    room.make(oauth={"issuer": "https://honest.example", "issuer_in_response": "required"})
    guest = Guest(member("alice"), room)
    for iss in ("https://evil.example", "https://honest.example/", "HTTPS://honest.example", ""):
        page = guest.comes_back(f"code={CODE}&state={{state}}&iss={iss}{error}")
        assert (page.status_code, alert_of(page)["code"]) == (400, "issuer_mismatch")
        assert b"Words" not in page.content
    assert room.server.told == []
    page = guest.comes_back(f"code={CODE}&state={{state}}{error}")
    assert alert_of(page)["code"] == ("access_denied" if error else "issuer_mismatch")
    good = guest.authorizes(iss="https://honest.example")
    assert good.status_code == 303


def test_A12_the_code_of_one_system_at_anothers_address(room: Room, guest: Guest) -> None:
    from tests.acme import make_system

    make_system(room.elsewhere.url(""), "evil")
    state = guest.sets_out()
    page = guest.comes_back(f"code={CODE}&state={state}", "evil")
    assert (page.status_code, alert_of(page)["code"]) == (400, "state_unknown")
    assert room.server.told == room.elsewhere.told == []
    assert guest.comes_back(f"code={CODE}&state={state}").status_code == 303


def test_A5_a_state_that_is_too_old(room: Room, guest: Guest) -> None:
    state = guest.sets_out()
    AuthorizationAttempt.objects.update(ends_at=timezone.now() - timedelta(seconds=1))
    page = guest.comes_back(f"code={CODE}&state={state}")
    assert (page.status_code, alert_of(page)["code"]) == (400, "state_expired")
    assert room.exchanges == 0
    assert guest.status()["attempt"] == "failed"
    guest.sets_out()
    assert AuthorizationAttempt.objects.filter(verifier=None).count() == 1


def test_A6_a_session_keeps_few_walks(room: Room, guest: Guest) -> None:
    states = [guest.sets_out() for _ in range(40)]
    kept = guest.client.session["attempts"]
    assert len(kept) <= 20
    assert len(str(kept)) < 20_000
    assert guest.comes_back(f"code={CODE}&state={states[-1]}").status_code == 303
    page = guest.comes_back(f"code={CODE}&state={states[0]}")
    assert alert_of(page)["code"] == "state_missing_session"


def test_A6_a_callback_leaves_its_session_as_it_was(room: Room, guest: Guest) -> None:
    """Two at once would each save what they had read: the later one without the earlier's."""
    state = guest.sets_out()
    kept = dict(guest.client.session)
    assert guest.comes_back(f"code={CODE}&state={state}").status_code == 303
    assert dict(guest.client.session) == kept


def test_A7_two_tabs(room: Room, guest: Guest) -> None:
    from tests.acme import make_system

    make_system(room.url, "other")
    first, second = guest.sets_out(), guest.sets_out("other")
    assert guest.comes_back(f"code=for-odd&state={first}").status_code == 303
    assert guest.comes_back(f"code=for-other&state={second}", "other").status_code == 303
    assert Authorization.objects.count() == 2
    for told, slug in zip(room.asked("/oauth/token"), ("odd", "other"), strict=True):
        assert f"for-{slug}" in told.body.decode()
        assert str(ConnectedSystem.objects.get(slug=slug).pk) in told.body.decode()


def test_A1_without_a_log_in(room: Room, guest: Guest) -> None:
    state = guest.sets_out()
    system = ConnectedSystem.objects.get()
    page = Client().get(f"/connections/callback/{system.pk}/?code={CODE}&state={state}")
    assert (page.status_code, alert_of(page)["code"]) == (400, "state_missing_session")
    assert CODE.encode() not in page.content
    assert not attempt().claimed
    assert room.exchanges == 0


@pytest.mark.parametrize("what", ["deleted", "deactivated", "left"])
def test_A31_gone_meanwhile(room: Room, guest: Guest, what: str) -> None:
    state, system = guest.sets_out(), ConnectedSystem.objects.get()
    if what == "deleted":
        Integration.objects.all().delete()
        system.delete()
    elif what == "deactivated":
        User.objects.update(is_active=False)
    else:
        guest.person.groups.clear()
    page = guest.client.get(f"/connections/callback/{system.pk}/?code={CODE}&state={state}")
    assert page.status_code in (400, 403, 404)
    assert room.exchanges == 0
    assert not Authorization.objects.exists()


def test_A14_B14_one_redirect_uri(room: Room, guest: Guest) -> None:
    from urllib.parse import parse_qs, urlsplit

    assert guest.authorizes().status_code == 303
    there = parse_qs(urlsplit(guest.gone_to).query)["redirect_uri"]
    told = parse_qs(room.asked("/oauth/token")[0].body.decode())
    assert there == told["redirect_uri"] == [redirect_uri_of(ConnectedSystem.objects.get().pk)]


def test_A16_the_verifier_is_fresh_and_gone(room: Room, guest: Guest) -> None:
    from urllib.parse import parse_qs

    guest.authorizes()
    guest.authorizes()
    told = [parse_qs(each.body.decode()) for each in room.asked("/oauth/token")]
    first, second = (each["code_verifier"][0] for each in told)
    assert first != second
    assert 43 <= len(first) <= 128
    assert first not in guest.gone_to
    assert "code_challenge_method=S256" in guest.gone_to
    assert not AuthorizationAttempt.objects.exclude(verifier=None).exists()


def test_configuration_changed_meanwhile(room: Room, guest: Guest) -> None:
    state, system = guest.sets_out(), ConnectedSystem.objects.get()
    system.configuration["oauth"]["client_id"] = "another"
    system.version += 1
    system.save()
    page = guest.comes_back(f"code={CODE}&state={state}")
    assert (page.status_code, alert_of(page)["code"]) == (400, "configuration_changed")
    assert room.exchanges == 0


def test_A20_a_refusal_leaves_what_stands(room: Room, guest: Guest) -> None:
    guest.connects()
    page = guest.comes_back("error=access_denied&state={state}")
    assert alert_of(page)["code"] == "access_denied"
    assert guest.lists().status_code == 200
    assert guest.status()["connected"]


def test_an_odd_answer_leaves_what_stands(room: Room, guest: Guest) -> None:
    guest.connects()
    before = Authorization.objects.get().access_token.stored
    room.token = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    assert alert_of(guest.authorizes())["code"] == "token_missing"
    assert Authorization.objects.get().access_token.stored == before


def test_an_address_of_no_system(room: Room, guest: Guest) -> None:
    for client in (guest.client, Client()):
        page = client.get(f"/connections/callback/{uuid.uuid4()}/?code={CODE}&state=x")
        assert page.status_code == 404
        assert CODE.encode() not in page.content


@pytest.mark.parametrize("method", ["head", "post", "put", "options", "delete"])
def test_A25_other_methods_use_nothing_up(room: Room, guest: Guest, method: str) -> None:
    state, system = guest.sets_out(), ConnectedSystem.objects.get()
    address = f"/connections/callback/{system.pk}/?code={CODE}&state={state}"
    # A POST is led to the same address as a GET (A4), and has used nothing up either.
    wanted = 303 if method == "post" else 405
    assert getattr(guest.client, method)(address).status_code == wanted
    assert not attempt().claimed
    assert guest.client.get(address).status_code == 303


def test_G15_limits_of_setting_out_and_coming_back(room: Room, guest: Guest, settings: Any) -> None:
    settings.RATE_LIMITS = {"authorize": (2, 60), "callback": (2, 60), "call": (2, 60)}
    for _ in range(2):
        guest.sets_out()
    page = guest.client.get("/connections/odd/authorize/", **OWN_CLICK)
    assert (page.status_code, alert_of(page)["code"]) == (429, "too_many_requests")
    assert int(page["Retry-After"]) <= 60
    for _ in range(2):
        guest.comes_back("code=x&state=wrong")
    page = guest.comes_back("code=x&state=wrong")
    assert (page.status_code, alert_of(page)["code"]) == (429, "too_many_requests")
    assert int(page["Retry-After"]) <= 60
    for _ in range(2):
        guest.lists()
    page = guest.lists()
    assert (page.status_code, alert_of(page)["code"]) == (429, "too_many_requests")
    read = guest.lists_as_json()
    assert (read.status_code, read.json()["error"]["code"]) == (429, "too_many_requests")
    assert int(read["Retry-After"]) <= 60
