"""What fails, or is slow, for one user takes nothing from the others: the site as it is served."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.acme import NOTE, make_integration, make_system
from tests.faults.room import Guest, said
from tests.otherside import OtherSide, Told, other_side
from tests.processes.started import Answer, Site

pytestmark = pytest.mark.processes

NAMES = ("alice", "bob", "carl", "dan")
DOWN = said({"error": "down"}, "503 Service Unavailable")
GOOD = said({"contacts": ["Ada"]})
LIST, ADD = "/integrations/list/", "/integrations/add/"
MANY = 25
CAPTURED = {
    "captures": {"token": {"site": "site"}},
    "capture_patterns": {"site": r"http://127\.0\.0\.1:[0-9]+"},
}


@dataclass
class Tenants:
    """A system that gives each user a tenant of their own, or all of them the same one.

    ``down`` and ``slow`` name users: their calls are answered 503, or after ``seconds``.
    """

    own: bool
    down: set[str] = field(default_factory=set)
    slow: set[str] = field(default_factory=set)
    seconds: float = 6.0
    sites: dict[str, OtherSide] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)

    def site_of(self, name: str) -> OtherSide:
        return self.sites[name if self.own else NAMES[0]]

    def grant(self, told: Told, sock: socket.socket) -> None:
        """The token endpoint: who comes with a code that is their name gets their own tenant."""
        name = parse_qs(told.body.decode())["code"][0]
        site = self.site_of(name).url("").rstrip("/")
        sock.sendall(
            said({"access_token": f"token-of-{name}", "token_type": "Bearer", "site": site})
        )

    def serve(self, told: Told, sock: socket.socket) -> None:
        """The API, at each of the tenants."""
        name = (told.header("Authorization") or "").removeprefix("Bearer token-of-")
        self.calls[name] = self.calls.get(name, 0) + 1
        if name in self.slow:
            time.sleep(self.seconds)
        sock.sendall(DOWN if name in self.down else GOOD)


@dataclass
class Scene:
    tenants: Tenants
    site: Site
    sessions: dict[str, str]

    def lists(self, name: str) -> Answer:
        return self.site.ask(LIST, self.sessions[name])

    def adds(self, name: str) -> Answer:
        return self.site.ask(ADD, self.sessions[name], form={"text": "once"})

    def page(self, name: str, path: str) -> str:
        return self.site.ask(path, self.sessions[name]).body.decode()


Sets = Callable[..., Scene]


@pytest.fixture
def scene(member: Callable[[str], Any], serve: Callable[..., Site]) -> Iterator[Sets]:
    """Four users who have authorized, and the site: ``scene(own=True, WEB_CONCURRENCY="2")``."""
    with contextlib.ExitStack() as stack:

        def make(*, own: bool, **values: str) -> Scene:
            tenants = Tenants(own)
            for name in NAMES if own else NAMES[:1]:
                tenants.sites[name] = stack.enter_context(other_side(tenants.serve))
            endpoint = stack.enter_context(other_side(tenants.grant))
            base = "{site}/api" if own else tenants.sites[NAMES[0]].url("/api")
            system = make_system(
                endpoint.url(""),
                "odd",
                base_url=base,
                oauth=CAPTURED if own else {},
            )
            make_integration(system, "list")
            make_integration(system, "add", **NOTE)
            sessions = {}
            for name in NAMES:
                guest = Guest(member(name), None)  # type: ignore[arg-type]
                assert guest.authorizes(code=name).status_code == 303
                sessions[name] = guest.client.cookies["sessionid"].value
            return Scene(tenants, serve(**values), sessions)

        yield make


def code_in(answer: Answer) -> str:
    text = answer.body.decode()
    return text.split('data-code="')[1].split('"')[0] if 'data-code="' in text else ""


def test_G5_a_tenant_that_is_down_stops_its_own_user_alone(scene: Sets) -> None:
    here = scene(own=True, WEB_CONCURRENCY="1")
    here.tenants.down = {"alice"}
    for _ in range(MANY):
        assert here.adds("alice").status in (502, 503)
    stopped = here.adds("alice")
    assert (stopped.status, code_in(stopped)) == (503, "system_down")
    # The others' tenants answer, and nobody hears of hers.
    origin = here.tenants.sites["alice"].url("")
    assert origin in stopped.body.decode()
    for name in ("bob", "carl"):
        assert here.lists(name).status == 200
        assert here.adds(name).status == 200
        for path in ("/", "/connections/"):
            text = here.page(name, path)
            assert "has not answered" not in text and origin not in text
    for path in ("/", "/connections/"):
        assert f"has not answered at {origin}" in here.page("alice", path)
    # Their answers do not open hers.
    assert code_in(here.adds("alice")) == "system_down"


@pytest.mark.parametrize("processes", ["1", "2"])
def test_G5_an_account_that_fails_at_a_shared_origin_stops_nobody_else(
    scene: Sets, processes: str
) -> None:
    here = scene(own=False, WEB_CONCURRENCY=processes)
    here.tenants.down = {"alice"}
    for round_ in range(3):
        for _ in range(MANY):
            assert here.adds("alice").status in (502, 503)
        for name in ("bob", "carl"):
            assert here.lists(name).status == 200, round_
    assert "has not answered" not in here.page("bob", "/")


def test_G5_whoever_called_keeps_it_open_for_the_one_who_fails(scene: Sets) -> None:
    here = scene(own=False, WEB_CONCURRENCY="1")
    assert here.lists("bob").status == 200
    here.tenants.down = {"alice"}
    for _ in range(2 * MANY):
        assert code_in(here.adds("alice")) == "call_failed"
    assert here.tenants.calls["alice"] == 2 * MANY


def test_G5_three_users_who_fail_in_a_row_close_it_for_all(scene: Sets) -> None:
    here = scene(own=False, WEB_CONCURRENCY="1")
    here.tenants.down = set(NAMES)
    for _ in range(MANY):
        for name in ("alice", "bob", "carl"):
            here.adds(name)
    sent = sum(here.tenants.calls.values())
    assert sent < 3 * MANY
    assert code_in(here.adds("dan")) == "system_down"
    assert sum(here.tenants.calls.values()) == sent


def test_G5_who_is_the_only_one_to_call_closes_it_for_themselves(scene: Sets) -> None:
    here = scene(own=False, WEB_CONCURRENCY="1")
    here.tenants.down = set(NAMES)
    for _ in range(MANY):
        here.adds("alice")
    assert code_in(here.adds("alice")) == "system_down"
    assert here.tenants.calls["alice"] < MANY
    # Two more who find the same are enough for everybody.
    assert [code_in(here.adds(name)) for name in ("bob", "carl")] == ["call_failed"] * 2
    assert code_in(here.adds("dan")) == "system_down"


@pytest.mark.parametrize("own", [True, False], ids=["own-tenant", "shared-origin"])
def test_G5_a_slow_account_takes_no_places_from_others(scene: Sets, own: bool) -> None:
    here = scene(own=own, WEB_CONCURRENCY="1", WEB_THREADS="16")
    here.tenants.slow = {"alice"}
    asking = [threading.Thread(target=here.lists, args=("alice",)) for _ in range(10)]
    for each in asking:
        each.start()
    time.sleep(1.5)  # two are inside, and who waited for a place has been refused
    began = time.monotonic()
    answers = [here.lists(name) for _ in range(3) for name in ("bob", "carl", "dan")]
    took = time.monotonic() - began
    for each in asking:
        each.join()
    assert [answer.status for answer in answers] == [200] * 9
    assert took < here.tenants.seconds - 1.5
    assert here.tenants.calls["alice"] == 2
