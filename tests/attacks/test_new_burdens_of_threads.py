"""One person asks as much as they can, and the others go on: the site as it is served."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from tests.acme import make_integration, make_system
from tests.faults.room import said
from tests.otherside import other_side
from tests.processes.databases import database, db, templates, transactional_db  # noqa: F401
from tests.processes.started import Site, serve  # noqa: F401

SLOW = 6.0
"""Seconds in which a slow system answers."""


def session_of(person: Any) -> str:
    client = Client()
    client.force_login(person)
    return client.cookies["sessionid"].value


def p95(seconds: list[float]) -> float:
    return sorted(seconds)[len(seconds) * 95 // 100 - 1]


def waits_of_others(site: Site, others: str, ask: Callable[[int], object], number: int) -> float:
    """How long somebody else waits for a page while so many threads go on asking."""
    ends = time.monotonic() + 5

    def ask_on(which: int) -> None:
        while time.monotonic() < ends:
            ask(which)

    threads = [threading.Thread(target=ask_on, args=(each,)) for each in range(number)]
    for each in threads:
        each.start()
    time.sleep(1)
    waited = []
    while time.monotonic() < ends:
        began = time.monotonic()
        assert site.ask("/connections/", others).status == 200
        waited.append(time.monotonic() - began)
        time.sleep(0.05)
    for each in threads:
        each.join()
    return p95(waited)


@pytest.mark.processes
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("how", ["calls", "finds"])
def test_G5_one_person_at_many_slow_systems(
    how: str,
    transactional_db: None,  # noqa: F811
    user: Callable[..., Any],
    serve: Callable[..., Site],  # noqa: F811
) -> None:
    def slowly(told: Any, sock: Any) -> None:
        time.sleep(SLOW)
        sock.sendall(said({"contacts": []}))

    with other_side(slowly) as other:
        for number in range(6):
            system = make_system(other.url(""), f"slow{number}", authentication="none")
            make_integration(system, f"list{number}")
        alice = user("alice", ["crm-users", "crm-designers"], is_staff=True)
        bob = user("bob", ["crm-users"])
        hers, his = session_of(alice), session_of(bob)
        site = serve(WEB_CONCURRENCY="1", WEB_THREADS="8")

        def ask(which: int) -> object:
            if how == "calls":
                return site.ask(f"/integrations/list{which % 6}/", hers)
            find = "/admin/connectedsystems/connectedsystem/draft/find/"
            return site.ask(find, hers, form={"find_from": other.url(f"/{which}")})

        assert waits_of_others(site, his, ask, 16) < 4
