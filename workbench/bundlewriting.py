"""Writes what a checked bundle file says, in one short transaction: all of it or nothing.

Everything that takes time happened before (``workbench.bundle``): parsing, checking, comparing,
asking for metadata. On SQLite this transaction holds the one lock of all writers, so that a log-in
waits for it. What was read before is compared again here, and a row that somebody changed
meanwhile ends the load.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.contrib.auth.models import Group
from django.db import IntegrityError, models, transaction
from django.views.decorators.debug import sensitive_variables

from connectedsystems import saving
from connectedsystems.errors import ConfigurationInvalid
from connectedsystems.models import Application, AuditEvent, ConnectedSystem, Version
from connectedsystems.saving import By, Wanted
from integrations.models import Integration, IntegrationVersion

_CHANGED: Final = "was changed by somebody else while the file was checked: load the file again."
_TAKEN: Final = "has been taken by somebody else while the file was checked: load the file again."
_AT_ONCE: Final = (
    "Somebody else wrote one of these in the same moment, so nothing was changed: load the file"
    " again."
)


@dataclass(frozen=True, slots=True)
class ApplicationWrite:
    """An application as it shall be. ``groups``: names by column; what is absent stays."""

    application: Application
    is_new: bool
    path: str
    groups: Mapping[str, Sequence[str]]
    changed: bool


@dataclass(frozen=True, slots=True)
class SystemWrite:
    """A system as it shall be stored. ``read``: the version it was decided upon; None for a new."""

    system_id: uuid.UUID
    application_id: uuid.UUID
    data: Mapping[str, Any]
    secrets: dict[str, Any] = field(repr=False)
    read: int | None
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class IntegrationWrite:
    """An integration as it shall be stored, its version being the new one."""

    integration: Integration
    is_new: bool
    before: Mapping[str, Any] | None
    """How it was, where no version of it was kept yet."""


@dataclass(slots=True)
class Plan:
    """What is to be written, and what was read to decide it."""

    actor: Any
    applications: list[ApplicationWrite] = field(default_factory=list)
    systems: list[SystemWrite] = field(default_factory=list)
    integrations: list[IntegrationWrite] = field(default_factory=list)
    read: dict[type[models.Model], dict[Any, tuple[str, Any]]] = field(default_factory=dict)
    """By model and key: the row's path in the file, and its state when it was read."""
    touched: frozenset[uuid.UUID] = frozenset()
    """Systems all of whose integrations were checked."""
    audited_as: str = ""
    """Where new integrations come from, for an audit event of each; "" for none."""


def state_of(row: Any) -> Any:
    """What of a row is compared: its version, or where it has none what the file can change."""
    if isinstance(row, Application):
        return row.slug, row.name, row.open_to_everyone
    return row.version


@sensitive_variables()
def write(plan: Plan) -> None:
    """Write it. Raises ConfigurationInvalid where somebody was first; then nothing was written."""
    try:
        with transaction.atomic():
            _refuse_changes(plan)
            _write_applications(plan.applications)
            for each in plan.systems:
                _write_system(each, plan.actor)
            _write_integrations(plan)
    except IntegrityError:
        # Two new ones under one slug: the other's was not visible when it was asked for.
        raise ConfigurationInvalid({"": [_AT_ONCE]}) from None


def _refuse_changes(plan: Plan) -> None:
    """Compare, and keep others from changing these rows until the end."""
    found: dict[str, list[str]] = {}
    for model, rows in plan.read.items():
        now = {row.pk: state_of(row) for row in _locked(model, rows)}
        for key, (path, state) in rows.items():
            if now.get(key) != state:
                found[path] = [_CHANGED]
    known = plan.read.get(Integration, {})
    there = Integration.objects.filter(connected_system__in=plan.touched)
    for key, slug in there.values_list("pk", "slug"):
        if key not in known:
            found[f"integrations.{slug}"] = [_CHANGED]
    found |= _taken(ConnectedSystem, "connected_systems", _new_systems(plan))
    new = [each.integration.slug for each in plan.integrations if each.is_new]
    found |= _taken(Integration, "integrations", new)
    found |= _taken(
        Application,
        "applications",
        [each.application.slug for each in plan.applications if each.is_new],
    )
    if found:
        raise ConfigurationInvalid(found)


