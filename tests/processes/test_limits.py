"""How often one person may call: counted over all processes where they share a cache."""

from __future__ import annotations

import socket
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from connectedsystems.models import ConnectedSystem
from tests import environment
from tests.acme import Visitor
from tests.processes.started import Answer, Site
from tests.processes.test_callbacks import session_of
from tests.thirdparty import ThirdParty

pytestmark = pytest.mark.processes

CONTACTS = "/integrations/list-contacts/"
MOST = 10
# A day, so that no test meets the end of its window but one at midnight.
TWO = {"WEB_CONCURRENCY": "2", "WEB_THREADS": "4", "RATE_LIMITS": f"call={MOST}/d"}


@pytest.fixture
def alice(acme: ConnectedSystem, visitor: Callable[..., Visitor]) -> Visitor:
    someone = visitor("alice")
    someone.authorizes()
    return someone


def shared_cache() -> str:
    """The address of a cache that nobody else counts in."""
    return f"{environment.REDIS_URL}?key_prefix={uuid.uuid4()}"


def asked(site: Site, alice: Visitor, times: int) -> list[Answer]:
    """So many requests, six at a time, so that both processes get some."""
    with ThreadPoolExecutor(6) as threads:
        ask = [threads.submit(site.ask, CONTACTS, session_of(alice)) for _ in range(times)]
        return [each.result() for each in ask]


@pytest.mark.skipif("redis" in environment.left_out(), reason="left out: redis")
def test_G15_processes_count_together_in_a_shared_cache(
    alice: Visitor, serve: Callable[..., Site], thirdparty: ThirdParty
) -> None:
    site = serve(**TWO, CACHE_URL=shared_cache())
    before = thirdparty.count(path="/api/contacts")
    answers = asked(site, alice, 3 * MOST)
    assert Counter(answer.status for answer in answers) == {200: MOST, 429: 2 * MOST}
    assert thirdparty.count(path="/api/contacts") - before == MOST
    refused = [answer for answer in answers if answer.status == 429]
    assert all(b'data-code="too_many_requests"' in answer.body for answer in refused)
    assert all(int(answer.headers["Retry-After"]) <= 86_400 for answer in refused)


@pytest.mark.skipif("redis" in environment.left_out(), reason="left out: redis")
def test_G15_what_was_typed_survives_the_limit(alice: Visitor, serve: Callable[..., Site]) -> None:
    site = serve(**TWO, CACHE_URL=shared_cache())
    asked(site, alice, MOST)
    page = site.ask("/integrations/add-note/", session_of(alice), form={"text": "Typed with care."})
    assert page.status == 429
    assert b"Typed with care." in page.body


def test_G15_without_a_shared_cache_each_process_counts(
    alice: Visitor, serve: Callable[..., Site]
) -> None:
    site = serve(**TWO)
    answers = asked(site, alice, 4 * MOST)
    assert MOST <= sum(answer.status == 200 for answer in answers) <= 2 * MOST


@pytest.mark.parametrize("answering", [False, True], ids=["nobody there", "silent"])
def test_G15_a_broken_cache_stops_nobody(
    answering: bool, alice: Visitor, serve: Callable[..., Site]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        if not answering:
            listener.close()
        site = serve(**TWO, CACHE_URL=f"redis://127.0.0.1:{port}/0")
        answers = asked(site, alice, MOST + 2)
    assert {answer.status for answer in answers} == {200}
    assert b"limit_not_counted" in site.stderr.read_bytes()
