"""Asking the other system to forget a token."""

from __future__ import annotations

import pytest

from connectedsystems import redact
from connectedsystems.errors import OutboundFailure, TokenEndpointFailure
from connectedsystems.oauth import revocation


def revoke(asking, token, hint, soon):
    """Revoke what was obtained under these very settings."""
    revocation.revoke(asking, token, hint, soon, revocation.obtained_under(asking))


@pytest.mark.parametrize("hint", ["access_token", "refresh_token"])
def test_the_token_is_sent_with_the_clients_authentication(client, soon, endpoint, hint):
    revoke(client(), "token-1", hint, soon)
    assert endpoint.form == {"token": "token-1", "token_type_hint": hint}
    assert endpoint.basic == "abc:s3cret-of-abc"
    assert redact.redact("token-1") == "[redacted]"
    revoke(client(client_authentication="client_secret_post"), "t", hint, soon)
    assert endpoint.form["client_secret"] == "s3cret-of-abc"


@pytest.mark.parametrize("body", ["", "<p>", "{}", {"error": "unsupported_token_type"}])
def test_any_success_is_a_confirmation(client, soon, endpoint, body):
    endpoint.says(body, 200)
    revoke(client(), "token-1", "access_token", soon)
    assert endpoint.form["token"] == "token-1"


@pytest.mark.parametrize(
    ("status", "body"),
    [(400, {"error": "unsupported_token_type"}), (401, {"error": "invalid_client"}),
     (404, "<p>"), (500, ""), (503, "")],
)  # fmt: skip
def test_anything_else_is_none(client, soon, endpoint, status, body):
    endpoint.says(body, status)
    with pytest.raises(TokenEndpointFailure) as caught:
        revoke(client(), "token-1", "access_token", soon)
    assert caught.value.code == "revocation_failed"
    assert caught.value.facts["status"] == status
    assert caught.value.facts["path"] == "/revoke"


def test_the_next_secret_is_tried_here_too(client, soon, endpoint):
    endpoint.says({"error": "invalid_client"}, 401)
    revoke(client(client_secret_next="the-next"), "token-1", "access_token", soon)
    assert endpoint.basic == "abc:the-next"


def test_a_redirect_is_not_followed(client, soon, endpoint):
    endpoint.says("", 307, Location=endpoint.url + "me")
    with pytest.raises(OutboundFailure):
        revoke(client(), "token-1", "access_token", soon)
    assert len(endpoint.asked) == 1


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"revocation_endpoint": "http://localhost:{port}/revoke"},
        {"revocation_endpoint": "http://127.0.0.1:1/revoke"},
        {"revocation_endpoint": "https://127.0.0.1:{port}/revoke"},
        {"client_id": "another"},
        {"token_endpoint": "http://127.0.0.1:{port}/token/"},
        {"token_endpoint": "http://127.0.0.1:{port}/{{place}}", "values": {"place": "token2"}},
        {"revocation_endpoint": "http://{{random}}:{port}/revoke"},
        {"revocation_endpoint": "http://{{host}}:{port}/revoke", "values": {"host": "localhost"}},
        {"revocation_endpoint": "{{base}}/revoke", "values": {"base": "http://localhost:{port}"}},
    ],
)
def test_G0_nothing_is_sent_elsewhere(client, soon, endpoint, elsewhere):
    port = endpoint.url.split(":")[2].strip("/")
    changed = {
        key: {k: v.format(port=port) for k, v in value.items()}
        if isinstance(value, dict)
        else value.format(port=port)
        for key, value in elsewhere.items()
    }
    obtained = revocation.obtained_under(client())
    with pytest.raises((TokenEndpointFailure, OutboundFailure)) as caught:
        revocation.revoke(client(**changed), "token-1", "access_token", soon, obtained)
    assert caught.value.code in ("not_revoked", "address_refused")
    assert endpoint.asked == []


def test_G0_what_is_unknown_equals_nothing(client, soon, endpoint):
    for obtained in (
        revocation.Obtained(),
        revocation.Obtained(origin=revocation.obtained_under(client()).origin),
    ):
        with pytest.raises(TokenEndpointFailure) as caught:
            revocation.revoke(client(), "token-1", "access_token", soon, obtained)
        assert caught.value.facts["cause"] == "client_changed"
    assert endpoint.asked == []


def test_G0_another_path_and_spelling_of_the_same_server(client, soon, endpoint):
    obtained = revocation.obtained_under(client())
    there = endpoint.url.replace("http:", "HTTP:") + "revoke?v=2"
    revocation.revoke(client(revocation_endpoint=there), "t", "access_token", soon, obtained)
    assert endpoint.asked[-1].query_string == b"v=2"


def test_G0_an_endpoint_that_came_later_is_the_token_endpoints(client, soon, endpoint):
    obtained = revocation.obtained_under(client(revocation_endpoint=""))
    revocation.revoke(client(), "t", "access_token", soon, obtained)
    assert len(endpoint.asked) == 1
