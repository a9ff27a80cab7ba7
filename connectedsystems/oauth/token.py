"""The token requests (RFC 6749 §4.1.3, §4.4.2, §6): tokens for a code, a refresh token, nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from connectedsystems import redact
from connectedsystems.errors import TokenEndpointFailure
from connectedsystems.oauth import endpoint, second
from connectedsystems.oauth.answer import Reading, TokenAnswer, read
from connectedsystems.oauth.client import Client
from connectedsystems.oauth.endpoint import Asked, Question, manner_of
from connectedsystems.oauth.refusal import Purpose

_OF_THE_GRANT = frozenset({"grant_type", "scope", "code", "redirect_uri", "code_verifier"})
"""What ``token_parameters`` say of these concerns the first grant, never a refresh."""


def exchange(
    client: Client, code: str, verifier: str, deadline: float, *, state: str = ""
) -> TokenAnswer:
    """Tokens for a code, which is sent once: a second try would revoke everything.

    The one exception is ``client_secret_next`` after ``invalid_client``.
    Raises TokenEndpointFailure, OutboundFailure, ConfigurationInvalid; so do the others.
    """
    redact.remember(code, verifier)
    return _granted(
        client, lambda client: _code(client, code, verifier, state), "exchange", deadline
    )


def _code(client: Client, code: str, verifier: str, state: str) -> Question:
    built_in = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": client.redirect_uri,
        "code_verifier": verifier,
    }
    return _first(client, built_in, client.known(code=code, state=state))


def client_credentials(client: Client, deadline: float) -> TokenAnswer:
    """Tokens for the system itself, no user."""
    return _granted(client, _itself, "client_credentials", deadline)


def _itself(client: Client) -> Question:
    built_in = {"grant_type": "client_credentials", "scope": client.scope}
    return _first(client, built_in, client.known())


def refresh(client: Client, refresh_token: str, deadline: float) -> TokenAnswer:
    """New tokens; without a refresh token in the answer the old one goes on being good.

    No scope is sent: what was granted stays. ``readable`` in a failure's facts says whether the
    endpoint itself named an error.
    """
    redact.remember(refresh_token)
    return _granted(client, lambda client: _again(client, refresh_token), "refresh", deadline)


def _again(client: Client, refresh_token: str) -> Question:
    differs = client.refresh
    manner = {**client.token_request, **manner_of(differs)}
    carried = {k: v for k, v in client.token_parameters.items() if k not in _OF_THE_GRANT}
    return Question(
        endpoint=client.refresh_endpoint or client.token_endpoint,
        field="refresh_endpoint" if client.refresh_endpoint else "token_endpoint",
        built_in={"grant_type": "refresh_token", "refresh_token": refresh_token},
        parameters={**carried, **(differs.get("parameters") or {})},
        headers={**client.token_headers, **(differs.get("headers") or {})},
        values=client.known(client_secret=client.client_secret, refresh_token=refresh_token),
        authentication=differs.get("client_authentication") or client.authenticates_by,
        **manner,
    )


def _first(client: Client, built_in: Mapping[str, str], values: dict[str, Any]) -> Question:
    return Question(
        endpoint=client.token_endpoint,
        field="token_endpoint",
        built_in={name: value for name, value in built_in.items() if value},
        parameters=client.token_parameters,
        headers=client.token_headers,
        values={**values, "client_secret": client.client_secret},
        authentication=client.authenticates_by,
        **manner_of(client.token_request),
    )


def written_out(
    client: Client, grant: str, *, code: str = "", verifier: str = "", refresh_token: str = ""
) -> Asked:
    """The request for ``grant`` as it would be sent: ``authorization_code``, ``client_credentials``
    or ``refresh_token``. Nothing is sent. Raises as the grants do before they send."""
    match grant:
        case "authorization_code":
            question = _code(client, code, verifier, "")
        case "client_credentials":
            question = _itself(client)
        case _:
            question = _again(client, refresh_token)
    return endpoint.written_out(client, question)


def _granted(
    client: Client, question: Callable[[Client], Question], purpose: Purpose, deadline: float
) -> TokenAnswer:
    try:
        first = _asked(client, question(client), purpose, deadline)
    except TokenEndpointFailure as failure:
        following = endpoint.with_next_secret(client)
        if following is None or failure.facts.get("error") != "invalid_client":
            raise
        client = following
        first = _asked(client, question(client), purpose, deadline)
    return second.exchanged(client, first, purpose, deadline)


def _asked(client: Client, question: Question, purpose: Purpose, deadline: float) -> TokenAnswer:
    reading = Reading(
        paths=client.token_response,
        captures=client.captures.get("token") or {},
        patterns=client.capture_patterns,
        default_expires_in=client.default_expires_in,
        in_hosts=client.names_in_hosts,
    )
    return read(endpoint.ask(client, question, deadline), reading, purpose)
