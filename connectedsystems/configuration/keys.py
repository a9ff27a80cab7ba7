"""The keys of the bundle file that describe a connected system: and the names they give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from connectedsystems import placeholders
from connectedsystems.oauth.authentication import METHODS

AUTHORIZATION_CODE: Final = "oauth2_authorization_code"
CLIENT_CREDENTIALS: Final = "oauth2_client_credentials"
OAUTH: Final = frozenset({AUTHORIZATION_CODE, CLIENT_CREDENTIALS})

EVERYTHING: Final[Mapping[str, tuple[str, ...]]] = {
    "": (
        "slug",
        "name",
        "application",
        "description",
        "public_id",
        "base_url",
        "authorization_message",
        "authentication",
        "api_key",
        "basic",
        "oauth",
        "variables",
        "request_headers",
        "request_parameters",
        "token_placement",
        "expired_when",
    ),
    "authentication": ("none", "api_key", "basic", AUTHORIZATION_CODE, CLIENT_CREDENTIALS),
    "oauth": (
        "client_id",
        "client_secret",
        "client_secret_next",
        "authorization_endpoint",
        "token_endpoint",
        "revocation_endpoint",
        "refresh_endpoint",
        "issuer",
        "issuer_in_response",
        "discovery_url",
        "scope",
        "client_authentication",
        "client_key",
        "pkce",
        "authorization_parameters",
        "token_parameters",
        "token_headers",
        "token_request",
        "refresh",
        "token_response",
        "default_expires_in",
        "code_parameter",
        "captures",
        "capture_patterns",
        "second_exchange",
        "after_authorization",
    ),
    "oauth.client_authentication": tuple(sorted(METHODS)),
}
"""Every key of the bundle file ("" is a system's own level), and the choices of two of them."""

BUILT_IN_NAMES: Final = placeholders.BUILT_INS | {
    "access_token",
    "client_id",
    "client_secret",
    "code",
    "code_challenge",
    "query",
    "redirect_uri",
    "refresh_token",
    "scope",
    "state",
}
"""Names that no variable, capture or input may have."""

ENDPOINTS = (
    "authorization_endpoint",
    "token_endpoint",
    "revocation_endpoint",
    "refresh_endpoint",
)

NEEDED_ENDPOINTS: Final[Mapping[str, tuple[str, ...]]] = {
    AUTHORIZATION_CODE: ("authorization_endpoint", "token_endpoint"),
    CLIENT_CREDENTIALS: ("token_endpoint",),
}
"""Those without which nothing can be asked, by authentication."""
