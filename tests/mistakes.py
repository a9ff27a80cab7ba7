"""The ten mistakes a designer can make in a configuration, made one at a time.

They are made against Acme CRM (tests/journeys/test_mistakes.py) and against another real server
(tests/otherservers); docs/troubleshooting.md holds a row for each under its id.
"""

from __future__ import annotations

from connectedsystems.diagnosis import FIELDS

# By id, which is also the bundle's key of the wrong field: what is wrong with it.
MISTAKES: dict[str, str] = {
    "authorization_endpoint": "its path is another one",
    "token_endpoint": "its path is another one",
    "client_id": "nobody is registered under it",
    "client_secret": "it is not the one of this client",
    "client_authentication": "it is not a method that the other system accepts",
    "redirect_uri": "another one is registered there",
    "scope": "it holds a name that is not known there",
    "base_url": "its path is another one",
    "pkce": "it is off, and the other system demands S256",
    "issuer": "it is not the one that the answer names",
}


def label(mistake: str) -> str:
    """The words on the screen for the field that is wrong; a message has to name it so."""
    return FIELDS[mistake]
