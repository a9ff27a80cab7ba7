"""Nobody is acted for who is deactivated, left the group, or is not let in any more."""

from __future__ import annotations

import ast
import json
import re
import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from authlinks.models import Authorization
from connectedsystems.models import Application, AuditEvent, ConnectedSystem
from integrations import call_integration
from integrations.call import deliver
from integrations.models import HeldSubmission
from tests.acme import make_integration
from tests.faults.room import CODE, Guest, Room, expire, granted, said
from tests.otherside import Told
from tests.thirdparty import ROOT

PRODUCT = ("config", "demo", "workbench", "integrations", "authlinks", "connectedsystems")
# Every caller of usable_token, with the test below that walks it as somebody who left.
CALLERS = {
    "integrations/conversation.py:Call._as_user": "test_G19_no_call_leaves",
    "integrations/conversation.py:Call._as_itself": "test_G19_no_call_leaves",
    "integrations/conversation.py:Call._renewed": "test_G19_no_renewal_in_a_call_leaves",
    "authlinks/management/commands/refresh_tokens.py:_renewed": "test_G19_nothing_is_renewed",
}


def _calls_in(path: Path) -> Iterator[str]:
    """The functions in which ``usable_token`` stands, by whatever name the module has it."""

    def walk(node: ast.AST, names: tuple[str, ...]) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            inside = names
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                inside = (*names, child.name)
            named = getattr(child, "attr", None) or getattr(child, "id", None)
            text = child.value if isinstance(child, ast.Constant) else None
            imported = isinstance(child, ast.alias) and child.asname and child.name
            if "usable_token" in (named, text, imported):
                yield ".".join(inside)
            yield from walk(child, inside)

    yield from walk(ast.parse(path.read_text()), ())


def test_G19_every_caller_of_usable_token_is_known() -> None:
    files = [path for name in PRODUCT for path in (ROOT / name).rglob("*.py")]
    found = {f"{path.relative_to(ROOT)}:{name}" for path in files for name in _calls_in(path)}
    assert found == set(CALLERS)
    assert all(name in globals() for name in CALLERS.values())


def deactivated(person: User) -> None:
    person.is_active = False
    person.save()


def out_of_the_group(person: User) -> None:
    person.groups.clear()


def narrowed(person: User) -> None:
    application = Application.objects.get()
    application.members.set([Group.objects.get_or_create(name="others")[0]])
    application.designers.clear()


LEAVES = pytest.mark.parametrize("leaves", [deactivated, out_of_the_group, narrowed])
Leave = Callable[[Any], None]


def acted(room: Room) -> list[str]:
    """What was asked over there but revocations."""
    return [told.target for told in room.server.told if told.target != "/oauth/revoke"]


