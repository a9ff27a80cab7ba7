"""One renewal of a token at a time, across threads and processes, saved before anyone uses it.

A lease is three columns on the authorization, taken by one conditional UPDATE that is committed
before the token request. No transaction and no row lock is open while we wait for the other
system: on SQLite a lock would stop every writer, and ``select_for_update`` locks nothing there.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog
from django.db import transaction
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Now
from django.views.decorators.debug import sensitive_variables

from authlinks import endings, fresh, revoking
from authlinks.columns import obtained_columns, sealed_captures, token_columns
from authlinks.models import ORIGIN_MOVED, Authorization, place_of
from authlinks.rows import Row
from connectedsystems import outbound, redact, share, vault
from connectedsystems.errors import (
    Failure,
    OutboundFailure,
    SecretWithheld,
    TokenUnavailable,
    VaultFailure,
)
from connectedsystems.models import AuditEvent
from connectedsystems.oauth import revocation, second, token
from connectedsystems.oauth.answer import TokenAnswer
from connectedsystems.oauth.captures import values_of
from connectedsystems.oauth.client import Client
from connectedsystems.oauth.standing import OriginMoved, Standing

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

    Also "" where its user is not acted for any more.

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
            .acted_for()
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
    held = Authorization.objects.filter(pk=authorization_id, lease_owner=owner)
    fresh.insist(lambda _: held.update(lease_owner="", lease_ends=None, refresh_sent_at=None))


@sensitive_variables()
def renew(party: Party, row: Row, lease: str) -> TokenUnavailable | None:
    """Ask the token endpoint once and save what it answers; None means: read the row again.

    A failure is saved with the time of the next try and returned, never raised. One that found
    another row than it was about is None, too: somebody authorized again, or disconnected.
    """
    try:
        client = party.client()
    except SecretWithheld as failure:
        release(row.id, lease)
        return TokenUnavailable(failure.code, **failure.facts)
    except VaultFailure as failure:
        release(row.id, lease)
        return _not_opened(failure)
    try:
        refresh_token = None if party.own else _opened_refresh_token(party, row)
        # Asked before anything is sent: with a key that is missing here, what was captured could
        # not be kept beside what the answer brings.
        _opened_captures(party, row)
    except VaultFailure as failure:
        release(row.id, lease)
        return _not_opened(failure)
    standing: Standing | None = None
    if not party.own:
        # The system's own token follows its secret, which has origins of its own.
        standing = _standing(row, client)
        client = replace(client, guard=standing.check)
    obtained = (
        revocation.obtained_under(client) if party.own else endings.obtained_of(row.id, row.version)
    )
    try:
        answer = _ask_in_turn(party, client, refresh_token)
    except OriginMoved as moved:
        return _end_moved(party, row, lease, client, moved, obtained)
    except Failure as failure:
        if failure.code == "busy":
            release(row.id, lease)
            return TokenUnavailable("busy", **failure.facts)
        return _note_failure(party, row, lease, failure)
    except BaseException:
        release(row.id, lease)
        raise
    try:
        saved = _saved(party, row, lease, answer, client, standing, obtained)
        if not saved:
            _drop_late_answer(party, answer, client, obtained)
    except OriginMoved as moved:
        moved.answer = answer
        return _end_moved(party, row, lease, client, moved, obtained)
    except fresh.LOST:
        return _not_saved(row)
    return None


def _not_saved(row: Row) -> TokenUnavailable:
    """A pair came, and the database was gone for longer than we try."""
    # The lease is still named in the row: whoever takes it next knows that an answer was lost.
    log.error("refresh_outcome_unknown", authorization=str(row.id))
    return TokenUnavailable("refresh_outcome_unknown", stage="refresh", unsaved=True)


def _standing(row: Row, client: Client) -> Standing:
    """Where this authorization's tokens may go."""
    known = Authorization.objects.filter(pk=row.id).values_list("origins", flat=True).first()
    return Standing(known=known or {}, client=client)


@sensitive_variables()
def _end_moved(
    party: Party,
    row: Row,
    lease: str,
    client: Client,
    moved: OriginMoved,
    obtained: revocation.Obtained,
) -> TokenUnavailable | None:
    """Another origin would get the tokens: nothing is sent there, and only the user can go on.

    The new pair is kept all the same, beside the old captures: a disconnect has to revoke it.
    None where the row changed meanwhile: then this concerns nobody any more.
    """
    columns = {} if moved.answer is None else _new_pair(party, moved.answer, client)
    columns |= {
        "ended_code": ORIGIN_MOVED,
        "failure_code": moved.code,
        "failure_facts": moved.facts,
        "lease_owner": "",
        "lease_ends": None,
    }
    try:
        ended = _put(row, lease, columns)
    except fresh.LOST:
        return _not_saved(row)
    if not ended:
        if moved.answer is not None:
            _drop_late_answer(party, moved.answer, client, obtained)
        return None
    log.warning("origin_moved", **moved.facts)
    authorization = Authorization.objects.select_related("system", "user").get(pk=row.id)
    AuditEvent.objects.record(
        "authorization ended",
        subject=authorization.user,
        system=authorization.system,
        outcome="would have led elsewhere",
        code=moved.code,
        facts=moved.facts,
    )
    return TokenUnavailable(moved.code, **moved.facts)


