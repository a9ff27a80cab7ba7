"""A system that does not answer is left alone for a while, by all processes at once.

A circuit belongs to a system *and an origin*: where the base URL's host is captured, each tenant
has its own. After failures in a row, counted in each process, a row says that it is open: from then
on no call goes there, except one at the end of each pause, which finds out. Only what tells of the
whole origin counts: no connection, no answer in time, or a gateway that says so (502, 503, 504).
Whatever else is answered, a 500 too, shows that somebody is there.

One user's failures stop nobody else: what fails for an account may work for all others. So a
circuit holds for everybody only once three users have failed in a row. Where fewer called, it holds
for these alone, and the next who calls is let through: an answer closes it, a failure makes them
one more. That way no process has to know who called in the others, and a call that is answered
writes nothing.
"""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from django.db.models import Q
from django.db.models.functions import Now

from connectedsystems.errors import CallFailure, Failure, OutboundFailure
from connectedsystems.models import Circuit, ConnectedSystem
from connectedsystems.outbound import Reply

MOST_FAILURES: Final = 20
IN_A_ROW_SECONDS: Final = 600.0
"""A run of failures ends when none came for so long; who called longer ago is not asked for."""
ENOUGH_CALLERS: Final = Circuit.ENOUGH_CALLERS
FIRST_PAUSE: Final = 30
LONGEST_PAUSE: Final = 300
SLACK: Final = 5
MOST_LINES: Final = 10_000

