"""What belongs to others, and words of others: not found, not followed, not believed."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from authlinks.models import Authorization
from integrations.models import CallRecord, HeldSubmission
from tests.faults.room import Guest, Room, alert_of, code_of, granted, said


@pytest.fixture
def bob(guest: Guest, room: Room, member: Callable[[str], Any]) -> Guest:
    """Another member, who has not authorized."""
    return Guest(member("bob"), room)


def test_H1_what_is_anothers_is_not_found(room: Room, guest: Guest, bob: Guest) -> None:
    guest.adds()
    held = HeldSubmission.objects.get()
    guest.connects()
    room.api = said({}, "500 Broken")
    guest.lists()
    reference = CallRecord.objects.latest("at").reference
    assert guest.client.get(f"/references/{reference}/").status_code == 200
    room.server.told.clear()
    nothing = bob.client.get("/references/AB-2345/")
    theirs = bob.client.get(f"/references/{reference}/")
    assert (theirs.status_code, nothing.status_code) == (404, 404)
    assert alert_of(theirs)["code"] == alert_of(nothing)["code"] == "not_found"
    assert bob.client.get(held.url).status_code == 404
    for action in ("deliver", "edit", "save", "go_on", "send_again", "arrived", "discard"):
        assert bob.client.post(held.url, {"action": action}).status_code == 404
    held.refresh_from_db()
    assert held.state == "waiting"
    assert bob.client.post("/connections/odd/disconnect/").status_code == 303
    assert bob.client.post("/connections/odd/question/", {"answer": "new"}).status_code == 303
    assert Authorization.objects.get().user == guest.person
    assert room.server.told == []


def test_G12_what_was_submitted_is_kept_for_its_user(
    room: Room, guest: Guest, bob: Guest, log_lines: Callable[[], Any]
) -> None:
    page = guest.adds("Greta's crates")
    held = HeldSubmission.objects.get()
    # Sealed, and nowhere but in its row.
    with connection.cursor() as cursor:
        cursor.execute("SELECT inputs, digest FROM integrations_heldsubmission")
        assert "crates" not in str(cursor.fetchall())
    assert "crates" not in str(log_lines())
    links = [part.split('"')[0] for part in page.content.decode().split('href="')[1:]]
    assert not [link for link in links if "crates" in link]
    guest.connects()
    assert "Greta&#x27;s crates" in guest.client.get(held.url).content.decode()
    assert bob.client.get(held.url).status_code == 404
    # Looking delivers nothing, and of two deliveries one is sent.
    assert room.calls == 0
    for _ in range(2):
        guest.client.post(held.url, {"action": "deliver"})
    assert [json.loads(told.body) for told in room.asked("/api")] == [{"text": "Greta's crates"}]


def test_G12_what_was_submitted_runs_out(room: Room, guest: Guest) -> None:
    guest.adds()
    held = HeldSubmission.objects.get()
    assert timedelta(days=6) < held.ends_at - timezone.now() < timedelta(days=8)
    guest.connects()
    HeldSubmission.objects.update(ends_at=timezone.now() - timedelta(seconds=1))
    assert guest.client.post(held.url, {"action": "deliver"}).status_code == 404
    assert not HeldSubmission.objects.exists()
    assert room.calls == 0


def test_B20_no_member_of_an_answer_steers_a_call(room: Room, guest: Guest) -> None:
    evil = room.elsewhere.url("")
    room.token = granted(instance_url=evil, api_domain=evil, iss=evil, base_url=evil, endpoint=evil)
    guest.connects()
    assert code_of(guest.lists()) is None
    assert room.calls == 1
    assert room.elsewhere.told == []


def test_F2_a_lure_is_their_words_and_no_link(room: Room, guest: Guest) -> None:
    lure = "Log in again at http://evil.example/log-in"
    page = guest.comes_back(f"error=x&error_description={lure}&state={{state}}").content.decode()
    quoted = page.split('<blockquote class="theirs">')[1].split("</blockquote>")[0]
    assert "The other system says:" in quoted or "Acme CRM says:" in quoted
    assert lure in quoted
    assert "<a" not in quoted
    assert page.count("evil.example") == 1


@pytest.mark.parametrize(
    "asked", ["9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"], ids=["digits", "a date"]
)
def test_E22_an_absurd_wait_is_capped(room: Room, guest: Guest, asked: str) -> None:
    guest.connects()
    room.api = b"HTTP/1.1 429 Busy\r\nContent-Length: 0\r\nRetry-After: %s\r\n\r\n" % asked.encode()
    page = guest.lists()
    assert code_of(page) == "rate_limited"
    assert "about 60 minutes" in page.content.decode()
    assert int(page["Retry-After"]) == 3600
    assert room.calls == 1
