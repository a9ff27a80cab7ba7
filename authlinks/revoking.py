"""Revokes what has ended, row by row and under a lease; whoever comes next goes on.

A row is held as a token that is renewed (see ``renewal``): by one conditional UPDATE that is
committed before anything is asked. Nothing is open in the database during a request. For 24 hours
a row is tried again, with growing pauses; then it is audited as not confirmed.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

import structlog
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.views.decorators.debug import sensitive_variables

from authlinks import endings
from authlinks.endings import LEASE
from authlinks.models import (
    KEPT_ENDINGS,
    Authorization,
    EndingAuthorization,
    EndingClient,
    EndingKind,
)
from connectedsystems import outbound, redact, share
from connectedsystems.errors import Failure, OutboundFailure, TokenEndpointFailure, VaultFailure
from connectedsystems.models import AuditEvent
from connectedsystems.oauth import revocation
from connectedsystems.oauth.captures import values_of
from connectedsystems.oauth.client import Client
from connectedsystems.oauth.revocation import Hint, Obtained

log = structlog.get_logger(__name__)

BATCH: Final = 50
VOID_LEASE: Final = timedelta(seconds=120)
REQUEST_SECONDS: Final = 10.0
MOMENT_SECONDS: Final = 2.0
"""What a page gives to the rows of others."""
JOB_SECONDS: Final = 300.0
"""What a command gives to them; another run may go on at the same time."""
FIRST_PAUSE: Final = 30
LONGEST_PAUSE: Final = 15 * 60
LONGEST_WAIT: Final = 3600

HINTS: Final[tuple[Hint, ...]] = ("refresh_token", "access_token")
"""A refresh token first: at most servers its end is the end of the access token too."""

ACTIONS: Final = {
    EndingKind.DISCONNECTED: "disconnected",
    EndingKind.SYSTEM_DELETED: "disconnected by deletion",
    EndingKind.USER_DELETED: "disconnected by deletion",
    EndingKind.USER_LEFT: "disconnected",
    EndingKind.LATE_TOKEN: "late token dropped",
    EndingKind.DRAFT: "draft token dropped",
}
"""What the audit calls each kind of ending."""

_NO_ANSWER = {"timeout", "connection_failed", "bad_response", "tls_error", "busy"}


class Outcome(StrEnum):
    """What came of one row, as the audit says it; of the last two it says nothing final."""

    CONFIRMED = "done"
    NOTHING_TO_ASK = "done, nothing to ask"
    NOT_CONFIRMED = "not confirmed there"
    NOT_REVOKED = "not revoked"
    PENDING = "not confirmed yet"
    OTHERS = "in other hands"


@dataclass(frozen=True, slots=True)
class Told:
    """What came of one row, with the failure's code and facts."""

    outcome: Outcome
    code: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


REPLACED: Final = Told(Outcome.NOT_REVOKED, "not_revoked", {"cause": "authorized_again"})


# Whoever comes next


def empty(seconds: float) -> Counter[Outcome]:
    """Take batches until the time is over or nothing is due; counts of what came of the rows."""
    until = outbound.deadline_in(seconds)
    counts: Counter[Outcome] = Counter()
    while time.monotonic() < until:
        owner = uuid.uuid4().hex
        batch = _take(owner)
        if not batch:
            break
        for row in batch:
            if time.monotonic() >= until:
                break
            counts[revoke_row(row, owner, min(seconds, REQUEST_SECONDS)).outcome] += 1
        _give_back(owner)
    return counts


def empty_for_a_moment() -> None:
    """What a page does for whatever waits; a fault of this is no fault of the page."""
    try:
        empty(MOMENT_SECONDS)
    except Exception as fault:  # the rows are there, and somebody comes next
        log.warning("endings_not_emptied", reason=type(fault).__name__)


def empty_after_commit() -> None:
    """The same, once the present transaction is committed, however much it deletes."""
    if empty_for_a_moment not in [entry[1] for entry in connection.run_on_commit]:
        transaction.on_commit(empty_for_a_moment, robust=True)


def _take(owner: str) -> list[EndingAuthorization]:
    """Hold the next rows that are due: those least often tried come first."""
    due = Q(next_try_at__isnull=True) | Q(next_try_at__lte=Now())
    found = EndingAuthorization.objects.filter(_free(), due).values_list("pk", flat=True)[:BATCH]
    keys = list(found)
    if not keys:
        return []
    with transaction.atomic(durable=True):
        EndingAuthorization.objects.filter(_free(), pk__in=keys).update(
            lease_owner=owner, lease_ends=Now() + LEASE
        )
    return list(EndingAuthorization.objects.filter(lease_owner=owner).select_related("client"))


def _free() -> Q:
    """Held by nobody, or by somebody who is gone; a lease of another clock is void."""
    return (
        Q(lease_ends__isnull=True) | Q(lease_ends__lte=Now()) | Q(lease_ends__gt=Now() + VOID_LEASE)
    )


def _give_back(owner: str) -> None:
    EndingAuthorization.objects.filter(lease_owner=owner).update(lease_owner="", lease_ends=None)


