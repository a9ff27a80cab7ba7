"""The one query of a call: integration, system, role, circuit, this user's authorization, joined.

It is written by hand because it runs before every request: compiling the same join from the ORM
costs more than running it.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from django.db import connection

from authlinks.rows import Row, read_row, row_columns, row_from
from connectedsystems import vault
from connectedsystems.models import Authentication, ConnectedSystem

_SQL = """
SELECT i.id, i.usage, i.version, s.id, s.slug, s.version, s.authentication, s.secrets,
    s.name, u.is_active, (u.is_superuser OR p.open_to_everyone OR EXISTS (
        SELECT 1 FROM auth_user_groups g WHERE g.user_id = u.id AND (
            EXISTS (SELECT 1 FROM connectedsystems_application_members m
                WHERE m.application_id = p.id AND m.group_id = g.group_id)
            OR EXISTS (SELECT 1 FROM connectedsystems_application_designers d
                WHERE d.application_id = p.id AND d.group_id = g.group_id)))),
    c.id, {columns}
FROM integrations_integration i
JOIN connectedsystems_connectedsystem s ON s.id = i.connected_system_id
JOIN connectedsystems_application p ON p.id = s.application_id
LEFT JOIN auth_user u ON u.id = %(user_id)s
LEFT JOIN authlinks_authorization z ON z.{key} = CASE s.authentication
    WHEN '{by_user}' THEN (SELECT a.{key} FROM authlinks_authorization a
        WHERE a.system_id = s.id AND a.user_id = %(user_id)s)
    WHEN '{own}' THEN (SELECT a.{key} FROM authlinks_authorization a
        WHERE a.system_id = s.id AND a.user_id IS NULL) END
LEFT JOIN connectedsystems_circuit c ON c.system_id = s.id AND c.base_url = s.base_url
    AND {circuit}
WHERE i.slug = %(slug)s
"""

_CIRCUIT_THERE = {
    # SQLite would search the index twice for IN, also where the table is empty: 3 of 38 us.
    "sqlite": "CASE c.origin WHEN '' THEN TRUE ELSE c.origin = z.api_origin END",
    "postgresql": "c.origin IN ('', z.api_origin)",
}

_FIRST_OF_ROW = 12


@dataclass(frozen=True, slots=True)
class Target:
    """What a call is about: the integration, its system, and whether this user may use it.

    ``integration_id`` is None for one that is tried before it is saved. ``circuit_id``: a circuit
    is open where this user's calls go, for them or for others.
    """

    integration_id: uuid.UUID | None
    slug: str
    usage: str
    integration_version: int
    system_id: uuid.UUID
    system_slug: str
    system_name: str
    system_version: int
    authentication: str
    secrets: vault.Sealed | None = field(repr=False)
    allowed: bool
    circuit_id: int | None
    row: Row | None = field(repr=False)


@lru_cache(maxsize=4)
def _sql(vendor: str) -> str:
    return _SQL.format(
        columns=row_columns(vendor),
        circuit=_CIRCUIT_THERE[vendor],
        # In SQLite an index leads to the rowid, and the id would be one more index on the way.
        key="rowid" if vendor == "sqlite" else "id",
        by_user=Authentication.AUTHORIZATION_CODE.value,
        own=Authentication.CLIENT_CREDENTIALS.value,
    )


@lru_cache(maxsize=10_000)
def _uuid(value: Any) -> uuid.UUID:
    return value if isinstance(value, uuid.UUID) else uuid.UUID(value)


def find(slug: str, user_id: int | None) -> Target | None:
    """The target of a call by this user, in one query; None: no integration has this slug."""
    with connection.cursor() as cursor:
        # By name: Django turns "%s" into SQLite's "?" by a regular expression, each time.
        cursor.execute(_sql(connection.vendor), {"user_id": user_id, "slug": slug})
        found = cursor.fetchone()
    if found is None:
        return None
    return Target(
        integration_id=_uuid(found[0]),
        slug=slug,
        usage=found[1],
        integration_version=found[2],
        system_id=_uuid(found[3]),
        system_slug=found[4],
        system_name=found[8],
        system_version=found[5],
        authentication=found[6],
        secrets=vault.Sealed.from_stored(found[7]) if found[7] is not None else None,
        allowed=bool(found[9]) and bool(found[10]),
        circuit_id=found[11],
        row=row_from(found[_FIRST_OF_ROW:]),
    )


def of_draft(slug: str, usage: str, system: ConnectedSystem, user: Any) -> Target:
    """The target of a call that one of the system's designers tries before it is saved."""
    by_user = system.authentication == Authentication.AUTHORIZATION_CODE
    return Target(
        integration_id=None,
        slug=slug,
        usage=usage,
        integration_version=0,
        system_id=system.pk,
        system_slug=system.slug,
        system_name=system.name,
        system_version=system.version,
        authentication=system.authentication,
        secrets=system.secrets,
        allowed=ConnectedSystem.objects.for_designer(user).filter(pk=system.pk).exists(),
        circuit_id=None,
        row=read_row(system.pk, user.pk if by_user else None),
    )