def _not_opened(failure: VaultFailure) -> TokenUnavailable:
    """A sealed text of the system (``subject``) or of the authorization that does not open."""
    return TokenUnavailable(failure.code, **{"subject": "authorization", **failure.facts})


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
    """The answer, once this process has a thread to spare for the endpoint; else ``busy``."""
    deadline = outbound.deadline_in(REQUEST_SECONDS)
    origin = client.token_origin(refresh=refresh_token is not None)
    with share.inside(party.system_id, deadline, origin=origin, user=party.user_id):
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
def _saved(
    party: Party,
    row: Row,
    lease: str,
    answer: TokenAnswer,
    client: Client,
    standing: Standing | None,
    obtained: revocation.Obtained,
) -> bool:
    """Store the new pair in one UPDATE, if the row is still the one that was renewed.

    Raises OriginMoved where what was captured now leads elsewhere.
    """
    columns = _new_pair(party, answer, client)
    if standing is not None:
        columns["origins"] = standing.check_captures(answer.captures)
    captures = {**_opened_captures(party, row), **answer.captures}
    columns["api_origin"] = party.api_origin(captures)
    if answer.captures:
        columns["captures"] = sealed_captures(party.system_id, party.user_id, captures)
        if obtained.client == revocation.obtained_under(client).client:
            # Where the token endpoint may have moved to: that was checked just now. Where tokens
            # are revoked was not, and stays as it was when its user approved.
            columns["obtained_client"] = revocation.obtained_under(
                client.knowing(answer.captures)
            ).client
    if party.own:
        columns |= {"fingerprint": party.fingerprint, "scope_requested": client.scope}
        # A refresh token that did not come again belongs to the registration of before.
        columns |= {"refresh_token": columns.get("refresh_token"), **obtained_columns(client)}
    return _put(row, lease, columns)


@sensitive_variables("columns")
def _put(row: Row, lease: str, columns: dict[str, Any]) -> bool:
    """Write a fresh answer over the row it renews; True where it stands there now."""

    def save(again: bool) -> bool:
        with transaction.atomic(durable=True):
            saved = Authorization.objects.filter(
                pk=row.id, version=row.version, lease_owner=lease
            ).update(version=F("version") + 1, **columns)
        return bool(saved) or (again and _holds(row, columns.get("access_token")))

    return fresh.insist(save)


def _holds(row: Row, access_token: vault.Sealed | None) -> bool:
    """Whether a try to save this very answer was committed, though the connection broke then."""
    return Authorization.objects.filter(
        pk=row.id, version=row.version + 1, access_token=access_token
    ).exists()


@sensitive_variables("answer")
def _new_pair(party: Party, answer: TokenAnswer, client: Client) -> dict[str, Any]:
    """The columns of a renewed pair."""
    columns = token_columns(party.system_id, party.user_id, answer, client)
    columns["renewed_at"] = Now()
    if answer.scope:
        columns["scope"] = answer.scope
    return columns


@sensitive_variables()
def _opened_captures(party: Party, row: Row) -> dict[str, Any]:
    """What earlier answers brought; what never opens again is replaced by the new.

    Raises VaultFailure ``key_missing``.
    """
    if row.captures is None:
        return {}
    try:
        text = row.captures.open(place_of("captures", party.system_id, party.user_id))
    except VaultFailure as failure:
        if failure.code == "key_missing":
            raise
        return {}
    return values_of(text)


def _drop_late_answer(
    party: Party, answer: TokenAnswer, client: Client, obtained: revocation.Obtained
) -> None:
    """A pair that came too late: revoked after a disconnect, left alone after a new walk.

    At many servers revoking the old pair would end the new one too. ``obtained``: under what the
    authorization stood that was renewed; the pair goes nowhere else.
    """
    if fresh.insist(lambda _: Authorization.objects.at(party.system_id, party.user_id).exists()):
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
def _note_failure(party: Party, row: Row, lease: str, failure: Failure) -> TokenUnavailable | None:
    """Save what went wrong and when to try again; say it as the caller should hear it.

    None where the row was no longer the one that was to be renewed: it has to be read again.
    """
    names = ("failures", "unreadable_refusals", "outcome_unknown")
    kept = fresh.insist(
        lambda _: Authorization.objects.filter(pk=row.id).values(*names).first()
    ) or {"failures": 0, "unreadable_refusals": 0, "outcome_unknown": False}
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

    def save(_: bool) -> int:
        with transaction.atomic(durable=True):
            return Authorization.objects.filter(
                pk=row.id, version=row.version, lease_owner=lease
            ).update(**columns)

    changed = fresh.insist(save)
    log.warning("refresh_failed", code=columns["failure_code"], status=status, kept=bool(changed))
    if not changed:
        # The user authorized again meanwhile, or disconnected: what stands now decides.
        return None
    if final:
        _audit(party, code, facts)
    if not final:
        facts["retry_after"] = pause
    return TokenUnavailable(code, **facts)


def _audit(party: Party, code: str, facts: dict[str, Any]) -> None:
    """Keep that a permission is over, since its renewal was refused for good."""
    row = Authorization.objects.at(party.system_id, party.user_id).select_related("system", "user")
    if (found := row.first()) is not None:
        AuditEvent.objects.record(
            "renewal_refused",
            subject=found.user,
            system=found.system,
            outcome="failed",
            code=code,
            facts=redact.redact_tree(facts),
        )


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