# One row


@sensitive_variables()
def revoke_row(row: EndingAuthorization, owner: str, seconds: float = REQUEST_SECONDS) -> Told:
    """Revoke one row's tokens, each within so many seconds, and settle it or try again later.

    ``owner`` holds the row. What another system causes is told, never raised.
    """
    with redact.scope():
        told = _without_asking(row) or _asked(row, owner, seconds)
        if told.outcome == Outcome.PENDING:
            return _postpone(row, owner, told)
        if told.outcome == Outcome.OTHERS:
            return told
        return told if _settle(row, owner, told) else Told(Outcome.OTHERS)


def _without_asking(row: EndingAuthorization) -> Told | None:
    """What is to be said of a row without a request; None where there is somebody to ask."""
    if not row.client.may_be_asked and row.client.problem:
        return Told(Outcome.NOT_REVOKED, "not_revoked", {"cause": row.client.problem})
    if not row.client.may_be_asked:
        return Told(Outcome.NOTHING_TO_ASK, facts={"cause": "no_revocation_endpoint"})
    if row.refresh_token is None and row.access_token is None:
        return Told(Outcome.CONFIRMED)  # each was confirmed, and whoever did it is gone
    if _replaced(row):
        return REPLACED
    if _out_of_time(row):
        return Told(Outcome.NOT_CONFIRMED, "revocation_failed", row.failure_facts or {})
    return None


def _replaced(row: EndingAuthorization) -> bool:
    """Whether the same person has a newer token of the same client: this end would be its end."""
    if row.user_id is None or not row.obtained_client:
        return False
    return Authorization.objects.filter(
        user_id=row.user_id,
        obtained_client=row.obtained_client,
        authorized_at__gte=row.client.since,
    ).exists()


def _replaced_meanwhile(row: EndingAuthorization) -> bool:
    """The same between two tokens: the first may have been long on its way."""
    return _replaced(row)


def _out_of_time(row: EndingAuthorization) -> bool:
    """Whether its day is over and the other system still gives no answer; each is tried once."""
    if not row.tries and not row.client.failures:
        return False
    return EndingClient.objects.filter(pk=row.client_id, ends_at__lte=Now()).exists()


@sensitive_variables()
def _asked(row: EndingAuthorization, owner: str, seconds: float) -> Told:
    """Revoke each token that is left; one refusal does not stop the other."""
    try:
        client = endings.client_of(row.client)
        assert client is not None
        if row.captures is not None:
            client = client.knowing(_captures(row))
        pairs = _opened(row)
    except VaultFailure as failure:
        if failure.code == "key_missing":  # another process may have it, or this one again
            return Told(Outcome.PENDING, "revocation_failed", {"cause": failure.code})
        return Told(Outcome.NOT_REVOKED, "not_revoked", {"cause": failure.code})
    refused: Failure | None = None
    confirmed: Hint | None = None
    for number, (hint, value) in enumerate(pairs, start=1):
        if number > 1 and _replaced_meanwhile(row):
            return REPLACED
        if not _may_send(row, owner, confirmed):
            return Told(Outcome.OTHERS)
        deadline = outbound.deadline_in(seconds)
        try:
            with share.inside(row.system_id, deadline):
                _revoke(client, row, value, hint, deadline)
        except Failure as failure:
            refused = _worse(refused, failure)
            log.warning("revocation_failed", hint=hint, cause=failure.code)
            if failure.code == "not_revoked":
                return Told(Outcome.NOT_REVOKED, "not_revoked", dict(failure.facts))
        else:
            confirmed = hint
    if refused is None:
        return Told(Outcome.CONFIRMED)
    if confirmed is not None and not _may_send(row, owner, confirmed):
        return Told(Outcome.OTHERS)
    facts = {**refused.facts, "cause": refused.code}
    waits = Outcome.PENDING if _may_pass(refused) else Outcome.NOT_CONFIRMED
    return Told(waits, "revocation_failed", facts)


def _revoke(
    client: Client, row: EndingAuthorization, value: str, hint: Hint, deadline: float
) -> None:
    obtained = Obtained(client=row.obtained_client, origin=row.revocation_origin)
    revocation.revoke(client, value, hint, deadline, obtained)


def _captures(row: EndingAuthorization) -> dict[str, Any]:
    assert row.captures is not None
    return values_of(row.captures.open(row.place("captures")))


def _opened(row: EndingAuthorization) -> list[tuple[Hint, str]]:
    """The tokens that open, refresh token first. Raises VaultFailure where none does."""
    pairs: list[tuple[Hint, str]] = []
    missing: VaultFailure | None = None
    for hint in HINTS:
        sealed = getattr(row, hint)
        try:
            if sealed is not None:
                pairs.append((hint, sealed.open(row.place(hint))))
        except VaultFailure as failure:
            missing = failure
            log.warning("token_not_opened_for_revocation", code=failure.code)
    if missing is not None and not pairs:
        raise missing
    return pairs


