"""Token revocation (RFC 7009): asking the other system to forget a token."""

from __future__ import annotations

from typing import Literal

from connectedsystems import redact
from connectedsystems.errors import TokenEndpointFailure
from connectedsystems.oauth import body, endpoint
from connectedsystems.oauth.client import Client
from connectedsystems.oauth.endpoint import Question
from connectedsystems.oauth.refusal import said

Hint = Literal["access_token", "refresh_token"]


def revoke(client: Client, token: str, hint: Hint, deadline: float) -> None:
    """Returns where the other system confirmed: any 2xx, whatever its body.

    Raises TokenEndpointFailure ``revocation_failed``, OutboundFailure, ConfigurationInvalid.
    """
    redact.remember(token)
    refusal = _refusal(client, token, hint, deadline)
    following = endpoint.with_next_secret(client)
    if refusal and following and refusal.facts.get("error") == "invalid_client":
        refusal = _refusal(following, token, hint, deadline)
    if refusal:
        raise refusal


def _refusal(
    client: Client, token: str, hint: Hint, deadline: float
) -> TokenEndpointFailure | None:
    question = Question(
        endpoint=client.revocation_endpoint,
        field="revocation_endpoint",
        built_in={"token": token, "token_type_hint": hint},
        parameters={},
        headers={},
        values=client.known(),
        authentication=client.authenticates_by,
    )
    heard = endpoint.ask(client, question, deadline)
    if heard.succeeded:
        return None
    tree = body.parse(heard.body, heard.content_type)
    return TokenEndpointFailure("revocation_failed", **heard.where, **said(heard, tree))
