"""The one way a connected system is written, whoever asks: a form, a file, a restored version.

A save is one savepoint of the caller's transaction, and holds all that belongs to it: the columns,
the sealed secrets, the version, the row of its history and the audit event. The version is taken
by compare-and-set, so that of two saves in one moment the second learns of the first, and no
version ever means two configurations: processes keep what they parsed by system and version.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from connectedsystems import configuration
from connectedsystems.errors import VaultFailure
from connectedsystems.models import AuditEvent, ConfigurationVersion, ConnectedSystem

COLUMNS: Final = (
    "slug",
    "name",
    "description",
    "base_url",
    "authorization_message",
    "authentication",
)
"""Keys of the bundle that are columns of the row; the others stand in ``configuration``."""

_COMPARED: Final = (*COLUMNS, "application_id", "configuration", "logo_etag")
_WRITTEN: Final = (*_COMPARED, "logo", "unseen_reach")


class Conflict(Exception):
    """Somebody saved first, and nothing was written.

    ``stored`` is the row that is there now: the system itself, another one that has taken its
    slug, or None where the system was deleted. ``read``: the version that was to be written upon.
    """

    def __init__(self, stored: ConnectedSystem | None, read: int | None) -> None:
        super().__init__("somebody saved this system first")
        self.stored = stored
        self.read = read


@dataclass(frozen=True, slots=True)
class Wanted:
    """A system as it shall be stored: checked before, and complete."""

    application_id: uuid.UUID
    data: Mapping[str, Any]
    """Under the bundle's keys, without a secret."""
    secrets: Mapping[str, Any] | None = field(default=None, repr=False)
    """As ``configuration.split`` gives them; None: what is sealed stays, even if it won't open."""
    logo: tuple[bytes | None, str] | None = None
    """Picture and etag; None: the present one stays."""


@dataclass(frozen=True, slots=True)
class By:
    """Who writes, and what the history and the audit say of it."""

    actor: Any
    source: str
    action: str
    outcome: str = "done"
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Saved:
    """The row as it is stored now. ``changed``: False where it was so already."""

    system: ConnectedSystem
    changed: bool


@sensitive_variables()
def save(system_id: uuid.UUID, wanted: Wanted, *, read: int | None, by: By | None) -> Saved:
    """Write a system, if it still is what the caller has read.

    ``read`` is the version that the caller decided upon; None makes a new system. ``by`` None is
    for a system that is made up for a test and goes away again: it leaves no trace.
    Raises Conflict, and then nothing was written.
    """
    moved: dict[str, list[str]] = {}
    with transaction.atomic():
        before = ConnectedSystem.objects.filter(pk=system_id).first()
        row = _filled(system_id, wanted, before)
        if before is not None and _is_same(before, row, wanted):
            return Saved(before, changed=False)
        if read is None:
            _insert(row)
        elif before is None or before.version != read:
            raise Conflict(before, read)
        else:
            ConfigurationVersion.objects.begin(system_id)
            moved = _note_reach(before, row, by)
            _update(row, read, with_secrets=wanted.secrets is not None)
        if by is not None:
            _remember(row, by)
            if moved:
                _record_reach(row, by, moved)
    return Saved(row, changed=True)


def look_at_reach(system: ConnectedSystem, actor: Any) -> None:
    """An admin has looked at where this system leads now: the overview need not show it on."""
    with transaction.atomic():
        seen = ConnectedSystem.objects.filter(pk=system.pk, unseen_reach=system.unseen_reach)
        if system.unseen_reach and seen.update(unseen_reach={}):
            AuditEvent.objects.record(
                "origin_change_seen", actor=actor, system=system, facts=system.unseen_reach
            )


def record_deletion(system: ConnectedSystem, actor: Any) -> None:
    """Write into the audit that a system is about to be deleted, in the caller's transaction.

    The system's last version is kept there: one that is made later under the same public id goes
    on counting, or a process that has read the old one would take the new one for it.
    """
    # The row is locked by this until the transaction ends, so nobody saves in between.
    ConnectedSystem.objects.filter(pk=system.pk).update(version=F("version"))
    last = ConnectedSystem.objects.values_list("version", flat=True).get(pk=system.pk)
    AuditEvent.objects.record("system_deleted", actor=actor, system=system, facts={"version": last})


