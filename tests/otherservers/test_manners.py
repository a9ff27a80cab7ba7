"""The ways to authenticate and to be granted that a second real OAuth server knows, each to the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from joserfc.jwk import ECKey, RSAKey

from authlinks.models import Authorization
from connectedsystems.models import ConnectedSystem
from integrations import call_integration
from tests.acme import Visitor, make_integration, make_system
from tests.otherservers.mistaken import Made
from tests.otherservers.otherserver import SCOPE, OtherServer
from tests.otherservers.test_mistakes import Typist, code_in, crm, dora  # noqa: F401

SECRET = "signing-beside-another-server-Wd2xQ"
RSA = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
EC = ECKey.generate_key("P-256", {"kid": "two", "use": "sig", "alg": "ES256"})


def pem(key: Any) -> str:
    return str(key.as_pem(private=True).decode())


def keys(key: Any) -> dict[str, Any]:
    return {"jwks": {"keys": [key.as_dict(private=False)]}}


WAYS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "client_secret_basic": ({}, {}),
    "client_secret_post": ({}, {}),
    "client_secret_jwt": ({}, {}),
    "private_key_jwt RS256": (
        {"client_secret": pem(RSA), "client_key": {"algorithm": "RS256", "key_id": "one"}},
        keys(RSA),
    ),
    "private_key_jwt ES256": (
        {"client_secret": pem(EC), "client_key": {"algorithm": "ES256", "key_id": "two"}},
        keys(EC),
    ),
    "none": ({"client_secret": None}, {"client_secret": None}),
}


def known(other: OtherServer, way: str, authentication: str, **more: Any) -> ConnectedSystem:
    """A system that proves itself in this way, known on both sides."""
    method = way.split()[0]
    ours, theirs = WAYS[way]
    oauth = {
        "client_id": "proving",
        "client_secret": SECRET,
        "client_authentication": method,
        "authorization_endpoint": f"{other.url}/auth",
        "token_endpoint": f"{other.url}/token",
        "revocation_endpoint": f"{other.url}/token/revocation",
        "scope": SCOPE,
        **ours,
        **more.pop("oauth", {}),
    }
    system = make_system(other.url, "notebook", authentication=authentication, oauth=oauth)
    client = {"client_id": "proving", "client_secret": SECRET, **theirs, **more}
    client = {name: value for name, value in client.items() if value is not None}
    usual = {
        "redirect_uris": [system.redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": method,
    }
    other.control(client=usual | client)
    make_integration(system, "who-am-i", path="/me")
    return system


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", list(WAYS))
def test_a_code_and_a_refresh_token_are_taken_by(
    other: OtherServer, visitor: Callable[..., Visitor], way: str
) -> None:
    known(other, way, "oauth2_authorization_code")
    alice = visitor("alice")
    assert alice.authorizes("notebook").status_code == 303
    assert call_integration("who-am-i", alice.person).success
    Authorization.objects.update(expires_at=timezone.now())
    assert call_integration("who-am-i", alice.person).success
    assert other.count(path="/token", status=200) == 2
    alice.client.post("/connections/notebook/disconnect/")
    assert other.count(path="/token/revocation", status=200) >= 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", [way for way in WAYS if way != "none"])
def test_the_systems_own_token_comes_by(
    other: OtherServer, visitor: Callable[..., Visitor], way: str
) -> None:
    known(
        other,
        way,
        "oauth2_client_credentials",
        grant_types=["client_credentials"],
        redirect_uris=[],
        response_types=[],
        oauth={"authorization_endpoint": None, "scope": None},
    )
    alice = visitor("alice").person
    for _ in range(2):
        answer = call_integration("who-am-i", alice)
        assert answer.result is not None
        assert answer.result.data == {"account": "proving"}
    assert other.count(path="/token", grant_type="client_credentials") == 1
    assert other.count(path="/token") == 1


def test_endpoints_come_from_the_discovery_url(dora: Typist) -> None:  # noqa: F811
    dora.makes(Made({"discovery_url": "{url}/.well-known/openid-configuration"}))
    dora.typed |= {"authorization_endpoint": "", "token_endpoint": "", "issuer": ""}
    assert dora.walks()["tone"] == "good"
    dora.saves()
    make_integration(ConnectedSystem.objects.get(), "who-am-i", path="/me")
    assert call_integration("who-am-i", dora.person).success


def test_it_is_said_where_no_refresh_token_comes(dora: Typist) -> None:  # noqa: F811
    dora.makes(Made(registered={"grant_types": ["authorization_code"]}))
    said = dora.walks()
    assert (said["tone"], code_in(said)) == ("good", "refresh_token_missing")
