"""The requests that a form's values lead to: masked, linked to their fields, as commands."""

from __future__ import annotations

import shlex
from typing import Any

from django.test import Client

from connectedsystems import configuration
from tests.desk import House
from workbench import preview
from workbench.preview import Part
from workbench.systemform import Birth

ADDRESS = "/admin/connectedsystems/connectedsystem/draft/preview/"
PLANTED = "planted-secret-Zq81"
OAUTH: dict[str, Any] = {
    "client_id": "our-id",
    "authorization_endpoint": "https://acme.example/authorize",
    "token_endpoint": "https://acme.example/token",
    "scope": "read write",
}


def shown(authentication: str = "oauth2_authorization_code", **more: Any) -> list[preview.Shown]:
    oauth = {**OAUTH, **more.pop("oauth", {})}
    data = {"authentication": authentication, "base_url": "https://acme.example/api", **more}
    if authentication.startswith("oauth2"):
        data["oauth"] = oauth
    return preview.of(configuration.read(data), "https://ours.example/callback/")


def test_each_line_leads_to_its_field() -> None:
    begun, exchanged, renewed, called = shown(
        oauth={"authorization_parameters": {"access_type": "offline"}},
        request_headers={"X-Own": "1"},
    )
    assert begun.lines[0] == Part("GET https://acme.example/authorize", "authorization_endpoint")
    assert Part("scope=read write", "scope") in begun.lines
    assert Part("redirect_uri=https://ours.example/callback/", "redirect_uri") in begun.lines
    assert Part("access_type=offline", "authorization_parameters") in begun.lines
    assert Part("code_challenge=CODE_CHALLENGE", "pkce") in begun.lines
    assert Part("state=STATE") in begun.lines
    assert exchanged.lines[0] == Part("POST https://acme.example/token", "token_endpoint")
    assert Part("Authorization: Basic our-id:CLIENT_SECRET (base64)", "client_authentication") in (
        exchanged.lines
    )
    assert Part("code=CODE") in exchanged.lines
    assert Part("refresh_token=REFRESH_TOKEN") in renewed.lines
    assert Part("X-Own: 1", "request_headers") in called.lines
    assert Part("Authorization: Bearer ACCESS_TOKEN", "token_placement") in called.lines


def test_a_request_is_copied_as_a_command() -> None:
    _, exchanged, _, called = shown()
    words = shlex.split(exchanged.command)
    assert words[:4] == ["curl", "--request", "POST", "https://acme.example/token"]
    assert words[words.index("--user") + 1] == "our-id:CLIENT_SECRET"
    assert "grant_type=authorization_code" in words[words.index("--data-raw") + 1]
    assert "Authorization: Bearer ACCESS_TOKEN" in shlex.split(called.command)


def test_a_signed_proof_stands_by_its_name() -> None:
    _, exchanged, _, _ = shown(oauth={"client_authentication": "private_key_jwt"})
    assert Part("client_assertion=SIGNED_JWT", "client_secret") in exchanged.lines


def test_what_is_missing_is_said() -> None:
    begun, exchanged, _, called = shown(
        oauth={"authorization_endpoint": "", "token_endpoint": ""}, base_url=""
    )
    assert "Authorization Endpoint" in begun.lacking
    assert "Token Request Endpoint" in exchanged.lacking
    assert "Base URL" in called.lacking


def test_other_kinds_show_what_they_send() -> None:
    (called,) = shown("api_key", api_key={"name": "X-Api-Key", "place": "header"})
    assert any(part.text == "X-Api-Key: API_KEY" for part in called.lines)
    (plain,) = shown("none")
    assert plain.lines[0].text == "GET https://acme.example/api/example"
    assert shown("oauth2_client_credentials")[0].lines[0].field == "token_endpoint"


def test_the_form_shows_them_without_a_secret(house: House) -> None:
    person, system = house.crm.designer, house.crm.system
    client = Client()
    client.force_login(person)
    typed = {
        "public_id": Birth.now(system.pk).signed(person),
        "application": str(system.application_id),
        "name": "Acme",
        "base_url": "https://acme.example/api",
        "authentication": "oauth2_authorization_code",
        "client_secret": PLANTED,
        **OAUTH,
    }
    said = client.post(ADDRESS, typed, headers={"Accept": "application/json"})
    html = said.json()["html"]
    assert 'href="#id_token_endpoint"' in html
    assert "CLIENT_SECRET" in html
    page = client.post(ADDRESS, {**typed, "authorization_endpoint": "htt{"})
    assert page.status_code == 200
    for text in (html, page.content.decode()):
        assert PLANTED not in text
