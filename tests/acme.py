"""Acme CRM as a connected system of ours, and a user's walk there over plain HTTP."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from connectedsystems import configuration
from connectedsystems.models import Application, ConnectedSystem, redirect_uri_of
from integrations.models import Integration
from tests.thirdparty import ThirdParty

CLIENT_ID = "tests"
CLIENT_SECRET = "tests-only-secret-Zq8"
SCOPE = "contacts.read contacts.write notes.read notes.write"

OWN_CLICK = {
    "HTTP_SEC_FETCH_SITE": "same-origin",
    "HTTP_SEC_FETCH_MODE": "navigate",
    "HTTP_SEC_FETCH_DEST": "document",
}


def make_system(url: str, slug: str = "acme", **more: Any) -> ConnectedSystem:
    """A connected system that authorizes at ``url`` as Acme CRM does; ``oauth`` adds to its box."""
    application, _ = Application.objects.get_or_create(
        slug="crm", defaults={"name": "CRM", "open_to_everyone": False}
    )
    application.members.add(Group.objects.get_or_create(name="crm-users")[0])
    application.designers.add(Group.objects.get_or_create(name="crm-designers")[0])
    oauth = {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "authorization_endpoint": f"{url}/oauth/authorize",
        "token_endpoint": f"{url}/oauth/token",
        "revocation_endpoint": f"{url}/oauth/revoke",
        "scope": SCOPE,
        "client_authentication": "client_secret_basic",
        **more.pop("oauth", {}),
    }
    data = {
        "slug": slug,
        "name": "Acme CRM",
        "base_url": f"{url}/api",
        "authentication": "oauth2_authorization_code",
        "oauth": {key: value for key, value in oauth.items() if value is not None},
        **more,
    }
    if not data["authentication"].startswith("oauth2"):
        data.pop("oauth")
    configuration.parse(data)
    public, secrets = configuration.split(data)
    columns = ("slug", "name", "base_url", "authentication", "authorization_message")
    system = ConnectedSystem(
        id=uuid.uuid4(),
        application=application,
        **{key: public.pop(key) for key in columns if key in public},
        configuration=public,
    )
    system.seal_secrets(secrets)
    system.save(force_insert=True)
    return system


def make_integration(system: ConnectedSystem, slug: str, **definition: Any) -> Integration:
    """An integration of this system; a GET of /contacts unless told otherwise."""
    usage = definition.pop("usage", "query")
    return Integration.objects.create(
        connected_system=system,
        slug=slug,
        name=slug.replace("-", " ").capitalize(),
        usage=usage,
        definition={"method": "GET", "path": "/contacts", **definition},
    )


NOTE = {
    "usage": "modify",
    "method": "POST",
    "path": "/notes",
    "body": {"text": "{text}"},
    "inputs": [{"name": "text", "required": True, "label": "Note"}],
}


@pytest.fixture
def acme(thirdparty: ThirdParty, transactional_db: None) -> ConnectedSystem:
    """Acme CRM with list-contacts, list-notes and add-note, registered at both sides."""
    system = make_system(thirdparty.url)
    thirdparty.register(CLIENT_ID, CLIENT_SECRET, [redirect_uri_of(system.id)])
    make_integration(
        system,
        "list-contacts",
        parameters={"limit": "{limit}"},
        inputs=[{"name": "limit", "type": "integer", "default": 20}],
    )
    make_integration(system, "list-notes", path="/notes")
    make_integration(system, "add-note", **NOTE)
    return system


@pytest.fixture
def member(user: Callable[..., Any], transactional_db: None) -> Callable[[str], Any]:
    """Makes a member of the application: ``member("alice")``."""
    return lambda name: user(name, groups=["crm-users"])


class Visitor:
    """A person at our site, who can walk to the other system and back."""

    def __init__(self, person: Any, thirdparty: ThirdParty, as_: str = "ada") -> None:
        self.person = person
        self.thirdparty = thirdparty
        self.as_ = as_
        self.client = Client()
        self.client.force_login(person)

    def sets_out(self, slug: str = "acme", next_path: str = "/") -> str:
        """Click an authorization link on a page of ours; the other system's address."""
        answer = self.client.get(
            f"/connections/{slug}/authorize/", {"next": next_path}, **OWN_CLICK
        )
        assert answer.status_code == 302, answer.content
        return str(answer["Location"])

    def approves(self, url: str, *, allow: bool = True) -> str:
        """Log in and approve there; the callback's path and query."""
        back = urlsplit(self.thirdparty.approve(url, self.as_, allow=allow))
        return f"{back.path}?{back.query}"

    def authorizes(self, slug: str = "acme", next_path: str = "/") -> Any:
        """The whole walk; the callback's answer."""
        return self.client.get(self.approves(self.sets_out(slug, next_path)))

    def status(self, slug: str = "acme") -> dict[str, Any]:
        answer: dict[str, Any] = self.client.get(f"/connections/{slug}/status/").json()
        return answer


@pytest.fixture
def visitor(member: Callable[[str], Any], thirdparty: ThirdParty) -> Callable[..., Visitor]:
    """Makes a visitor: ``visitor("alice")`` is ada at Acme, ``visitor("bob", "ben")`` is ben."""
    return lambda name, as_="ada": Visitor(member(name), thirdparty, as_)
