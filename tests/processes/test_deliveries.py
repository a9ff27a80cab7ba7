"""A held submission is delivered at most once, whoever else delivers it and whoever is killed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from connectedsystems.models import ConnectedSystem
from integrations import InsideTransaction, call_integration
from integrations.call import deliver
from integrations.models import HeldState, HeldSubmission
from tests.acme import Visitor
from tests.processes.started import Caller, together, wait_for
from tests.thirdparty import ThirdParty

pytestmark = pytest.mark.processes

CLAIMED = "integrations.call.make"
SENT = "connectedsystems.network.wire.reply_of"
ANSWERED = "integrations.held.settle"


@pytest.fixture
def held(
    acme: ConnectedSystem, visitor: Callable[..., Visitor], thirdparty: ThirdParty
) -> HeldSubmission:
    """Alice's note, held because she had not authorized; she has by now."""
    alice = visitor("alice")
    answer = call_integration("add-note", alice.person, text="Only once, please.", hold=True)
    assert answer.held is not None
    assert alice.authorizes().status_code == 303
    kept: HeldSubmission = answer.held
    return kept


def arrived(thirdparty: ThirdParty) -> int:
    return thirdparty.count(path="/api/notes", method="POST")


def test_G13_deliveries_at_once_send_once(
    held: HeldSubmission, caller: Callable[..., Caller], thirdparty: ThirdParty
) -> None:
    results = together([caller("deliver", held=str(held.pk), threads=8) for _ in range(2)])
    assert not [result for result in results if "raised" in result]
    assert sum(result["sent"] for result in results) == 1
    assert arrived(thirdparty) == 1
    held.refresh_from_db()
    assert held.state == HeldState.DELIVERED


@pytest.mark.parametrize(("place", "sent"), [(CLAIMED, 0), (SENT, 1), (ANSWERED, 1)])
def test_J3_killed_while_delivering(
    held: HeldSubmission,
    caller: Callable[..., Caller],
    thirdparty: ThirdParty,
    place: str,
    sent: int,
) -> None:
    victim = caller("deliver", held=str(held.pk), hold_at=[place])
    victim.go_until(place)
    victim.kill()
    if sent:
        wait_for(thirdparty, path="/api/notes", method="POST")
    held.refresh_from_db()
    assert held.present_state == HeldState.SENDING
    assert deliver(held) is None
    HeldSubmission.objects.update(sending_until=timezone.now() - timedelta(seconds=1))
    held.refresh_from_db()
    # Nobody but the user can say now whether it arrived, and nothing sends it again by itself.
    assert held.present_state == HeldState.OUTCOME_UNKNOWN
    assert deliver(held) is None
    assert arrived(thirdparty) == sent
    again = deliver(held, again=True)
    assert again is not None and again.success
    assert deliver(held, again=True) is None
    assert arrived(thirdparty) == sent + 1


def test_D10_nothing_is_claimed_inside_a_transaction(
    held: HeldSubmission, thirdparty: ThirdParty
) -> None:
    with pytest.raises(InsideTransaction), transaction.atomic():
        deliver(held)
    held.refresh_from_db()
    assert held.state == HeldState.WAITING
    assert arrived(thirdparty) == 0
