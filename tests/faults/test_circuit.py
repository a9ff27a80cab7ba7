"""A system that does not answer is left alone, found out about, and told about."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connectedsystems.models import Circuit, ConnectedSystem
from integrations import call_integration
from integrations.call import deliver
from integrations.circuit import MOST_FAILURES
from integrations.models import HeldState, HeldSubmission
from tests.acme import make_integration
from tests.faults.room import Guest, Room, Wire, alert_of, code_of, expire, hanging, reset, said

DOWN = said({"error": "down"}, "503 Service Unavailable")
GOOD = said({"contacts": ["Ada"]})


def fails(guest: Guest, times: int = MOST_FAILURES) -> None:
    """So many writes, which nobody repeats."""
    for _ in range(times):
        assert guest.adds().status_code in (502, 504)


def opened(room: Room, guest: Guest) -> Circuit:
    """The circuit, just open; then a log of requests that is empty and a system that works."""
    guest.connects()
    room.api = DOWN
    fails(guest)
    room.api = GOOD
    room.server.told.clear()
    return Circuit.objects.get()


def due() -> None:
    Circuit.objects.update(next_try_at=timezone.now() - timedelta(seconds=1))


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        pytest.param(DOWN, "status 503", id="503"),
        pytest.param(said({}, "502 Bad Gateway"), "status 502", id="502"),
        pytest.param(said({}, "504 Gateway Timeout"), "status 504", id="504"),
        pytest.param(reset, "no connection", id="reset"),
        pytest.param(hanging, "timeout", id="hanging"),
    ],
)
def test_K1_after_failures_in_a_row_nothing_is_sent(
    room: Room, guest: Guest, settings: Any, wire: Wire, reason: str
) -> None:
    guest.connects()
    room.api = wire
    settings.TIME_LIMITS = 0.01
    fails(guest, MOST_FAILURES - 1)
    assert not Circuit.objects.exists()
    fails(guest, 1)
    assert Circuit.objects.get().reason == reason
    room.server.told.clear()
    page = guest.adds("Kept words")
    assert (alert_of(page)["code"], page.status_code) == ("system_down", 503)
    assert "Kept words" in page.content.decode()
    assert page["Retry-After"]
    told = guest.lists_as_json()
    assert told.status_code == 503
    assert told["Retry-After"]
    error = told.json()["error"]
    assert error["code"] == "system_down"
    assert re.match(
        r"Acme CRM has not answered since \d\d:\d\d UTC\. Nothing was sent\. Try again in \d+",
        error["message"],
    )
    assert room.server.told == []


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        ("500 Internal Server Error", ()),
        ("400 Bad Request", ()),
        ("403 Forbidden", ()),
        ("403 Forbidden", ("Retry-After: 5",)),
        ("404 Not Found", ()),
        ("429 Too Many Requests", ("Retry-After: 5",)),
    ],
)
def test_an_answer_to_one_user_says_nothing_of_the_system(
    room: Room, guest: Guest, status: str, headers: tuple[str, ...]
) -> None:
    guest.connects()
    room.api = said({"error": "no"}, status, *headers)
    for _ in range(MOST_FAILURES + 1):
        assert code_of(guest.adds()) != "system_down"
    assert not Circuit.objects.exists()


def test_a_token_endpoint_has_its_own_pause(room: Room, guest: Guest) -> None:
    guest.connects()
    expire()
    room.token = DOWN
    for _ in range(MOST_FAILURES + 1):
        assert code_of(guest.lists()) == "temporarily_unavailable"
        expire(next_try_at=None)
    assert not Circuit.objects.exists()


def test_one_answer_begins_the_count_anew(room: Room, guest: Guest) -> None:
    guest.connects()
    for wire in (DOWN, GOOD, DOWN):
        room.api = wire
        for _ in range(MOST_FAILURES - 1):
            guest.adds()
    assert not Circuit.objects.exists()


def test_a_call_after_the_pause_closes_it(room: Room, guest: Guest) -> None:
    opened(room, guest)
    assert code_of(guest.lists()) == "system_down"
    due()
    assert code_of(guest.lists()) is None
    assert not Circuit.objects.exists()
    assert room.calls == 1
    # One failure does not open it again.
    room.api = DOWN
    fails(guest, 1)
    assert not Circuit.objects.exists()


def test_a_call_that_fails_after_the_pause_begins_a_longer_one(room: Room, guest: Guest) -> None:
    before = opened(room, guest)
    room.api = DOWN
    pauses = []
    for tries in (1, 2, 3, 4, 5):
        due()
        fails(guest, 1)
        row = Circuit.objects.get()
        assert (row.tries, row.since) == (tries, before.since)
        assert row.failed_at is not None
        pauses.append((row.next_try_at - timezone.now()).total_seconds())
        assert code_of(guest.adds()) == "system_down"
    assert room.calls == 5
    assert [round(pause, -1) for pause in pauses] == [60, 120, 240, 300, 300]
    assert re.fullmatch(
        r"Acme CRM has not answered since \d\d:\d\d UTC \(status 503\)\."
        r" Tried again at \d\d:\d\d UTC\.",
        Circuit.objects.get().sentence,
    )


def test_whoever_cannot_find_out_leaves_it_to_the_next(
    room: Room, guest: Guest, member: Callable[[str], Any]
) -> None:
    opened(room, guest)
    due()
    stranger = Guest(member("bob"), room)
    page = stranger.lists()
    assert code_of(page) == "needs_authorization"
    assert Circuit.objects.get().next_try_at <= timezone.now()
    assert code_of(guest.lists()) is None
    assert not Circuit.objects.exists()


def test_G5_who_takes_every_turn_keeps_it_closed_for_nobody_else(
    room: Room, guest: Guest, member: Callable[[str], Any]
) -> None:
    others = [Guest(member(name), room).connects() for name in ("bob", "carl")]
    guest.connects()
    room.api = DOWN
    for _ in range(MOST_FAILURES):
        for each in (guest, *others):
            each.adds()
    assert Circuit.objects.get().callers == ""
    for _ in range(3):
        due()
        fails(guest, 1)
    # Five minutes for whoever keeps failing, half a minute for the others.
    row = Circuit.objects.get()
    assert row.others_try_at is not None
    assert 200 < (row.next_try_at - timezone.now()).total_seconds() < 301
    assert 20 < (row.others_try_at - timezone.now()).total_seconds() < 31
    assert code_of(others[0].lists()) == "system_down"
    Circuit.objects.update(others_try_at=timezone.now() - timedelta(seconds=1))
    assert code_of(guest.adds()) == "system_down"
    room.api = GOOD
    assert code_of(others[0].lists()) is None
    assert not Circuit.objects.exists()


def test_G5_an_api_key_system_counts_who_calls(
    room: Room, guest: Guest, member: Callable[[str], Any]
) -> None:
    system = ConnectedSystem.objects.get()
    system.authentication, system.configuration = "none", {}
    system.save()
    bob = Guest(member("bob"), room)
    room.api = DOWN
    fails(guest)
    assert code_of(guest.adds()) == "system_down"
    room.api = GOOD
    assert b"Does not answer" in guest.client.get("/").content
    assert b"Does not answer" not in bob.client.get("/").content
    assert code_of(bob.lists()) is None
    # Somebody is there, so it was the guest's own trouble: hers is over with it.
    assert not Circuit.objects.exists()


def test_E20_a_held_submission_stays_waiting(room: Room, guest: Guest) -> None:
    answer = call_integration("add", guest.person, text="Held for later.", hold=True)
    assert answer.held is not None
    opened(room, guest)
    held = HeldSubmission.objects.get()
    sent = deliver(held)
    assert sent is not None and sent.error is not None
    assert sent.error.code == "system_down"
    held.refresh_from_db()
    assert (held.state, held.code) == (HeldState.WAITING, "system_down")
    assert room.calls == 0
    page = guest.client.post(held.url, {"action": "deliver"}, follow=True)
    assert code_of(page) == "system_down"
    assert b'value="deliver"' in page.content
    assert b"Held for later." in page.content
    due()
    assert deliver(held) is not None
    held.refresh_from_db()
    assert held.state == HeldState.DELIVERED
    assert room.calls == 1


def test_who_may_not_be_spoken_for_yet_gets_the_link(
    room: Room, guest: Guest, member: Callable[[str], Any]
) -> None:
    opened(room, guest)
    due()
    bob = Guest(member("bob"), room)
    page = bob.adds("Words of his")
    assert (code_of(page), page.status_code) == ("needs_authorization", 200)
    assert b"data-authorize" in page.content
    assert HeldSubmission.objects.get().user == bob.person
    assert room.calls == 0
    # It was nobody's turn yet to find out whether the system answers again.
    assert code_of(guest.lists()) is None
    assert room.calls == 1


def test_another_base_url_is_called_at_once(room: Room, guest: Guest) -> None:
    opened(room, guest)
    system = ConnectedSystem.objects.get()
    system.base_url = room.server.url("/api/v2")
    system.version += 1
    system.save()
    assert system.open_circuit is None
    # The base URL is part of what an authorization was obtained under, but its path is not.
    assert code_of(guest.lists()) is None
    assert len(room.asked("/api/v2")) == 1
    # It opens for the new one too.
    room.api = DOWN
    fails(guest)
    assert Circuit.objects.get().base_url == system.base_url


def test_a_designers_test_is_always_sent_and_closes_it(
    room: Room, guest: Guest, user: Callable[..., Any]
) -> None:
    opened(room, guest)
    dora = Guest(user("dora", groups=["crm-designers"]), room)
    dora.connects()
    system = ConnectedSystem.objects.get()
    fields = {
        "connected_system": str(system.pk),
        "name": "Try",
        "slug": "try",
        "usage": "query",
        "method": "GET",
        "path": "/contacts",
        "content_type": "application/json",
        "timeout": "30",
    }
    panel = "/admin/integrations/integration/test/"
    room.api = said({}, "502 Bad Gateway")
    failed = dora.client.post(panel, fields)
    assert b'data-test-outcome="call_failed"' in failed.content
    assert Circuit.objects.get().tries == 0
    room.api = GOOD
    asked = room.calls
    assert b'data-test-outcome="success"' in dora.client.post(panel, fields).content
    assert room.calls == asked + 1
    assert not Circuit.objects.exists()
    assert code_of(guest.lists()) is None


def test_failed_tests_do_not_open_it(room: Room, guest: Guest, as_designer: Client) -> None:
    system = ConnectedSystem.objects.get()
    system.authentication, system.configuration = "none", {}
    system.save()
    room.api = reset
    fields = {
        "connected_system": str(system.pk),
        "name": "Try",
        "slug": "try",
        "usage": "modify",
        "method": "POST",
        "path": "/notes",
        "content_type": "application/json",
        "timeout": "30",
    }
    for _ in range(MOST_FAILURES + 1):
        page = as_designer.post("/admin/integrations/integration/test/", fields)
        assert b'data-test-outcome="connection_failed"' in page.content
    assert not Circuit.objects.exists()


def test_pages_tell_it(room: Room, guest: Guest, as_designer: Client) -> None:
    circuit = opened(room, guest)
    system = ConnectedSystem.objects.get()
    change = f"/admin/connectedsystems/connectedsystem/{system.pk}/change/"
    for client, path in [
        (guest.client, "/"),
        (guest.client, "/connections/"),
        (as_designer, "/admin/"),
        (as_designer, change),
    ]:
        text = client.get(path).content.decode()
        assert circuit.sentence in text, path
        assert "system_down" in text or path == "/admin/"
    listed = "/admin/connectedsystems/connectedsystem/"
    assert "does not answer" in as_designer.get(listed).content.decode()
    Circuit.objects.all().delete()
    for client, path in [
        (guest.client, "/"),
        (guest.client, "/connections/"),
        (as_designer, change),
    ]:
        assert "has not answered" not in client.get(path).content.decode()
    assert "does not answer" not in as_designer.get(listed).content.decode()


def test_K2_the_warm_path_asks_once_and_writes_nothing(room: Room, guest: Guest) -> None:
    make_integration(ConnectedSystem.objects.get(), "warm")
    guest.connects()
    call_integration("warm", guest.person)
    with CaptureQueriesContext(connection) as caught:
        assert call_integration("warm", guest.person).success
    assert len(caught) == 1


@pytest.fixture
def as_designer(user: Callable[..., Any], guest: Guest) -> Client:
    client = Client()
    client.force_login(user("dora", groups=["crm-designers"]))
    return client
