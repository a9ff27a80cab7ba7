"""The authorization response (RFC 6749 §4.1.2): what a browser brought back, not yet believed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from connectedsystems import redact
from connectedsystems.errors import FlowFailure
from connectedsystems.oauth.captures import RuleRefused, fits
from connectedsystems.oauth.client import Client
from connectedsystems.oauth.words import quoted, quoted_code, web_address

LONGEST = 16_384
"""Characters of a query; the server in front takes half of that."""
MOST_PARAMETERS = 100

_KNOWN = frozenset({"state", "code", "error", "error_description", "error_uri", "iss"})
_FIT = re.compile("[^\x00-\x20\x7f\ufffd]*")
_REFUSALS = {
    "access_denied": "access_denied",
    "user_cancelled_login": "access_denied",  # LinkedIn's two words for it
    "user_cancelled_authorize": "access_denied",
    "invalid_scope": "scope_refused",
}
_PASSING = ("server_error", "temporarily_unavailable")


@dataclass(frozen=True, slots=True)
class Callback:
    """Either ``code`` or ``error`` is set: with both, the error wins and the code is dropped.

    An access token in a callback is not among what is read.
    """

    state: str = field(repr=False)
    code: str = field(default="", repr=False)
    error: str = ""
    error_description: str = ""
    error_uri: str = ""
    iss: str | None = None
    captures: Mapping[str, str] = field(default_factory=dict, repr=False)


def state_of(query_string: str) -> str:
    """The state alone, which says whose walk this is, before anything else is known.

    Raises FlowFailure ``state_missing``, or ``bad_callback`` for what no server sends.
    """
    state = _once(_parameters(query_string), _KNOWN).get("state", "")
    if not state:
        raise FlowFailure("state_missing")
    return _fit("state", state)


def read(client: Client, query_string: str) -> Callback:
    """What came back.

    Raises FlowFailure ``bad_callback``, ``state_missing``, ``code_missing``,
    ``pattern_unsupported``.
    """
    state = state_of(query_string)
    captured = client.captures.get("callback") or {}
    read_here = _KNOWN | {client.code_parameter, *captured.values()}
    given = _once(_parameters(query_string), read_here)
    error = given.get("error", "")
    code = "" if error else _fit(client.code_parameter, given.get(client.code_parameter, ""))
    if not error and not code:
        raise FlowFailure("code_missing", name=client.code_parameter)
    redact.remember(state, *filter(None, (code,)))
    return Callback(
        state=state,
        code=code,
        error=error,
        error_description=given.get("error_description", ""),
        error_uri=given.get("error_uri", ""),
        iss=given.get("iss"),
        captures={} if error else _captures(client, captured, given),
    )


def check_issuer(client: Client, iss: str | None, is_error: bool) -> None:
    """RFC 9207: the answer comes from the server that was asked.

    Compared byte for byte, on codes and on errors. A missing one is refused on codes alone (one
    server leaves it out of some errors), and only where ``issuer_in_response`` is required.
    Raises FlowFailure ``issuer_mismatch``.
    """
    if not client.issuer:
        return
    if iss is None and (is_error or client.issuer_in_response != "required"):
        return
    if iss != client.issuer:
        received = quoted(iss or "", 200)
        raise FlowFailure("issuer_mismatch", expected=client.issuer, received=received)


def check_error(callback: Callback) -> None:
    """Raises FlowFailure ``access_denied``, ``scope_refused`` or ``provider_error``."""
    if not callback.error:
        return
    raise FlowFailure(
        _REFUSALS.get(callback.error, "provider_error"),
        error=quoted_code(callback.error),
        quote=quoted(callback.error_description),
        error_uri=web_address(callback.error_uri),
        temporarily=callback.error in _PASSING,
    )


def _parameters(query_string: str) -> list[tuple[str, str]]:
    if len(query_string) > LONGEST:
        raise FlowFailure("bad_callback", reason="the callback's query is too long")
    try:
        found = parse_qsl(query_string, keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
    except ValueError:
        raise FlowFailure("bad_callback", reason="too many parameters") from None
    if any("\x00" in name or "\x00" in value for name, value in found):
        raise FlowFailure("bad_callback", reason="a NUL character")
    return found


def _once(found: list[tuple[str, str]], names: frozenset[str] | set[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in found:
        if name not in names:
            continue
        if name in given:
            reason = "parameter given twice"
            raise FlowFailure("bad_callback", reason=reason, name=quoted_code(name))
        given[name] = value
    return given


def _fit(name: str, value: str) -> str:
    if not _FIT.fullmatch(value):
        reason = "characters that do not belong there"
        raise FlowFailure("bad_callback", reason=reason, name=quoted_code(name))
    return value


def _captures(
    client: Client, captured: Mapping[str, str], given: Mapping[str, str]
) -> dict[str, str]:
    kept = {name: given[parameter] for name, parameter in captured.items() if given.get(parameter)}
    for name, value in kept.items():
        try:
            fit = fits(value, client.capture_patterns.get(name), name)
        except RuleRefused as refused:
            raise FlowFailure(refused.code, **refused.facts) from None
        if not fit:
            reason = "a captured value is not of the form that is set for it"
            raise FlowFailure("bad_callback", reason=reason, name=name)
    return kept
