"""What surprises designers at a well-known system, in sentences that follow from its data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from connectedsystems import placeholders

_OFFLINE = {"access_type": "offline", "token_access_type": "offline", "duration": "permanent"}


def offline(oauth: Mapping[str, Any]) -> tuple[str, str]:
    """How these settings ask for a refresh token: the field's key and what it holds; "" for not."""
    if "offline_access" in str(oauth.get("scope") or "").split():
        return "scope", "offline_access"
    for name, value in (oauth.get("authorization_parameters") or {}).items():
        if _OFFLINE.get(name) == value:
            return "authorization_parameters", f"{name}={value}"
    return "", ""


def of(system: Mapping[str, Any]) -> Iterator[str]:
    """The sentences for a system entry under the bundle's keys."""
    oauth = system.get("oauth") or {}
    yield from _of_the_authorization(oauth)
    yield from _of_the_tokens(oauth)
    captured = {name for kind in (oauth.get("captures") or {}).values() for name in kind}
    used = sorted(captured & placeholders.names(system.get("base_url") or ""))
    if used:
        yield (
            f"The base URL holds {', '.join(used)}: each user's authorization brings it, and it is"
            " checked against a pattern before anything is sent there."
        )


def _of_the_authorization(oauth: Mapping[str, Any]) -> Iterator[str]:
    scope, parameters = oauth.get("scope") or "", oauth.get("authorization_parameters") or {}
    if oauth.get("discovery_url") and not oauth.get("token_endpoint"):
        yield "Its endpoints stand in its metadata: Save fetches them from the Discovery URL."
    if oauth.get("pkce") == "off":
        yield "PKCE is off: this system does not take part in it."
    if re.search(r"\S,\S", scope):
        yield "Its scopes are set apart by commas, not by blanks."
    for name, value in parameters.items():
        if _OFFLINE.get(name) == value:
            yield f"{name}={value} asks for a refresh token: without it users authorize often."
        if value is None and any(f"{{{name}}}" == other for other in parameters.values()):
            other = next(key for key, text in parameters.items() if text == f"{{{name}}}")
            yield f"It wants {name} under the name {other}."
    if "offline_access" in scope.split():
        yield "offline_access in the scope asks for a refresh token: leave it there."


def _of_the_tokens(oauth: Mapping[str, Any]) -> Iterator[str]:
    answer = oauth.get("token_response") or {}
    if oauth.get("client_authentication") == "none":
        yield "It takes no Client Secret: register a public client."
    if oauth.get("client_authentication") == "client_secret_basic_username":
        yield "The Client Secret is sent as the user name of Basic, without a password."
    if answer.get("refresh_token") == "access_token":
        yield (
            "It gives no refresh token: an access token is renewed with itself, while it is good."
            " Who stays away too long authorizes again."
        )
    if oauth.get("second_exchange"):
        yield "The first token is exchanged for a second one, which lasts longer."
    if answer.get("error"):
        yield "It answers 200 to failures, too: token_response.error tells them apart."