def _new_systems(plan: Plan) -> list[str]:
    return [str(each.data["slug"]) for each in plan.systems if each.read is None]


def _locked(model: Any, keys: Iterable[Any]) -> Iterable[Any]:
    """These rows, in one order for everybody. Foreign keys may go on pointing at them."""
    names = ("slug", "name", "open_to_everyone") if model is Application else ("version",)
    rows = model.objects.filter(pk__in=list(keys)).only("pk", *names).order_by("pk")
    return rows.select_for_update(no_key=True)


def _taken(model: Any, section: str, slugs: Iterable[str]) -> dict[str, list[str]]:
    there = model.objects.filter(slug__in=list(slugs)).values_list("slug", flat=True)
    return {f"{section}.{slug}": [_TAKEN] for slug in there}


def _write_applications(writes: list[ApplicationWrite]) -> None:
    Application.objects.bulk_create([each.application for each in writes if each.is_new])
    for each in writes:
        if each.changed and not each.is_new:
            each.application.save(update_fields=["name", "open_to_everyone"])
    names = {name for each in writes for group in each.groups.values() for name in group}
    Group.objects.bulk_create([Group(name=name) for name in sorted(names)], ignore_conflicts=True)
    groups = dict(Group.objects.filter(name__in=names).values_list("name", "pk"))
    for column in ("designers", "members"):
        wanted = {
            each.application.pk: {groups[name] for name in each.groups[column]}
            for each in writes
            if column in each.groups
        }
        _set_groups(getattr(Application, column).through, wanted)


def _set_groups(through: Any, wanted: Mapping[uuid.UUID, set[int]]) -> None:
    """Like ``set`` for each of many applications, with three queries for all of them."""
    there = through.objects.filter(application_id__in=wanted)
    rows = list(there.values_list("pk", "application_id", "group_id"))
    stale = [pk for pk, application, group in rows if group not in wanted[application]]
    through.objects.filter(pk__in=stale).delete()
    kept = {(application, group) for _pk, application, group in rows}
    through.objects.bulk_create(
        through(application_id=application, group_id=group)
        for application, chosen in wanted.items()
        for group in sorted(chosen)
        if (application, group) not in kept
    )


@sensitive_variables()
def _write_system(each: SystemWrite, actor: Any) -> None:
    """One system, by the one way that there is. Raises ConfigurationInvalid as ``write``."""
    change = "created" if each.read is None else "updated"
    by = By(actor, "bundle", "load_bundle", outcome=change, facts=each.facts)
    wanted = Wanted(each.application_id, each.data, each.secrets)
    try:
        saving.save(each.system_id, wanted, read=each.read, by=by)
    except saving.Conflict:
        slug = each.data["slug"]
        raise ConfigurationInvalid({f"connected_systems.{slug}": [_CHANGED]}) from None


def _write_integrations(plan: Plan) -> None:
    """All at once: one by one, 2,000 of them would hold the lock four times as long."""
    new = [each.integration for each in plan.integrations if each.is_new]
    changed = [each.integration for each in plan.integrations if not each.is_new]
    Integration.objects.bulk_create(new)
    # Their versions were compared above, under lock: this inserts none of them.
    Integration.objects.bulk_create(
        changed,
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=["connected_system", "name", "usage", "definition", "version", "updated_at"],
    )
    IntegrationVersion.objects.bulk_create(
        [
            IntegrationVersion(
                integration=each.integration,
                number=each.integration.version - 1,
                source="found",
                configuration=each.before,
            )
            for each in plan.integrations
            if each.before is not None
        ]
    )
    by = Version.by(plan.actor)
    IntegrationVersion.objects.bulk_create(
        [
            IntegrationVersion(
                integration=row,
                number=row.version,
                source="bundle",
                configuration={**row.as_data(), "connected_system": row.connected_system.slug},
                **by,
            )
            for row in [*new, *changed]
        ]
    )
    if plan.audited_as:
        AuditEvent.objects.bulk_create(_event(row, by, plan.audited_as) for row in new)


def _event(row: Integration, by: Mapping[str, Any], source: str) -> AuditEvent:
    system = row.connected_system
    return AuditEvent(
        action="integration_created",
        system_id_text=str(system.pk),
        system_slug=system.slug,
        application_id_text=str(system.application_id),
        outcome="done",
        facts={"integration": row.slug, "from": source},
        **by,
    )
