"""One connected system whose token endpoint and API answer what a test wants, byte for byte."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from authlinks.models import Authorization, AuthorizationAttempt
from connectedsystems.models import ConnectedSystem
from tests.acme import CLIENT_SECRET, NOTE, OWN_CLICK, make_integration, make_system
from tests.otherside import OtherSide, Told, answer, other_side

Wire = bytes | Callable[["Room", Told, socket.socket], None]

CODE = "planted-code-7Qx2"
ACCESS = "planted-access-9Lm4"
REFRESH = "planted-refresh-3Vt8"
NEXT = "/integrations/list/"


def said(tree: Any, status: str = "200 OK", *headers: str) -> bytes:
    """An answer whose body is this tree as JSON."""
    return answer(json.dumps(tree).encode(), status, "Content-Type: application/json", *headers)


def html(status: str = "200 OK", *headers: str) -> bytes:
    """A page, where no page belongs."""
    return answer(b"<!doctype html><h1>Oops</h1>", status, "Content-Type: text/html", *headers)


def granted(**members: Any) -> bytes:
    """A good token answer; ``members`` change it, None takes one out."""
    tree = {
        "access_token": ACCESS,
        "token_type": "Bearer",
        "expires_in": 3600,
        "refresh_token": REFRESH,
        **members,
    }
    return said({name: value for name, value in tree.items() if value is not None})


def dripping(data: bytes, pause: float = 0.05) -> Wire:
    """One byte at a time."""

    def talk(room: Room, told: Told, sock: socket.socket) -> None:
        for byte in data:
            sock.sendall(bytes([byte]))
            time.sleep(pause)

    return talk


def flooding(beginning: bytes, piece: bytes, most: int = 40_000_000) -> Wire:
    """Never done, until the other end has had enough."""

    def talk(room: Room, told: Told, sock: socket.socket) -> None:
        sock.sendall(beginning)
        for _ in range(most // len(piece)):
            sock.sendall(piece)

    return talk


def cut(data: bytes) -> Wire:
    """These bytes, then the end of the connection."""

    def talk(room: Room, told: Told, sock: socket.socket) -> None:
        sock.sendall(data)
        raise ConnectionError

    return talk


def reset(room: Room, told: Told, sock: socket.socket) -> None:
    """The connection torn down without a word."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    raise ConnectionError


def hanging(room: Room, told: Told, sock: socket.socket) -> None:
    """Nothing, for longer than anybody waits."""
    time.sleep(3)


@dataclass
class Room:
    """The system ``odd`` with the integrations ``list`` (query) and ``add`` (modify)."""

    server: OtherSide
    elsewhere: OtherSide
    token: Wire = field(default_factory=granted)
    api: Wire = said({"contacts": ["Ada"]})
    revoke: Wire = answer(b"")

    def answer(self, told: Told, sock: socket.socket) -> None:
        path = urlsplit(told.target).path
        wire = {"/oauth/token": self.token, "/oauth/revoke": self.revoke}.get(path, self.api)
        if isinstance(wire, bytes):
            sock.sendall(wire)
        else:
            wire(self, told, sock)

    @property
    def url(self) -> str:
        return self.server.url("")

    def asked(self, start: str) -> list[Told]:
        """The requests so far whose path begins so."""
        return [told for told in self.server.told if told.target.startswith(start)]

    @property
    def exchanges(self) -> int:
        return len(self.asked("/oauth/token"))

    @property
    def calls(self) -> int:
        return len(self.asked("/api"))

    def make(self, **more: Any) -> ConnectedSystem:
        """The system and its two integrations."""
        system = make_system(self.url, "odd", **more)
        make_integration(system, "list")
        make_integration(system, "add", **NOTE)
        return system


class Guest:
    """A person at our site, in front of a system that misbehaves."""

    def __init__(self, person: Any, room: Room) -> None:
        self.person = person
        self.room = room
        self.client = Client()
        self.client.force_login(person)
        self.verifiers: list[str] = []

    def sets_out(self, slug: str = "odd") -> str:
        """The state of a walk just begun."""
        gone = self.client.get(f"/connections/{slug}/authorize/", {"next": NEXT}, **OWN_CLICK)
        assert gone.status_code == 302, gone.content
        self.gone_to = str(gone["Location"])
        return parse_qs(urlsplit(self.gone_to).query)["state"][0]

    def comes_back(self, query: str, slug: str = "odd") -> Any:
        """What the callback answers; ``{state}`` stands for that of a new walk."""
        if "{state}" in query:
            query = query.replace("{state}", quote(self.sets_out(slug)))
        public_id = ConnectedSystem.objects.get(slug=slug).pk
        return self.client.get(f"/connections/callback/{public_id}/?{query}")

    def authorizes(self, slug: str = "odd", **more: str) -> Any:
        """A walk that is approved; the callback's answer."""
        return self.comes_back(f"{urlencode({'code': CODE, **more})}&state={{state}}", slug)

    def connects(self) -> Guest:
        """A walk that ends well, then a log of requests that is empty."""
        assert self.authorizes().status_code == 303
        self.room.server.told.clear()
        return self

    def status(self, slug: str = "odd") -> dict[str, Any]:
        read: dict[str, Any] = self.client.get(f"/connections/{slug}/status/").json()
        return read

    def lists(self, **data: str) -> Any:
        return self.client.get("/integrations/list/", data)

    def lists_as_json(self) -> Any:
        return self.client.get("/integrations/list/", HTTP_ACCEPT="application/json")

    def adds(self, text: str = "Kept words") -> Any:
        return self.client.post("/integrations/add/", {"text": text})

    def adds_as_json(self, text: str = "Kept words") -> Any:
        return self.client.post(
            "/integrations/add/",
            json.dumps({"text": text}),
            content_type="application/json",
            HTTP_ACCEPT="application/json",
        )


def expire(**columns: Any) -> None:
    """The token's time is over, as the database sees it."""
    Authorization.objects.update(expires_at=timezone.now() - timedelta(hours=1), **columns)


def code_of(page: Any) -> str | None:
    """The failure code on a page, or None; a second one is a mistake."""
    found = set(re.findall(r'data-code="([^"]*)"', page.content.decode()))
    assert len(found) <= 1, found
    return found.pop() if found else None


def alert_of(page: Any) -> dict[str, str]:
    """Code and reference of the one element that tells a failure."""
    found = re.findall(r"<[^>]*role=\"alert\"[^>]*>", page.content.decode())
    assert len(found) == 1, found
    return dict(re.findall(r'data-(code|reference)="([^"]*)"', found[0]))


def leaks(*texts: str) -> list[str]:
    """Which secrets of the room stand in these texts."""
    secrets = [CLIENT_SECRET, CODE, ACCESS, REFRESH]
    return [secret for secret in secrets for text in texts if secret in text]


def attempt() -> AuthorizationAttempt:
    found = AuthorizationAttempt.objects.first()
    assert found is not None
    return found


@pytest.fixture
def room(transactional_db: None) -> Iterator[Room]:
    """A system that works until a test makes it misbehave."""
    rooms: list[Room] = []
    with (
        other_side(lambda told, sock: sock.sendall(answer(b"evil"))) as elsewhere,
        other_side(lambda told, sock: rooms[0].answer(told, sock)) as server,
    ):
        rooms.append(Room(server, elsewhere))
        yield rooms[0]


@pytest.fixture
def guest(room: Room, member: Callable[[str], Any]) -> Guest:
    """Alice in front of it."""
    room.make()
    return Guest(member("alice"), room)