def said_by(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


@LEAVES
def test_G19_no_call_leaves(room: Room, guest: Guest, leaves: Leave) -> None:
    system = ConnectedSystem.objects.get()
    own = room_of_its_own(room)
    guest.connects()
    leaves(guest.person)
    for url in ("/integrations/list/", "/integrations/itself/"):
        for headers in ({}, {"HTTP_ACCEPT": "application/json"}):
            assert guest.client.get(url, **headers).status_code in (302, 401, 404)
    assert guest.adds().status_code in (302, 401, 404)
    assert guest.adds_as_json().status_code in (401, 404)
    person = User.objects.get(pk=guest.person.pk)
    for slug in ("list", "itself"):
        answer = call_integration(slug, person)
        assert answer.error is not None and answer.error.code == "not_allowed"
        with pytest.raises(CommandError, match="not_allowed"):
            said_by("call_integration", slug, "--user", person.username)
    assert not call_integration("add", person, text="words").success
    assert (system.slug, own.slug) == ("odd", "own")
    assert acted(room) == []


def room_of_its_own(room: Room) -> ConnectedSystem:
    """A system that speaks for itself, of the same application."""
    from tests.acme import make_system

    system = make_system(
        room.url, "own", authentication="oauth2_client_credentials",
        oauth={"authorization_endpoint": None, "revocation_endpoint": None},
    )  # fmt: skip
    make_integration(system, "itself")
    return system


@LEAVES
def test_G19_no_renewal_in_a_call_leaves(room: Room, guest: Guest, leaves: Leave) -> None:
    guest.connects()

    def refuses(room: Room, told: Told, sock: socket.socket) -> None:
        leaves(User.objects.get(pk=guest.person.pk))
        connection.close()
        sock.sendall(said({"error": "invalid_token"}, "401 No"))

    room.api = refuses
    page = guest.lists()
    assert page.status_code == 404
    assert (room.calls, room.exchanges) == (1, 0)


@LEAVES
def test_G19_nothing_is_renewed(room: Room, guest: Guest, leaves: Leave) -> None:
    guest.connects()
    other = Guest(User.objects.create_user("root", is_superuser=True), room).connects()
    expire()
    leaves(guest.person)
    room.token = granted(access_token="renewed-for-root")
    assert said_by("refresh_tokens") == "renewed: 1, not renewed: 0\n"
    assert room.exchanges == 1
    row = Authorization.objects.get(user=guest.person)
    assert row.expires_at is not None and row.expires_at < timezone.now()
    renewed = Authorization.objects.get(user=other.person)
    assert renewed.expires_at is not None and renewed.expires_at > timezone.now()


def test_G19_the_lease_asks_again(room: Room, guest: Guest, monkeypatch: Any) -> None:
    """Gone between the command's due query and the renewal."""
    from authlinks.management.commands import refresh_tokens

    guest.connects()
    expire()
    genuine = refresh_tokens._renewed

    def late(authorization: Any) -> str:
        out_of_the_group(guest.person)
        return genuine(authorization)

    monkeypatch.setattr(refresh_tokens, "_renewed", late)
    with pytest.raises(CommandError, match="not_allowed"):
        said_by("refresh_tokens")
    assert acted(room) == []
    assert Authorization.objects.get().lease_owner == ""


@LEAVES
def test_G19_nothing_held_is_delivered(room: Room, guest: Guest, leaves: Leave) -> None:
    guest.adds()
    guest.connects()
    held = HeldSubmission.objects.get()
    leaves(guest.person)
    for action in ("deliver", "go_on", "send_again"):
        guest.client.post(held.url, {"action": action})
    held = HeldSubmission.objects.select_related("integration", "user").get()
    response = deliver(held)
    assert response is None or not response.success
    assert acted(room) == []


@LEAVES
def test_G19_no_code_is_exchanged(room: Room, guest: Guest, leaves: Leave) -> None:
    state = guest.sets_out()
    leaves(guest.person)
    back = guest.comes_back(f"code={CODE}&state={state}")
    assert back.status_code in (400, 404)
    assert room.server.told == []
    assert not Authorization.objects.exists()


def test_G19_gone_while_the_callback_is_read(
    room: Room, guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from authlinks import flow

    genuine = flow._claim

    def late(attempt: Any) -> None:
        genuine(attempt)
        out_of_the_group(guest.person)

    monkeypatch.setattr(flow, "_claim", late)
    assert guest.authorizes().status_code == 404
    assert room.server.told == []
    assert not Authorization.objects.exists()


@LEAVES
def test_G19_no_try_of_a_designer_leaves(room: Room, leaves: Leave) -> None:
    """Test panel, Authorize, Check configuration and the callback of a draft."""
    system = room.make()
    dora = User.objects.create_user("dora")
    dora.groups.add(Group.objects.get(name="crm-designers"))
    guest = Guest(dora, room).connects()
    base = "/admin/connectedsystems/connectedsystem/"
    form = guest.client.get(f"{base}{system.pk}/change/").content.decode()
    fields = dict(re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', form))
    begun = guest.client.post(f"{base}draft/authorize/", _of(system, fields))
    assert begun.status_code == 302, begun.content
    state = re.findall(r"state=([^&]+)", begun["Location"])[0]
    room.server.told.clear()
    leaves(dora)
    integration = system.integrations.get(slug="list")
    panel = f"/admin/integrations/integration/{integration.pk}/"
    for path in (f"{base}draft/authorize/", f"{base}draft/check/", f"{base}draft/preview/"):
        assert guest.client.post(path, _of(system, fields)).status_code in (302, 403, 404)
    assert guest.client.get(f"{panel}change/").status_code in (302, 403, 404)
    back = guest.client.get(f"/connections/callback/{system.pk}/?code={CODE}&state={state}")
    assert back.status_code in (400, 404)
    assert acted(room) == []


def _of(system: ConnectedSystem, fields: dict[str, str]) -> dict[str, str]:
    """The form as a browser posts it: what the page held, and what has no input of its own."""
    oauth = system.configuration["oauth"]
    typed = {name: text for name, text in oauth.items() if isinstance(text, str)}
    own = {"name": system.name, "slug": system.slug, "base_url": system.base_url}
    kind = {"authentication": system.authentication, "application": str(system.application_id)}
    return {**fields, **typed, **own, **kind}


@pytest.mark.parametrize("leaves", [out_of_the_group, narrowed])
def test_G19_what_lives_on_can_be_seen_and_ended(room: Room, guest: Guest, leaves: Leave) -> None:
    guest.connects()
    stranger = Guest(User.objects.create_user("stranger"), room)
    leaves(guest.person)
    page = guest.client.get("/connections/").content.decode()
    assert "No longer used here" in page
    assert 'data-system="odd"' in page and "data-authorize" not in page
    assert 'action="/connections/odd/disconnect/"' in page
    for path in ("status/", "authorize/", "answer/"):
        assert guest.client.get(f"/connections/odd/{path}").status_code == 404
    assert "odd" not in guest.client.get("/").content.decode()
    assert 'data-system="odd"' not in stranger.client.get("/connections/").content.decode()
    assert stranger.client.post("/connections/odd/disconnect/").status_code == 404
    ended = guest.client.post("/connections/odd/disconnect/")
    assert (ended.status_code, ended["Location"]) == (303, "/connections/")
    assert len(room.asked("/oauth/revoke")) == 2
    assert not Authorization.objects.exists()
    assert 'data-system="odd"' not in guest.client.get("/connections/").content.decode()
    assert guest.client.post("/connections/odd/disconnect/").status_code == 404


def test_G19_deactivating_offers_to_disconnect_and_does_it(room: Room, guest: Guest) -> None:
    guest.connects()
    make_integration(room_of_its_own(room), "another")
    root = Client()
    root.force_login(User.objects.create_user("root", is_superuser=True))
    path = f"/admin/auth/user/{guest.person.pk}/"
    kept = root.post(f"{path}change/", {"username": "alice", "is_active": "on", "groups": []})
    assert kept["Location"] == "/admin/auth/user/"
    group = Group.objects.get(name="crm-users").pk
    asked = root.post(f"{path}change/", {"username": "alice", "groups": [group]})
    assert (asked.status_code, asked["Location"]) == (302, f"{path}leave/")
    assert guest.lists().status_code == 302
    page = root.get(f"{path}leave/").content.decode()
    assert "Disconnect 1 connection at 1 system?" in page
    assert Authorization.objects.exists() and room.server.told == []
    done = root.post(f"{path}leave/")
    assert done.status_code == 303
    assert "disconnected" in root.get(done["Location"]).content.decode()
    assert [told.target for told in room.server.told] == ["/oauth/revoke"] * 2
    assert not Authorization.objects.exists()
    actions = list(AuditEvent.objects.values_list("action", flat=True))
    assert "user_deactivated" in actions and "disconnected" in actions
    assert guest.client.get(f"{path}leave/").status_code in (302, 403)


def test_G19_a_due_query_is_one_query_for_any_number(
    room: Room, guest: Guest, django_assert_num_queries: Any
) -> None:
    guest.connects()
    with django_assert_num_queries(1):
        assert Authorization.objects.acted_for().count() == 1
    Authorization.objects.update(authorized_at=timezone.now() - timedelta(days=1))
    assert json.loads(guest.lists_as_json().content)["success"]
