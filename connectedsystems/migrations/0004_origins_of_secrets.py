"""Binds every stored secret to the origins that its system sends it to at present.

Apply it with all older processes stopped: they cannot read what it seals. Secrets that do not
open (their key is not in the ring) are left alone, and what they are bound to is sealed beside
them, so that they go on working once the key is back. A second exchange says from now on how the
client authenticates there: what was done until today is written into every stored one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from django.db import migrations

import connectedsystems.fields
from connectedsystems import configuration, redact, vault
from connectedsystems.configuration import Secrets
from connectedsystems.errors import VaultFailure

TABLE = "connectedsystems_connectedsystem"
COLUMNS = (
    "slug",
    "name",
    "description",
    "base_url",
    "authorization_message",
    "authentication",
)
METHOD = "client_authentication"


def bind(apps: Any, schema_editor: Any) -> None:
    for row in _systems(apps):
        sealed: vault.Sealed | None = row.secrets
        opened = _opened(row)
        has_secret = sealed is not None if opened is None else bool(opened.get("client_secret"))
        row.configuration = _with_method(_data(row), row.configuration, has_secret)
        present = configuration.present(configuration.read(_data(row)))
        if opened:
            bound = {key: present.get(key, []) for key in configuration.by_key(opened)}
            text = Secrets(opened, bound).text()
            row.secrets = vault.seal(text, vault.place(TABLE, "secrets", row.pk))
        elif sealed is not None and opened is None:
            place = vault.place(TABLE, "secret_origins", row.pk)
            row.secret_origins = vault.seal(json.dumps(present), place)
        row.save(update_fields=["configuration", "secrets", "secret_origins"])
    for version in _versions(apps):
        marks = version.secret_marks
        has_secret = "client_secret" in marks or "secrets" in marks
        box = _with_method(version.configuration, version.configuration, has_secret)
        if box != version.configuration:
            version.configuration = box
            version.save(update_fields=["configuration"])


def unbind(apps: Any, schema_editor: Any) -> None:
    for row in _systems(apps):
        row.configuration = _without_method(row.configuration)
        opened = _opened(row)
        if opened:
            opened.pop("origins", None)
            text = json.dumps(opened, separators=(",", ":"), sort_keys=True)
            row.secrets = vault.seal(text, vault.place(TABLE, "secrets", row.pk))
        row.save(update_fields=["configuration", "secrets"])
    for version in _versions(apps):
        box = _without_method(version.configuration)
        if box != version.configuration:
            version.configuration = box
            version.save(update_fields=["configuration"])


def _systems(apps: Any) -> Iterator[Any]:
    model = apps.get_model("connectedsystems", "ConnectedSystem")
    for pk in list(model.objects.values_list("pk", flat=True)):
        with redact.scope():
            yield model.objects.defer("logo").get(pk=pk)


def _versions(apps: Any) -> Iterator[Any]:
    model = apps.get_model("connectedsystems", "ConfigurationVersion")
    yield from model.objects.order_by("pk").iterator(chunk_size=200)


def _data(row: Any) -> dict[str, Any]:
    return {**{key: getattr(row, key) for key in COLUMNS}, **row.configuration}


def _opened(row: Any) -> dict[str, Any] | None:
    """The secrets as they are sealed; None where they do not open."""
    if row.secrets is None:
        return {}
    try:
        opened: dict[str, Any] = json.loads(
            row.secrets.open(vault.place(TABLE, "secrets", row.pk))
        )
    except VaultFailure:
        return None
    return opened


def _with_method(
    data: Mapping[str, Any], box: Mapping[str, Any], has_secret: bool
) -> dict[str, Any]:
    """A configuration whose second exchange says what was done until today."""
    second = (box.get("oauth") or {}).get("second_exchange")
    if not isinstance(second, Mapping) or second.get(METHOD):
        return dict(box)
    client = configuration.read(data).client(
        secrets={"client_secret": "stored"} if has_secret else {}
    )
    changed = {**second, METHOD: client.authenticates_by}
    if client.authenticates_by == "none":
        # A public client named itself by its ID; ``none`` says nothing of the client.
        parameters = second.get("parameters") or {}
        changed["parameters"] = {"client_id": "{client_id}", **parameters}
    return {**box, "oauth": {**box["oauth"], "second_exchange": changed}}


def _without_method(box: Mapping[str, Any]) -> dict[str, Any]:
    second = (box.get("oauth") or {}).get("second_exchange")
    if not isinstance(second, Mapping) or METHOD not in second:
        return dict(box)
    left = {key: value for key, value in second.items() if key != METHOD}
    return {**box, "oauth": {**box["oauth"], "second_exchange": left}}


class Migration(migrations.Migration):
    dependencies = [("connectedsystems", "0003_circuit")]

    operations = [
        migrations.AddField(
            model_name="connectedsystem",
            name="secret_origins",
            field=connectedsystems.fields.SealedField(blank=True, editable=False, null=True),
        ),
        migrations.RunPython(bind, unbind),
    ]
