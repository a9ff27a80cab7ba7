"""What another system repeats of a request with very many secrets, and of one with very many inputs."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest

from connectedsystems.models import ConnectedSystem
from tests.acme import make_integration
from tests.faults.room import ACCESS, Guest, Room, expire, leaks
from tests.otherside import Told, answer

MANY = 260
SECRETS = {f"part_{number}": f"planted-part-{number:03}-Yt6" for number in range(MANY)}


def echoes(status: str) -> Callable[[Room, Told, socket.socket], None]:
    """An API that repeats whatever it was sent, as a message of its own."""

    def talk(room: Room, told: Told, sock: socket.socket) -> None:
        said = {"message": f"You sent {told.headers}", "data": [told.target, str(told.headers)]}
        body = json.dumps(said).encode()
        sock.sendall(answer(body, status, "Content-Type: application/json"))

    return talk


@pytest.fixture
def guest_of_many(room: Room, member: Callable[[str], Any]) -> Guest:
    """Alice before a system with more secrets than were ever remembered."""
    variables = {name: {"secret": True, "value": value} for name, value in SECRETS.items()}
    used = {f"X-Part-{number}": f"{{part_{number}}}" for number in range(60)}
    room.make(variables=variables, request_headers=used)
    return Guest(member("alice"), room)


@pytest.mark.parametrize("status", ["200 OK", "400 Bad", "403 No", "422 No", "500 Broken"])
def test_G18_an_echoed_token_is_on_no_page(
    room: Room, guest_of_many: Guest, status: str, log_lines: Callable[[], Any]
) -> None:
    guest = guest_of_many.connects()
    room.api = echoes(status)
    for renewed in (False, True):
        if renewed:
            expire()
        page, data = guest.lists(), guest.lists_as_json()
        reference = guest.client.get(f"/references/{page['X-Reference']}/")
        shown = [page.content.decode(), data.content.decode(), reference.content.decode()]
        shown.append(str(log_lines()))
        assert ACCESS in str(room.asked("/api")[-1].headers)
        assert leaks(*shown) == []
        assert [text for text in SECRETS.values() if any(text in each for each in shown)] == []


def test_G18_inputs_push_no_token_out(room: Room, member: Callable[[str], Any]) -> None:
    system = room.make()
    names = [f"field_{number}" for number in range(400)]
    make_integration(
        ConnectedSystem.objects.get(pk=system.pk),
        "wide",
        inputs=[{"name": name} for name in names],
        parameters={name: f"{{{name}}}" for name in names[:50]},
    )
    guest = Guest(member("alice"), room).connects()
    room.api = echoes("400 Bad")
    given = {name: f"typed-value-{name}" for name in names}
    codes = "&".join(f"code=stranger-{number:05}" for number in range(300))
    for page in (
        guest.client.get("/integrations/wide/", given),
        guest.client.get(f"/integrations/wide/?{codes}&field_1=x"),
    ):
        assert page.status_code == 502
        assert leaks(page.content.decode()) == []
