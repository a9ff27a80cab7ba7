"""A database that the tree before wrote: after the migration its tokens are revoked where they were."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import Client
from django.utils import timezone

from authlinks.columns import obtained_columns
from authlinks.models import Authorization, place_of
from connectedsystems import vault
from connectedsystems.models import AuditEvent, ConnectedSystem
from tests.acme import make_system
from tests.otherside import answer, other_side

pytestmark = pytest.mark.processes

BEFORE = [("authlinks", "0003_timeline")]


def fingerprint_before(system: ConnectedSystem) -> str:
    """As the tree before computed it, for a system without variables."""
    oauth = system.configuration["oauth"]
    keys = ("authorization_endpoint", "token_endpoint", "revocation_endpoint", "refresh_endpoint")
    values = [oauth.get(key) for key in keys]
    values += [None, None, oauth.get("client_id"), system.base_url.rpartition("/")[0]]
    text = json.dumps([value or "" for value in values])
    return hashlib.sha256(text.encode()).hexdigest()


def as_before(systems: dict[ConnectedSystem, tuple[Any, dict[str, Any]]]) -> None:
    """Rows of users at these systems, each with captures, written by the tables of before."""
    executor = MigrationExecutor(connection)
    executor.migrate(BEFORE)
    rows = executor.loader.project_state(BEFORE).apps.get_model("authlinks", "Authorization")
    for system, (user, captures) in systems.items():
        places = {name: place_of(name, system.pk, user.pk) for name in ("access_token", "captures")}
        rows.objects.create(
            id=uuid.uuid4(),
            system_id=system.pk,
            user_id=user.pk,
            access_token=vault.seal(f"token at {system.slug}", places["access_token"]),
            captures=vault.seal(json.dumps(captures), places["captures"]) if captures else None,
            fingerprint=captures.get("fingerprint") or fingerprint_before(system),
            authorized_at=timezone.now(),
        )
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


def test_G0_authorizations_of_before_are_revoked_where_they_were(
    transactional_db: None, user: Any
) -> None:
    alice = user("alice", groups=["crm-users"])
    with (
        other_side(lambda told, sock: sock.sendall(answer(b""))) as server,
        other_side(lambda told, sock: sock.sendall(answer(b""))) as evil,
    ):
        plain, moved, edited = (
            make_system(server.url(""), s) for s in ("plain", "moved", "edited")
        )
        captured = make_system(server.url(""), "captured")
        captured.configuration["oauth"]["revocation_endpoint"] = "{home}/oauth/revoke"
        captured.save()
        as_before(
            {
                plain: (alice, {}),
                moved: (alice, {}),
                edited: (alice, {"fingerprint": "f" * 64}),
                captured: (alice, {"home": server.url("")}),
            }
        )
        marks = {
            row.system.slug: (row.obtained_client, row.revocation_origin)
            for row in Authorization.objects.select_related("system")
        }
        expected = tuple(obtained_columns(plain.client()).values())
        assert marks["plain"] == marks["moved"] == marks["captured"] == expected
        assert marks["edited"] == ("", "")
        for system in (moved, captured):
            endpoint = evil.url("/oauth/revoke")
            system.configuration["oauth"]["revocation_endpoint"] = endpoint
            system.version += 1
            system.save()
        client = Client()
        client.force_login(alice)
        for slug in marks:
            assert client.post(f"/connections/{slug}/disconnect/").status_code == 303
        assert evil.told == []
        assert [told.body.decode().split("&")[0] for told in server.told] == [
            "token=token+at+plain"
        ]
        told = AuditEvent.objects.filter(action="disconnected").values_list(
            "system_slug", "outcome"
        )
        assert dict(told) == {
            "plain": "done",
            "moved": "not revoked",
            "captured": "not revoked",
            "edited": "not revoked",
        }


def test_the_migration_goes_back_and_forth(transactional_db: None) -> None:
    as_before({})
    assert not Authorization.objects.exists()
