"""What an auditor asks for is in the audit: who, what, where from, how it ended; and no flood."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from authlinks.models import Authorization
from connectedsystems.models import AuditEvent, ConnectedSystem
from tests.acme import make_integration, make_system
from tests.faults.room import ACCESS, REFRESH, Guest, Room, expire, said

LOG_IN = "/accounts/login/"
PASSWORD = "/accounts/password/"
NEW = "quiet-otters-walk-late"
FROM = "203.0.113.7"


def events(action: str) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action=action))


def the(action: str) -> AuditEvent:
    (event,) = events(action)
    return event


def browser() -> Client:
    return Client(REMOTE_ADDR=FROM)


def logs_in(client: Client, name: str, password: str) -> Any:
    return client.post(LOG_IN, {"username": name, "password": password})


def test_G15_coming_in_and_going_out(guest: Guest) -> None:
    AuditEvent.objects.all().delete()
    client = browser()
    assert logs_in(client, "alice", "wrong").status_code == 200
    assert logs_in(client, "alice", "alice").status_code == 302
    client.post("/accounts/logout/")
    for action, outcome in (
        ("log_in_failed", "failed"),
        ("logged_in", "done"),
        ("logged_out", "done"),
    ):
        event = the(action)
        assert (event.subject_name, event.outcome, event.address) == ("alice", outcome, FROM)
    assert the("logged_in").actor_name == the("logged_out").actor_name == "alice"
    assert the("log_in_failed").actor_name == ""


def test_G15_what_is_typed_as_a_name_is_not_kept(guest: Guest) -> None:
    """People type their password there."""
    logs_in(browser(), "correct-horse-battery", "")
    logs_in(browser(), "correct-horse-battery", "x")
    event = the("log_in_failed")
    assert (event.subject_name, event.address) == ("", FROM)
    assert "correct-horse" not in str(AuditEvent.objects.values())


def test_G15_a_lock_out_is_told_once(guest: Guest) -> None:
    client = browser()
    statuses = [logs_in(client, "alice", "wrong").status_code for _ in range(14)]
    assert 429 in statuses
    event = the("locked_out")
    assert (event.subject_name, event.address) == ("alice", FROM)
    assert len(events("log_in_failed")) <= 8


def test_G15_ones_own_password(guest: Guest) -> None:
    here, elsewhere = browser(), browser()
    for client in (here, elsewhere):
        assert logs_in(client, "alice", "alice").status_code == 302
    assert b'href="/accounts/password/"' in here.get("/").content
    assert Client().get(PASSWORD).status_code == 302
    page = here.get(PASSWORD)
    assert page.status_code == 200 and b'name="old_password"' in page.content
    form = {"old_password": "alice", "new_password1": NEW, "new_password2": NEW}
    for wrong in (
        {"old_password": "wrong"},
        {"new_password2": "another-otter-entirely"},
        *({"new_password1": weak, "new_password2": weak}
          for weak in ("short-one", "123456789012", "password1234")),
    ):  # fmt: skip
        refused = here.post(PASSWORD, {**form, **wrong})
        assert refused.status_code == 200 and b"errorlist" in refused.content, wrong
    assert not events("password_changed")
    assert here.post(PASSWORD, form)["Location"] == "/"
    assert b"Your password is changed" in here.get("/").content
    assert elsewhere.get("/").status_code == 302
    event = the("password_changed")
    assert (event.actor_name, event.subject_name, event.address) == ("alice", "alice", FROM)
    assert NEW not in str(AuditEvent.objects.values())
    assert logs_in(browser(), "alice", NEW).status_code == 302


@pytest.fixture
def root(room: Room) -> Client:
    client = browser()
    client.force_login(User.objects.create_user("root", is_superuser=True))
    return client


def test_G15_what_is_done_to_people(guest: Guest, root: Client) -> None:
    AuditEvent.objects.all().delete()
    path = f"/admin/auth/user/{guest.person.pk}/"
    password = {"password1": NEW, "password2": NEW, "usable_password": "true"}
    assert root.post(f"{path}password/", password).status_code == 302
    others = Group.objects.create(name="others")
    root.post(f"{path}change/", {"username": "alice", "is_active": "on", "groups": [others.pk]})
    root.post(f"{path}change/", {"username": "alice", "groups": [others.pk]})
    root.post(f"{path}change/", {"username": "alice", "is_active": "on", "is_superuser": "on"})
    for action, groups in (
        ("password_changed", None),
        ("user_deactivated", None),
        ("user_reactivated", None),
        ("admin_rights_given", None),
        ("joined_group", ["others"]),
    ):
        event = the(action)
        assert (event.actor_name, event.subject_name) == ("root", "alice")
        assert (event.address, event.facts.get("groups")) == (FROM, groups)
    assert [event.facts["groups"] for event in events("left_group")] == [["others"], ["crm-users"]]
    # By a shell, too.
    guest.person.groups.set([others])
    others.user_set.clear()
    assert events("left_group")[0].actor_name == ""
    call_command("createsuperuser", "--noinput", username="second", email="", stdout=StringIO())
    User.objects.filter(username="second").get().delete()


def test_G15_an_admins_look_at_a_person(room: Room, guest: Guest, root: Client) -> None:
    guest.connects()
    row = Authorization.objects.get()
    base = "/admin/authlinks/authorization/"
    for _ in range(3):
        assert root.get(f"{base}{row.pk}/change/").status_code == 200
    event = the("looked_at_connections")
    told = (event.actor_name, event.subject_name, event.system_slug, event.address)
    assert told == ("root", "alice", "odd", FROM)
    for _ in range(3):
        assert root.get(f"{base}?q=alice").status_code == 200
        assert root.get(f"{base}?q=ali").status_code == 200
    assert len(events("looked_at_connections")) == 2
    assert the("looked_for_connections").facts == {"search": {"q": "ali"}}
    page = guest.client.get("/integrations/list/?x=1")
    assert page.status_code == 200
    attempt = guest.status()["reference"]
    for client in (guest.client, root):
        assert client.get(f"/references/{attempt}/").status_code == 200
    looked = the("looked_at_reference")
    assert (looked.actor_name, looked.subject_name, looked.reference) == ("root", "alice", attempt)


def test_G15_a_renewal_refused_for_good(room: Room, guest: Guest) -> None:
    guest.connects()
    expire()
    description = f"{REFRESH} is revoked"
    room.token = said({"error": "invalid_grant", "error_description": description}, "400 No")
    for _ in range(3):
        guest.lists()
    event = the("renewal_refused")
    assert (event.subject_name, event.system_slug, event.outcome) == ("alice", "odd", "failed")
    assert (event.code, event.facts["cause"]) == ("needs_authorization", "refresh_refused")
    assert REFRESH not in str(event.facts)


def test_G15_a_value_that_does_not_open(room: Room, guest: Guest) -> None:
    guest.connects()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE authlinks_authorization SET access_token = 'broken'")
    pages = [guest.client.get("/integrations/list/", REMOTE_ADDR=FROM) for _ in range(4)]
    event = the("value_not_opened")
    told = (event.actor_name, event.subject_name, event.system_slug, event.address, event.code)
    assert told == ("alice", "alice", "odd", FROM, "decrypt_failed")
    reference = event.reference
    assert f'data-reference="{reference}"'.encode() in pages[0].content
    bob = User.objects.create_user("bob")
    bob.groups.add(Group.objects.get(name="crm-users"))
    other = Guest(bob, room).connects()
    Authorization.objects.filter(user=bob).update(refresh_token=None, access_token=None)
    assert other.lists().status_code == 200
    assert len(events("value_not_opened")) == 1


def test_G15_addresses_that_are_refused(
    room: Room, member: Callable[[str], Any], root: Client, settings: Any
) -> None:
    system = room.make()
    settings.OUTBOUND_ALLOW = (*settings.OUTBOUND_ALLOW, "10.1.2.3")
    inner = make_system("http://10.1.2.3", "inner", authentication="none")
    make_integration(inner, "inside")
    guest = Guest(member("alice"), room).connects()
    expire()
    ConnectedSystem.objects.filter(pk=system.pk).update(version=2)
    settings.OUTBOUND_ALLOW = ()
    for _ in range(4):
        guest.client.get("/integrations/inside/", REMOTE_ADDR=FROM)
        guest.lists()
    by_system = {event.system_slug: event for event in events("address_refused")}
    assert set(by_system) == {"inner", "odd"}
    event = by_system["inner"]
    assert (event.actor_name, event.address, event.code) == ("alice", FROM, "address_refused")
    assert event.facts["host"] == "10.1.2.3" and event.reference
    assert len(events("address_refused")) == 2
    with pytest.raises(CommandError):
        call_command("refresh_tokens", stdout=StringIO())
    find = "/admin/connectedsystems/connectedsystem/draft/find/"
    for host in ("169.254.169.254", "169.254.169.254", "192.168.0.1"):
        root.post(find, {"find_from": f"http://{host}/"})
    hosts = [each.facts.get("host") for each in events("address_refused") if each.actor_name]
    assert hosts.count("169.254.169.254") == 1 and "192.168.0.1" in hosts
    for path in ("draft/check/", "draft/check/", "add/"):
        page = root.get("/admin/connectedsystems/connectedsystem/add/").content.decode()
        fields = dict(re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', page))
        typed = {"name": "x", "base_url": "http://10.9.8.7/api", "authentication": "none"}
        root.post(f"/admin/connectedsystems/connectedsystem/{path}", {**fields, **typed})
    written = [e.facts for e in events("address_refused") if "10.9.8.7" in str(e.facts)]
    assert [facts["stage"] for facts in written] == ["written"]
    text = root.get("/admin/connectedsystems/auditevent/").content.decode()
    assert FROM in text and "address_refused" in text
    assert ACCESS not in text
