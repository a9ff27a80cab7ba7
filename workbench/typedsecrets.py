"""Secrets typed into a form that is not saved yet: kept sealed in the designer's session.

A page never shows a secret again, so what was typed would be lost whenever a form comes back.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, MutableMapping
from datetime import timedelta
from typing import Any, Literal

from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from connectedsystems import vault
from connectedsystems.errors import VaultFailure

SESSION_KEY = "typed_secrets"
HOSTS_KEY = "told_hosts"
LIFETIME = timedelta(hours=24)
MOST_FORMS = 5

Session = MutableMapping[str, Any]
Noted = Literal["told", "typed"]


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


def note_hosts(session: Session, public_id: uuid.UUID, hosts: Iterable[str], *, of: Noted) -> None:
    """Remember hosts of a form's metadata: that its person was ``told`` of them, or ``typed`` a
    secret again after that."""
    noted = dict(session.get(HOSTS_KEY, {}))
    own = {**noted.pop(public_id.hex, {}), of: sorted(hosts)}
    noted[public_id.hex] = own
    session[HOSTS_KEY] = dict(list(noted.items())[-MOST_FORMS:])


def noted_hosts(session: Session, public_id: uuid.UUID, *, of: Noted) -> frozenset[str]:
    """The hosts that ``note_hosts`` noted last for this form."""
    return frozenset(session.get(HOSTS_KEY, {}).get(public_id.hex, {}).get(of, ()))


def forget(session: Session, public_id: uuid.UUID) -> None:
    """Drop what was kept for the form of this public id."""
    for key in (SESSION_KEY, HOSTS_KEY):
        boxes = dict(session.get(key, {}))
        if boxes.pop(public_id.hex, None) is not None:
            session[key] = boxes


def _is_fresh(box: dict[str, Any]) -> bool:
    return timezone.now().timestamp() - float(box["at"]) < LIFETIME.total_seconds()
