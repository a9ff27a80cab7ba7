"""A slow system keeps a quarter of a process's threads, and no more: the site as it is served."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.utils import timezone

from authlinks.models import Authorization
from connectedsystems.models import ConnectedSystem
from integrations import call_integration
from integrations.models import HeldState, HeldSubmission
from tests.acme import Visitor
from tests.processes.started import Answer, Caller, Site, together
from tests.processes.test_callbacks import session_of
from tests.thirdparty import ThirdParty

pytestmark = pytest.mark.processes

CONTACTS = "/integrations/list-contacts/"
NOTES = "/integrations/add-note/"
# Of eight threads two may be inside one system, and four in the queue before it.
EIGHT = {"WEB_CONCURRENCY": "1", "WEB_THREADS": "8"}
SLOW = 4


@contextmanager
def waiting(asks: list[Callable[[], Answer]]) -> Iterator[list[Answer]]:
    """Requests under way, each in a thread of its own; all are answered at the end."""
    answers: list[Answer] = []
    threads = [threading.Thread(target=lambda ask=ask: answers.append(ask())) for ask in asks]
    for thread in threads:
        thread.start()
    yield answers
    for thread in threads:
        thread.join()


def pages(site: Site, visitor: Visitor, times: int) -> list[Callable[[], Answer]]:
    return [lambda: site.ask(CONTACTS, session_of(visitor))] * times


def seconds_of_a_page(site: Site, visitor: Visitor) -> float:
    """How long another user waits for a page of their own."""
    began = time.monotonic()
    assert site.ask("/connections/", session_of(visitor)).status == 200
    return time.monotonic() - began


def p95(seconds: Iterable[float]) -> float:
    found = sorted(seconds)
    return found[len(found) * 95 // 100 - 1]


@pytest.fixture
def alice(acme: ConnectedSystem, visitor: Callable[..., Visitor]) -> Visitor:
    someone = visitor("alice")
    someone.authorizes()
    return someone


def test_K1_a_slow_system_leaves_the_other_threads_free(
    alice: Visitor,
    visitor: Callable[..., Visitor],
    serve: Callable[..., Site],
    thirdparty: ThirdParty,
) -> None:
    site = serve(**EIGHT)
    bob = visitor("bob", "ben")
    thirdparty.control(api={"delay": SLOW})
    with waiting(pages(site, alice, 6)) as answers:
        assert p95(seconds_of_a_page(site, bob) for _ in range(40)) < 1
    assert sorted(answer.status for answer in answers) == [200, 200, *[503] * 4]
    refused = [answer.body for answer in answers if answer.status == 503]
    assert all(b'data-code="busy"' in page for page in refused)
    assert thirdparty.count(path="/api/contacts") == 2


def test_K1_what_was_typed_survives(
    alice: Visitor, serve: Callable[..., Site], thirdparty: ThirdParty
) -> None:
    alice.client.post("/connections/acme/disconnect/")
    answer = call_integration("add-note", alice.person, text="Held for later.", hold=True)
    assert answer.held is not None
    alice.authorizes()
    site = serve(**EIGHT)
    thirdparty.control(api={"delay": SLOW})
    with waiting(pages(site, alice, 4)):
        time.sleep(1.5)  # two are inside, and none in the queue any more
        typed = site.ask(NOTES, session_of(alice), form={"text": "Typed just now."})
        held = site.ask(answer.held.url, session_of(alice), form={"action": "deliver"})
    assert typed.status == 503 and b'data-code="busy"' in typed.body
    assert b"Typed just now." in typed.body
    assert held.status in (303, 503)
    kept = HeldSubmission.objects.get()
    assert kept.state == HeldState.WAITING
    assert kept.opened_inputs() == {"text": "Held for later."}
    assert thirdparty.count(path="/api/notes", method="POST") == 0
    # Nothing is in the way any more.
    thirdparty.control(api={"delay": 0})
    site.ask(answer.held.url, session_of(alice), form={"action": "deliver"})
    kept.refresh_from_db()
    assert kept.state == HeldState.DELIVERED


def test_a_burst_of_quick_calls_passes(
    alice: Visitor, serve: Callable[..., Site], thirdparty: ThirdParty
) -> None:
    site = serve(**EIGHT)
    thirdparty.control(api={"delay": 0.05})
    with waiting(pages(site, alice, 8)) as answers:
        pass
    assert [answer.status for answer in answers] == [200] * 8


def test_K4_a_burst_at_expiry_passes(
    alice: Visitor, serve: Callable[..., Site], thirdparty: ThirdParty
) -> None:
    site = serve(**EIGHT)
    Authorization.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    before = thirdparty.count(path="/oauth/token")
    thirdparty.control(token={"delay": 0.5})
    with waiting(pages(site, alice, 30)) as answers:
        pass
    assert [answer.status for answer in answers] == [200] * 30
    assert thirdparty.count(path="/oauth/token") - before == 1


def test_K1_it_stays_so_while_many_go_on_asking(
    alice: Visitor,
    visitor: Callable[..., Visitor],
    serve: Callable[..., Site],
    thirdparty: ThirdParty,
) -> None:
    site = serve(WEB_CONCURRENCY="1", WEB_THREADS="16")
    bob = visitor("bob", "ben")
    thirdparty.control(api={"delay": 2})
    ends = time.monotonic() + 10

    def ask_on() -> Answer:
        while time.monotonic() < ends:
            answer = site.ask(CONTACTS, session_of(alice))
            assert answer.status in (200, 503)
        return answer

    seconds = []
    with waiting([ask_on] * 24):
        while time.monotonic() < ends:
            seconds.append(seconds_of_a_page(site, bob))
    assert p95(seconds) < 1


def test_a_slow_token_endpoint_is_the_same_system(
    acme: ConnectedSystem,
    visitor: Callable[..., Visitor],
    serve: Callable[..., Site],
    thirdparty: ThirdParty,
) -> None:
    people = [visitor(name) for name in ("ann", "ben", "carl", "dan", "eve")]
    for each in people:
        each.authorizes()
    Authorization.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    before = thirdparty.count(path="/oauth/token")
    thirdparty.control(token={"delay": SLOW})
    site = serve(**EIGHT)
    with waiting([ask for each in people for ask in pages(site, each, 1)]) as answers:
        pass
    refused = [answer for answer in answers if b'data-code="busy"' in answer.body]
    assert len(refused) == 3
    assert sorted(answer.status for answer in answers) == [200, 200, 503, 503, 503]
    assert thirdparty.count(path="/oauth/token") - before == 2
    # Nothing was asked for them, so nothing of theirs is put off or given up.
    left = Authorization.objects.filter(expires_at__lt=timezone.now())
    assert {(row.lease_owner, row.failure_code, row.next_try_at) for row in left} == {
        ("", "", None)
    }
    assert left.count() == 3


def test_K1_waiting_for_another_renewal_leaves_threads_free(
    alice: Visitor,
    visitor: Callable[..., Visitor],
    serve: Callable[..., Site],
    thirdparty: ThirdParty,
) -> None:
    site = serve(**EIGHT)
    bob = visitor("bob", "ben")
    Authorization.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    thirdparty.control(token={"delay": 6})
    with waiting(pages(site, alice, 8)) as answers:
        assert p95(seconds_of_a_page(site, bob) for _ in range(40)) < 1
    # One renews, four wait for it, the others are told after a second.
    refused = [answer.body for answer in answers if answer.status == 503]
    assert all(b'data-code="refresh_in_progress"' in page for page in refused)
    assert sorted(answer.status for answer in answers) == [*[200] * 5, *[503] * 3]


def test_K1_walks_that_end_at_once_leave_threads_free(
    acme: ConnectedSystem,
    visitor: Callable[..., Visitor],
    serve: Callable[..., Site],
    thirdparty: ThirdParty,
) -> None:
    people = [visitor(name) for name in ("ann", "ben", "carl", "dan", "eve")]
    walks = [(each, each.approves(each.sets_out(next_path="/connections/"))) for each in people]
    site = serve(**EIGHT)
    thirdparty.control(token={"delay": SLOW})
    asks = [lambda walk=walk: site.ask(walk[1], session_of(walk[0])) for walk in walks]
    with waiting(asks) as answers:
        pass
    assert sorted(answer.status for answer in answers) == [303, 303, 503, 503, 503]
    refused = [answer.body for answer in answers if answer.status == 503]
    assert all(b'data-code="busy"' in page and b"data-authorize" in page for page in refused)
    assert thirdparty.count(path="/oauth/token") == 2
    assert Authorization.objects.count() == 2


def test_scripts_have_no_such_limit(
    alice: Visitor, caller: Callable[..., Caller], thirdparty: ThirdParty
) -> None:
    thirdparty.control(api={"delay": 2})
    results = together([caller("call", slug="list-contacts", users=["alice"], threads=8)])
    assert [result.get("raised") or result["code"] for result in results] == [""] * 8
