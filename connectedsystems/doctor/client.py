"""Client ID and secret without a user: a made-up code is refused only after they are accepted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from connectedsystems import outbound
from connectedsystems.errors import ConfigurationInvalid, Failure, OutboundFailure
from connectedsystems.oauth import endpoint, token
from connectedsystems.oauth.client import Client

from .step import SECONDS, Outcome, Step, failed

MADE_UP_CODE = "connected-systems-check-no-such-code"
OTHER_METHODS = ("client_secret_basic", "client_secret_post", "client_secret_jwt")
SHORTEST_KEY = 32
"""Bytes of a secret that may sign with HS256 (RFC 7518 section 3.2)."""

_NAME = "client ID and secret"
_CLIENT_ACCEPTED = frozenset({"token_refused", "redirect_uri_mismatch", "scope_refused"})
_AMBIGUOUS = frozenset({"invalid_request", "unsupported_grant_type", "server_error"})
"""Errors that a server may answer with before it has looked at the client."""
_WRONG_ENDPOINT = frozenset({"token_http_error", "token_not_json", "token_missing"})


def client_steps(client: Client) -> Iterator[Step]:
    """Whether the token endpoint is one, and takes the client; then the secret that is to come."""
    following = endpoint.with_next_secret(client)
    if following is not None:
        client = replace(client, client_secret_next="")
    yield from _accepted(client)
    if following is not None:
        yield _following(following)


def _accepted(client: Client) -> Iterator[Step]:
    failure = _refusal(client)
    if failure is None:
        sentence = "The Token Request Endpoint accepted a code that nobody issued."
        cause = "It looks at nothing of the request, so this tells nothing of the client."
        yield Step(_NAME, "unknown", sentence, "", "token_endpoint", cause)
        return
    if failure.code in _CLIENT_ACCEPTED:
        yield _speaks()
        yield _taken(client, str(failure.facts.get("error") or ""))
        return
    if failure.code != "client_auth_failed":
        outcome: Outcome = "fail" if failure.code in _WRONG_ENDPOINT else "unknown"
        if isinstance(failure, OutboundFailure):
            outcome = "fail"
        yield failed("token endpoint", failure, "token_endpoint", outcome)
        return
    yield _speaks()
    yield another_authentication(client) or failed(_NAME, failure, "client_secret")


def another_authentication(client: Client) -> Step | None:
    """The client authentication by which a client is taken that was refused; None where none is."""
    client = replace(client, client_secret_next="")
    working = _working_method(client)
    if not working:
        return None
    return Step(
        _NAME,
        "fail",
        f"The other system accepts them by {working} only, and not by {client.authenticates_by}.",
        "client_auth_failed",
        "client_authentication",
        "They are right; only the way they are sent is another one.",
        f"Choose {working} as Client authentication.",
        {"client_authentication": working},
    )


def _speaks() -> Step:
    return Step("token endpoint", "ok", "It speaks OAuth 2.0.", "", "token_endpoint")


def _taken(client: Client, error: str) -> Step:
    if error in _AMBIGUOUS:
        sentence = f"Whether they are accepted cannot be told: a made-up code is met with {error}."
        cause = "Some systems say so before they look at the client, others after it."
        fix = "Click Authorize to see."
        return Step(_NAME, "unknown", sentence, "", "client_id", cause, fix)
    method = client.authenticates_by
    how = "without a secret" if method == "none" else f"by {method}"
    sentence = f"The other system accepts them, {how}: it refused the made-up code alone."
    return Step(_NAME, "ok", sentence, "", "client_id")


def _following(client: Client) -> Step:
    """Whether the secret that is to come works already; the first one was looked at before."""
    name, key = "next client secret", "client_secret_next"
    failure = _refusal(client)
    if failure is not None and failure.code in _CLIENT_ACCEPTED:
        return Step(name, "ok", "The Next secret is accepted by the other system.", "", key)
    if failure is not None and failure.code == "client_auth_failed":
        sentence = (
            "The Next secret is not accepted by the other system yet. It is used only when the"
            " other one is refused."
        )
        return Step(name, "warn", sentence, "", key)
    return Step(name, "unknown", "Whether the Next secret is accepted cannot be told.", "", key)


def _working_method(client: Client) -> str:
    for method in OTHER_METHODS:
        if method == client.authenticates_by or not client.client_secret:
            continue
        if method.endswith("_jwt") and len(client.client_secret.encode()) < SHORTEST_KEY:
            continue
        refusal = _refusal(replace(client, client_authentication=method))
        if refusal is not None and refusal.code in _CLIENT_ACCEPTED:
            return method
    return ""


def _refusal(client: Client) -> Failure | None:
    """How the token endpoint refuses a made-up code; None where it does not."""
    verifier = "" if client.pkce == "off" else "v" * 64
    try:
        token.exchange(client, MADE_UP_CODE, verifier, outbound.deadline_in(SECONDS))
    except ConfigurationInvalid as failure:
        return failure
    except Failure as failure:
        failure.facts.setdefault("stage", "exchange")
        return failure
    return None
