"""An authorization as one query reads it: plain columns, seconds from the database's own now."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from authlinks import fresh
from connectedsystems import vault

MARGIN_SECONDS = 60.0
MARGIN_SHARE = 0.15


@dataclass(frozen=True, slots=True)
class Row:
    """An authorization's columns as one query read them; seconds are from the database's now."""

    id: uuid.UUID
    version: int
    access_token: vault.Sealed | None
    has_refresh_token: bool
    seconds_left: float | None
    lifetime: float | None
    fingerprint: str
    ended_code: str
    failure_code: str
    failed_system_version: int | None
    next_try_in: float | None
    refusal_tried_version: int | None
    captures: vault.Sealed | None
    last_used_long_ago: bool

    @property
    def due(self) -> bool:
        """Whether it is time to renew, ahead of the expiry by a jittered margin."""
        if self.seconds_left is None:
            return False
        margin = min(MARGIN_SECONDS, MARGIN_SHARE * max(self.lifetime or 0.0, 0.0))
        return self.seconds_left <= margin * random.uniform(0.5, 1.0)

    @property
    def expired(self) -> bool:
        return self.seconds_left is not None and self.seconds_left <= 0

    def must_wait(self, system_version: int) -> float:
        """Seconds until a failed renewal may be tried again; a changed system may at once."""
        if self.next_try_in is None or self.failed_system_version != system_version:
            return 0.0
        return max(0.0, self.next_try_in)


_COLUMNS = """z.id, z.version, z.access_token, z.refresh_token IS NOT NULL,
    {left}, z.lifetime, z.fingerprint, z.ended_code, z.failure_code, z.failed_system_version,
    {next_try}, z.refusal_tried_version, z.captures, {stale}"""

_SECONDS_FROM_NOW = {
    "sqlite": "(julianday({0}) - julianday('now')) * 86400.0",
    "postgresql": "EXTRACT(EPOCH FROM {0} - clock_timestamp())::float8",
}

COLUMN_COUNT = 14


def row_columns(vendor: str) -> str:
    """The select list, over the alias ``z``, that ``row_from`` reads."""
    return _COLUMNS.format(
        left=seconds_from_now("z.expires_at", vendor),
        next_try=seconds_from_now("z.next_try_at", vendor),
        stale=f"COALESCE({seconds_from_now('z.last_used', vendor)} < -3600, TRUE)",
    )


def seconds_from_now(column: str, vendor: str) -> str:
    """The expression that tells how far a time is ahead of the database's now."""
    return _SECONDS_FROM_NOW[vendor].format(column)


def row_from(columns: Sequence[Any]) -> Row | None:
    """Read the columns of ``row_columns``; None where the join found no authorization."""
    if columns[0] is None:
        return None
    key = columns[0]
    return Row(
        id=key if isinstance(key, uuid.UUID) else uuid.UUID(key),
        version=columns[1],
        access_token=vault.Sealed.from_stored(columns[2]) if columns[2] is not None else None,
        has_refresh_token=bool(columns[3]),
        seconds_left=columns[4],
        lifetime=columns[5],
        fingerprint=columns[6],
        ended_code=columns[7],
        failure_code=columns[8],
        failed_system_version=columns[9],
        next_try_in=columns[10],
        refusal_tried_version=columns[11],
        captures=vault.Sealed.from_stored(columns[12]) if columns[12] is not None else None,
        last_used_long_ago=bool(columns[13]),
    )


def key_parameter(key: uuid.UUID) -> Any:
    """A UUID as this database's cursor takes it."""
    return key if connection.features.has_native_uuid_field else key.hex


def read_row(system_id: uuid.UUID, user_id: int | None) -> Row | None:
    """The authorization of this user (None: the system's own) as it stands now."""
    whose = "z.user_id IS NULL" if user_id is None else "z.user_id = %s"
    sql = (
        f"SELECT {row_columns(connection.vendor)} FROM authlinks_authorization z"
        f" WHERE z.system_id = %s AND {whose}"
    )
    parameters = [key_parameter(system_id)] + ([] if user_id is None else [user_id])

    def read(_: bool) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchone()

    columns = fresh.insist(read)
    return row_from(columns) if columns else None
