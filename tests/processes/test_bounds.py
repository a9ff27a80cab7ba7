"""What a designer writes to read answers takes nothing from others: the site as it is served."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import psutil
import pytest
from django.test import Client
from django.utils import timezone

from authlinks.models import Authorization
from connectedsystems.models import ConnectedSystem
from tests.acme import make_integration, make_system
from tests.otherside import Told, answer, other_side
from tests.processes.started import Answer, Site

pytestmark = pytest.mark.processes

OWN_CLICK = {
    "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
}
QUICKLY = 8
"""Seconds. What is bounded takes half a second, or two; what is not takes minutes."""
GROWTH = 300
"""Megabytes. What is not bounded takes thousands."""

DOUBLED = "[@,@]" + "|[@,@]" * 33
FLATTENED = "[@,@][]" + "|[@,@][]" * 24
ESCAPED = "to_string([@,@])" + "|to_string([@,@])" * 12
JOINED = "to_string(@)" + "|join(@,[@,@,@,@])" * 9
OBJECTS = "{a:@,b:@}" + "|{a:@,b:@}" * 19
MAPPED = "[@]" + "|map(&[@,@,@],@)|[]" * 20
SORTED = "[@,@][]" + "|[@,@][]" * 18 + "|sort_by(@,&to_string(@))"
EQUAL = f"[({DOUBLED}),({DOUBLED})] | [0] == [1]"
EXPONENTIAL = [DOUBLED, FLATTENED, ESCAPED, JOINED, OBJECTS, MAPPED, SORTED]


@dataclass
class Odd:
    """Another system that grants tokens, and answers calls with ``said`` and ``status``."""

    url: str = ""
    said: dict[str, Any] = field(default_factory=lambda: {"contacts": ["Ada"], "ok": True})
    status: str = "200 OK"
    granted: dict[str, Any] = field(default_factory=dict)

    def talk(self, told: Told, sock: socket.socket) -> None:
        tree: dict[str, Any] = self.said
        status = self.status
        if urlsplit(told.target).path == "/oauth/token":
            tree = {"access_token": "at-1", "refresh_token": "rt-1", "expires_in": 3600}
            tree, status = {**tree, **self.granted}, "200 OK"
        head = "Content-Type: application/json"
        sock.sendall(answer(json.dumps(tree).encode(), status, head))


@dataclass
class Guest:
    """Somebody in front of the site, with a session of their own."""

    site: Site
    session: str

    def asks(self, path: str, **headers: str) -> Answer:
        return self.site.ask(path, self.session, headers=headers)

    def walks(self, slug: str = "odd", query: str = "") -> Answer:
        """To the other system and back: what the callback answers, within seconds."""
        gone = self.asks(f"/connections/{slug}/authorize/?next=/connections/", **OWN_CLICK)
        if gone.status != 302:
            return gone
        state = parse_qs(urlsplit(gone.headers["Location"]).query)["state"][0]
        public_id = ConnectedSystem.objects.get(slug=slug).pk
        began = time.monotonic()
        back = self.asks(f"/connections/callback/{public_id}/?code=c&state={quote(state)}{query}")
        assert time.monotonic() - began < QUICKLY
        return back

    def calls(self, slug: str) -> dict[str, Any]:
        """A call as JSON, answered within seconds."""
        began = time.monotonic()
        told = self.asks(f"/integrations/{slug}/", Accept="application/json")
        assert time.monotonic() - began < QUICKLY
        read: dict[str, Any] = json.loads(told.body)
        return read


def code_of(page: Answer) -> str:
    found = set(re.findall(rb'data-code="([^"]*)"', page.body))
    assert len(found) <= 1, found
    return found.pop().decode() if found else ""


def peak(site: Site) -> int:
    """Megabytes that the site's largest process has ever held."""
    processes = [site.process.pid, *(p.pid for p in psutil.Process(site.process.pid).children())]
    texts = [Path(f"/proc/{pid}/status").read_text() for pid in processes]
    return max(int(text.partition("VmHWM:")[2].split()[0]) for text in texts) // 1024


@pytest.fixture
def odd(transactional_db: None) -> Iterator[Odd]:
    here = Odd()
    with other_side(here.talk) as server:
        here.url = server.url("")
        yield here


