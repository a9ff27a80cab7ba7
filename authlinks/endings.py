"""Authorizations end: forgotten here, and kept as rows until their tokens are revoked there.

The row comes first and the request after, so that no crash loses a revocation or its audit. Nothing
in this module asks another system; :mod:`authlinks.revoking` does, row by row.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, fields, replace
from datetime import timedelta
from typing import Any

import structlog
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.views.decorators.debug import sensitive_variables

from authlinks import question, registration
from authlinks.models import (
    ENDING_LIFETIME,
    Authorization,
    AuthorizationAttempt,
    EndingAuthorization,
    EndingClient,
    EndingKind,
)
from authlinks.rows import key_parameter
from connectedsystems import vault
from connectedsystems.errors import Failure
from connectedsystems.models import AuditEvent, ConnectedSystem
from connectedsystems.oauth import revocation
from connectedsystems.oauth.answer import TokenAnswer
from connectedsystems.oauth.client import Client
from connectedsystems.oauth.revocation import Obtained

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=60)

_SEALED = ("access_token", "refresh_token", "captures")
_MARKS = ("obtained_client", "revocation_origin")


# Authorizations


def end(
    system: ConnectedSystem,
    rows: QuerySet[Authorization],
    *,
    kind: EndingKind,
    actor: Any = None,
    lease: str = "",
) -> EndingClient | None:
    """Forget those of ``rows`` that are this system's, and note what is to be revoked of them.

    One transaction, three statements however many rows. ``lease``: whoever holds the new rows at
    once. None where there was nothing to end.
    """
    rows = rows.filter(system_id=system.pk).order_by()
    with transaction.atomic():
        # The rows are locked by this, and a renewal that is under way finds another version: its
        # answer comes too late, and the pair that is moved is the one that is forgotten.
        if not rows.update(version=F("version") + 1):
            return None
        ending = _ending_at(system, kind, actor)
        ending.total = _move(ending, rows)
        EndingClient.objects.filter(pk=ending.pk).update(total=ending.total)
        Authorization.objects.filter(pk__in=ending.endings.order_by().values("pk")).delete()
        if lease:
            ending.endings.update(lease_owner=lease, lease_ends=Now() + LEASE)
    return ending


def end_of_user(user: Any, *, kind: EndingKind, actor: Any = None) -> int:
    """The same of every authorization this user has, in one transaction; how many there were."""
    mine = Authorization.objects.filter(user=user)
    ended = 0
    with transaction.atomic():
        systems = ConnectedSystem.objects.filter(pk__in=mine.order_by().values("system"))
        for system in systems.defer("logo").order_by("pk"):
            ending = end(system, mine, kind=kind, actor=actor)
            ended += ending.total if ending else 0
    return ended


def obtained_of(authorization_id: uuid.UUID) -> Obtained:
    """What an authorization's tokens were obtained under; unknown where it is gone."""
    marks = Authorization.objects.filter(pk=authorization_id).values_list(*_MARKS).first()
    return Obtained(*marks) if marks else Obtained()


@sensitive_variables()
def end_late(
    system_id: uuid.UUID,
    user_id: int | None,
    answer: TokenAnswer,
    *,
    client: Client,
    obtained: Obtained,
    lease: str,
) -> EndingAuthorization:
    """Note a pair that came when its authorization had ended already."""
    system = ConnectedSystem.objects.filter(pk=system_id).first()
    if system is not None:
        ending = _new_ending(system, EndingKind.LATE_TOKEN, None)
    else:
        known = EndingClient.objects.filter(system_id=system_id).first()
        ending = EndingClient(
            kind=EndingKind.LATE_TOKEN,
            system_id=system_id,
            system_slug=known.system_slug if known else "",
            application_id_text=known.application_id_text if known else "",
        )
    return _note(ending, user_id, answer, client=client, obtained=obtained, lease=lease)


# What a try brought


def end_drafts(attempts: QuerySet[AuthorizationAttempt]) -> int:
    """Drop what these attempts brought and nobody took over; how many brought something."""
    brought = attempts.filter(draft_answer__isnull=False).order_by("begun_at")
    return sum(_end_draft(attempt) for attempt in brought.select_related("user"))


@sensitive_variables()
def _end_draft(attempt: AuthorizationAttempt) -> bool:
    mine = AuthorizationAttempt.objects.filter(pk=attempt.pk, draft_answer=attempt.draft_answer)
    with transaction.atomic():
        if not mine.update(draft=None, draft_answer=None):
            return False  # taken over in between
        try:
            brought = question.kept(attempt)
            walked_with = _registration_of(attempt)
            if brought is None or walked_with is None:
                return True
            client = walked_with.client().knowing(brought.captures)
        except Failure as failure:
            log.warning("draft_not_revoked", code=failure.code, reference=attempt.reference)
            return True
        obtained = revocation.obtained_under(client)
        if not attempt.draft:
            # The system's own settings may have changed since; where it was to be revoked at that
            # time is not known.
            obtained = Obtained(client=obtained.client)
        ending = _ending_of_attempt(attempt)
        newer = AuthorizationAttempt.objects.filter(
            user=attempt.user_id,
            system_id=attempt.system_id,
            fingerprint=attempt.fingerprint,
            draft_answer__isnull=False,
            begun_at__gt=attempt.begun_at,
        )
        if newer.exists():
            _audit_newer_try(ending, attempt)
        elif client.revocation_endpoint:
            _note(ending, attempt.user_id, brought.answer, client=client, obtained=obtained)
    return True


