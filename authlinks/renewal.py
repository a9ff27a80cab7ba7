"""One renewal of a token at a time, across threads and processes, saved before anyone uses it.

A lease is three columns on the authorization, taken by one conditional UPDATE that is committed
before the token request. No transaction and no row lock is open while we wait for the other
system: on SQLite a lock would stop every writer, and ``select_for_update`` locks nothing there.
"""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog
from django.db import transaction
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Now
from django.views.decorators.debug import sensitive_variables

from authlinks import endings, revoking
from authlinks.columns import obtained_columns, token_columns
from authlinks.models import Authorization, place_of
from authlinks.rows import Row
from connectedsystems import outbound, share, vault
from connectedsystems.errors import (
    Failure,
    OutboundFailure,
    TokenUnavailable,
    VaultFailure,
)
from connectedsystems.oauth import revocation, second, token
from connectedsystems.oauth.answer import TokenAnswer
from connectedsystems.oauth.client import Client

if TYPE_CHECKING:
    from authlinks.tokens import Party

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=30)
VOID_LEASE = timedelta(seconds=60)
REQUEST_SECONDS = 10.0
FIRST_PAUSE = 30
LONGEST_PAUSE = 15 * 60


def take_lease(authorization_id: uuid.UUID, version: int, system_version: int) -> str:
    """Become the one who renews this token: the lease's owner, or "" where somebody else is.

    A lease that ends more than a minute from now was written under another clock and is void.
    """
    owner = uuid.uuid4().hex
    free = (
        Q(lease_ends__isnull=True) | Q(lease_ends__lte=Now()) | Q(lease_ends__gt=Now() + VOID_LEASE)
    )
    may_try = (
        Q(next_try_at__isnull=True)
        | Q(next_try_at__lte=Now())
        | ~Q(failed_system_version=system_version)
    )
    with transaction.atomic(durable=True):
        taken = (
            Authorization.objects.filter(pk=authorization_id, version=version, ended_code="")
            .filter(free, may_try)
            .update(
                # An owner still named in an ended lease died before it could save an answer.
                outcome_unknown=Case(
                    When(lease_owner="", then=F("outcome_unknown")), default=Value(True)
                ),
                lease_owner=owner,
                lease_ends=Now() + LEASE,
                refresh_sent_at=Now(),
            )
        )
    return owner if taken else ""


def release(authorization_id: uuid.UUID, owner: str) -> None:
    """Give a lease back without having sent anything."""
    Authorization.objects.filter(pk=authorization_id, lease_owner=owner).update(
        lease_owner="", lease_ends=None, refresh_sent_at=None
    )


@sensitive_variables()
def renew(party: Party, row: Row, lease: str) -> TokenUnavailable | None:
    """Ask the token endpoint once and save what it answers; None means: read the row again.

    A failure is saved with the time of the next try and returned, never raised.
    """
    try:
        client = party.client()
    except VaultFailure as failure:
        release(row.id, lease)
        return TokenUnavailable("key_missing", subject="system", **failure.facts)
    try:
        refresh_token = None if party.own else _opened_refresh_token(party, row)
    except VaultFailure as failure:
        release(row.id, lease)
        return TokenUnavailable("decrypt_failed", subject="authorization", **failure.facts)
    obtained = (
        revocation.obtained_under(client) if party.own else endings.obtained_of(row.id, row.version)
    )
    try:
        answer = _ask_in_turn(party, client, refresh_token)
    except Failure as failure:
        if failure.code == "busy":
            release(row.id, lease)
            return TokenUnavailable("busy", **failure.facts)
        return _note_failure(party, row, lease, failure)
    except BaseException:
        release(row.id, lease)
        raise
    if not _saved(party, row, lease, answer, client):
        _drop_late_answer(party, answer, client, obtained)
    return None


def _opened_refresh_token(party: Party, row: Row) -> str:
    sealed = (
        Authorization.objects.filter(pk=row.id, version=row.version)
        .values_list("refresh_token", flat=True)
        .first()
    )
    if sealed is None:
        raise VaultFailure("decrypt_failed")
    return sealed.open(place_of("refresh_token", party.system_id, party.user_id))


def _ask_in_turn(party: Party, client: Client, refresh_token: str | None) -> TokenAnswer:
    """The answer, once this process has a thread to spare for the system; else ``busy``."""
    with share.inside(party.system_id, outbound.deadline_in(REQUEST_SECONDS)):
        return _ask(client, refresh_token)


def _ask(client: Client, refresh_token: str | None) -> TokenAnswer:
    """One token request, and a second one only where the first provably never left."""
    deadline = outbound.deadline_in(REQUEST_SECONDS)
    try:
        return _ask_once(client, refresh_token, deadline)
    except OutboundFailure as failure:
        if failure.sent or failure.code != "connection_failed":
            raise
    return _ask_once(client, refresh_token, deadline)


def _ask_once(client: Client, refresh_token: str | None, deadline: float) -> TokenAnswer:
    if refresh_token is None:
        return token.client_credentials(client, deadline)
    return token.refresh(client, refresh_token, deadline)


