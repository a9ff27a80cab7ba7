"""A system that does not answer is left alone for a while, by all processes at once.

After some failures in a row, counted in each process, a row says so: from then on no call goes
there, except one at the end of each pause, which finds out. Only what tells of the whole system
counts: no connection, no answer in time, or a gateway that says so (502, 503, 504). Whatever else
is answered, a 500 too, shows that somebody is there.
"""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog
from django.db.models.functions import Now

from connectedsystems.errors import CallFailure, Failure, OutboundFailure
from connectedsystems.models import Circuit, ConnectedSystem
from connectedsystems.outbound import Reply

MOST_FAILURES: Final = 20
IN_A_ROW_SECONDS: Final = 600.0
FIRST_PAUSE: Final = 30
LONGEST_PAUSE: Final = 300
SLACK: Final = 5

_REASONS: Final = {"timeout": "timeout", "connection_failed": "no connection"}
_GATEWAYS: Final = frozenset({502, 503, 504})

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Run:
    """Failures in a row of one version of a system; times are ``time.monotonic`` values."""

    first: float
    last: float
    number: int = 0


_runs: dict[tuple[uuid.UUID, int], _Run] = {}
_lock = threading.Lock()


def admit(system_id: uuid.UUID, next_try_in: float | None, seconds: float) -> bool:
    """Whether this call is the one that finds out; it has so many seconds for that.

    Raises CallFailure ``system_down`` where the circuit is open and it is another call's turn.
    """
    if next_try_in is None:
        return False
    if next_try_in <= 0 and _take_turn(system_id, seconds):
        return True
    found = Circuit.objects.filter(pk=system_id).first()
    if found is None:
        return False
    wait = max(1, round(max(next_try_in, 0)))
    raise CallFailure("system_down", retry_after=wait, **found.facts)


def heed(
    system_id: uuid.UUID, version: int, finding_out: bool, came: Reply | Failure | None
) -> None:
    """Learn from what came of a call: a reply, a failure; None: nobody knows."""
    reason = _reason(came)
    if reason is None:
        if finding_out:
            Circuit.objects.filter(pk=system_id).update(next_try_at=Now())
    elif not reason:
        _runs.pop((system_id, version), None)
        if finding_out:
            close(system_id)
    elif finding_out:
        _pause_again(system_id, reason)
    elif (began := _counted(system_id, version)) is not None:
        _open(system_id, version, reason, began)


def answers(came: Reply | Failure | None) -> bool:
    """Whether this shows that somebody is there."""
    return _reason(came) == ""


def close(system_id: uuid.UUID) -> None:
    """The system answers."""
    if Circuit.objects.filter(pk=system_id).delete()[0]:
        log.info("circuit_closed", system=str(system_id))


def _reason(came: Reply | Failure | None) -> str | None:
    """Why the system counts as down, "" where it answered; None: this tells nothing."""
    reply = came if isinstance(came, Reply) else getattr(came, "reply", None)
    if reply is not None:
        return f"status {reply.status}" if reply.status in _GATEWAYS else ""
    if isinstance(came, OutboundFailure):
        return _REASONS.get(came.code, "")
    return None


def _take_turn(system_id: uuid.UUID, seconds: float) -> bool:
    """One caller of all processes gets it; a caller that dies on the way loses it in time."""
    due = Circuit.objects.filter(pk=system_id, next_try_at__lte=Now())
    return bool(due.update(next_try_at=Now() + timedelta(seconds=seconds + SLACK)))


def _pause_again(system_id: uuid.UUID, reason: str) -> None:
    rows = Circuit.objects.filter(pk=system_id)
    tries = rows.values_list("tries", flat=True).first()
    if tries is None:
        return
    pause = min(FIRST_PAUSE * 2 ** (tries + 1), LONGEST_PAUSE)
    rows.update(
        tries=tries + 1,
        reason=reason,
        failed_at=Now(),
        next_try_at=Now() + timedelta(seconds=pause),
    )
    log.warning("circuit_stays_open", system=str(system_id), reason=reason, seconds=pause)


def _counted(system_id: uuid.UUID, version: int) -> float | None:
    """Count a failure; where there have been enough, how many seconds ago they began."""
    now = time.monotonic()
    key = (system_id, version)
    with _lock:
        run = _runs.get(key)
        if run is None or now - run.last > IN_A_ROW_SECONDS:
            run = _runs[key] = _Run(now, now)
        run.last = now
        run.number += 1
        if run.number < MOST_FAILURES:
            return None
        del _runs[key]
    return now - run.first


def _open(system_id: uuid.UUID, version: int, reason: str, began: float) -> None:
    """Write the row, unless another process has, or the system is another by now."""
    known = ConnectedSystem.objects.filter(pk=system_id, version=version)
    base_url = known.values_list("base_url", flat=True).first()
    if base_url is None:
        return
    Circuit.objects.filter(pk=system_id).exclude(base_url=base_url).delete()
    row = Circuit(
        system_id=system_id,
        base_url=base_url,
        reason=reason,
        since=Now() - timedelta(seconds=began),
        next_try_at=Now() + timedelta(seconds=FIRST_PAUSE),
    )
    Circuit.objects.bulk_create([row], ignore_conflicts=True)
    log.warning("circuit_opened", system=str(system_id), reason=reason)
