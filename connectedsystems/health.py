"""Whether the process lives (/healthz), and whether it is fit for service (/readyz)."""

from __future__ import annotations

import time
from collections.abc import Iterator

from django.apps import apps
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from connectedsystems.fields import SealedField
from connectedsystems.vault import Sealed

OK = "ok"
# A good answer of the slower checks is kept this many times as long as finding it took.
_KEPT = 50
_MOST_PREFIXES = 100

_good_until = 0.0


@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers; nothing else is asked."""
    return JsonResponse({"status": OK})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """200 or 503, and one word or sentence per check."""
    checks = check()
    ready = set(checks.values()) == {OK}
    body = {"status": OK if ready else "not ready", "checks": checks}
    return JsonResponse(body, status=200 if ready else 503)


def check() -> dict[str, str]:
    """Name of each check to ``ok`` or a sentence; without a database there is but one."""
    global _good_until
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        began = time.monotonic()
        if began < _good_until:
            return {"database": OK, "migrations": OK, "vault_keys": OK}
        found = {"database": OK, "migrations": _migrations(), "vault_keys": OK}
        if found["migrations"] == OK:
            found["vault_keys"] = _vault_keys()
    except Error:
        return {"database": "The database does not answer, or lacks tables."}
    if set(found.values()) == {OK}:
        now = time.monotonic()
        _good_until = now + _KEPT * (now - began)
    return found


def _migrations() -> str:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return f"{len(plan)} migrations are not applied: run manage.py migrate." if plan else OK


def _vault_keys() -> str:
    unknown = sorted({name for table, column in _columns() for name in _unknown(table, column)})
    if not unknown:
        return OK
    return f"VAULT_KEYS lacks keys that stored secrets need: {', '.join(unknown)}."


def _columns() -> Iterator[tuple[str, str]]:
    for model in apps.get_models():
        for field in model._meta.local_fields:
            if isinstance(field, SealedField):
                yield model._meta.db_table, str(field.column)


def _unknown(table: str, column: str) -> Iterator[str]:
    """Ids of keys that are in use in this column and not in the ring.

    Sealed texts begin with their key's prefix: each query asks for one not seen yet.
    """
    quote = connection.ops.quote_name
    seen: list[str] = []
    while len(seen) < _MOST_PREFIXES:
        others = " ".join([f"AND substr({quote(column)}, 1, %s) <> %s"] * len(seen))
        values = [part for prefix in seen for part in (len(prefix), prefix)]
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {quote(column)} FROM {quote(table)} "
                f"WHERE {quote(column)} LIKE '1:%%:_%%' {others} LIMIT 1",
                values,
            )
            row = cursor.fetchone()
        if row is None:
            return
        sealed = Sealed.from_stored(row[0])
        prefix = row[0][: row[0].rfind(":") + 1]
        seen.append(prefix)
        # A damaged text is its owner's trouble and no sign of a missing key.
        if sealed.well_formed and not sealed.key_known:
            yield prefix.split(":")[1].partition(".")[0]


urlpatterns = [path("healthz", healthz), path("readyz", readyz)]
