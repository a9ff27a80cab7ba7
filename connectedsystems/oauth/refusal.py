"""Which failure an endpoint's answer is (RFC 6749 §5.2), as servers write it and as RFCs do."""

from __future__ import annotations

import re
from typing import Any, Literal

from connectedsystems import redact
from connectedsystems.errors import TokenEndpointFailure
from connectedsystems.oauth.endpoint import Heard
from connectedsystems.oauth.words import quoted, quoted_code

Purpose = Literal["exchange", "refresh", "client_credentials", "second_exchange"]

STANDARD = frozenset(
    {
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
    }
)
"""RFC 6749 §5.2: under a 4xx or 5xx only these are the token endpoint speaking."""

_CLIENT = frozenset(
    {
        "invalid_client",
        "unauthorized_client",
        "invalid_client_id",
        "invalid_client_secret",
        "bad_client_secret",  # Slack
        "incorrect_client_credentials",  # GitHub
    }
)
# Not "redirection URI": some servers recite the RFC's whole sentence for every invalid_grant.
_REDIRECT = re.compile(r"(redirect|callback)[ _-]?ur[il]", re.IGNORECASE)
_MAY_HOLD_A_TOKEN = re.compile(rb"token|secret|jwt|eyj|bearer", re.IGNORECASE)
_MESSAGES = ("error_description", "message", "description", "error_message", "detail", "msg")
_CODES = ("code", "error", "type", "status", "name")


def raise_if_refused(
    heard: Heard, tree: dict[str, Any] | None, named: Any, purpose: Purpose
) -> None:
    """Raises TokenEndpointFailure unless this is a 2xx without an error.

    ``named``: the error where the designer says that it stands in the answer.
    Facts: status, host, path, ``readable`` (the endpoint itself named an error), and where there
    are such: error, quote, retry_after, excerpt.
    """
    busy = heard.status in (429, 503) or (purpose == "refresh" and heard.status >= 500)
    error = None if busy else spoken_error(heard, tree, named)
    facts = {**heard.where, "readable": error is not None, **said(heard, tree, error)}
    if heard.retry_after is not None:
        facts["retry_after"] = heard.retry_after
    if busy:
        # Whatever such an answer says of the grant is not the last word on it.
        facts.pop("error", None)
        raise TokenEndpointFailure("temporarily_unavailable", **facts)
    if error is not None:
        raise TokenEndpointFailure(_code(facts, purpose), **facts)
    if not heard.succeeded:
        raise TokenEndpointFailure("token_http_error", **facts)
    if tree is None:
        raise TokenEndpointFailure("token_not_json", **facts)


def spoken_error(heard: Heard, tree: dict[str, Any] | None, named: Any) -> Any:
    """The error this endpoint itself names, or None."""
    if tree is None:
        return None
    if _is_error(named):
        return named
    error = tree.get("error")
    if heard.succeeded:
        return error if _is_error(error) else None
    return error if isinstance(error, str) and error in STANDARD else None


def _is_error(value: Any) -> bool:
    return not (value is None or value is False or value == "" or value == 0)


def _code(facts: dict[str, Any], purpose: Purpose) -> str:
    error, words = facts.get("error", ""), facts.get("quote", "")
    if purpose == "exchange" and error != "invalid_client" and _REDIRECT.search(f"{error} {words}"):
        return "redirect_uri_mismatch"
    if error in _CLIENT:
        return "client_auth_failed"
    return "scope_refused" if error == "invalid_scope" else "token_refused"


def said(heard: Heard, tree: dict[str, Any] | None, error: Any = None) -> dict[str, str]:
    """Their words: the error's code and message; for what is no object, how it begins."""
    if tree is None:
        excerpt = "" if _MAY_HOLD_A_TOKEN.search(heard.body) else _beginning(heard.body)
        return {"excerpt": excerpt} if excerpt else {}
    code = error if error is not None else tree.get("error")
    said = {"error": _as_code(code), "quote": quoted(_message(tree) or _message(code))}
    return {name: text for name, text in said.items() if text}


def _as_code(error: Any) -> str:
    if isinstance(error, dict):
        found = (error.get(name) for name in _CODES)
        error = next((value for value in found if isinstance(value, str | int)), None)
    if isinstance(error, str | int | float) and not isinstance(error, bool):
        return quoted_code(error)
    return ""


def _message(value: Any) -> str:
    """The sentence in an answer, also one nested in ``error`` or in the first of ``errors``."""
    for _ in range(4):
        if isinstance(value, list):
            value = value[0] if value else None
        if not isinstance(value, dict):
            return ""
        for name in _MESSAGES:
            if isinstance(value.get(name), str) and value[name]:
                return str(value[name])
        inner = value.get("error")
        value = inner if isinstance(inner, dict | list) else value.get("errors")
    return ""


def _beginning(body: bytes) -> str:
    return quoted(redact.redact(body[:4000].decode("utf-8", "replace")).strip(), 200)
