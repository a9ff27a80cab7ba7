"""Tokens at a second real OAuth server: renewed once however many call, and ended by a disconnect."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from authlinks.models import Authorization
from connectedsystems.models import ConnectedSystem
from integrations import call_integration
from tests.acme import Visitor, make_integration, make_system
from tests.otherservers.otherserver import SCOPE, OtherServer
from tests.processes.databases import database, db, templates, transactional_db  # noqa: F401
from tests.processes.started import Caller, caller, together  # noqa: F401

pytestmark = pytest.mark.processes

CLIENT_ID = "renewing"
CLIENT_SECRET = "renewing-beside-another-server-Jt5"


@pytest.fixture
def notebook(transactional_db: None, other: OtherServer) -> ConnectedSystem:  # noqa: F811
    """The server as a connected system, known on both sides."""
    oauth = {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "authorization_endpoint": f"{other.url}/auth",
        "token_endpoint": f"{other.url}/token",
        "revocation_endpoint": f"{other.url}/token/revocation",
        "scope": SCOPE,
    }
    system = make_system(other.url, "notebook", name="Notebook", oauth=oauth)
    other.register(CLIENT_ID, CLIENT_SECRET, [system.redirect_uri])
    make_integration(system, "who-am-i", path="/me")
    return system


@pytest.fixture
def alice(notebook: ConnectedSystem, visitor: Callable[..., Visitor]) -> Visitor:
    """Alice, connected."""
    someone = visitor("alice")
    assert someone.authorizes("notebook").status_code == 303
    return someone


def token(name: str = "refresh_token") -> str:
    """Alice's, in the clear."""
    row = Authorization.objects.get()
    return str(getattr(row, name).open(row.place(name)))


def refresh(other: OtherServer, of: str) -> tuple[int, bool]:
    """The status of the token endpoint's answer, and whether it says that the token is worth nothing."""
    page = other.refresh(CLIENT_ID, CLIENT_SECRET, of)
    return page.status, "invalid_grant" in page.text


def test_12_calls_in_3_processes_after_expiry_renew_once(
    other: OtherServer,
    notebook: ConnectedSystem,
    visitor: Callable[..., Visitor],
    caller: Callable[..., Caller],  # noqa: F811
) -> None:
    other.control(lifetime=2)
    alice = visitor("alice")
    alice.authorizes("notebook")
    first = token()
    callers = [caller(slug="who-am-i", users=["alice"], threads=4) for _ in range(3)]
    while Authorization.objects.get().expires_at > timezone.now():
        time.sleep(0.1)
    other.control(lifetime=3600)
    results = together(callers)
    assert [result.get("raised") or result["code"] for result in results] == [""] * 12
    assert other.count(path="/token", grant_type="refresh_token") == 1
    assert other.count(path="/api/me", status=200) == 12
    # It was rotated, and what was kept is the newer one.
    assert token() != first
    Authorization.objects.update(expires_at=timezone.now())
    assert call_integration("who-am-i", alice.person).success
    assert other.count(path="/token", grant_type="refresh_token", status=200) == 2


def test_a_token_that_the_server_forgot_is_renewed_once(
    notebook: ConnectedSystem, visitor: Callable[..., Visitor], other: OtherServer
) -> None:
    """Here it is good for an hour, there for a second."""
    other.control(lifetime=1)
    alice = visitor("alice")
    alice.authorizes("notebook")
    Authorization.objects.update(expires_at=timezone.now() + timedelta(hours=1))
    while other.accepts(token("access_token")):
        time.sleep(0.1)
    other.control(reset=True)
    assert call_integration("who-am-i", alice.person).success
    assert other.count(path="/api/me", status=401) == 1
    assert other.count(path="/token", grant_type="refresh_token") == 1


def test_a_disconnect_revokes_there(alice: Visitor, other: OtherServer) -> None:
    assert call_integration("who-am-i", alice.person).success
    before = token()
    answer = alice.client.post("/connections/notebook/disconnect/", follow=True)
    assert "Notebook confirmed that it no longer accepts the permission" in answer.content.decode()
    assert other.count(path="/token/revocation", status=200) >= 1
    assert not Authorization.objects.filter(refresh_token__isnull=False).exists()
    assert refresh(other, before) == (400, True)
    assert call_integration("who-am-i", alice.person).needs_authorization


def test_a_refresh_token_used_twice_ends_the_authorization(
    alice: Visitor, other: OtherServer
) -> None:
    """Somebody else has it: the server ends the whole family, and alice is asked again."""
    assert refresh(other, token())[0] == 200
    Authorization.objects.update(expires_at=timezone.now())
    for _ in range(2):
        assert call_integration("who-am-i", alice.person).needs_authorization
    assert other.count(path="/token", error="invalid_grant") == 1
    assert alice.authorizes("notebook").status_code == 303
    assert call_integration("who-am-i", alice.person).success
