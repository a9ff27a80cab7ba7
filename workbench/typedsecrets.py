"""Secrets typed into a form that is not saved yet: kept sealed in the designer's session.

A page never shows a secret again, so what was typed would be lost whenever a form comes back.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import MutableMapping
from datetime import timedelta
from typing import Any

from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from connectedsystems import vault
from connectedsystems.errors import VaultFailure

SESSION_KEY = "typed_secrets"
LIFETIME = timedelta(hours=24)
MOST_FORMS = 5

Session = MutableMapping[str, Any]


def _place(public_id: uuid.UUID, user: Any) -> str:
    return vault.place("session", SESSION_KEY, public_id, user.pk)


@sensitive_variables()
def keep(session: Session, public_id: uuid.UUID, user: Any, secrets: dict[str, Any]) -> None:
    """Keep these secrets for the form of this public id; None among them says: remove."""
    kept = {key: value for key, value in session.get(SESSION_KEY, {}).items() if _is_fresh(value)}
    kept.pop(public_id.hex, None)
    if secrets:
        sealed = vault.seal(json.dumps(secrets), _place(public_id, user))
        kept[public_id.hex] = {"sealed": sealed.stored, "at": timezone.now().timestamp()}
    session[SESSION_KEY] = dict(list(kept.items())[-MOST_FORMS:])


@sensitive_variables()
def kept(session: Session, public_id: uuid.UUID, user: Any) -> dict[str, Any]:
    """What was kept for the form of this public id within the last 24 hours."""
    box = session.get(SESSION_KEY, {}).get(public_id.hex)
    if box is None or not _is_fresh(box):
        return {}
    try:
        text = vault.Sealed.from_stored(box["sealed"]).open(_place(public_id, user))
    except VaultFailure:
        return {}
    secrets: dict[str, Any] = json.loads(text)
    return secrets


def forget(session: Session, public_id: uuid.UUID) -> None:
    """Drop what was kept for the form of this public id."""
    boxes = dict(session.get(SESSION_KEY, {}))
    if boxes.pop(public_id.hex, None) is not None:
        session[SESSION_KEY] = boxes


def _is_fresh(box: dict[str, Any]) -> bool:
    return timezone.now().timestamp() - float(box["at"]) < LIFETIME.total_seconds()
