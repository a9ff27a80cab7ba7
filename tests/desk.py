"""Two applications with their people and one row of everything in each, for tests of the desk."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from authlinks.columns import obtained_columns
from authlinks.models import AttemptOutcome, Authorization, AuthorizationAttempt
from connectedsystems import vault
from connectedsystems.models import Application, AuditEvent, ConfigurationVersion, ConnectedSystem
from integrations.models import CallRecord, HeldSubmission, Integration, IntegrationVersion

CLIENT_SECRET = "desk-client-secret-Zq8"
ACCESS_TOKEN = "desk-access-token-Rt5"
REFRESH_TOKEN = "desk-refresh-token-Uu3"
VERIFIER = "desk-verifier-Lm2"


@dataclass
class Part:
    """One application and what belongs to it."""

    application: Application
    system: ConnectedSystem
    integration: Integration
    designer: Any
    member: Any
    authorization: Authorization
    attempt: AuthorizationAttempt
    call: CallRecord
    held: HeldSubmission
    event: AuditEvent
    designers: Group
    members: Group


@dataclass
class House:
    """``crm`` is looked at; ``hr`` is what its people must not see; eve belongs to neither."""

    crm: Part
    hr: Part
    eve: Any
    root: Any
    clients: Mapping[str, Any] = field(default_factory=dict)


def make_authorization(system: ConnectedSystem, user: Any, **columns: Any) -> Authorization:
    """A connected authorization under the system's present settings; ``columns`` differ."""
    row = Authorization(
        system=system,
        user=user,
        scope_requested="read write",
        scope="read",
        expires_at=timezone.now() + timedelta(hours=1),
        lifetime=3600,
        fingerprint=system.parsed().fingerprint(),
        authorized_at=timezone.now() - timedelta(days=3),
        **obtained_columns(system.client()),
    )
    row.access_token = vault.seal(ACCESS_TOKEN, row.place("access_token"))
    row.refresh_token = vault.seal(REFRESH_TOKEN, row.place("refresh_token"))
    for name, value in columns.items():
        setattr(row, name, value)
    row.save(force_insert=True)
    return row


def make_attempt(system_id: uuid.UUID, user: Any, **columns: Any) -> AuthorizationAttempt:
    """A failed attempt; ``columns`` differ."""
    row = AuthorizationAttempt(
        system_id=system_id,
        user=user,
        state_hash=uuid.uuid4().hex * 2,
        session_hash="5e55" * 16,
        configuration_digest="d" * 64,
        fingerprint="f" * 64,
        scope_requested="read write",
        outcome=AttemptOutcome.FAILED,
        code="client_auth_failed",
        facts={"status": 401, "host": "crm.example"},
        finished_at=timezone.now(),
    )
    row.verifier = vault.seal(VERIFIER, row.place("verifier"))
    for name, value in columns.items():
        setattr(row, name, value)
    row.save(force_insert=True)
    return row


def make_desk_system(application: Application, slug: str) -> ConnectedSystem:
    """A system that users authorize at; nothing answers at its addresses."""
    system = ConnectedSystem(
        application=application,
        slug=slug,
        name=f"{slug.capitalize()} system",
        base_url=f"https://{slug}.example/api",
        authentication="oauth2_authorization_code",
        configuration={
            "oauth": {
                "client_id": "desk",
                "authorization_endpoint": f"https://{slug}.example/authorize",
                "token_endpoint": f"https://{slug}.example/token",
                "scope": "read write",
            }
        },
    )
    system.seal_secrets({"client_secret": CLIENT_SECRET})
    system.save(force_insert=True)
    return system


def _part(slug: str, user: Callable[..., Any], designer: str, member: str) -> Part:
    application = Application.objects.create(slug=slug, name=slug.upper(), open_to_everyone=False)
    designs = user(designer, groups=[f"{slug}-designers"])
    belongs = user(member, groups=[f"{slug}-users"])
    designers = Group.objects.get(name=f"{slug}-designers")
    members = Group.objects.get(name=f"{slug}-users")
    application.designers.add(designers)
    application.members.add(members)
    system = make_desk_system(application, slug)
    integration = Integration.objects.create(
        connected_system=system,
        slug=f"{slug}-list",
        name=f"{slug} list",
        definition={"method": "GET", "path": "/list", "inputs": [{"name": "q", "required": True}]},
    )
    ConfigurationVersion.objects.write(system, designs, "desk")
    IntegrationVersion.objects.write(integration, designs, "desk")
    held = HeldSubmission(integration=integration, user=belongs, digest="h" * 64)
    held.inputs = vault.seal("{}", held.place())
    held.save(force_insert=True)
    return Part(
        application=application,
        system=system,
        integration=integration,
        designer=designs,
        member=belongs,
        authorization=make_authorization(system, belongs),
        attempt=make_attempt(system.pk, belongs),
        call=CallRecord.objects.create(
            integration=integration,
            system=system,
            integration_slug=integration.slug,
            user=belongs,
            success=False,
            code="timeout",
            facts={"host": f"{slug}.example"},
        ),
        held=held,
        event=AuditEvent.objects.record(
            "disconnected", actor=belongs, subject=belongs, system=system
        ),
        designers=designers,
        members=members,
    )


@pytest.fixture
def house(user: Callable[..., Any]) -> House:
    return House(
        crm=_part("crm", user, "dora", "alice"),
        hr=_part("hr", user, "hector", "hanna"),
        eve=user("eve"),
        root=user("root", is_superuser=True),
    )
