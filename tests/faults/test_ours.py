"""What goes wrong on our side of a working system: keys, rows, roles, rules, revocation."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from authlinks.models import Authorization
from connectedsystems.models import ConnectedSystem
from integrations import call_integration
from integrations.models import HeldSubmission
from tests.acme import Visitor, make_integration
from tests.faults.room import (
    CODE,
    Guest,
    Room,
    alert_of,
    code_of,
    expire,
    granted,
    html,
    leaks,
    said,
)
from tests.otherside import answer
from tests.thirdparty import ThirdParty

OTHER_KEY = "other:" + base64.b64encode(bytes(range(32))).decode()


@pytest.mark.parametrize("stored", ["broken", "", "1:tests.AAAAAA:AAAA", "1:other.x:y", "\u017c"])
@pytest.mark.parametrize("column", ["access_token", "refresh_token"])
def test_C3_a_damaged_token(room: Room, guest: Guest, column: str, stored: str) -> None:
    guest.connects()
    expire()
    if column == "access_token":
        Authorization.objects.update(expires_at=None)
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE authlinks_authorization SET {column} = %s", [stored])
    page = guest.lists()
    assert (code_of(page), page.status_code) == ("decrypt_failed", 200)
    assert b"data-authorize" in page.content
    assert room.server.told == []
    for path in ("/", "/connections/", "/connections/odd/status/"):
        assert guest.client.get(path).status_code == 200
    assert guest.client.post("/connections/odd/disconnect/").status_code == 303
    assert guest.authorizes().status_code == 303
    assert code_of(guest.lists()) is None


def test_C7_a_key_that_is_gone(room: Room, guest: Guest, settings: Any) -> None:
    guest.connects()
    before = Authorization.objects.get().access_token.stored
    settings.VAULT_KEYS = OTHER_KEY
    page = guest.lists()
    assert (code_of(page), page.status_code) == ("key_missing", 503)
    assert guest.status()["state"] == "key_missing"
    assert Authorization.objects.get().access_token.stored == before
    expire()
    assert code_of(guest.lists()) in ("decrypt_failed", "key_missing")
    assert room.server.told == []


def test_C7_the_systems_own_secret_does_not_open(room: Room, guest: Guest, settings: Any) -> None:
    settings.VAULT_KEYS = OTHER_KEY
    from tests.acme import OWN_CLICK

    page = guest.client.get("/connections/odd/authorize/", **OWN_CLICK)
    if page.status_code == 302:
        page = guest.authorizes()
    assert (alert_of(page)["code"], page.status_code) == ("key_missing", 503)
    assert room.server.told == []


def test_C7_the_systems_own_secret_at_a_refresh(room: Room, guest: Guest) -> None:
    guest.connects()
    expire()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE connectedsystems_connectedsystem SET secrets = 'broken'")
    page = guest.lists()
    assert (code_of(page), page.status_code) == ("key_missing", 503)
    assert b"data-authorize" not in page.content
    assert Authorization.objects.get().lease_owner == ""


def test_refresh_in_progress(room: Room, guest: Guest, settings: Any) -> None:
    guest.connects()
    expire(lease_owner="somebody", lease_ends=timezone.now() + timedelta(seconds=30))
    settings.TIME_LIMITS = 0.02
    page = guest.lists()
    assert (alert_of(page)["code"], page.status_code) == ("refresh_in_progress", 503)
    assert b"data-authorize" not in page.content
    assert room.server.told == []


def test_D14_J11_a_lease_of_another_clock_is_void(room: Room, guest: Guest) -> None:
    guest.connects()
    expire(lease_owner="somebody", lease_ends=timezone.now() + timedelta(days=3650))
    assert code_of(guest.lists()) is None
    assert room.exchanges == 1


def test_success_rule_failed(room: Room, guest: Guest) -> None:
    make_integration(ConnectedSystem.objects.get(), "ruled", success="ok")
    guest.connects()
    room.api = said({"ok": False, "message": "Closed on Sundays"})
    page = guest.client.get("/integrations/ruled/")
    assert (alert_of(page)["code"], page.status_code) == ("success_rule_failed", 502)
    assert b"Closed on Sundays" in page.content
    room.api = said({"ok": True}, "404 Not Found")
    assert code_of(guest.client.get("/integrations/ruled/")) is None


def test_result_rule_failed(room: Room, guest: Guest) -> None:
    make_integration(ConnectedSystem.objects.get(), "shaped", result="length(things)")
    guest.connects()
    room.api = said({"stuff": []})
    page = guest.client.get("/integrations/shaped/")
    assert (alert_of(page)["code"], page.status_code) == ("result_rule_failed", 502)
    room.api = said({"things": [1, 2]})
    assert code_of(guest.client.get("/integrations/shaped/")) is None


def test_capture_missing(room: Room, member: Callable[[str], Any]) -> None:
    system = room.make(oauth={"captures": {"token": {"company": "company"}}})
    make_integration(system, "placed", path="/{company}/contacts")
    guest = Guest(member("alice"), room).connects()
    page = guest.client.get("/integrations/placed/")
    assert (alert_of(page)["code"], page.status_code) == ("capture_missing", 502)
    assert room.calls == 0
    room.token = granted(company="a/../b")
    assert guest.authorizes().status_code == 303
    assert code_of(guest.client.get("/integrations/placed/")) is None
    assert room.asked("/api")[0].target == "/api/a%2F..%2Fb/contacts"


@pytest.mark.parametrize(
    "wire",
    [html("500 Broken"), answer(b"", "404 No"), said({"error": "unsupported_token_type"}, "400 No"),
     html("503 Busy"), answer(b"", "302 F", "Location: http://evil.example/"), b""],
)  # fmt: skip
def test_revocation_failed(room: Room, guest: Guest, wire: bytes, settings: Any) -> None:
    guest.connects()
    settings.TIME_LIMITS = 0.02
    room.revoke = wire
    gone = guest.client.post("/connections/odd/disconnect/")
    assert (gone.status_code, gone["Location"]) == (303, "/connections/")
    page = guest.client.get("/connections/")
    assert code_of(page) == "revocation_failed"
    assert leaks(page.content.decode()) == []
    assert not Authorization.objects.exists()
    assert len(room.asked("/oauth/revoke")) == 2
    assert room.elsewhere.told == []


def test_a_confirmed_revocation(room: Room, guest: Guest) -> None:
    guest.connects()
    for wire in (answer(b""), said({}), html()):
        room.revoke = wire
        guest.client.post("/connections/odd/disconnect/")
        assert b"revocation_failed" not in guest.client.get("/connections/").content
        guest.authorizes()


def test_H8_not_allowed(room: Room, guest: Guest) -> None:
    guest.adds()
    held = HeldSubmission.objects.get()
    guest.connects()
    guest.person.groups.clear()
    page = guest.client.post(held.url, {"action": "deliver"})
    assert page.status_code in (403, 404)
    response = call_integration("list", guest.person)
    assert response.error is not None
    assert (response.error.code, response.http_status) == ("not_allowed", 404)
    assert room.calls == 0


def test_H10_a_user_who_is_deactivated(room: Room, guest: Guest) -> None:
    guest.connects()
    guest.person.is_active = False
    guest.person.save()
    assert guest.lists().status_code == 302
    assert guest.lists_as_json().status_code == 401
    assert guest.client.get("/connections/odd/status/").status_code == 401
    assert room.server.told == []


def test_D9_a_store_that_breaks_while_a_pair_is_saved(
    room: Room, guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from authlinks import renewal

    guest.connects()
    expire()

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("disk full")

    monkeypatch.setattr(renewal, "token_columns", broken)
    guest.client.raise_request_exception = False
    page = guest.lists()
    assert page.status_code == 503
    assert b'data-code="internal_error"' in page.content
    assert leaks(page.content.decode()) == []
    row = Authorization.objects.get()
    assert row.access_token is not None
    assert row.version == 1


def test_D9_a_store_that_breaks_at_the_callback(
    room: Room, guest: Guest, monkeypatch: pytest.MonkeyPatch, log_lines: Callable[[], Any]
) -> None:
    from authlinks import tokens

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("disk full")

    monkeypatch.setattr(tokens, "token_columns", broken)
    guest.client.raise_request_exception = False
    page = guest.authorizes()
    assert page.status_code == 503
    assert b'data-code="internal_error"' in page.content
    assert leaks(page.content.decode(), str(log_lines())) == []
    assert CODE.encode() not in page.content
    assert guest.status()["attempt"] == "failed"
    assert not Authorization.objects.exists()


def test_attempt_not_finished(room: Room, guest: Guest) -> None:
    guest.sets_out()
    assert (guest.status()["code"], guest.status()["attempt"]) == ("attempt_not_finished", "open")


@pytest.mark.urls("tests.breaking.transaction")
def test_a_page_that_calls_inside_a_transaction(
    visitor: Callable[..., Visitor],
    thirdparty: ThirdParty,
    log_lines: Callable[[], list[dict[str, Any]]],
) -> None:
    person = visitor("alice", "ada").person
    client = Client(raise_request_exception=False)
    client.force_login(person)
    answer = client.get("/", headers={"Accept": "text/html"})
    assert answer.status_code == 503
    assert 'data-code="in_transaction"' in answer.content.decode()
    assert any(line.get("code") == "in_transaction" for line in log_lines())
    assert thirdparty.count(path="/api/contacts") == 0
