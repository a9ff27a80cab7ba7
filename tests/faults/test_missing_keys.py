"""One thing after the other under a key that this process does not have, and one that is lost."""

from __future__ import annotations

import base64
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from authlinks.models import Authorization
from connectedsystems import vault
from connectedsystems.models import ConnectedSystem
from tests.acme import make_integration, make_system
from tests.faults.room import Guest, Room, alert_of, code_of, expire, granted

AWAY = "away:" + base64.b64encode(bytes(range(50, 82))).decode()
TABLES = {
    "access_token": "authlinks_authorization",
    "refresh_token": "authlinks_authorization",
    "captures": "authlinks_authorization",
    "secrets": "connectedsystems_connectedsystem",
}


def away(column: str, settings: Any) -> None:
    """Sealed under the key of another process, as a rotation there leaves it."""
    ours = settings.VAULT_KEYS
    settings.VAULT_KEYS = f"{AWAY},{ours}"
    with connection.cursor() as cursor:
        model = ConnectedSystem if column == "secrets" else Authorization
        for row in model.objects.all():
            sealed = getattr(row, column)
            if sealed is not None:
                again = vault.seal(sealed.open(row.place(column)), row.place(column))
                model.objects.filter(pk=row.pk).update(**{column: again})
        cursor.execute(f"SELECT {column} FROM {TABLES[column]}")
        assert all(str(stored).startswith("1:away.") for (stored,) in cursor.fetchall())
    settings.VAULT_KEYS = ours


def stored() -> list[Any]:
    """What stands in the sealed columns, letter by letter."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT access_token, refresh_token, captures FROM authlinks_authorization")
        return list(cursor.fetchall())


@pytest.fixture
def captured(room: Room, member: Callable[[str], Any]) -> Guest:
    """Alice at a system whose answers bring a captured value, used in calls."""
    system = room.make(oauth={"captures": {"token": {"company": "company"}}})
    make_integration(system, "placed", path="/{company}/contacts")
    room.token = granted(company="acme")
    return Guest(member("alice"), room).connects()


@pytest.mark.parametrize("column", TABLES)
def test_G12_nothing_is_asked_nor_lost(
    room: Room, captured: Guest, column: str, settings: Any
) -> None:
    guest, path = captured, "/integrations/placed/"
    away(column, settings)
    if column != "access_token":
        expire()
    before = stored()
    page = guest.client.get(path)
    assert (alert_of(page)["code"], page.status_code) == ("key_missing", 503)
    assert b"data-authorize" not in page.content
    if column in ("access_token", "refresh_token"):
        assert guest.status()["state"] == "key_missing"
        assert b"data-authorize" not in guest.client.get("/connections/").content
    assert room.server.told == []
    row = Authorization.objects.get()
    assert (row.lease_owner, row.failure_code, row.ended_code) == ("", "", "")
    assert stored() == before
    settings.VAULT_KEYS = f"{settings.VAULT_KEYS},{AWAY}"
    assert code_of(guest.client.get(path)) is None
    assert room.asked("/api")[-1].target == "/api/acme/contacts"


@pytest.mark.parametrize("column", ["access_token", "refresh_token", "captures"])
def test_G12_a_lost_key_is_the_users_to_mend(
    room: Room, captured: Guest, column: str, settings: Any
) -> None:
    guest, path = captured, "/integrations/placed/"
    away(column, settings)
    if column != "access_token":
        expire()
    call_command("rotate_vault_keys", "--lost", "away", "--yes", stdout=StringIO())
    page = guest.client.get(path)
    if column == "captures":
        # The renewal brings what was captured, and nobody has to be asked.
        assert page.status_code == 200
        return
    assert (code_of(page), page.status_code) == ("decrypt_failed", 200)
    assert b'data-authorize="odd"' in page.content
    assert room.server.told == []
    assert guest.authorizes().status_code == 303
    assert code_of(guest.client.get(path)) is None


def test_G12_an_access_token_that_is_good_goes_on(
    room: Room, captured: Guest, settings: Any
) -> None:
    away("refresh_token", settings)
    assert code_of(captured.client.get("/integrations/placed/")) is None
    assert captured.status()["state"] == "connected"


def test_G12_an_api_key_under_a_missing_and_a_lost_key(
    room: Room, member: Callable[[str], Any], settings: Any
) -> None:
    system = make_system(
        room.url, "keyed", authentication="api_key",
        api_key={"name": "X-Key", "value": "planted-api-key-Uu8"},
    )  # fmt: skip
    make_integration(system, "keyed")
    guest = Guest(member("alice"), room)
    assert guest.client.get("/integrations/keyed/").status_code == 200
    room.server.told.clear()
    away("secrets", settings)
    for code in ("key_missing", "decrypt_failed"):
        page = guest.client.get("/integrations/keyed/")
        assert (alert_of(page)["code"], page.status_code) == (code, 503)
        assert b"data-authorize" not in page.content
        if code == "key_missing":
            call_command("rotate_vault_keys", "--lost", "away", "--yes", stdout=StringIO())
    assert room.server.told == []


def test_G12_a_warm_call_asks_for_no_lost_key(
    room: Room, captured: Guest, django_assert_num_queries: Any
) -> None:
    from integrations import call_integration

    assert call_integration("placed", captured.person).success
    with django_assert_num_queries(1):
        assert call_integration("placed", captured.person).success
