"""/healthz answers while the process lives; /readyz asks database, migrations and vault keys."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client, override_settings

from connectedsystems import health, vault
from connectedsystems.models import Application, ConnectedSystem

OTHER_KEY = "other:" + base64.b64encode(bytes(range(100, 132))).decode()


@pytest.fixture(autouse=True)
def asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_good_until", 0.0)


@pytest.fixture
def system(db: None) -> ConnectedSystem:
    application = Application.objects.create(slug="crm", name="CRM")
    return ConnectedSystem.objects.create(application=application, slug="acme", name="Acme")


def seal_a_secret(system: ConnectedSystem) -> None:
    secret = vault.seal("planted-secret-1", vault.place("anything", "secrets", system.pk))
    ConnectedSystem.objects.filter(pk=system.pk).update(secrets=secret)


def answer(client: Client) -> tuple[int, dict[str, str]]:
    response = client.get("/readyz")
    return response.status_code, response.json()["checks"]


@pytest.fixture
def no_database(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("planted-password-1")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "cursor", refuse)
        yield


def test_the_process_answers_without_a_database(client: Client, no_database: None) -> None:
    response = client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert "no-store" in response["Cache-Control"]


def test_it_is_not_ready_without_a_database(client: Client, no_database: None) -> None:
    status, checks = answer(client)
    assert status == 503
    assert set(checks) == {"database"}
    assert "planted" not in str(checks)


@pytest.mark.django_db
def test_it_is_ready_when_all_is_there(client: Client, system: ConnectedSystem) -> None:
    seal_a_secret(system)
    assert answer(client) == (200, {"database": "ok", "migrations": "ok", "vault_keys": "ok"})


@pytest.mark.django_db
def test_it_is_not_ready_with_a_migration_missing(client: Client) -> None:
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied("axes", "0010_accessattemptexpiration")
    status, checks = answer(client)
    assert status == 503
    assert "manage.py migrate" in checks["migrations"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "keys",
    [
        lambda ours: OTHER_KEY,
        lambda ours: ours.partition(":")[0] + ":" + OTHER_KEY.partition(":")[2],
    ],
    ids=["another id", "another key under the same id"],
)
def test_C7_it_is_not_ready_without_a_key_that_is_in_use(
    client: Client, system: ConnectedSystem, keys: Callable[[str], str]
) -> None:
    seal_a_secret(system)
    ours = settings.VAULT_KEYS
    with override_settings(VAULT_KEYS=keys(ours)):
        status, checks = answer(client)
        assert status == 503
        assert checks["vault_keys"].endswith(f"need: {ours.partition(':')[0]}.")
    with override_settings(VAULT_KEYS=f"{OTHER_KEY},{ours}"):
        assert answer(client)[0] == 200


@pytest.mark.django_db
def test_C3_a_damaged_secret_leaves_the_service_fit(
    client: Client, system: ConnectedSystem
) -> None:
    damaged = vault.Sealed.from_stored("1:ab:cut")
    ConnectedSystem.objects.filter(pk=system.pk).update(secrets=damaged)
    assert answer(client)[0] == 200


@pytest.mark.parametrize("address", ["/healthz", "/readyz"])
def test_asking_is_all_one_can_do(client: Client, address: str) -> None:
    assert client.post(address).status_code == 405
