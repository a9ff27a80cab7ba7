"""A circuit is one for all processes: opened once, found out about by one caller at a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from connectedsystems.models import Circuit, ConnectedSystem
from integrations import call_integration
from integrations.circuit import MOST_FAILURES
from tests.acme import Visitor, make_integration
from tests.processes.started import Caller, mark, together
from tests.thirdparty import ThirdParty

pytestmark = pytest.mark.processes

Starts = Callable[..., Caller]

SENT = "connectedsystems.network.wire.reply_of"


@pytest.fixture
def alice(
    acme: ConnectedSystem, visitor: Callable[..., Visitor], thirdparty: ThirdParty
) -> Visitor:
    """Alice, connected, at a system whose API is down; no request in the log yet."""
    someone = visitor("alice")
    someone.authorizes()
    mark(thirdparty)
    thirdparty.control(api={"status": 503})
    return someone


def opened(system: ConnectedSystem) -> None:
    """The circuit, whose pause is over."""
    now = timezone.now()
    Circuit.objects.create(
        system=system,
        base_url=system.base_url,
        reason="timeout",
        since=now - timedelta(minutes=1),
        next_try_at=now - timedelta(seconds=1),
    )


def codes(results: list[dict[str, object]]) -> list[str]:
    return sorted(str(result.get("raised") or result["code"]) for result in results)


def calls(thirdparty: ThirdParty) -> int:
    return thirdparty.count(path="/api/notes", method="POST")


NOTE = {"slug": "add-note", "inputs": {"text": "once"}, "users": ["alice"]}


def test_K1_processes_that_fail_at_once_open_it_once(
    alice: Visitor, caller: Starts, thirdparty: ThirdParty
) -> None:
    together([caller(**NOTE, threads=MOST_FAILURES) for _ in range(2)])
    row = Circuit.objects.get()
    assert (row.reason, row.tries, row.failed_at) == ("status 503", 0, None)
    sent = calls(thirdparty)
    # It holds for a process that has seen no failure.
    (result,) = together([caller(**NOTE)])
    assert result["code"] == "system_down"
    assert calls(thirdparty) == sent


def test_K1_one_caller_of_all_processes_finds_out(
    alice: Visitor, acme: ConnectedSystem, caller: Starts, thirdparty: ThirdParty
) -> None:
    opened(acme)
    thirdparty.control(api={"status": 503, "delay": 1})
    results = together([caller(**NOTE, threads=8) for _ in range(3)])
    assert codes(results) == ["call_failed", *["system_down"] * 23]
    assert calls(thirdparty) == 1
    assert Circuit.objects.get().tries == 1


def test_K1_one_answer_closes_it_for_all(
    alice: Visitor, acme: ConnectedSystem, caller: Starts, thirdparty: ThirdParty
) -> None:
    opened(acme)
    thirdparty.control(api={"delay": 1})
    results = together([caller(**NOTE, threads=6) for _ in range(2)])
    assert codes(results).count("") == calls(thirdparty) == 1
    assert not Circuit.objects.exists()
    results = together([caller(**NOTE, threads=6) for _ in range(2)])
    assert codes(results) == [""] * 12


def test_J3_killed_while_finding_out(
    alice: Visitor, acme: ConnectedSystem, caller: Starts, thirdparty: ThirdParty
) -> None:
    make_integration(acme, "quick", timeout=5)
    opened(acme)
    victim = caller(slug="quick", users=["alice"], hold_at=[SENT])
    victim.go_until(SENT)
    victim.kill()
    thirdparty.control(api=None)
    # Its turn lasts as long as its call might have, and a little longer.
    row = Circuit.objects.get()
    assert 0 < (row.next_try_at - timezone.now()).total_seconds() < 11
    answer = call_integration("quick", alice.person)
    assert answer.error is not None and answer.error.code == "system_down"
    Circuit.objects.update(next_try_at=timezone.now() - timedelta(seconds=1))
    assert call_integration("quick", alice.person).success
    assert not Circuit.objects.exists()


def test_a_system_that_is_saved_meanwhile_stays_closed(
    alice: Visitor, acme: ConnectedSystem, caller: Starts, thirdparty: ThirdParty
) -> None:
    late = caller(**NOTE, threads=MOST_FAILURES, hold_at=["integrations.circuit._open"])
    late.go_until("integrations.circuit._open")
    acme.version += 1
    acme.save()
    late.go()
    assert codes(late.results()) == ["call_failed"] * MOST_FAILURES
    assert not Circuit.objects.exists()
