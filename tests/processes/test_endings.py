"""What ended is revoked and audited, whoever is killed, waits or comes back meanwhile."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.client import HTTPException
from typing import Any

import psutil
import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from authlinks.models import Authorization, EndingAuthorization, EndingClient
from connectedsystems.models import AuditEvent, ConnectedSystem
from integrations.models import Integration
from tests.acme import CLIENT_SECRET, Visitor, make_system
from tests.desk import make_authorization
from tests.faults.test_revocations import Dora, stolen
from tests.otherside import OtherSide, answer, other_side
from tests.processes.started import Caller, Site, mark
from tests.thirdparty import ThirdParty

pytestmark = pytest.mark.processes

Starts = Callable[..., Caller]
Makes = Callable[..., Visitor]

BEFORE_COMMIT = "authlinks.revoking.empty_after_commit"
AFTER_COMMIT = "authlinks.revoking.empty_for_a_moment"
BEFORE_SENDING = "authlinks.revoking.revoke_row"
BETWEEN_TOKENS = "authlinks.revoking._replaced_meanwhile"
AFTER_THE_ANSWER = "authlinks.revoking._settle"

DISCONNECT = "/connections/acme/disconnect/"


def revoked(thirdparty: ThirdParty, **more: Any) -> int:
    return thirdparty.count(path="/oauth/revoke", status=200, **more)


def audits(outcome: str = "done", action: str = "disconnected by deletion") -> list[str]:
    found = AuditEvent.objects.filter(action=action, outcome=outcome)
    return sorted(found.values_list("subject_name", flat=True))


def end_leases() -> None:
    EndingAuthorization.objects.update(lease_ends=timezone.now() - timedelta(seconds=1))


def end_pauses() -> None:
    EndingAuthorization.objects.update(next_try_at=None)


def somebody_comes() -> None:
    call_command("refresh_tokens", verbosity=0)


@pytest.fixture
def people(acme: ConnectedSystem, visitor: Makes, thirdparty: ThirdParty) -> list[Visitor]:
    """Alice and bob, connected; nothing of theirs in the log yet."""
    both = [visitor("alice"), visitor("bob", "ben")]
    for each in both:
        assert each.authorizes().status_code == 303
    mark(thirdparty)
    return both


@pytest.fixture
def root(transactional_db: None, django_user_model: Any) -> Any:
    return django_user_model.objects.create_superuser("root", password="root")


def deletion(acme: ConnectedSystem, what: str, person: Any) -> str:
    if what == "user":
        return f"/admin/auth/user/{person.pk}/delete/"
    Integration.objects.all().delete()
    return f"/admin/connectedsystems/connectedsystem/{acme.pk}/delete/"


@pytest.mark.parametrize(
    "place", [BEFORE_COMMIT, AFTER_COMMIT, BEFORE_SENDING, BETWEEN_TOKENS, AFTER_THE_ANSWER]
)
@pytest.mark.parametrize("what", ["system", "user"])
def test_G8_killed_while_something_is_deleted(
    acme: ConnectedSystem,
    people: list[Visitor],
    root: Any,
    caller: Starts,
    thirdparty: ThirdParty,
    what: str,
    place: str,
) -> None:
    path = deletion(acme, what, people[0].person)
    victim = caller("post", **{"as": "root"}, path=path, form={"post": "yes"}, hold_at=[place])
    victim.go_until(place)
    victim.kill()
    sent = {BETWEEN_TOKENS: 1, AFTER_THE_ANSWER: 2}.get(place, 0)
    assert revoked(thirdparty) == sent
    assert audits() == []
    if place == BEFORE_COMMIT:
        # Nothing happened at all, and nothing is left behind.
        assert Authorization.objects.count() == 2
        assert not EndingAuthorization.objects.exists()
        assert ConnectedSystem.objects.filter(pk=acme.pk).exists()
        return
    gone = {"system": ["alice", "bob"], "user": ["alice"]}[what]
    assert Authorization.objects.count() == 2 - len(gone)
    end_leases()
    somebody_comes()
    assert audits() == gone
    # One token was sent twice: the one whose answer nobody could note any more.
    again = revoked(thirdparty) - 2 * len(gone)
    assert again == (1 if sent else 0)
    assert not EndingAuthorization.objects.exists()
    ending = EndingClient.objects.get()
    assert (ending.total, ending.confirmed, ending.left) == (len(gone), len(gone), 0)
    assert ending.client is None
    assert ending.finished_at is not None
    somebody_comes()
    assert audits() == gone


@pytest.mark.parametrize("place", [BEFORE_SENDING, BETWEEN_TOKENS, AFTER_THE_ANSWER])
def test_G8_killed_while_a_user_disconnects(
    people: list[Visitor], caller: Starts, thirdparty: ThirdParty, place: str
) -> None:
    victim = caller("post", **{"as": "alice"}, path=DISCONNECT, hold_at=[place])
    victim.go_until(place)
    victim.kill()
    assert people[0].status()["state"] == "never_authorized"
    assert audits(action="disconnected") == []
    # While the lease lasts nobody else sends the same.
    before = revoked(thirdparty)
    somebody_comes()
    assert revoked(thirdparty) == before
    end_leases()
    # Whoever comes next is bob, who ends his own.
    assert people[1].client.post(DISCONNECT).status_code == 303
    assert audits(action="disconnected") == ["alice", "bob"]
    assert not EndingAuthorization.objects.exists()
    assert not EndingClient.objects.exists()


def test_G8_killed_while_everything_of_somebody_ends(
    people: list[Visitor], root: Any, caller: Starts, thirdparty: ThirdParty
) -> None:
    path = f"/admin/auth/user/{people[0].person.pk}/leave/"
    victim = caller("post", **{"as": "root"}, path=path, hold_at=[AFTER_COMMIT])
    victim.go_until(AFTER_COMMIT)
    victim.kill()
    assert Authorization.objects.get().user == people[1].person
    assert audits(action="disconnected") == []
    somebody_comes()
    assert audits(action="disconnected") == ["alice"]
    assert revoked(thirdparty) == 2
    assert EndingClient.objects.get().confirmed == 1


def test_G8_the_site_is_killed_while_it_revokes(
    acme: ConnectedSystem,
    people: list[Visitor],
    root: Any,
    serve: Callable[..., Site],
    thirdparty: ThirdParty,
) -> None:
    """kill -9 to gunicorn and its workers, while the other system takes its time."""
    site = serve()
    client = Client()
    client.force_login(root)
    path = deletion(acme, "system", None)
    thirdparty.control(revoke={"delay": 3})
    with ThreadPoolExecutor() as pool:
        session = client.cookies["sessionid"].value
        answer = pool.submit(site.ask, path, session, form={"post": "yes"})
        ends = time.monotonic() + 60
        while not EndingAuthorization.objects.filter(sent_at__isnull=False).exists():
            assert time.monotonic() < ends
            time.sleep(0.05)
        master = psutil.Process(site.process.pid)
        for process in [*master.children(recursive=True), master]:
            process.kill()
        with pytest.raises((OSError, HTTPException)):
            answer.result(timeout=30)
    assert not ConnectedSystem.objects.filter(pk=acme.pk).exists()
    assert audits() == []
    thirdparty.control(revoke=None)
    end_leases()
    end_pauses()
    somebody_comes()
    assert audits() == ["alice", "bob"]
    assert EndingClient.objects.get().confirmed == 2


def test_G8_two_at_once_send_each_token_once(
    acme: ConnectedSystem, root: Any, caller: Starts, user: Callable[..., Any]
) -> None:
    with other_side(lambda told, sock: sock.sendall(answer(b""))) as server:
        system = crowd(server, user, 120)
        system.delete()
        EndingAuthorization.objects.update(lease_owner="", lease_ends=None, next_try_at=None)
        left = EndingAuthorization.objects.count()
        sent = len(server.told)
        both = [caller("command", name="refresh_tokens") for _ in range(2)]
        for each in both:
            each.hear("ready")
        for each in both:
            each.go()
        said = [result for each in both for result in each.results()]
        assert not [result for result in said if "raised" in result]
        assert len(server.told) == sent + 2 * left
        assert len(audits()) == 120
        assert len({told.body for told in server.told}) == 2 * 120


def crowd(server: OtherSide, user: Callable[..., Any], number: int) -> ConnectedSystem:
    """A system at this server with so many connected users."""
    system = make_system(server.url(""), "crowded")
    # Everybody's tokens are their own.
    from connectedsystems import vault

    for n in range(number):
        row = make_authorization(system, user(f"user-{n:05}"))
        row.access_token = vault.seal(f"access-{n}", row.place("access_token"))
        row.refresh_token = vault.seal(f"refresh-{n}", row.place("refresh_token"))
        row.save()
    return system


def test_G8_a_server_that_does_not_answer_is_asked_for_a_day(
    acme: ConnectedSystem, people: list[Visitor], root: Any, thirdparty: ThirdParty
) -> None:
    thirdparty.control(revoke={"status": 503})
    client = Client()
    client.force_login(root)
    path = deletion(acme, "system", None)
    assert client.post(path, {"post": "yes"}).status_code == 302
    asked = thirdparty.count(path="/oauth/revoke")
    assert audits() == []
    ending = EndingClient.objects.get()
    page = client.get("/admin/authlinks/endingclient/").content.decode()
    assert "no answer, tried again" in page
    assert "2 authorizations ended and are still to be revoked" in (
        client.get("/admin/connectedsystems/auditevent/").content.decode()
    )
    # Not before its pause is over, and then one of them first.
    somebody_comes()
    assert thirdparty.count(path="/oauth/revoke") == asked
    end_pauses()
    somebody_comes()
    assert asked < thirdparty.count(path="/oauth/revoke") <= asked + 2
    end_pauses()
    EndingClient.objects.update(ends_at=timezone.now() - timedelta(seconds=1))
    asked = thirdparty.count(path="/oauth/revoke")
    somebody_comes()
    assert thirdparty.count(path="/oauth/revoke") == asked
    assert audits("not confirmed there") == ["alice", "bob"]
    ending.refresh_from_db()
    assert (ending.not_confirmed, ending.left, ending.client) == (2, 0, None)


def test_G8_a_disconnect_that_is_not_confirmed_yet_goes_on(
    people: list[Visitor], thirdparty: ThirdParty
) -> None:
    thirdparty.control(revoke={"status": 503})
    people[0].client.post(DISCONNECT)
    page = people[0].client.get("/connections/").content.decode()
    assert "asked again for a day" in page
    assert audits("not confirmed yet", "disconnected") == ["alice"]
    thirdparty.control(revoke=None)
    end_pauses()
    call_command("prune", verbosity=0)
    assert audits("done", "disconnected") == ["alice"]
    assert revoked(thirdparty) == 2


def test_G8_whoever_authorizes_again_keeps_the_new_permission(
    people: list[Visitor], thirdparty: ThirdParty
) -> None:
    thirdparty.control(revoke={"status": 503})
    people[0].client.post(DISCONNECT)
    assert EndingAuthorization.objects.count() == 1
    thirdparty.control(revoke=None)
    assert people[0].authorizes().status_code == 303
    event = AuditEvent.objects.get(action="disconnected", outcome="not revoked")
    assert (event.subject_name, event.code) == ("alice", "not_revoked")
    assert event.facts["cause"] == "authorized_again"
    assert not EndingAuthorization.objects.exists()
    somebody_comes()
    assert revoked(thirdparty) == 0
    assert people[0].status()["state"] == "connected"


def test_G8_keys_are_rotated_while_revocations_wait(
    acme: ConnectedSystem,
    people: list[Visitor],
    root: Any,
    thirdparty: ThirdParty,
    settings: Any,
) -> None:
    thirdparty.control(revoke={"status": 503})
    client = Client()
    client.force_login(root)
    client.post(deletion(acme, "system", None), {"post": "yes"})
    old = settings.VAULT_KEYS
    new = f"new:{base64.b64encode(os.urandom(32)).decode()}"
    settings.VAULT_KEYS = new
    checks = client.get("/readyz").json()["checks"]
    assert "tests" in checks["vault_keys"]
    settings.VAULT_KEYS = f"{new},{old}"
    call_command("rotate_vault_keys", verbosity=0)
    settings.VAULT_KEYS = new
    thirdparty.control(revoke=None)
    end_pauses()
    somebody_comes()
    assert audits() == ["alice", "bob"]
    assert revoked(thirdparty) == 4


@pytest.mark.parametrize("what", ["system", "disconnect"])
def test_G8_a_key_that_is_missing_for_a_while(
    acme: ConnectedSystem,
    people: list[Visitor],
    root: Any,
    thirdparty: ThirdParty,
    settings: Any,
    what: str,
) -> None:
    """Ended by a process with another ring: what is to be revoked waits for the key."""
    client = Client()
    client.force_login(root)
    old = settings.VAULT_KEYS
    settings.VAULT_KEYS = f"new:{base64.b64encode(os.urandom(32)).decode()}"
    if what == "system":
        assert client.post(deletion(acme, "system", None), {"post": "yes"}).status_code == 302
    else:
        people[0].client.post(DISCONNECT)
        assert b"VAULT_KEYS" not in people[0].client.get("/connections/").content
    assert EndingAuthorization.objects.count() == {"system": 2, "disconnect": 1}[what]
    settings.VAULT_KEYS = old
    end_pauses()
    somebody_comes()
    action = {"system": "disconnected by deletion", "disconnect": "disconnected"}[what]
    gone = {"system": ["alice", "bob"], "disconnect": ["alice"]}[what]
    assert audits(action=action) == gone
    assert revoked(thirdparty) == 2 * len(gone)
    assert not EndingClient.objects.filter(secrets__isnull=False).exists()


def test_G0_a_late_answer_goes_where_it_was_obtained_for(
    acme: ConnectedSystem,
    people: list[Visitor],
    caller: Starts,
    user: Callable[..., Any],
    root: Any,
    thirdparty: ThirdParty,
) -> None:
    """Renewed, disconnected, and in between the designer has named a server of their own."""
    late = "authlinks.renewal._saved"
    dora = Dora(user, root)
    with other_side(lambda told, sock: sock.sendall(answer(b""))) as evil:
        typed = {"revocation_endpoint": evil.url("/oauth/revoke")}
        assert dora.types("acme", **typed) or dora.types(
            "acme", **typed, client_secret=CLIENT_SECRET
        )
        for changed in (True, False):
            if not changed:
                Authorization.objects.all().delete()
                people[0].authorizes()
                mark(thirdparty)
            standing = ConnectedSystem.objects.get(pk=acme.pk)
            fingerprint = standing.parsed().fingerprint()
            Authorization.objects.update(
                expires_at=timezone.now() - timedelta(hours=1), fingerprint=fingerprint
            )
            busy = caller(slug="list-contacts", users=["alice"], hold_at=[late])
            busy.go_until(late)
            people[0].client.post(DISCONNECT)
            busy.go()
            busy.results()
            if changed:
                assert stolen(evil.told) == []
                assert audits("not revoked", "late token dropped") == ["alice"]
                assert audits("not revoked", "disconnected") == ["alice"]
                assert thirdparty.count(path="/oauth/revoke") == 0
        # Approved under that endpoint: then it is the one to ask.
        assert len(evil.told) == 4
        assert audits("done", "late token dropped") == ["alice"]


def test_G8_ten_thousand_users(
    acme: ConnectedSystem, root: Any, django_user_model: Any, thirdparty: ThirdParty
) -> None:
    """Answered at once, nothing of it in memory, progress on a page, nothing lost."""
    number = 10_000
    template = make_authorization(acme, root)
    Integration.objects.all().delete()
    users = django_user_model.objects.bulk_create(
        [django_user_model(username=f"user-{n:05}") for n in range(number)]
    )
    columns = {
        name: getattr(template, name)
        for name in ("fingerprint", "authorized_at", "obtained_client", "revocation_origin")
    }
    Authorization.objects.bulk_create(
        [
            Authorization(system=acme, user=each, access_token=template.access_token, **columns)
            for each in users
        ],
        batch_size=1000,
    )
    template.delete()
    client = Client()
    client.force_login(root)
    path = deletion(acme, "system", None)
    assert "10000 authorizations: revoked at" in client.get(path).content.decode()
    began = time.monotonic()
    assert client.post(path, {"post": "yes"}).status_code == 302
    assert time.monotonic() - began < 30
    ending = EndingClient.objects.get()
    assert ending.total == number
    assert EndingAuthorization.objects.count() == ending.left
    assert 0 < ending.left <= number
    row = client.get("/admin/authlinks/endingclient/").content.decode()
    assert "under way" in row
    assert str(ending.left) in row
    assert not Authorization.objects.filter(system_id=acme.pk).exists()
