"""How the ten mistakes of tests/mistakes.py are made at node's oidc-provider, and what is said then.

docs/troubleshooting.md has the failure codes in its last column.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# What Done Authorizing says of each; of the base URL, the first call.
CODES = {
    "authorization_endpoint": "attempt_not_finished",
    "token_endpoint": "token_http_error",
    "client_id": "attempt_not_finished",
    "client_secret": "client_auth_failed",
    "client_authentication": "client_auth_failed",
    "redirect_uri": "attempt_not_finished",
    "scope": "scope_reduced",
    "base_url": "call_not_found",
    "pkce": "provider_error",
    "issuer": "issuer_mismatch",
}


@dataclass(frozen=True)
class Made:
    """A mistake: what is typed here, with {url} for the server's, or else is registered there."""

    typed: dict[str, str] = field(default_factory=dict)
    registered: dict[str, Any] = field(default_factory=dict)


HOW = {
    "authorization_endpoint": Made({"authorization_endpoint": "{url}/authorize"}),
    "token_endpoint": Made({"token_endpoint": "{url}/oauth/token"}),
    "client_id": Made({"client_id": "nobody"}),
    "client_secret": Made({"client_secret": "wrong"}),
    "client_authentication": Made(
        registered={"token_endpoint_auth_method": "client_secret_jwt"},
    ),
    "redirect_uri": Made(registered={"redirect_uris": ["http://testserver/elsewhere"]}),
    "scope": Made({"scope": "openid note"}),
    "base_url": Made({"base_url": "{url}/v2"}),
    "pkce": Made({"pkce": "off"}),
    "issuer": Made({"issuer": "{url}/login"}),
}