@sensitive_variables("answer", "columns")
def _saved(party: Party, row: Row, lease: str, answer: TokenAnswer, client: Client) -> bool:
    """Store the new pair in one UPDATE, if the row is still the one that was renewed."""
    columns = token_columns(party.system_id, party.user_id, answer, client)
    columns["renewed_at"] = Now()
    if answer.scope:
        columns["scope"] = answer.scope
    if answer.captures:
        captures = {**_opened_captures(party, row), **answer.captures}
        place = place_of("captures", party.system_id, party.user_id)
        columns["captures"] = vault.seal(json.dumps(captures), place)
    if party.own:
        columns |= {"fingerprint": party.fingerprint, "scope_requested": client.scope}
        # A refresh token that did not come again belongs to the registration of before.
        columns |= {"refresh_token": columns.get("refresh_token"), **obtained_columns(client)}
    with transaction.atomic(durable=True):
        return bool(
            Authorization.objects.filter(pk=row.id, version=row.version, lease_owner=lease).update(
                version=F("version") + 1, **columns
            )
        )


@sensitive_variables()
def _opened_captures(party: Party, row: Row) -> dict[str, Any]:
    """What earlier answers brought; what does not open any more is replaced by the new."""
    if row.captures is None:
        return {}
    try:
        text = row.captures.open(place_of("captures", party.system_id, party.user_id))
    except VaultFailure:
        return {}
    values: dict[str, Any] = json.loads(text)
    return values


def _drop_late_answer(
    party: Party, answer: TokenAnswer, client: Client, obtained: revocation.Obtained
) -> None:
    """A pair that came too late: revoked after a disconnect, left alone after a new walk.

    At many servers revoking the old pair would end the new one too. ``obtained``: under what the
    authorization stood that was renewed; the pair goes nowhere else.
    """
    if Authorization.objects.at(party.system_id, party.user_id).exists():
        return
    owner = uuid.uuid4().hex
    late = endings.end_late(
        party.system_id,
        party.user_id,
        answer,
        client=client,
        obtained=obtained,
        lease=owner,
    )
    revoking.revoke_row(late, owner)


@sensitive_variables()
def _note_failure(party: Party, row: Row, lease: str, failure: Failure) -> TokenUnavailable:
    """Save what went wrong and when to try again; say it as the caller should hear it."""
    kept = Authorization.objects.filter(pk=row.id).values(
        "failures", "unreadable_refusals", "outcome_unknown"
    ).first() or {"failures": 0, "unreadable_refusals": 0, "outcome_unknown": False}
    status = failure.facts.get("status")
    unreadable = status == 400 and not failure.facts.get("readable", False)
    final = not party.own and (
        failure.facts.get("error") == "invalid_grant"
        or (unreadable and kept["unreadable_refusals"] >= 1)
    )
    ended = ""
    if final:
        ended = "refresh_outcome_unknown" if kept["outcome_unknown"] else "refresh_refused"
    code = "needs_authorization" if final else _code_of(failure)
    pause = min(FIRST_PAUSE * 2 ** min(kept["failures"], 10), LONGEST_PAUSE)
    pause = max(pause, min(int(failure.facts.get("retry_after") or 0), 3600))
    stage = "client_credentials" if party.own else "refresh"
    facts = {**failure.facts, "stage": stage}
    if failure.code == "timeout":
        facts["timed_out"] = True
    if final:
        facts["cause"] = ended
    columns: dict[str, Any] = {
        "failure_code": code,
        "failure_facts": facts,
        "ended_code": ended,
        "failures": min(kept["failures"] + 1, 1000),
        "unreadable_refusals": kept["unreadable_refusals"] + 1 if unreadable else 0,
        "outcome_unknown": kept["outcome_unknown"] or _outcome_unknown(failure),
        "next_try_at": Now() + timedelta(seconds=pause),
        "failed_system_version": party.system_version,
        "lease_owner": "",
        "lease_ends": None,
    }
    if isinstance(failure, second.Unfinished) and failure.answer.refresh_token:
        place = place_of("refresh_token", party.system_id, party.user_id)
        columns["refresh_token"] = vault.seal(failure.answer.refresh_token, place)
    with transaction.atomic(durable=True):
        changed = Authorization.objects.filter(
            pk=row.id, version=row.version, lease_owner=lease
        ).update(**columns)
    log.warning("refresh_failed", code=columns["failure_code"], status=status, kept=bool(changed))
    if not final:
        facts["retry_after"] = pause
    return TokenUnavailable(code, **facts)


def _code_of(failure: Failure) -> str:
    """How a failed renewal is called: most causes are somebody else's to mend, or pass."""
    status = failure.facts.get("status") or 0
    if isinstance(failure, OutboundFailure):
        if failure.code == "timeout" or not failure.sent and failure.code == "connection_failed":
            return "temporarily_unavailable"
        return "refresh_outcome_unknown" if _outcome_unknown(failure) else failure.code
    if status == 429 or status >= 500:
        return "temporarily_unavailable"
    return "refresh_failed" if failure.code in {"token_refused", "scope_refused"} else failure.code


def _outcome_unknown(failure: Failure) -> bool:
    """Whether the other system may have rotated the refresh token without our hearing of it."""
    if isinstance(failure, OutboundFailure):
        return failure.sent and failure.code in {
            "timeout",
            "connection_failed",
            "bad_response",
            "too_large",
        }
    status = failure.facts.get("status") or 0
    return status >= 500 or 200 <= status < 300
