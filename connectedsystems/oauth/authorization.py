"""The authorization request (RFC 6749 §4.1.1) with PKCE (RFC 7636): where the user is sent."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote_plus, urlencode

from authlib.oauth2.rfc7636 import create_s256_code_challenge

from connectedsystems import outbound, placeholders, redact
from connectedsystems.errors import ConfigurationInvalid, FlowFailure
from connectedsystems.oauth.captures import RuleRefused, check_patterns
from connectedsystems.oauth.client import Client, merged, pairs

QUERY = "{query}"
PROTECTED = ("state", "redirect_uri", "code_challenge")
"""Parameters whose values protect the user: sent, if under another name, and never changed."""


@dataclass(frozen=True, slots=True)
class Walk:
    """One walk to the other system: where to, and what must come back."""

    url: str = field(repr=False)
    state: str = field(repr=False)
    verifier: str = field(repr=False)
    """Empty where PKCE is switched off."""


def begin(client: Client) -> Walk:
    """A fresh walk.

    Raises FlowFailure ``capture_missing``, and ``pattern_unsupported`` before somebody sets out for
    a walk that cannot end well; ConfigurationInvalid for parameters that change what must not be
    changed, OutboundFailure ``address_refused``.
    """
    try:
        check_patterns(client.capture_patterns)
    except RuleRefused as refused:
        raise FlowFailure(refused.code, **refused.facts) from None
    state = secrets.token_urlsafe(32)
    verifier = secrets.token_urlsafe(64) if client.pkce != "off" else ""
    redact.remember(state, verifier)
    url = _address(client, _parameters(client, state, verifier))
    outbound.check_url(url, allow_fragment=QUERY in client.authorization_endpoint)
    return Walk(url, state, verifier)


def _parameters(client: Client, state: str, verifier: str) -> dict[str, Any]:
    built_in = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": client.redirect_uri,
        "scope": client.scope,
        "state": state,
    }
    if verifier:
        built_in["code_challenge"] = create_s256_code_challenge(verifier)
        built_in["code_challenge_method"] = client.pkce
    if "openid" in re.split(r"[\s,+]+", client.scope):
        built_in["nonce"] = secrets.token_urlsafe(24)
    values = client.known(state=state, code_challenge=built_in.get("code_challenge"))
    parameters = merged(built_in, client.authorization_parameters, values)
    _refuse_changed_protection(built_in, parameters)
    return {name: value for name, value in parameters.items() if value not in ("", [])}


def _refuse_changed_protection(built_in: Mapping[str, Any], sent: Mapping[str, Any]) -> None:
    for name in PROTECTED:
        value = built_in.get(name)
        if value and (sent.get(name, value) != value or value not in sent.values()):
            raise ConfigurationInvalid(
                {
                    "oauth.authorization_parameters": [
                        f"The value of {name} may be sent under another name, but neither changed "
                        f'nor left out: write {{"other_name": "{{{name}}}", "{name}": null}}.'
                    ]
                }
            )


def _address(client: Client, parameters: Mapping[str, Any]) -> str:
    template = client.authorization_endpoint
    values = client.known()
    lacking = placeholders.missing(template.replace(QUERY, ""), values)
    if lacking:
        raise FlowFailure("capture_missing", name=min(lacking), field="authorization_endpoint")
    query = urlencode(pairs(parameters), quote_via=quote)
    try:
        filled = [placeholders.fill_url(part, values) for part in template.split(QUERY)]
    except ValueError as mistake:
        raise ConfigurationInvalid({"oauth.authorization_endpoint": [str(mistake)]}) from None
    if len(filled) > 1:
        return query.join(filled)
    path, _, own = filled[0].partition("?")
    # Kept as it is written, not decoded and encoded again: some servers want a bare "+" there.
    kept = [part for part in own.split("&") if part and _name(part) not in parameters]
    return f"{path}?{'&'.join([*kept, query])}"


def _name(part: str) -> str:
    return unquote_plus(part.partition("=")[0])