@sensitive_variables()
def _filled(
    system_id: uuid.UUID, wanted: Wanted, before: ConnectedSystem | None
) -> ConnectedSystem:
    row = ConnectedSystem(pk=system_id, application_id=wanted.application_id)
    for key in COLUMNS:
        setattr(row, key, wanted.data.get(key) or "")
    row.authentication = row.authentication or "none"
    row.configuration = {key: value for key, value in wanted.data.items() if key not in COLUMNS}
    if before is not None:
        row.created_at, row.secrets = before.created_at, before.secrets
        row.logo, row.logo_etag = before.logo, before.logo_etag
    if wanted.logo is not None:
        row.logo, row.logo_etag = wanted.logo
    if wanted.secrets is not None:
        row.seal_secrets(dict(wanted.secrets))
    return row


@sensitive_variables()
def _is_same(before: ConnectedSystem, row: ConnectedSystem, wanted: Wanted) -> bool:
    """Whether nothing would change; a picture is known by its etag."""
    if any(getattr(before, name) != getattr(row, name) for name in _COMPARED):
        return False
    if wanted.secrets is None:
        return True
    try:
        return before.opened_secrets() == row.opened_secrets()
    except VaultFailure:
        return False


def _note_reach(before: ConnectedSystem, row: ConnectedSystem, by: By | None) -> dict[str, Any]:
    """Whether tokens and secrets go elsewhere from now on: the facts for the audit, or {}.

    What a designer does stays on the admins' overview until one of them has looked. Several
    changes add up: one that leads away and back again has still led away.
    """
    was, now = (configuration.read(each.as_data()).reach for each in (before, row))
    row.unseen_reach = before.unseen_reach
    if set(was) == set(now):
        return {}
    actor = by.actor if by is not None else None
    if actor is not None and not actor.is_superuser:
        known = before.unseen_reach or {"was": list(was), "now": [], "by": []}
        row.unseen_reach = {
            "was": known["was"],
            "now": list(dict.fromkeys([*known["now"], *now])),
            "by": list(dict.fromkeys([*known["by"], actor.get_username()])),
            "since": known.get("since") or timezone.now().isoformat(),
        }
    return {"was": list(was), "now": list(now)}


def _record_reach(row: ConnectedSystem, by: By, moved: dict[str, Any]) -> None:
    AuditEvent.objects.record(
        "origin_changed", actor=by.actor, system=row, outcome="leads elsewhere", facts=moved
    )


def _insert(row: ConnectedSystem) -> None:
    row.version = _first_version(row.pk)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        there = ConnectedSystem.objects.filter(pk=row.pk).first()
        raise Conflict(there or _holder_of_slug(row), None) from None


def _update(row: ConnectedSystem, read: int, *, with_secrets: bool) -> None:
    row.version, row.updated_at = read + 1, timezone.now()
    # Secrets that stay are not written: ``rotate_vault_keys`` may seal them anew at this moment.
    names = [*_WRITTEN, "version", "updated_at", *(["secrets"] if with_secrets else [])]
    values = {name: getattr(row, name) for name in names}
    try:
        with transaction.atomic():
            written = ConnectedSystem.objects.filter(pk=row.pk, version=read).update(**values)
    except IntegrityError:
        raise Conflict(_holder_of_slug(row), read) from None
    if not written:
        raise Conflict(ConnectedSystem.objects.filter(pk=row.pk).first(), read)
    row._state.adding = False


def _holder_of_slug(row: ConnectedSystem) -> ConnectedSystem | None:
    return ConnectedSystem.objects.filter(slug=row.slug).exclude(pk=row.pk).first()


def _first_version(system_id: uuid.UUID) -> int:
    deleted = AuditEvent.objects.filter(
        action="system_deleted", system_id_text=str(system_id)
    ).first()
    return int(deleted.facts.get("version", 0)) + 1 if deleted else 1


def _remember(row: ConnectedSystem, by: By) -> None:
    ConfigurationVersion.objects.write(row, by.actor, by.source)
    AuditEvent.objects.record(
        by.action, actor=by.actor, system=row, outcome=by.outcome, facts=dict(by.facts)
    )
