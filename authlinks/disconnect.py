"""End an authorization: revoke it there (RFC 7009), forget it here, say which happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import structlog
from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from authlinks.models import Authorization
from connectedsystems import outbound
from connectedsystems.errors import Failure, VaultFailure
from connectedsystems.models import AuditEvent, ConnectedSystem
from connectedsystems.oauth import revocation
from connectedsystems.oauth.client import Client

log = structlog.get_logger(__name__)

REVOKE_SECONDS = 10.0
HINTS: tuple[revocation.Hint, ...] = ("refresh_token", "access_token")


@dataclass(frozen=True, slots=True)
class Ended:
    """What a disconnect did: ``confirmed`` by the other system; None where it has no address."""

    forgotten: bool
    confirmed: bool | None
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Revocable:
    """Opened tokens on their way out, refresh token first."""

    client: Client = field(repr=False)
    tokens: tuple[tuple[str, revocation.Hint], ...] = field(repr=False)


def disconnect(system: ConnectedSystem, user: Any, *, actor: Any) -> Ended:
    """Forget this user's authorization here in any case; revoke it there if that can be asked."""
    authorization = Authorization.objects.of(system, user).first()
    if authorization is None:
        return Ended(forgotten=False, confirmed=None, facts={})
    outgoing = revocable(authorization)
    with transaction.atomic():
        Authorization.objects.filter(pk=authorization.pk).delete()
    confirmed, facts = revoke(outgoing)
    AuditEvent.objects.record(
        "disconnected",
        actor=actor,
        subject=user,
        system=system,
        outcome="done" if confirmed is not False else "not confirmed there",
        code="" if confirmed is not False else "revocation_failed",
        facts=facts,
    )
    return Ended(forgotten=True, confirmed=confirmed, facts=facts)


@sensitive_variables()
def revocable(authorization: Authorization) -> Revocable | None:
    """The tokens and the client to revoke them with; None where there is nothing to ask.

    A refresh token first: at most servers its end is the end of the access token too.
    """
    try:
        client = authorization.system.client()
    except Failure:
        return None
    if not client.revocation_endpoint:
        return None
    pairs: list[tuple[str, revocation.Hint]] = []
    for column in HINTS:
        sealed = getattr(authorization, column)
        try:
            if sealed is not None:
                pairs.append((sealed.open(authorization.place(column)), column))
        except VaultFailure as failure:
            log.warning("token_not_opened_for_revocation", code=failure.code)
    return Revocable(client=client, tokens=tuple(pairs)) if pairs else None


@sensitive_variables()
def revoke(outgoing: Revocable | None) -> tuple[bool | None, dict[str, Any]]:
    """Revoke both tokens; one refusal does not stop the other."""
    if outgoing is None:
        return None, {}
    confirmed, facts = True, {}
    for value, hint in outgoing.tokens:
        try:
            revocation.revoke(outgoing.client, value, hint, outbound.deadline_in(REVOKE_SECONDS))
        except Failure as failure:
            confirmed = False
            facts = {**failure.facts, "cause": failure.code}
            log.warning("revocation_failed", hint=hint, cause=failure.code)
    return confirmed, facts