def _may_send(row: EndingAuthorization, owner: str, confirmed: Hint | None) -> bool:
    """Whether the row is still held by ``owner``; its lease begins anew.

    A token that was just confirmed is taken out: nobody asks for its end a second time.
    """
    without: dict[str, Any] = {confirmed: None} if confirmed else {}
    with transaction.atomic(durable=True):
        return bool(
            EndingAuthorization.objects.filter(pk=row.pk, lease_owner=owner).update(
                lease_ends=Now() + LEASE, sent_at=Now(), **without
            )
        )


def _worse(known: Failure | None, failure: Failure) -> Failure:
    """Of two failures the one that may pass: while there is one, the row is tried again."""
    return failure if known is None or _may_pass(failure) else known


def _may_pass(failure: Failure) -> bool:
    """Whether asking again may help: no answer, or one that says later."""
    if isinstance(failure, TokenEndpointFailure):
        status = int(failure.facts.get("status") or 0)
        return status in (408, 429) or status >= 500
    if isinstance(failure, OutboundFailure) or failure.code == "busy":
        return failure.code in _NO_ANSWER
    return False


# What becomes of the row


def _postpone(row: EndingAuthorization, owner: str, told: Told) -> Told:
    """When to try again; those behind it at the same server wait too, and are tried first then."""
    failures = (
        EndingClient.objects.filter(pk=row.client_id).values_list("failures", flat=True).first()
    )
    pause = min(FIRST_PAUSE * 2 ** min(failures or 0, 10), LONGEST_PAUSE)
    pause = max(pause, min(int(told.facts.get("retry_after") or 0), LONGEST_WAIT))
    later = Now() + timedelta(seconds=pause)
    waits: dict[str, Any] = {"next_try_at": later, "lease_owner": "", "lease_ends": None}
    with transaction.atomic():
        mine = EndingAuthorization.objects.filter(pk=row.pk, lease_owner=owner)
        if not mine.update(tries=F("tries") + 1, failure_facts=told.facts, **waits):
            return Told(Outcome.OTHERS)
        others = EndingAuthorization.objects.filter(
            _free() | Q(lease_owner=owner),
            client_id=row.client_id,
            revocation_origin=row.revocation_origin,
        )
        others.exclude(pk=row.pk).update(**waits)
        EndingClient.objects.filter(pk=row.client_id, failures__lt=1000).update(
            failures=F("failures") + 1
        )
        if row.tries == 0 and row.client.kind == EndingKind.DISCONNECTED:
            _audit(row, told)
    return Told(told.outcome, told.code, {**told.facts, "pending": True})


def _settle(row: EndingAuthorization, owner: str, told: Told) -> bool:
    """Delete the row, audit it and count it, all at once; False where it is another's by now."""
    with transaction.atomic():
        mine = EndingAuthorization.objects.filter(pk=row.pk, lease_owner=owner)
        return _settled(mine, row, told)


def _settled(mine: QuerySet[EndingAuthorization], row: EndingAuthorization, told: Told) -> bool:
    if not mine.delete()[0]:
        return False
    _audit(row, told)
    counted = {
        Outcome.CONFIRMED: "confirmed",
        Outcome.NOT_CONFIRMED: "not_confirmed",
    }.get(told.outcome, "not_revoked")
    counts: dict[str, Any] = {counted: F(counted) + 1}
    if told.outcome in (Outcome.CONFIRMED, Outcome.NOT_CONFIRMED):
        counts["failures"] = 0
    # The update holds the ending's row: of two that settle the last rows at once, the second sees
    # that nothing is left.
    EndingClient.objects.filter(pk=row.client_id).update(**counts)
    done = EndingClient.objects.filter(pk=row.client_id, endings__isnull=True)
    if row.client.kind in KEPT_ENDINGS:
        done.update(client=None, secrets=None, configuration=None, finished_at=Now())
    else:
        done.delete()
    return True


def _audit(row: EndingAuthorization, told: Told) -> None:
    ending = row.client
    outcome = Outcome.CONFIRMED if told.outcome == Outcome.NOTHING_TO_ASK else told.outcome
    AuditEvent.objects.create(
        action=ACTIONS[EndingKind(ending.kind)],
        actor_id=ending.actor_id,
        actor_name=ending.actor_name,
        subject_name=row.subject_name,
        system_id_text=str(row.system_id),
        system_slug=ending.system_slug,
        application_id_text=ending.application_id_text,
        outcome=str(outcome),
        code=told.code,
        facts=told.facts,
    )


def drop_replaced(user_id: int | None, obtained_client: str) -> None:
    """This person has authorized again: earlier tokens of the same client are not revoked any more.

    One that is being sent at this moment is left to whoever sends it.
    """
    if user_id is None or not obtained_client:
        return
    under_way = Q(sent_at__isnull=False, lease_ends__gt=Now())
    rows = EndingAuthorization.objects.filter(user_id=user_id, obtained_client=obtained_client)
    for row in rows.exclude(under_way).select_related("client"):
        with transaction.atomic():
            _settled(EndingAuthorization.objects.filter(~under_way, pk=row.pk), row, REPLACED)