@pytest.fixture
def guest(member: Callable[[str], Any], serve: Callable[..., Site]) -> Callable[[], Guest]:
    """Starts the site with what is stored, and logs somebody in there."""

    def enter() -> Guest:
        client = Client()
        client.force_login(member("alice"))
        return Guest(serve(WEB_CONCURRENCY="1"), client.cookies["sessionid"].value)

    return enter


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "([a-z]+)*x", "(.*a){12}b"])
def test_G3_a_callback_with_odd_characters(
    odd: Odd, guest: Callable[[], Guest], pattern: str
) -> None:
    make_system(
        odd.url,
        "odd",
        oauth={
            "captures": {"callback": {"site": "site"}},
            "capture_patterns": {"site": pattern},
        },
    )
    alice = guest()
    for odd_one in ("a" * 31 + "!", "a" * 299 + "!", "a" * 1999):
        assert code_of(alice.walks(query=f"&site={odd_one}")) == "bad_callback"
    good = {"([a-z]+)*x": "aax", "(.*a){12}b": "a" * 12 + "b"}.get(pattern, "aaa")
    assert alice.walks(query=f"&site={good}").status == 303
    assert Authorization.objects.get().opened_captures() == {"site": good}


def test_G3_a_pattern_of_before(odd: Odd, guest: Callable[[], Guest]) -> None:
    """It is evaluated by nobody: a renewal keeps what it has, and no new walk begins."""
    system = make_system(odd.url, "odd", oauth={"captures": {"token": {"site": "site"}}})
    make_integration(system, "placed", path="/{site}/contacts")
    odd.granted = {"site": "eu"}
    alice = guest()
    assert alice.walks().status == 303
    system.configuration["oauth"]["capture_patterns"] = {"site": r"(?=e)(\w)\w+\1"}
    system.version += 1
    system.save()
    Authorization.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    odd.granted = {"site": "us", "access_token": "at-2"}
    assert alice.calls("placed")["success"]
    row = Authorization.objects.get()
    assert (row.version, row.opened_captures()) == (2, {"site": "eu"})
    page = alice.walks()
    assert (page.status, code_of(page)) == (502, "pattern_unsupported")
    Authorization.objects.update(access_token=None, refresh_token=None)
    assert code_of(alice.walks()) == "pattern_unsupported"


@pytest.mark.parametrize("where", ["token_response", "captures", "second", "after", "choose"])
def test_G4_an_answer_at_the_callback(odd: Odd, guest: Callable[[], Guest], where: str) -> None:
    for number, expression in enumerate(EXPONENTIAL):
        captures = {f"x{n}": expression for n in range(9)}
        token = f"{odd.url}/oauth/token"
        boxes: dict[str, dict[str, Any]] = {
            "token_response": {"token_response": {"expires_in": expression}},
            "captures": {"captures": {"token": captures}},
            "second": {"second_exchange": {"endpoint": token, "captures": captures}},
            "after": {"after_authorization": {"path": "me", "captures": captures}},
            "choose": {
                "after_authorization": {
                    "path": "me",
                    "choose": {"list": "[@]", "value": expression, "label": expression},
                }
            },
        }
        make_system(odd.url, f"odd{number}", oauth=boxes[where])
    alice = guest()
    before = peak(alice.site)
    for number in range(len(EXPONENTIAL)):
        page = alice.walks(f"odd{number}")
        assert (page.status, code_of(page)) == (502, "expression_too_costly"), EXPONENTIAL[number]
    assert not Authorization.objects.exists()
    assert peak(alice.site) - before < GROWTH


@pytest.mark.parametrize("key", ["result", "success", "items", "next", "error_message"])
def test_G4_the_answer_of_a_call(odd: Odd, guest: Callable[[], Guest], key: str) -> None:
    system = make_system(odd.url, "odd", authentication="none")
    for number, expression in enumerate(EXPONENTIAL):
        rule: dict[str, Any] = {key: expression}
        if key in ("items", "next"):
            pages = {"style": "cursor", "items": "contacts", "next": "next", key: expression}
            rule = {"pagination": pages}
        make_integration(system, f"rule{number}", **rule)
    alice = guest()
    before = peak(alice.site)
    if key == "error_message":
        odd.status = "404 Not Found"
    wanted = {"error_message": "call_not_found"}.get(key, "result_rule_failed")
    for number in range(len(EXPONENTIAL)):
        told = alice.calls(f"rule{number}")
        assert (told["success"], told["error"]["code"]) == (False, wanted), EXPONENTIAL[number]
    assert peak(alice.site) - before < GROWTH


def test_G4_an_expression_that_compares_what_it_doubled(
    odd: Odd, guest: Callable[[], Guest]
) -> None:
    system = make_system(odd.url, "odd", expired_when={"json": EQUAL})
    make_integration(system, "list")
    alice = guest()
    assert alice.walks().status == 303
    assert alice.calls("list")["error"]["code"] == "result_rule_failed"
    assert Authorization.objects.get().ended_code == ""
