"""Whose token speaks: the one of the person who asks, and nobody else's, whatever is sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from authlinks.models import Authorization
from connectedsystems import vault
from connectedsystems.models import ConnectedSystem
from integrations.models import HeldSubmission
from tests.faults.room import ACCESS, Guest, Room, code_of, granted, said

OTHERS = ("user", "user_id", "as", "username", "sub", "on_behalf_of", "access_token")


@pytest.fixture
def bob(room: Room, guest: Guest, member: Callable[[str], Any]) -> Guest:
    """A second person; alice is connected, he is not."""
    guest.connects()
    return Guest(member("bob"), room)


@pytest.mark.parametrize("name", OTHERS)
def test_H2_no_parameter_names_another_user(
    name: str, room: Room, guest: Guest, bob: Guest
) -> None:
    room.token = granted(access_token="bobs-own-token-4Kd1")
    bob.connects()
    for value in (guest.person.pk, "alice"):
        bob.client.get("/integrations/list/", {name: value}, headers={"X-User": "alice"})
        bob.client.post("/integrations/add/", {"text": "x", name: value})
    sent = [told.header("Authorization") for told in room.asked("/api")]
    assert sent == ["Bearer bobs-own-token-4Kd1"] * 4
    assert all(str(guest.person.pk) not in told.target for told in room.asked("/api"))


def test_H9_nobody_elses_authorization_is_a_fallback(
    room: Room, bob: Guest, user: Callable[..., Any]
) -> None:
    system = ConnectedSystem.objects.get()
    own = Authorization(
        system=system,
        user=None,
        fingerprint=system.parsed().fingerprint(),
        authorized_at=timezone.now(),
    )
    own.access_token = vault.seal(ACCESS, own.place("access_token"))
    own.save(force_insert=True)
    Guest(user("dora", groups=["crm-designers", "crm-users"]), room).connects()
    page = bob.lists()
    assert (page.status_code, code_of(page)) == (200, "needs_authorization")
    assert room.server.told == []


def test_H7_members_that_nobody_asked_for_are_ignored(room: Room, guest: Guest) -> None:
    guest.connects()
    more = {
        "path": "/elsewhere",
        "method": "DELETE",
        "connected_system": "other",
        "base_url": room.elsewhere.url(""),
        "state": "delivered",
    }
    assert guest.client.post("/integrations/add/", {"text": "mine", **more}).status_code == 200
    (told,) = room.asked("/api")
    assert (told.method, told.target) == ("POST", "/api/notes")
    assert json.loads(told.body) == {"text": "mine"}
    assert room.elsewhere.told == []


def test_H7_a_held_submission_takes_its_action_alone(room: Room, guest: Guest) -> None:
    guest.adds("kept")
    held = HeldSubmission.objects.get()
    typed = {"action": "discard", "user": "1", "inputs": "{}", "state": "delivered"}
    other = guest.client.post(held.url, {**typed, "action": "settle"})
    assert other.status_code == 400
    held.refresh_from_db()
    assert (held.state, held.opened_inputs()) == ("waiting", {"text": "kept"})


def test_H11_the_status_tells_strangers_nothing(
    room: Room, guest: Guest, user: Callable[..., Any]
) -> None:
    guest.connects()
    eve = Client()
    eve.force_login(user("eve"))
    hidden = eve.get("/connections/odd/status/")
    missing = eve.get("/connections/no-such-system/status/")
    assert (hidden.status_code, missing.status_code) == (404, 404)
    assert hidden.content == missing.content
    assert Client().get("/connections/odd/status/").status_code == 401


def test_C8_one_authorization_of_a_user_at_a_system(room: Room, guest: Guest) -> None:
    for token in ("first-token-1", "second-token-2"):
        room.token = granted(access_token=token)
        guest.authorizes()
    row = Authorization.objects.get()
    assert row.access_token is not None
    assert row.access_token.open(row.place("access_token")) == "second-token-2"
    room.api = said({"contacts": []})
    guest.lists()
    assert room.asked("/api")[-1].header("Authorization") == "Bearer second-token-2"
