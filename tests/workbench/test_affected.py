"""Who is affected by a change, said before it is saved; on the wire, who hears a token after it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from authlinks.models import Authorization
from connectedsystems.models import AuditEvent, ConnectedSystem
from integrations import call_integration
from integrations.models import Integration
from tests.acme import CLIENT_ID, Visitor
from tests.desk import House, make_authorization
from tests.otherside import Told, answer, other_side
from workbench.systemform import Birth

LIST = "/admin/connectedsystems/connectedsystem/"


def _form(system: ConnectedSystem, person: Any, **typed: str) -> dict[str, str]:
    oauth = system.configuration["oauth"]
    return {
        "public_id": Birth.now(system.pk).signed(person),
        "application": str(system.application_id),
        "name": system.name,
        "slug": system.slug,
        "base_url": system.base_url,
        "authentication": system.authentication,
        **{key: value for key, value in oauth.items() if isinstance(value, str)},
        **typed,
    }


def _asks(person: Any, system: ConnectedSystem, **typed: str) -> dict[str, Any]:
    client = Client()
    client.force_login(person)
    typed = _form(system, person, **typed)
    said = client.post(f"{LIST}draft/affected/", typed, headers={"Accept": "application/json"})
    assert said.status_code == 200
    return dict(said.json())


@pytest.mark.parametrize(
    ("typed", "tone", "words"),
    [
        ({"description": "other words"}, "good", []),
        ({"client_id": ""}, "good", []),
        ({"scope": "read"}, "due", ["1 authorization with the old scope", "crm list"]),
        ({"base_url": "https://crm.example/v2"}, "due", ["crm list", "1 waiting"]),
        ({"base_url": "https://b.example"}, "due", ["ends 1 authorization", "1 user must"]),
        ({"client_id": "b"}, "due", ["ends 1 authorization", "crm list", "1 waiting"]),
        ({"token_endpoint": "https://b.example/t"}, "due", ["ends 1 authorization"]),
    ],
)
def test_the_form_says_whom_its_values_would_touch(
    house: House, typed: dict[str, str], tone: str, words: list[str]
) -> None:
    said = _asks(house.crm.designer, house.crm.system, **typed)
    assert said["tone"] == tone
    for word in words:
        assert word in said["html"]


def test_the_questions_do_not_grow_with_the_users(house: House, user: Callable[..., Any]) -> None:
    with CaptureQueriesContext(connection) as few:
        _asks(house.crm.designer, house.crm.system, client_id="b")
    for number in range(8):
        make_authorization(house.crm.system, user(f"u{number}"))
        Integration.objects.create(
            connected_system=house.crm.system, slug=f"i{number}", name=f"i{number}"
        )
    with CaptureQueriesContext(connection) as many:
        said = _asks(house.crm.designer, house.crm.system, client_id="b")
    assert "ends 9 authorizations" in said["html"]
    assert "4 more" in said["html"]
    assert len(many) <= len(few) + 1


def test_the_confirmation_names_what_is_touched(house: House) -> None:
    client = Client()
    client.force_login(house.crm.designer)
    typed = _form(house.crm.system, house.crm.designer, client_id="b")
    page = client.post(f"{LIST}{house.crm.system.pk}/change/", typed).content.decode()
    assert "This change ends 1 authorization" in page
    assert "1 user must authorize again" in page
    assert "crm list" in page


def test_deleting_names_the_integrations_that_keep_it(house: House) -> None:
    client = Client()
    client.force_login(house.crm.designer)
    page = client.get(f"{LIST}{house.crm.system.pk}/delete/").content.decode()
    assert "1 integration: crm list" in page


@pytest.mark.django_db(transaction=True)
def test_designers_read_of_a_disconnection_by_deletion(house: House) -> None:
    house.crm.integration.delete()
    client = Client()
    client.force_login(house.crm.designer)
    client.post(f"{LIST}{house.crm.system.pk}/delete/", {"post": "yes"})
    event = AuditEvent.objects.get(action="disconnected by deletion")
    assert event.application_id_text == str(house.crm.application.pk)
    path = f"/admin/connectedsystems/auditevent/{event.pk}/change/"
    assert client.get(path).status_code == 200
    client.force_login(house.hr.designer)
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("key", ["base_url", "token_endpoint", "client_id", "variables"])
def test_C12_H5_no_change_sends_a_token_to_another_host(
    acme: ConnectedSystem, visitor: Callable[..., Visitor], user: Callable[..., Any], key: str
) -> None:
    """The designer confirms the change; the other host hears nothing until the user authorizes."""
    alice = visitor("alice")
    alice.authorizes()
    if key == "variables":
        port = acme.base_url.split(":")[2].split("/")[0]
        acme.base_url = acme.base_url.replace(port, "{port}")
        acme.configuration["variables"] = {"port": port}
        acme.version += 1
        acme.save()
    before = call_integration("list-contacts", alice.person)
    assert before.success, before.error

    def talk(told: Told, sock: socket.socket) -> None:
        sock.sendall(answer(b"{}", "200 OK", "Content-Type: application/json"))

    dora = user("dora", groups=["crm-designers"])
    client = Client()
    client.force_login(dora)
    with other_side(talk) as server:
        changed = {
            "base_url": server.url("/api"),
            "token_endpoint": server.url("/token"),
            "client_id": f"{CLIENT_ID}-b",
            "variables": f'{{"port": "{server.port}"}}',
        }
        typed = _form(acme, dora, **{key: changed[key]}, end_authorizations="on")
        if key == "token_endpoint":
            # The secret belongs to the host it was entered for: for another it is typed again.
            typed["client_secret"] = "another-secret-of-tests-Bn4"
        assert client.post(f"{LIST}{acme.pk}/change/", typed).status_code == 302
        Authorization.objects.update(expires_at=None if key == "base_url" else acme.created_at)
        said = call_integration("list-contacts", alice.person)
        assert said.error is not None
        assert said.error.code == "configuration_changed"
        assert server.told == []
