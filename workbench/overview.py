"""What a designer or an admin wants to know first: systems in trouble, states, recent failures."""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case, Count, Q, QuerySet, Value, When
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from authlinks.models import AttemptOutcome, Authorization, AuthorizationAttempt, State
from connectedsystems.diagnosis import diagnose
from connectedsystems.errors import ConfigurationInvalid
from connectedsystems.models import ConnectedSystem
from connectedsystems.oauth.captures import unsupported_patterns
from integrations.models import CallRecord
from workbench.columns import key_prefix, shut_by_key
from workbench.roles import designed_ids, is_admin
from workbench.told import STATE_TONES, STATES, told_in_short

LATELY = timedelta(hours=24)
MOST_FAILURES = 10
MOST_TROUBLES = 10
SILENCE_WEIGHT = 1_000_000
PATTERN_WEIGHT = 1_000
NOT_BACK = "attempt_not_finished"


@dataclass(slots=True)
class Trouble:
    """One system and what is wrong with it, in the order of how many it hurts."""

    system: ConnectedSystem
    reasons: list[str] = field(default_factory=list)
    weight: int = 0

    @property
    def url(self) -> str:
        return reverse("admin:connectedsystems_connectedsystem_change", args=[self.system.pk])


@dataclass(frozen=True, slots=True)
class Failed:
    """One failure of the last day: whose, where, why, and the reference that tells more."""

    at: datetime
    reference: str
    what: str
    user: str
    title: str
    code: str


@dataclass(frozen=True, slots=True)
class LeadsElsewhere:
    """A system that a designer made lead to other hosts, until an admin has looked."""

    system: ConnectedSystem
    added: list[str]
    gone: list[str]
    by: str
    since: datetime | None

    @property
    def url(self) -> str:
        return reverse("admin:connectedsystems_connectedsystem_change", args=[self.system.pk])

    @property
    def looked_at(self) -> str:
        """Where an admin says that they have looked."""
        return reverse("admin:connectedsystems_connectedsystem_looked_at", args=[self.system.pk])


@dataclass(frozen=True, slots=True)
class Overview:
    """The desk's first page."""

    troubles: list[Trouble]
    states: list[tuple[str, str, int]]
    failures: list[Failed]
    systems: int
    elsewhere: list[LeadsElsewhere]


def overview(request: HttpRequest) -> Overview:
    """What this person's systems do, in a number of queries that does not grow."""
    rows = ConnectedSystem.objects.defer("secrets", "logo").prefetch_related("circuits")
    if not is_admin(request):
        rows = rows.filter(application__in=designed_ids(request))
    systems = {system.pk: system for system in rows}
    states = _states(systems)
    since = timezone.now() - LATELY
    return Overview(
        troubles=_troubles(systems, states, since),
        states=_totals(states),
        failures=_failures(systems, since),
        systems=len(systems),
        elsewhere=[_elsewhere(each) for each in systems.values() if each.unseen_reach]
        if is_admin(request)
        else [],
    )


def _elsewhere(system: ConnectedSystem) -> LeadsElsewhere:
    noted = system.unseen_reach
    was, now = list(noted.get("was", [])), list(noted.get("now", []))
    return LeadsElsewhere(
        system=system,
        added=[each for each in now if each not in was],
        gone=[each for each in was if each not in now],
        by=", ".join(noted.get("by", [])),
        since=parse_datetime(str(noted.get("since", ""))),
    )


def _states(systems: dict[uuid.UUID, ConnectedSystem]) -> dict[uuid.UUID, Counter[State]]:
    """How many authorizations of each system are in each state, counted by the database."""
    now = timezone.now()
    over = ~Q(ended_code="") | Q(access_token__isnull=True)
    shut = ~over & Q(failure_code="decrypt_failed")
    late = ~over & ~shut & Q(expires_at__lte=now)
    counted = (
        Authorization.objects.filter(system__in=list(systems))
        .order_by()
        .annotate(
            prefix=key_prefix(),
            due_prefix=Case(
                When(late & Q(refresh_token__isnull=False), then=key_prefix("refresh_token")),
                default=Value(""),
            ),
        )
        .values("system_id", "fingerprint", "prefix", "due_prefix")
        .annotate(
            number=Count("pk"),
            over=Count("pk", filter=over),
            shut=Count("pk", filter=shut),
            due=Count("pk", filter=late & Q(refresh_token__isnull=False)),
            expired=Count("pk", filter=late & Q(refresh_token__isnull=True)),
        )
    )
    found: dict[uuid.UUID, Counter[State]] = defaultdict(Counter)
    for row in counted:
        tally = found[row["system_id"]]
        if row["fingerprint"] == _fingerprint(systems[row["system_id"]]):
            _count(tally, row)
        else:
            tally[State.CONFIGURATION_CHANGED] += row["number"]
    return found


def _count(tally: Counter[State], row: Mapping[str, Any]) -> None:
    """Add a group of authorizations of one key, in the order in which a row's state is told."""
    tally[State.NEEDS_AUTHORIZATION] += row["over"]
    for prefix in (row["prefix"], row["due_prefix"]):
        if prefix and (shut := shut_by_key(prefix)):
            tally[shut] += row["number"] - row["over"]
            return
    tally[State.NEEDS_AUTHORIZATION] += row["expired"]
    tally[State.CANNOT_BE_OPENED] += row["shut"]
    tally[State.REFRESH_DUE] += row["due"]
    counted = row["over"] + row["expired"] + row["shut"] + row["due"]
    tally[State.CONNECTED] += row["number"] - counted


