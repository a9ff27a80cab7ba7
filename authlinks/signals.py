"""When a user or a system is deleted, its tokens are revoked once that is committed."""

from __future__ import annotations

from typing import Any

import structlog
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.signals import pre_delete
from django.dispatch import receiver

from authlinks import disconnect
from authlinks.models import Authorization
from connectedsystems.models import AuditEvent, ConnectedSystem

log = structlog.get_logger(__name__)


@receiver(pre_delete, sender=get_user_model())
def revoke_for_user(instance: Any, **_kwargs: Any) -> None:
    _revoke_on_commit(Authorization.objects.filter(user=instance), about=instance.get_username())


@receiver(pre_delete, sender=ConnectedSystem)
def revoke_for_system(instance: ConnectedSystem, **_kwargs: Any) -> None:
    _revoke_on_commit(Authorization.objects.filter(system=instance), about="")


def _revoke_on_commit(authorizations: QuerySet[Authorization], about: str) -> None:
    for authorization in authorizations.select_related("system", "user"):
        outgoing = disconnect.revocable(authorization)
        system = authorization.system
        # By the time this runs the rows are gone; the audit names them by text.
        named = {
            "system_id_text": str(system.pk),
            "system_slug": system.slug,
            "application_id_text": str(system.application_id),
        }
        name = about or (authorization.user.get_username() if authorization.user else "")

        def revoke(
            outgoing: disconnect.Revocable | None = outgoing,
            named: dict[str, str] = named,
            name: str = name,
        ) -> None:
            confirmed, facts = disconnect.revoke(outgoing)
            AuditEvent.objects.create(
                action="disconnected by deletion",
                subject_name=name,
                **named,
                outcome="done" if confirmed is not False else "not confirmed there",
                code="" if confirmed is not False else "revocation_failed",
                facts=facts,
            )

        transaction.on_commit(revoke, robust=True)
