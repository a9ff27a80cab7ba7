"""The words on the screen for each field that a diagnosis may point at, by its bundle key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FIELDS: dict[str, str] = {
    "base_url": "Base URL",
    "api_key": "API key",
    "basic": "User name and password",
    "client_id": "Client ID",
    "client_secret": "Client Secret",
    "authorization_endpoint": "Authorization Endpoint",
    "token_endpoint": "Token Request Endpoint",
    "refresh_endpoint": "Refresh endpoint",
    "revocation_endpoint": "Revocation endpoint",
    "discovery_url": "Discovery URL",
    "issuer": "Issuer",
    "scope": "Scope",
    "redirect_uri": "Redirect URI",
    "client_authentication": "Client authentication",
    "pkce": "PKCE",
    "authorization_parameters": "Authorization parameters",
    "token_parameters": "Token parameters",
    "token_response": "Token response",
    "code_parameter": "Code parameter",
    "captures": "Captures",
    "capture_patterns": "Capture patterns",
    "after_authorization": "After authorization",
    "second_exchange": "Second exchange",
    "expired_when": "Expired when",
    "method": "Method",
    "path": "Path",
    "parameters": "Parameters",
    "body": "Body",
    "inputs": "Inputs",
    "timeout": "Time limit",
    "success": "Success rule",
    "result": "Result",
    "pagination": "Pagination",
}

_REQUESTS = {
    "exchange": "token_endpoint",
    "refresh": "token_endpoint",
    "client_credentials": "token_endpoint",
    "revocation": "revocation_endpoint",
    "discovery": "discovery_url",
    "call": "base_url",
}


def field_of_request(facts: Mapping[str, Any]) -> str | None:
    """The field that holds the address of the request that failed, where that is known."""
    return _REQUESTS.get(str(facts.get("stage", "")))


def field_named(facts: Mapping[str, Any]) -> str | None:
    """The field that the facts name themselves: ``oauth.client_id`` is ``client_id``."""
    key = str(facts.get("field") or "")
    inner = key.removeprefix("oauth.")
    for candidate in (key, inner, inner.split(".")[0]):
        if candidate in FIELDS:
            return candidate
    return None
