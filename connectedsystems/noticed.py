"""Failures that an auditor asks for: values that do not open, addresses that are refused.

Each is kept once an hour, however often it happens, by whoever tells a failure to somebody.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from connectedsystems import person
from connectedsystems.models import AuditEvent, ConnectedSystem

_ACTIONS = {
    "address_refused": "address_refused",
    "decrypt_failed": "value_not_opened",
    "key_missing": "value_not_opened",
}
_FACTS = ("host", "reason", "field", "stage", "subject", "name", "lost")


def note(
    code: str,
    facts: Mapping[str, Any],
    *,
    system_id: uuid.UUID | None = None,
    actor: Any = None,
    subject: Any = None,
    reference: str = "",
) -> None:
    """Keep the failure in the audit, if it is one of those; others are passed over.

    ``actor`` is whoever's request it is unless given; ``subject`` whose value or call it was.
    """
    action = _ACTIONS.get(code)
    if action is None:
        return
    system = ConnectedSystem.objects.filter(pk=system_id).first() if system_id else None
    told = {name: facts[name] for name in _FACTS if facts.get(name)}
    AuditEvent.objects.record_hourly(
        action,
        actor=actor or person.actor(),
        subject=subject,
        system=system,
        code=code,
        reference=reference,
        facts=told,
        about=[told.get(name) for name in ("host", "reason", "field", "subject", "name", "lost")],
    )


def note_mistakes(
    errors: Mapping[str, list[str]], *, system_id: uuid.UUID | None = None, actor: Any = None
) -> None:
    """The addresses that were refused where they were written, before anything is sent to them."""
    for key, sentences in errors.items():
        for code, colon, sentence in (text.partition(": ") for text in sentences):
            if colon and code == "address_refused":
                facts = {"field": key, "reason": sentence[:300], "stage": "written"}
                note(code, facts, system_id=system_id, actor=actor)
