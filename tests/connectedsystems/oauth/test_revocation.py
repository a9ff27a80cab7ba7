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
