"""Whatever a designer does to the place where tokens are revoked, no token and no secret goes along."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.core.management import call_command
from django.test import Client

from authlinks.models import AuthorizationAttempt
from connectedsystems.models import AuditEvent, ConnectedSystem
from integrations.models import Integration
from tests.acme import CLIENT_ID, CLIENT_SECRET
from tests.faults.room import ACCESS, REFRESH, Guest, Room, code_of, expire, granted, said
from tests.otherside import Told
from workbench.systemform import Birth

LIST = "/admin/connectedsystems/connectedsystem/"

# Each change, and what becomes of the tokens: asked at the honest server, or not at all.
ASKED, WITHHELD = "done", "not revoked"
CHANGES = {
    "nothing": ASKED,
    "revocation": WITHHELD,
    "another path": ASKED,
    "another name": WITHHELD,
    "variable": WITHHELD,
    "secret variable": WITHHELD,
    "scope": WITHHELD,
    "capture": ASKED,  # what was captured before stands until the next renewal
    "capture renewed": WITHHELD,
    "client": WITHHELD,
    "client alone": WITHHELD,
    "token": WITHHELD,
    "token alone": WITHHELD,
    "refresh": ASKED,
    "base URL": ASKED,
    "discovery": WITHHELD,
    "authentication": ASKED,
    "API key": WITHHELD,
}
MAY_BE_REFUSED = {"scope", "discovery", "secret variable", "capture", "capture renewed"}
ENDINGS = ("disconnect", "an admin's disconnect", "delete system", "delete user")


class Dora:
    """A designer at the desk, and an admin beside her."""

    def __init__(self, user: Callable[..., Any], admin: Any) -> None:
        self.person = user("dora", groups=["crm-designers"])
        self.client, self.root = Client(), Client()
        self.client.force_login(self.person)
        self.root.force_login(admin)

    def types(self, slug: str = "odd", **typed: str) -> bool:
        """Save the system with these values, whatever it takes; whether they were taken."""
        system = ConnectedSystem.objects.get(slug=slug)
        oauth = system.configuration["oauth"]
        written = {
            "public_id": Birth.now(system.pk).signed(self.person),
            "application": str(system.application_id),
            "base_url": system.base_url,
            "name": system.name,
            "slug": system.slug,
            "authentication": system.authentication,
            **{key: v if isinstance(v, str) else json.dumps(v) for key, v in oauth.items()},
            "end_authorizations": "on",
            "accept_hosts": "on",
            **typed,
        }
        if system.configuration.get("variables"):
            written.setdefault("variables", json.dumps(system.configuration["variables"]))
        return bool(self.client.post(f"{LIST}{system.pk}/change/", written).status_code == 302)


@pytest.fixture
def dora(user: Callable[..., Any], admin: Any) -> Dora:
    return Dora(user, admin)


def make(room: Room, change: str) -> None:
    """The system as it is before the change."""
    port = str(room.server.port)
    here = {"revocation_endpoint": f"http://127.0.0.1:{port}/oauth/revoke"}
    templated = {"revocation_endpoint": "http://127.0.0.1:{port}/oauth/revoke"}
    room.token = granted(port=port)
    if change in ("variable", "secret variable"):
        room.make(oauth=templated, variables={"port": port})
    elif change in ("capture", "capture renewed"):
        room.token = granted(home=room.url)
        captured = {
            "revocation_endpoint": "{home}/oauth/revoke",
            "captures": {"token": {"home": "home"}},
            "capture_patterns": {"home": r"http://127\.0\.0\.1:\d+"},
        }
        # As it was stored by whoever could: the form may refuse a capture there.
        system = room.make()
        system.configuration["oauth"] |= captured
        system.seal_secrets({"client_secret": CLIENT_SECRET})
        system.save()
    else:
        room.make(oauth=here)


def changed(room: Room, change: str) -> dict[str, str]:
    """What is typed into the form."""
    evil = room.elsewhere.url("")
    port = str(room.elsewhere.port)
    revokes = {"revocation_endpoint": f"{evil}/oauth/revoke"}
    literal = json.dumps({"token": {"home": f"'{evil}'"}})
    return {
        "nothing": {},
        "revocation": revokes,
        "another path": {"revocation_endpoint": room.server.url("/oauth/revoke?v=2")},
        "another name": {"revocation_endpoint": room.elsewhere.url("/revoke", host="localhost")},
        "variable": {"variables": json.dumps({"port": port})},
        "secret variable": {"variables": json.dumps({"port": {"secret": True, "value": port}})},
        "scope": {"revocation_endpoint": "http://127.0.0.1:{scope}/revoke", "scope": port},
        "capture": {"captures": literal},
        "capture renewed": {"captures": literal},
        "client": {"client_id": f"{CLIENT_ID}-b", **revokes},
        "client alone": {"client_id": f"{CLIENT_ID}-b"},
        "token": {"token_endpoint": f"{evil}/oauth/token", **revokes},
        "token alone": {"token_endpoint": f"{evil}/oauth/token"},
        "refresh": {"refresh_endpoint": f"{evil}/oauth/token"},
        "base URL": {"base_url": f"{evil}/api"},
        "discovery": {
            "revocation_endpoint": "",
            "discovery_url": f"{evil}/.well-known/oauth-authorization-server",
        },
        "authentication": {"client_authentication": "client_secret_post"},
        "API key": {
            "authentication": "api_key",
            "api_key_name": "X-Key",
            "api_key_value": "k" * 20,
            **revokes,
        },
    }[change]


def ends(ending: str, guest: Guest, dora: Dora) -> None:
    if ending == "disconnect":
        assert guest.client.post("/connections/odd/disconnect/").status_code in (303, 404)
        return
    if ending == "an admin's disconnect":
        page = dora.root.get("/admin/authlinks/authorization/").content.decode()
        key = page.split("/admin/authlinks/authorization/")[-1].split("/")[0]
        for part in page.split("/admin/authlinks/authorization/")[1:]:
            if part.split("/")[1:2] == ["change"]:
                key = part.split("/")[0]
        gone = dora.root.post(f"/admin/authlinks/authorization/{key}/disconnect/")
        assert gone.status_code == 303
        return
    address = f"/admin/auth/user/{guest.person.pk}/delete/"
    if ending == "delete system":
        Integration.objects.all().delete()
        address = f"{LIST}{ConnectedSystem.objects.get(slug='odd').pk}/delete/"
    assert dora.root.post(address, {"post": "yes"}).status_code == 302


def stolen(told: list[Told]) -> list[Told]:
    """Requests that hold a token or a secret, or authenticate as the client."""
    texts = (ACCESS, REFRESH, CLIENT_SECRET, base64.b64encode(CLIENT_SECRET.encode()).decode()[:-4])
    return [
        each
        for each in told
        if each.header("Authorization")
        or any(t in f"{each.target} {each.headers} {each.body.decode()}" for t in texts)
    ]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("change", CHANGES)
def test_G0_a_token_is_revoked_only_where_it_was_obtained_for(
    room: Room, member: Callable[[str], Any], dora: Dora, change: str, ending: str
) -> None:
    make(room, change)
    guest = Guest(member("alice"), room).connects()
    evil = room.elsewhere.url("")
    metadata = said({"issuer": evil, "revocation_endpoint": f"{evil}/oauth/revoke"})
    room.elsewhere.talk = lambda told, sock: sock.sendall(metadata)
    typed = changed(room, change)
    # Where another origin asks for the secret again, the designer types one: the tokens are at stake.
    saved = (
        not typed or dora.types(**typed) or dora.types(**typed, client_secret="a-guess-of-doras")
    )
    if change == "capture renewed":
        expire()
        guest.lists()
    if ending == "disconnect" and change == "API key":
        ending = "an admin's disconnect"  # My connections does not list it any more
    room.server.told.clear()
    ends(ending, guest, dora)
    assert stolen(room.elsewhere.told) == []
    asked = [parse_qs(told.body.decode())["token"] for told in room.asked("/oauth/revoke")]
    event = AuditEvent.objects.filter(action__startswith="disconnected").get()
    if not saved:
        assert change in MAY_BE_REFUSED
        return
    outcome = CHANGES[change]
    assert (event.outcome, event.subject_name) == (outcome, "alice")
    assert event.code == ("" if outcome == ASKED else "not_revoked")
    assert asked == ([[REFRESH], [ACCESS]] if outcome == ASKED else [])


def test_G0_not_revoked_is_said(room: Room, guest: Guest, dora: Dora) -> None:
    guest.connects()
    typed = {"revocation_endpoint": f"{room.elsewhere.url('')}/oauth/revoke"}
    assert dora.types(**typed) or dora.types(**typed, client_secret="a-guess-of-doras")
    guest.client.post("/connections/odd/disconnect/")
    page = guest.client.get("/connections/")
    assert code_of(page) == "not_revoked"
    assert b"remove this site in your settings there" in page.content
    event = AuditEvent.objects.get(action="disconnected")
    read = dora.client.get(f"/admin/connectedsystems/auditevent/{event.pk}/change/")
    assert b"on another server than when the user" in read.content
    # Whoever authorizes from now on is revoked there: they approved it so.
    guest.authorizes()
    guest.client.post("/connections/odd/disconnect/")
    assert len(room.elsewhere.told) == 2
    assert AuditEvent.objects.filter(action="disconnected", outcome="done").exists()


def test_G0_a_revocation_endpoint_that_came_later_at_the_token_endpoints_server(
    room: Room, member: Callable[[str], Any], dora: Dora
) -> None:
    room.make(oauth={"revocation_endpoint": None})
    guest = Guest(member("alice"), room).connects()
    assert dora.types(revocation_endpoint=room.server.url("/oauth/revoke"))
    guest.client.post("/connections/odd/disconnect/")
    assert len(room.asked("/oauth/revoke")) == 2
    assert AuditEvent.objects.get(action="disconnected").outcome == "done"


def test_G0_what_a_try_brought_goes_where_it_was_tried(room: Room, dora: Dora) -> None:
    """Nobody takes the try over; a day later what it brought is revoked where it was tried."""
    room.make()
    system = ConnectedSystem.objects.get(slug="odd")
    form = {
        "public_id": Birth.now(system.pk).signed(dora.person),
        "application": str(system.application_id),
        "base_url": system.base_url,
        "name": system.name,
        "slug": system.slug,
        "authentication": system.authentication,
        **{k: v for k, v in system.configuration["oauth"].items() if isinstance(v, str)},
    }
    begun = dora.client.post(f"{LIST}draft/authorize/", form, HTTP_ACCEPT="application/json")
    state = parse_qs(begun.json()["url"].split("?")[1])["state"][0]
    back = f"/connections/callback/{system.pk}/?code=c&state={state}"
    assert dora.client.get(back).status_code == 303
    attempt = AuthorizationAttempt.objects.get()
    assert attempt.draft_answer is not None
    typed = {"revocation_endpoint": f"{room.elsewhere.url('')}/oauth/revoke"}
    assert dora.types(**typed) or dora.types(**typed, client_secret="a-guess-of-doras")
    room.server.told.clear()
    AuthorizationAttempt.objects.update(begun_at=attempt.begun_at.replace(year=2020))
    call_command("prune", verbosity=0)
    assert stolen(room.elsewhere.told) == []
    assert len(room.asked("/oauth/revoke")) == 2
    event = AuditEvent.objects.get(action="draft token dropped")
    assert (event.outcome, event.subject_name, event.system_slug) == ("done", "dora", "odd")
