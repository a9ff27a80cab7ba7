"""Find endpoints: what an issuer or a base URL leads to is offered, and nothing is taken over."""

from __future__ import annotations

import json
import re
import socket
from typing import Any

import pytest

from tests.desk import House
from tests.otherside import Told, answer, other_side, says
from tests.thirdparty import ThirdParty

ADDRESS = "/admin/connectedsystems/connectedsystem/draft/find/"
JSON = {"HTTP_ACCEPT": "application/json"}

pytestmark = pytest.mark.django_db


def finds(house: House, client: Any, given: str, **typed: str) -> str:
    client.force_login(house.crm.designer)
    said = client.post(ADDRESS, {"find_from": given, **typed}, **JSON)
    assert said.status_code == 200
    return re.sub(r"\s+", " ", said.json()["html"])


@pytest.mark.parametrize("path", ["", "/", "/api/contacts"])
def test_an_issuer_or_a_base_url_leads_to_the_endpoints(
    house: House, client: Any, thirdparty: ThirdParty, path: str
) -> None:
    html = finds(house, client, f"{thirdparty.url}{path}")
    assert "data-found" in html
    for key, place in (("authorization_endpoint", "authorize"), ("token_endpoint", "token")):
        wanted = f'data-fill="id_{key}" data-value="{thirdparty.url}/oauth/{place}" data-empty'
        assert wanted in html


def test_what_was_typed_is_shown_beside_what_was_found(
    house: House, client: Any, thirdparty: ThirdParty
) -> None:
    html = finds(
        house,
        client,
        thirdparty.url,
        token_endpoint="https://old.example/token",
        authorization_endpoint=f"{thirdparty.url}/oauth/authorize",
    )
    assert "The form has <code>https://old.example/token</code>" in html
    assert "The same stands in the form." in html
    assert 'data-fill="id_authorization_endpoint"' not in html


def test_an_api_names_its_authorization_server(house: House, client: Any) -> None:
    def talk(told: Told, sock: socket.socket) -> None:
        url = f"http://{told.header('Host')}"
        documents = {
            "/.well-known/oauth-protected-resource/api": {
                "resource": f"{url}/api",
                "authorization_servers": [f"{url}/login"],
            },
            "/.well-known/oauth-authorization-server/login": {
                "issuer": f"{url}/login",
                "token_endpoint": f"{url}/login/token",
                "token_endpoint_auth_methods_supported": ["client_secret_post"],
            },
        }
        found = documents.get(told.target)
        body = json.dumps(found).encode() if found else b"none"
        sock.sendall(answer(body, "200 OK" if found else "404 Not Found"))

    with other_side(talk) as server:
        html = finds(house, client, server.url("/api"))
        assert f'data-value="{server.url("/login/token")}"' in html
    assert 'data-fill="id_client_authentication" data-value="client_secret_post"' in html


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("", "discovery_failed"),
        ("http://far.example", "address_refused"),
        ("https://10.0.0.1", "address_refused"),
        ("no host at all", "address_refused"),
        ("https://[", "address_refused"),
    ],
)
def test_what_leads_nowhere_is_told(house: House, client: Any, given: str, code: str) -> None:
    assert f'data-code="{code}"' in finds(house, client, given)


def test_a_system_without_metadata_is_told_so(house: House, client: Any) -> None:
    with other_side(says(answer(b"<html>", "404 Not Found"))) as server:
        html = finds(house, client, server.url("/api"))
    assert 'data-code="discovery_failed"' in html
    assert "by hand" in html


def test_without_the_script_it_is_a_page(house: House, client: Any, thirdparty: ThirdParty) -> None:
    client.force_login(house.crm.designer)
    page = client.post(ADDRESS, {"find_from": thirdparty.url}).content.decode()
    assert f"{thirdparty.url}/oauth/token" in page
    assert "all you typed" in page
