"""A database written by the version before: its authorizations count on, and nothing else does."""

from __future__ import annotations

import importlib
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from connectedsystems import configuration

WRITTEN = json.loads(Path(__file__).with_name("written_before.json").read_text())
BEFORE = [("authlinks", "0003_timeline"), ("connectedsystems", "0003_circuit")]
COLUMNS = ("slug", "name", "base_url", "authentication", "configuration")

migration = importlib.import_module("authlinks.migrations.0004_origins")


def present(system: dict[str, Any]) -> str:
    """Today's fingerprint of a system of the file."""
    data = {key: system[key] for key in ("slug", "name", "base_url", "authentication")}
    return configuration.read({**data, **system["configuration"]}).fingerprint()


@pytest.mark.parametrize("system", WRITTEN, ids=lambda system: system["slug"])
def test_H3_its_copies_are_the_hash_of_before_and_the_hash_of_now(system: dict[str, Any]) -> None:
    parts = system["base_url"], system["configuration"]
    assert migration.fingerprint(*parts, old=True) == system["fingerprint"]
    assert migration.fingerprint(*parts, old=False) == present(system)


@pytest.mark.django_db(transaction=True)
def test_H3_no_authorization_ends_and_an_ended_one_stays_so(alice: Any) -> None:
    latest = MigrationExecutor(connection).loader.graph.leaf_nodes()
    try:
        apps = _back()
        made = _write(apps, alice.pk)
        MigrationExecutor(connection).migrate(latest)
        from authlinks.models import Authorization, AuthorizationAttempt

        for system in WRITTEN:
            stands, ended = made[system["slug"]]
            assert Authorization.objects.get(pk=stands).fingerprint == present(system)
            assert Authorization.objects.get(pk=ended).fingerprint == "0" * 64
        assert AuthorizationAttempt.objects.get().outcome == "failed"

        apps = _back()
        rows = apps.get_model("authlinks", "Authorization").objects
        for system in WRITTEN:
            assert rows.get(pk=made[system["slug"]][0]).fingerprint == system["fingerprint"]
    finally:
        MigrationExecutor(connection).migrate(latest)


def _back() -> Any:
    """The models as they were before, over the tables as they were."""
    MigrationExecutor(connection).migrate(BEFORE)
    return MigrationExecutor(connection).loader.project_state(BEFORE).apps


def _write(apps: Any, user_id: int) -> dict[str, tuple[uuid.UUID, uuid.UUID]]:
    """A system each of the file: one authorization that stands, one that a change has ended."""
    application = apps.get_model("connectedsystems", "Application").objects.create(slug="crm")
    systems = apps.get_model("connectedsystems", "ConnectedSystem").objects
    rows = apps.get_model("authlinks", "Authorization").objects
    made = {}
    for written in WRITTEN:
        columns = {key: written[key] for key in COLUMNS}
        system = systems.create(application=application, **columns)
        now = timezone.now()
        own = rows.create(
            system=system, fingerprint=written["fingerprint"], authorized_at=now, user_id=user_id
        )
        changed = rows.create(system=system, fingerprint="0" * 64, authorized_at=now)
        made[written["slug"]] = own.pk, changed.pk
    apps.get_model("authlinks", "AuthorizationAttempt").objects.create(
        system_id=system.pk, user_id=user_id, state_hash="s", session_hash="h", fingerprint="f"
    )
    return made