def _registration_of(attempt: AuthorizationAttempt) -> registration.Registration | None:
    """What the attempt walked with; None where the system's settings are others by now."""
    if attempt.draft:
        text = attempt.draft.open(attempt.place("draft"))
        return registration.of_draft(attempt.system_id, text)
    system = ConnectedSystem.objects.filter(pk=attempt.system_id).first()
    found = registration.of_system(system) if system else None
    return found if found and found.fingerprint == attempt.fingerprint else None


def _ending_of_attempt(attempt: AuthorizationAttempt) -> EndingClient:
    system = ConnectedSystem.objects.filter(pk=attempt.system_id).first()
    ending = (
        _new_ending(system, EndingKind.DRAFT, None)
        if system
        else EndingClient(kind=EndingKind.DRAFT, system_id=attempt.system_id)
    )
    ending.since = attempt.finished_at or attempt.begun_at
    return ending


def _audit_newer_try(ending: EndingClient, attempt: AuthorizationAttempt) -> None:
    AuditEvent.objects.create(
        action="draft token dropped",
        subject_name=attempt.user.get_username(),
        system_id_text=str(attempt.system_id),
        system_slug=ending.system_slug,
        application_id_text=ending.application_id_text,
        outcome="not revoked",
        code="not_revoked",
        reference=attempt.reference,
        facts={"cause": "authorized_again"},
    )


# The rows


def client_of(ending: EndingClient) -> Client | None:
    """Our registration as it was; None where there is nothing to ask. Raises VaultFailure."""
    if ending.client is None:
        return None
    box = json.loads(ending.client.open(ending.place("client")))
    known = {field.name for field in fields(Client)}
    return Client(**{name: value for name, value in box.items() if name in known})


def _ending_at(system: ConnectedSystem, kind: EndingKind, actor: Any) -> EndingClient:
    """A new ending at a system as it is configured now, saved."""
    ending = _new_ending(system, kind, actor)
    try:
        if system.parsed().oauth.get("client_id"):
            _seal(ending, system.client())
        else:
            ending.problem = "client_changed"  # it speaks no OAuth any more
    except Failure as failure:
        ending.problem = failure.code
    return _saved(ending)


def _new_ending(system: ConnectedSystem, kind: EndingKind, actor: Any) -> EndingClient:
    real = actor if actor is not None and actor.is_authenticated else None
    return EndingClient(
        kind=kind,
        system_id=system.pk,
        system_slug=system.slug,
        application_id_text=str(system.application_id),
        actor=real,
        actor_name=real.get_username() if real else "",
    )


@sensitive_variables()
def _seal(ending: EndingClient, client: Client) -> None:
    """Keep the whole registration: whatever a revocation comes to use of it is there."""
    if client.revocation_endpoint:
        text = json.dumps(asdict(replace(client, guard=None)), default=dict)
        ending.client = vault.seal(text, ending.place("client"))


def _saved(ending: EndingClient) -> EndingClient:
    """Inserted, with the database's times."""
    since = ending.since if ending.since is not None else Now()
    ending.begun_at, ending.since, ending.ends_at = Now(), since, Now() + ENDING_LIFETIME
    ending.save(force_insert=True)
    return ending


@sensitive_variables()
def _note(
    ending: EndingClient,
    user_id: int | None,
    answer: TokenAnswer,
    *,
    client: Client,
    obtained: Obtained,
    lease: str = "",
) -> EndingAuthorization:
    """One row of tokens that never were an authorization's, or are none's any more."""
    row = EndingAuthorization(
        client=ending,
        system_id=ending.system_id,
        user_id=user_id,
        subject_name=_name_of(user_id),
        obtained_client=obtained.client,
        revocation_origin=obtained.origin,
        lease_owner=lease,
        lease_ends=Now() + LEASE if lease else None,
    )
    if client.revocation_endpoint:
        row.access_token = vault.seal(answer.access_token, row.place("access_token"))
        if answer.refresh_token:
            row.refresh_token = vault.seal(answer.refresh_token, row.place("refresh_token"))
    with transaction.atomic():
        _seal(ending, client)
        ending.total = 1
        _saved(ending)
        row.save(force_insert=True)
    return row


def _name_of(user_id: int | None) -> str:
    user = get_user_model().objects.filter(pk=user_id).first() if user_id is not None else None
    return user.get_username() if user else ""


def _move(ending: EndingClient, rows: QuerySet[Authorization]) -> int:
    """Copy the rows in one statement, their sealed columns untouched; how many there were.

    Tokens that nobody can be asked about are not kept.
    """
    users: Any = get_user_model()
    quote = connection.ops.quote_name
    kept = [f"a.{quote(name)}" if ending.client else "NULL" for name in _SEALED]
    names = ["id", "client_id", "system_id", "user_id", "subject_name", *_SEALED, *_MARKS]
    chosen, parameters = rows.values("pk").query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {quote(EndingAuthorization._meta.db_table)}"
            f" ({', '.join(map(quote, [*names, 'tries', 'lease_owner']))})"
            f" SELECT a.id, %s, a.system_id, a.user_id,"
            f" COALESCE(u.{quote(users._meta.get_field(users.USERNAME_FIELD).column)}, ''),"
            f" {', '.join(kept)}, {', '.join(f'a.{quote(name)}' for name in _MARKS)}, 0, ''"
            f" FROM {quote(Authorization._meta.db_table)} a"
            f" LEFT JOIN {quote(users._meta.db_table)} u"
            f" ON u.{quote(users._meta.pk.column)} = a.user_id"
            f" WHERE a.id IN ({chosen})",
            [key_parameter(ending.pk), *parameters],
        )
        return int(cursor.rowcount)