def _fingerprint(system: ConnectedSystem) -> str | None:
    try:
        return system.parsed().fingerprint()
    except ConfigurationInvalid:
        return None


def _totals(states: dict[uuid.UUID, Counter[State]]) -> list[tuple[str, str, int]]:
    """Every state with its tone and number, also those that nobody is in."""
    total: Counter[State] = Counter()
    for tally in states.values():
        total.update(tally)
    return [(words, STATE_TONES[state], total[state]) for state, words in STATES.items()]


def _troubles(
    systems: dict[uuid.UUID, ConnectedSystem],
    states: dict[uuid.UUID, Counter[State]],
    since: datetime,
) -> list[Trouble]:
    found = {key: Trouble(system) for key, system in systems.items()}
    for key, tally in states.items():
        for state in (
            State.KEY_MISSING,
            State.CANNOT_BE_OPENED,
            State.CONFIGURATION_CHANGED,
        ):
            _blame(found[key], tally[state], "authorization", STATES[state])
    for row in _failing_renewals(systems):
        title = diagnose(row["failure_code"]).title
        _blame(found[row["system_id"]], row["number"], "authorization", f"not renewed: {title}")
    for row in _failing_calls(systems, since):
        title = diagnose(row["code"]).title
        _blame(found[row["system_id"]], row["number"], "failed call", title)
    for row in _failing_attempts(systems, since):
        title = diagnose(row["code"] or NOT_BACK).title
        _blame(found[row["system_id"]], row["number"], "failed attempt", title)
    for trouble in found.values():
        _tell_of_patterns(trouble)
        _tell_of_silence(trouble)
    worst = sorted(found.values(), key=lambda trouble: -trouble.weight)
    return [trouble for trouble in worst if trouble.reasons][:MOST_TROUBLES]


def _tell_of_silence(trouble: Trouble) -> None:
    """A system that does not answer hurts whoever calls it: it comes before everything else."""
    if circuits := trouble.system.open_circuits:
        trouble.weight += SILENCE_WEIGHT
        trouble.reasons[:0] = told_in_short(circuits)


def _tell_of_patterns(trouble: Trouble) -> None:
    """A pattern that RE2 does not take stops every new walk, though nobody may have tried yet."""
    try:
        written = trouble.system.parsed().oauth.get("capture_patterns") or {}
    except ConfigurationInvalid:
        return
    for refused in unsupported_patterns(written):
        trouble.weight += PATTERN_WEIGHT
        trouble.reasons.insert(0, diagnose(refused.code, refused.facts).seen)


def _blame(trouble: Trouble, number: int, what: str, reason: str) -> None:
    if number:
        trouble.weight += number
        trouble.reasons.append(f"{number} {what}{'' if number == 1 else 's'}: {reason}")


def _failing_renewals(systems: dict[uuid.UUID, ConnectedSystem]) -> Any:
    """Authorizations that go on, and whose last renewal failed."""
    return (
        Authorization.objects.filter(system__in=list(systems), ended_code="")
        .exclude(failure_code__in=["", "decrypt_failed"])
        .order_by()
        .values("system_id", "failure_code")
        .annotate(number=Count("pk"))
        .order_by("-number")
    )


def _failing_calls(systems: dict[uuid.UUID, ConnectedSystem], since: datetime) -> Any:
    return (
        CallRecord.objects.filter(system__in=list(systems), at__gte=since, success=False)
        .exclude(code__in=["", "input_invalid", "needs_authorization"])
        .order_by()
        .values("system_id", "code")
        .annotate(number=Count("pk"))
        .order_by("-number")
    )


def _failing_attempts(systems: dict[uuid.UUID, ConnectedSystem], since: datetime) -> Any:
    return (
        _failed_attempts(systems, since)
        .exclude(code="access_denied")
        .order_by()
        .values("system_id", "code")
        .annotate(number=Count("pk"))
        .order_by("-number")
    )


def _failed_attempts(
    systems: dict[uuid.UUID, ConnectedSystem], since: datetime
) -> QuerySet[AuthorizationAttempt]:
    """Those that failed, and those that did not come back in time: their code is empty."""
    over = Q(outcome=AttemptOutcome.FAILED) | Q(
        outcome=AttemptOutcome.OPEN, ends_at__lte=timezone.now()
    )
    return AuthorizationAttempt.objects.filter(over, system__in=list(systems), begun_at__gte=since)


def _failures(systems: dict[uuid.UUID, ConnectedSystem], since: datetime) -> list[Failed]:
    """The newest failures of calls and attempts, together."""
    calls = CallRecord.objects.filter(system__in=list(systems), at__gte=since, success=False)
    attempts = _failed_attempts(systems, since).defer("verifier", "draft", "draft_answer")
    found = [
        _failed(row, row.at, row.integration_slug, row.code)
        for row in calls.select_related("user")[:MOST_FAILURES]
    ] + [
        _failed(row, row.begun_at, f"attempt at {systems[row.system_id]}", row.present_code)
        for row in attempts.select_related("user")[:MOST_FAILURES]
    ]
    return sorted(found, key=lambda row: row.at, reverse=True)[:MOST_FAILURES]


def _failed(row: Any, at: datetime, what: str, code: str) -> Failed:
    return Failed(
        at=at,
        reference=row.reference,
        what=what,
        user=row.user.get_username() if row.user else "",
        title=diagnose(code, row.facts).title if code else "",
        code=code,
    )
