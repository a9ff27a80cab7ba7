"""Long files on the served site: others go on, and what is too much is refused in a sentence."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from django.contrib.auth.hashers import PBKDF2PasswordHasher

from connectedsystems.models import ConnectedSystem
from integrations.models import Integration
from tests.processes.started import Site
from tests.uploads import Person

pytestmark = pytest.mark.processes

LOAD = "/admin/connectedsystems/application/load/"
LONGEST = 15.0
"""Seconds. After 20 SQLite's writers give up; a machine may be busy with other things."""


def a_file(systems: int, integrations: int) -> dict[str, Any]:
    return {
        "applications": [{"slug": "big", "name": "Big", "members": "everyone"}],
        "connected_systems": [
            {
                "slug": f"s{number}",
                "name": f"System {number}",
                "application": "big",
                "base_url": f"https://s{number}.example/v1",
                "authentication": "oauth2_authorization_code",
                "oauth": {
                    "client_id": "abc",
                    "client_secret": f"planted-{number}-Qw8",
                    "authorization_endpoint": f"https://s{number}.example/authorize",
                    "token_endpoint": f"https://s{number}.example/token",
                },
            }
            for number in range(systems)
        ],
        "integrations": [
            {
                "slug": f"i{number}",
                "name": f"Integration {number}",
                "connected_system": f"s{number % systems}",
                "path": "/contacts",
                "parameters": {"limit": "{limit}"},
                "inputs": [{"name": "limit", "type": "integer", "default": 20}],
            }
            for number in range(integrations)
        ],
    }


class Others:
    """People who log in, one after the other, while something else goes on."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.stop = threading.Event()
        self.statuses: list[int] = []
        self.slowest = 0.0
        self.thread = threading.Thread(target=self._log_in)

    def _log_in(self) -> None:
        while not self.stop.is_set():
            begun = time.monotonic()
            self.statuses.append(Person(self.port).logs_in("alice"))
            self.slowest = max(self.slowest, time.monotonic() - begun)

    def __enter__(self) -> Others:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()


@pytest.fixture
def site(serve: Callable[..., Site], user: Callable[..., Any]) -> Iterator[Site]:
    people = [user("root", is_superuser=True, is_staff=True), user("alice")]
    for person in people:
        # As the served site hashes passwords; the other tests do it faster.
        person.password = PBKDF2PasswordHasher().encode(person.username, "salt" * 6)
        person.save()
    yield serve(WEB_CONCURRENCY="2", WEB_THREADS="4")


@pytest.fixture
def root(site: Site) -> Person:
    person = Person(site.port)
    assert person.logs_in("root") == 302
    return person


def test_G6_people_log_in_while_the_largest_file_is_loaded(site: Site, root: Person) -> None:
    file = json.dumps(a_file(500, 2_000)).encode()
    with Others(site.port) as others:
        status, page = root.posts(LOAD, {}, file=file)
        assert status == 200 and "Load it?" in page, page[:2000]
        status, page = root.posts(LOAD, {"action": "load"})
        assert status == 200 and "The file is loaded" in page, page[:2000]
    assert ConnectedSystem.objects.count() == 500
    assert Integration.objects.count() == 2_000
    assert len(others.statuses) >= 2 and set(others.statuses) == {302}
    assert others.slowest < LONGEST, others.slowest
    assert ConnectedSystem.objects.get(slug="s7").opened_secrets()["client_secret"].endswith("Qw8")


def test_G6_a_file_of_5000_systems_is_refused_before_anything_is_asked_of_the_database(
    site: Site, root: Person
) -> None:
    systems = [{"slug": f"s{number}", "name": "S", "application": "a"} for number in range(5_000)]
    file = json.dumps({"connected_systems": systems}).encode()
    assert 200_000 < len(file) < 1_000_000
    with Others(site.port) as others:
        begun = time.monotonic()
        status, page = root.posts(LOAD, {}, file=file)
        took = time.monotonic() - begun
    assert status == 400 and "More than 500 of them in one file" in page
    assert took < LONGEST and set(others.statuses) == {302}


ATTACKS = {
    "80,000 keys": "\n".join(f"key{number}: value" for number in range(80_000)),
    "lists within lists": "[" * 900_000,
    "lists within lists, line by line": "- " * 450_000,
    "empty lists": '{"a": [' + "[]," * 300_000 + "[]]}",
    "objects within objects": '{"a":' * 150_000,
    "directives": "".join(f"%TAG !a{number}! x\n" for number in range(55_000)) + "---\na: 1\n",
    "an alias that grows": "a: &a [x, x]\n"
    + "\n".join(f"b{number}: &b{number} [*a, *a]" for number in range(40)),
    "one long text": 'a: "' + "a" * 900_000 + '"',
    "a text without an end": '{"a": "' + '\\"' * 450_000 + "\\",
    "30,000 mistakes": yaml.safe_dump({f"k{number}": 1 for number in range(30_000)}),
    "30,000 groups": json.dumps(
        {"applications": [{"slug": "a", "name": "A", "members": [f"g{n}" for n in range(30_000)]}]}
    ),
    "30,000 inputs": json.dumps(
        {"integrations": [{"slug": "a", "inputs": [{"name": f"n{n}"} for n in range(30_000)]}]}
    ),
    "a number of a million digits": '{"a": ' + "1" * 900_000 + "}",
    "a page of line breaks": "a:\n" + "\n" * 900_000 + "]",
}


def test_G13_what_is_too_much_is_refused_at_once(site: Site, root: Person) -> None:
    with Others(site.port) as others:
        for name, text in ATTACKS.items():
            begun = time.monotonic()
            status, page = root.posts(LOAD, {}, file=text.encode())
            took = time.monotonic() - begun
            assert status == 400 and "Nothing was changed" in page, name
            assert took < LONGEST, f"{name}: {took}"
            assert len(page) < 500_000, name
    assert set(others.statuses) == {302} and others.slowest < LONGEST
