"""Whether the process lives (/healthz), and whether it is fit for service (/readyz)."""

from __future__ import annotations

import time

from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from connectedsystems import lostkeys

OK = "ok"
# A good answer of the slower checks is kept this many times as long as finding it took.
_KEPT = 50

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
    unknown = lostkeys.unknown_names()
    return lostkeys.told(unknown) if unknown else OK


urlpatterns = [path("healthz", healthz), path("readyz", readyz)]