_REASONS: Final = {"timeout": "timeout", "connection_failed": "no connection"}
_GATEWAYS: Final = frozenset({502, 503, 504})

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and where: ``user`` is a key as text.

    ``origin`` is "" where everybody's calls to this system go to the same one.
    """

    system_id: uuid.UUID
    version: int
    origin: str
    user: str


@dataclass(frozen=True, slots=True)
class Passage:
    """How a call got through: with no circuit, past one that holds for others, or to find out."""

    circuit: Circuit | None = None
    finds_out: bool = False


FREE: Final = Passage()


@dataclass(slots=True)
class _Line:
    """What this process saw at one origin; times are ``time.monotonic`` values.

    ``failed``: whose calls have failed since the last answer, three at most. ``answered``: the
    three who were answered last, the latest at the end, and when.
    """

    first: float = 0.0
    last: float = 0.0
    number: int = 0
    failed: set[str] = field(default_factory=set)
    answered: dict[str, float] = field(default_factory=dict)


_lines: dict[tuple[uuid.UUID, int, str], _Line] = {}
_lock = threading.Lock()


def admit(circuit_id: int | None, user_id: Any, seconds: float) -> Passage:
    """Let a call through; one that finds out has so many seconds for that.

    Raises CallFailure ``system_down`` where the circuit is open and it is another call's turn.
    """
    if circuit_id is None:
        return FREE
    found = Circuit.objects.filter(pk=circuit_id).annotate(now=Now()).first()
    if found is None:
        return FREE
    if not found.holds_for(user_id):
        return Passage(found)
    if _take_turn(found, str(user_id), seconds):
        return Passage(found, finds_out=True)
    left = (_turn_of(found, str(user_id)) - found.now).total_seconds()
    raise CallFailure("system_down", retry_after=max(1, round(left)), **found.facts)


def heed(caller: Caller, passage: Passage, came: Reply | Failure | None) -> None:
    """Learn from what came of a call: a reply, a failure; None: nobody knows."""
    reason = _reason(came)
    if reason is None:
        if passage.finds_out and passage.circuit is not None:
            _rows(passage.circuit).update(next_try_at=Now(), others_try_at=None)
    elif not reason:
        _note_answer(caller)
        if passage.circuit is not None:
            close(caller.system_id, caller.origin, passage.circuit.origin)
    elif passage.circuit is None:
        if (run := _count_failure(caller)) is not None:
            _open(caller, reason, *run)
    elif passage.finds_out:
        _pause_again(passage.circuit, caller.user, reason)
    else:
        _join(passage.circuit, caller.user)


def answers(came: Reply | Failure | None) -> bool:
    """Whether this shows that somebody is there."""
    return _reason(came) == ""


def tells_of_silence(came: Reply | Failure | None) -> bool:
    """Whether this shows that nobody is there."""
    return bool(_reason(came))


def close(system_id: uuid.UUID, *origins: str) -> None:
    """The system answers there."""
    if Circuit.objects.filter(system_id=system_id, origin__in=origins).delete()[0]:
        log.info("circuit_closed", system=str(system_id))


def _rows(circuit: Circuit) -> Any:
    return Circuit.objects.filter(pk=circuit.pk)


def _reason(came: Reply | Failure | None) -> str | None:
    """Why the origin counts as down, "" where it answered; None: this tells nothing."""
    reply = came if isinstance(came, Reply) else getattr(came, "reply", None)
    if reply is not None:
        return f"status {reply.status}" if reply.status in _GATEWAYS else ""
    if isinstance(came, OutboundFailure):
        return _REASONS.get(came.code, "")
    return None


def _turn_of(circuit: Circuit, user: str) -> datetime:
    """When this user may find out."""
    others = circuit.others_try_at if user != circuit.tried_by else None
    return others or circuit.next_try_at


def _take_turn(circuit: Circuit, user: str, seconds: float) -> bool:
    """One caller of all processes gets it; a caller that dies on the way loses it in time."""
    due = Q(next_try_at__lte=Now()) & (Q(tried_by=user) | Q(others_try_at=None))
    due |= ~Q(tried_by=user) & Q(others_try_at__lte=Now())
    ends = Now() + timedelta(seconds=seconds + SLACK)
    return bool(_rows(circuit).filter(due).update(next_try_at=ends, others_try_at=None))


def _pause_again(circuit: Circuit, user: str, reason: str) -> None:
    """The call that was to find out failed: a longer pause.

    Whoever failed at the last turn too lengthens their own pause alone. Else one user, for whom
    nothing works, could take every turn and keep it closed for the others.
    """
    again = circuit.tried_by == user
    pause = min(FIRST_PAUSE * 2 ** (circuit.tries + 1), LONGEST_PAUSE)
    others = Now() + timedelta(seconds=FIRST_PAUSE) if again else None
    _rows(circuit).update(
        tries=circuit.tries + 1,
        reason=reason,
        failed_at=Now(),
        next_try_at=Now() + timedelta(seconds=pause),
        tried_by=user,
        others_try_at=others,
    )
    log.warning("circuit_stays_open", system=str(circuit.system_id), reason=reason, seconds=pause)


def _join(circuit: Circuit, user: str) -> None:
    """A user for whom the circuit did not hold failed too; of two at once one is counted."""
    callers = _written({*circuit.callers.split(), user})
    if _rows(circuit).filter(callers=circuit.callers).update(callers=callers) and not callers:
        log.warning("circuit_opened", system=str(circuit.system_id), reason=circuit.reason)


def _written(users: set[str]) -> str:
    """The users as a circuit keeps them: from three on it holds for everybody."""
    return "" if len(users) >= ENOUGH_CALLERS else " ".join(sorted(users))


def _line_of(caller: Caller) -> _Line:
    key = (caller.system_id, caller.version, caller.origin)
    line = _lines.get(key)
    if line is None:
        if len(_lines) >= MOST_LINES:
            # A line is worth ten minutes of memory; the oldest go first.
            for old in list(_lines)[: MOST_LINES // 2]:
                del _lines[old]
        line = _lines[key] = _Line()
    return line


def _note_answer(caller: Caller) -> None:
    """It runs after every call that is answered: memory alone, a microsecond."""
    with _lock:
        line = _line_of(caller)
        line.number = 0
        line.failed.clear()
        line.answered.pop(caller.user, None)
        line.answered[caller.user] = time.monotonic()
        if len(line.answered) > ENOUGH_CALLERS:
            del line.answered[next(iter(line.answered))]


def _count_failure(caller: Caller) -> tuple[float, set[str]] | None:
    """Count a failure; where there have been enough, how many seconds ago they began, and whose.

    Enough of them, from enough users; or from all who called in ten minutes, where they are fewer.
    """
    now = time.monotonic()
    with _lock:
        line = _line_of(caller)
        if not line.number or now - line.last > IN_A_ROW_SECONDS:
            line.first, line.number = now, 0
            line.failed.clear()
        line.last = now
        line.number += 1
        if len(line.failed) < ENOUGH_CALLERS:
            line.failed.add(caller.user)
        if line.number < MOST_FAILURES:
            return None
        if len(line.failed) < ENOUGH_CALLERS and _others_were_answered(line, now):
            return None
        line.number, failed = 0, set(line.failed)
    return now - line.first, failed


def _others_were_answered(line: _Line, now: float) -> bool:
    return any(
        user not in line.failed and now - at <= IN_A_ROW_SECONDS
        for user, at in line.answered.items()
    )


def _open(caller: Caller, reason: str, began: float, failed: set[str]) -> None:
    """Write the row, unless another process has, or the system is another by now."""
    known = ConnectedSystem.objects.filter(pk=caller.system_id, version=caller.version)
    base_url = known.values_list("base_url", flat=True).first()
    if base_url is None:
        return
    rows = Circuit.objects.filter(system_id=caller.system_id)
    # A base URL that has a capture in its host now, or none any more, opens under other origins.
    rows.filter(
        ~Q(base_url=base_url) | (~Q(origin="") if not caller.origin else Q(origin=""))
    ).delete()
    row = Circuit(
        system_id=caller.system_id,
        base_url=base_url,
        origin=caller.origin,
        callers=_written(failed),
        reason=reason,
        since=Now() - timedelta(seconds=began),
        next_try_at=Now() + timedelta(seconds=FIRST_PAUSE),
    )
    Circuit.objects.bulk_create([row], ignore_conflicts=True)
    log.warning("circuit_opened", system=str(caller.system_id), reason=reason)
