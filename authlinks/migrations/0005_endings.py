"""Rows for what is still to be revoked, and what each authorization was obtained under.

An authorization that stands under its system's present settings was obtained under them: it gets
their marks, so that it can be revoked where it could be before. Any other keeps none: nobody knows
where its tokens were to be revoked, and they are not sent anywhere.

What is computed here is a copy of what the product computed when this was written
(``connectedsystems.oauth.revocation.obtained_under``); the fingerprint's copy is 0004's.
"""

import hashlib
import importlib
import json
import re
import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import connectedsystems.fields
from connectedsystems import vault
from connectedsystems.errors import VaultFailure

_before = importlib.import_module("authlinks.migrations.0004_origins")

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}")
_AUTHORITY = re.compile(r"(https?)://([^/?#@\\]+)(?=[/?#]|$)", re.IGNORECASE)
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def write_marks(apps, schema_editor):
    """The marks of every authorization that stands under its system's present settings."""
    authorizations = apps.get_model("authlinks", "Authorization").objects
    for system in apps.get_model("connectedsystems", "ConnectedSystem").objects.iterator():
        oauth, variables, secret_names = _read(system.configuration)
        token, revocation = (oauth.get(f"{kind}_endpoint") or "" for kind in ("token", "revocation"))
        if not token:
            continue
        present = _before.fingerprint(system.base_url, system.configuration, old=False)
        standing = authorizations.filter(system_id=system.pk, fingerprint=present)
        asked = _names(token) | _names(revocation)
        values = {**variables, **(_secret_variables(system) if asked & secret_names else {})}
        if asked <= set(values):
            standing.update(**_marks(oauth.get("client_id"), token, revocation, values))
            continue
        for row in standing.filter(captures__isnull=False).iterator():
            captured = _captures(row)
            if captured is not None:
                marks = _marks(oauth.get("client_id"), token, revocation, {**captured, **values})
                authorizations.filter(pk=row.pk, captures=row.captures).update(**marks)


def _read(configuration):
    """The ``oauth`` box with what was discovered, plain variables, names of secret ones."""
    written = {k: v for k, v in (configuration.get("oauth") or {}).items() if v is not None}
    found = (configuration.get("discovered") or {}).get("settings") or {}
    oauth = {**written, **{k: v for k, v in found.items() if not written.get(k)}}
    plain, secret = {}, set()
    for name, value in (configuration.get("variables") or {}).items():
        if not isinstance(value, dict):
            value = {"value": value}
        if value.get("secret") is True:
            secret.add(name)
        elif value.get("value"):
            plain[name] = value["value"]
    return oauth, plain, secret


def _marks(client_id, token, revocation, values):
    return {
        "obtained_client": _hash(json.dumps([client_id, _filled(token, values)])),
        "revocation_origin": _hash(_origin(_filled(revocation, values))),
    }


def _origin(url):
    """Scheme, host and port; "" where it takes more than this to read them."""
    found = _AUTHORITY.match(url)
    if not found or not url.isascii():
        return ""
    scheme, authority = found.group(1).lower(), found.group(2).lower()
    return f"{scheme}://{authority.removesuffix(_DEFAULT_PORTS[scheme])}"


def _names(template):
    return {found.group(1) for found in _PLACEHOLDER.finditer(template)} - {None}


def _filled(template, values):
    def value(found):
        name = found.group(1)
        if name is None:
            return found.group()[0]
        return _text(values[name]) if values.get(name) is not None else found.group()

    return _PLACEHOLDER.sub(value, template)


def _text(value):
    return value if isinstance(value, str) else json.dumps(value)


def _secret_variables(system):
    if system.secrets is None:
        return {}
    try:
        place = vault.place("connectedsystems_connectedsystem", "secrets", system.pk)
        return json.loads(system.secrets.open(place)).get("variables") or {}
    except VaultFailure:
        return {}


def _captures(row):
    owner = "system" if row.user_id is None else row.user_id
    place = vault.place("authlinks_authorization", "captures", row.system_id, owner)
    try:
        return json.loads(row.captures.open(place))
    except VaultFailure:
        return None


def _hash(text):
    return hashlib.sha256(text.encode()).hexdigest() if text else ""


class Migration(migrations.Migration):

    dependencies = [
        ('authlinks', '0004_origins'),
        ('connectedsystems', '0003_circuit'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='authorization',
            name='obtained_client',
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name='authorization',
            name='revocation_origin',
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.CreateModel(
            name='EndingClient',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('disconnected', 'Disconnect'), ('system_deleted', 'Connected system deleted'), ('user_deleted', 'User deleted'), ('late_token', 'Token that came after a disconnect'), ('draft', 'Tokens of a try that nobody saved')], max_length=32, verbose_name='why')),
                ('system_id', models.UUIDField(db_index=True)),
                ('system_slug', models.CharField(blank=True, max_length=64, verbose_name='connected system')),
                ('application_id_text', models.CharField(blank=True, db_index=True, max_length=36)),
                ('actor_name', models.CharField(blank=True, max_length=150)),
                ('client', connectedsystems.fields.SealedField(editable=False, null=True)),
                ('problem', models.CharField(blank=True, max_length=64)),
                ('begun_at', models.DateTimeField(db_index=True)),
                ('since', models.DateTimeField()),
                ('ends_at', models.DateTimeField()),
                ('failures', models.PositiveSmallIntegerField(default=0)),
                ('total', models.PositiveIntegerField(default=0)),
                ('confirmed', models.PositiveIntegerField(default=0)),
                ('not_confirmed', models.PositiveIntegerField(default=0)),
                ('not_revoked', models.PositiveIntegerField(default=0)),
                ('finished_at', models.DateTimeField(null=True)),
                ('actor', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'revocation',
                'ordering': ['-begun_at'],
            },
        ),
        migrations.CreateModel(
            name='EndingAuthorization',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('system_id', models.UUIDField()),
                ('user_id', models.BigIntegerField(db_index=True, null=True)),
                ('subject_name', models.CharField(blank=True, max_length=150)),
                ('access_token', connectedsystems.fields.SealedField(editable=False, null=True)),
                ('refresh_token', connectedsystems.fields.SealedField(editable=False, null=True)),
                ('captures', connectedsystems.fields.SealedField(editable=False, null=True)),
                ('obtained_client', models.CharField(blank=True, max_length=64)),
                ('revocation_origin', models.CharField(blank=True, max_length=64)),
                ('tries', models.PositiveSmallIntegerField(default=0)),
                ('next_try_at', models.DateTimeField(null=True)),
                ('failure_facts', models.JSONField(null=True)),
                ('lease_owner', models.CharField(blank=True, max_length=32)),
                ('lease_ends', models.DateTimeField(null=True)),
                ('sent_at', models.DateTimeField(null=True)),
                ('client', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='endings', to='authlinks.endingclient')),
            ],
            options={
                'ordering': ['tries', 'id'],
                'indexes': [models.Index(fields=['tries', 'id'], name='endings_in_turn')],
            },
        ),
        migrations.RunPython(write_marks, migrations.RunPython.noop, elidable=False),
    ]
