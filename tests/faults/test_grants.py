"""Token answers that are odd and yet good: what is kept of them, and what is sent then."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from authlinks.models import Authorization
from tests.faults.room import ACCESS, REFRESH, Guest, Room, Wire, expire, granted
from tests.otherside import answer

YEARS = 10 * 365 * 86_400.0

FORM = f"access_token={ACCESS}&token_type=bearer&expires_in=60&scope=a".encode()

# row, answer, lifetime
GRANTS: list[tuple[str, Wire, float | None]] = [
    ("B6 a form", answer(FORM, "200 OK", "Content-Type: application/x-www-form-urlencoded"), 60.0),
    ("B6 a form called text", answer(FORM, "200 OK", "Content-Type: text/html"), 60.0),
    ("B7 digits", granted(expires_in="3600"), 3600.0),
    ("B7 a float", granted(expires_in=3599.5), 3599.5),
    ("B7 float digits", granted(expires_in="3600.0"), 3600.0),
    ("B7 missing", granted(expires_in=None), None),
    ("B7 a word", granted(expires_in="never"), None),
    ("B7 a list", granted(expires_in=[3600]), None),
    ("B7 an object", granted(expires_in={}), None),
    ("B7 true", granted(expires_in=True), None),
    ("B7 zero", granted(expires_in=0), 0.0),
    ("B7 negative", granted(expires_in=-1), 0.0),
    ("B7 far below", granted(expires_in=-(10**30)), 0.0),
    ("B7 a century", granted(expires_in=3_153_600_000), YEARS),
    ("B7 beyond dates", granted(expires_in=10**30), YEARS),
    ("B7 beyond floats", granted(expires_in=10**400), YEARS),
    ("B7 1e999", answer(granted().split(b"\r\n\r\n")[1].replace(b"3600", b"1e999")), YEARS),
    ("B8 foreign members", granted(expires_at=1, user_id=1, id="x", version=99, scope="a"), 3600.0),
    ("B9 lower case", granted(token_type="bearer"), 3600.0),
    ("B9 upper case", granted(token_type="BEARER"), 3600.0),
    ("B9 missing", granted(token_type=None), 3600.0),
    ("B9 empty", granted(token_type=""), 3600.0),
    ("B10 less", granted(scope="contacts.read"), 3600.0),
    ("B10 a list", granted(scope=["contacts.read", "contacts.write"]), 3600.0),
    ("B20 another host", granted(instance_url="http://evil.example", iss="http://evil"), 3600.0),
    ("B5 an empty error", granted(error=""), 3600.0),
    ("64 KB", granted(refresh_token="r" * 65_536), 3600.0),
    ("201", granted().replace(b"200 OK", b"201 Created", 1), 3600.0),
    ("a byte order mark", answer(b"\xef\xbb\xbf" + granted().split(b"\r\n\r\n")[1]), 3600.0),
]


@pytest.mark.parametrize(
    ("wire", "lifetime"), [row[1:] for row in GRANTS], ids=[row[0] for row in GRANTS]
)
def test_an_odd_grant_serves(wire: Wire, lifetime: float | None, room: Room, guest: Guest) -> None:
    room.token = wire
    assert guest.authorizes().status_code == 303
    row = Authorization.objects.get()
    assert row.lifetime == lifetime
    assert (row.user, row.version) == (guest.person, 1)
    if lifetime:
        ahead = (row.expires_at - timezone.now()).total_seconds()
        assert lifetime - 60 < ahead < lifetime + 60
    assert guest.client.get("/connections/").status_code == 200
    room.token = granted(expires_in=3600)
    assert guest.lists().status_code == 200
    (told,) = room.asked("/api")
    assert told.header("Authorization") == f"Bearer {ACCESS}"
    assert told.header("Host") == room.url.removeprefix("http://")
    assert len(room.asked("/oauth/token")) == (2 if lifetime == 0.0 else 1)
    assert room.elsewhere.told == []


def test_B6_the_request_asks_for_json(room: Room, guest: Guest) -> None:
    guest.authorizes()
    assert room.server.told[0].header("Accept") == "application/json"


def test_B7_a_token_that_is_born_dead_never_loops(room: Room, guest: Guest) -> None:
    room.token = granted(expires_in=0)
    guest.connects()
    for calls in range(1, 4):
        assert guest.lists().status_code == 200
        assert (room.exchanges, room.calls) == (calls, calls)


def test_B10_what_was_not_granted_is_said(room: Room, guest: Guest) -> None:
    room.token = granted(scope="contacts.read")
    guest.authorizes()
    assert Authorization.objects.get().scope == "contacts.read"
    page = guest.client.get("/connections/").content.decode()
    assert 'data-code="scope_reduced"' in page
    assert "contacts.write" in page


def test_C11_no_refresh_token_came_this_time(room: Room, guest: Guest) -> None:
    guest.connects()
    room.token = granted(refresh_token=None)
    assert guest.authorizes().status_code == 303
    assert Authorization.objects.get().refresh_token is None
    page = guest.client.get("/connections/").content.decode()
    assert 'data-code="refresh_token_missing"' in page
    expire()
    room.server.told.clear()
    assert b'data-code="needs_authorization"' in guest.lists().content
    assert room.server.told == []


def test_D4_an_empty_refresh_token_is_none(room: Room, guest: Guest) -> None:
    guest.connects()
    room.token = granted(access_token="planted-newer-1", refresh_token="")
    for _ in range(2):
        expire()
        assert guest.lists().status_code == 200
    assert [REFRESH.encode() in told.body for told in room.asked("/oauth/token")] == [True, True]


def test_D20_a_refresh_asks_for_no_more(room: Room, guest: Guest) -> None:
    room.token = granted(scope="contacts.read")
    guest.connects()
    expire()
    guest.lists()
    assert b"write" not in room.asked("/oauth/token")[0].body


@pytest.mark.parametrize(
    "wire",
    [
        answer(b"", "400 Bad Request"),
        answer(b"<h1>no</h1>", "400 Bad Request", "Content-Type: text/html"),
        answer(b'{"error": "in words"}', "400 Bad Request", "Content-Type: application/json"),
    ],
    ids=["empty", "a page", "words"],
)
def test_D5_an_unreadable_400_twice_is_final(room: Room, guest: Guest, wire: bytes) -> None:
    guest.connects()
    expire()
    room.token = wire
    codes = []
    for _ in range(4):
        codes.append(guest.lists_as_json().json()["error"]["code"])
        Authorization.objects.update(next_try_at=timezone.now())
    assert codes == ["token_http_error", *["needs_authorization"] * 3]
    assert room.exchanges == 2
    assert Authorization.objects.get().refresh_token is not None


def test_D8_a_lost_answer_is_asked_for_once_more_later(room: Room, guest: Guest) -> None:
    from tests.faults.room import cut, said

    guest.connects()
    expire()
    room.token = cut(b"")
    read = guest.lists_as_json().json()
    assert read["error"]["code"] == "refresh_outcome_unknown"
    assert room.exchanges == 1
    Authorization.objects.update(next_try_at=timezone.now())
    room.token = said({"error": "invalid_grant"}, "400 Bad Request")
    read = guest.lists_as_json().json()
    assert (read["error"]["code"], read["needs_authorization"]) == ("needs_authorization", True)
    assert room.exchanges == 2
    assert Authorization.objects.get().ended_code == "refresh_outcome_unknown"
    for _ in range(10):
        guest.lists()
    assert room.exchanges == 2


def test_D6_retry_after_is_honoured(room: Room, guest: Guest) -> None:
    guest.connects()
    expire()
    room.token = answer(b"", "503 Unavailable", "Retry-After: 600")
    read = guest.lists()
    row = Authorization.objects.get()
    assert 590 < (row.next_try_at - timezone.now()).total_seconds() < 601
    assert read.status_code == 502
    room.token = granted()
    assert guest.lists().status_code == 502
    assert room.exchanges == 1


@pytest.mark.parametrize("status", ["500 Broken", "429 Busy", "401 Who", "404 Gone"])
def test_a_token_that_is_still_good_goes_on(
    room: Room, guest: Guest, status: str, settings: Any
) -> None:
    from datetime import timedelta

    guest.connects()
    Authorization.objects.update(expires_at=timezone.now() + timedelta(seconds=5), lifetime=3600)
    room.token = answer(b"", status)
    for _ in range(3):
        assert guest.lists().status_code == 200
    assert (room.exchanges, room.calls) == (1, 3)
