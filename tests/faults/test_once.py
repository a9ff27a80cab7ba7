"""What must not happen twice has a connection of its own; what may be repeated shares one."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from authlinks.models import Authorization
from connectedsystems.network import curl
from integrations.call import deliver
from integrations.models import HeldSubmission, Integration
from tests.faults.room import Guest, Room, expire, granted
from tests.otherside import Told


@pytest.fixture(autouse=True)
def no_connection_left_over() -> Iterator[None]:
    curl.idle.close()
    yield
    curl.idle.close()


def test_reads_share_a_connection_and_writes_codes_and_refreshes_do_not(
    room: Room, guest: Guest
) -> None:
    guest.connects()
    for _ in range(3):
        guest.lists()
    guest.adds()
    guest.lists()
    expire()
    guest.lists()
    guest.client.post("/connections/odd/disconnect/")
    assert not Authorization.objects.exists()
    asked = [(told.method, told.target.partition("?")[0], told.place) for told in room.server.told]
    assert asked[:3] == [("GET", "/api/contacts", place) for place in (1, 2, 3)]
    once = [place for method, _, place in asked if method == "POST"]
    assert len(once) >= 3
    assert set(once) == {1}


def dying(room: Room, told: Told, sock: socket.socket) -> None:
    """Takes the second request on a connection, and hangs up without a word."""
    if told.place > 1:
        raise ConnectionError
    sock.sendall(granted())


def test_E20_a_connection_that_dies_makes_no_second_token_request(room: Room, guest: Guest) -> None:
    """libcurl alone would send the refresh again, and the server has seen it twice."""
    room.token = dying
    guest.connects()
    for _ in range(3):
        expire()
        guest.lists()
    assert [told.place for told in room.asked("/oauth/token")] == [1, 1, 1]


@pytest.mark.parametrize("key", [None, "Idempotency-Key"])
def test_E20_a_delivery_has_a_connection_of_its_own(room: Room, guest: Guest, key: Any) -> None:
    add = Integration.objects.get(slug="add")
    add.definition = {**add.definition, "idempotency_key": key}
    add.save()
    guest.adds()
    guest.connects()
    guest.adds()
    guest.adds("Other words")
    deliver(HeldSubmission.objects.get())
    *written, delivered = room.asked("/api/notes")
    assert delivered.place == 1
    # Two writes that a key makes repeatable may share a connection.
    assert [told.place for told in written] == ([1, 2] if key else [1, 1])
