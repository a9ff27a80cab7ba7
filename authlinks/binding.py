"""Which session an attempt belongs to: the session holds a random value, the attempt its hash.

The value stays when the attempt is over. A callback so writes nothing to its session, and of two
that come back in the same moment neither overwrites what the other one noted there.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import MutableMapping
from typing import Any

from authlinks.models import AuthorizationAttempt

SESSION_KEY = "attempts"
MOST_ATTEMPTS = 20


def new_value() -> str:
    """What ties a session to one attempt: 43 characters."""
    return secrets.token_urlsafe(32)


def hash_of(value: str) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()


def bind(session: MutableMapping[str, Any], attempt: AuthorizationAttempt, value: str) -> None:
    """Keep an attempt's value in the session that began it; the oldest one gives way."""
    kept = {**session.get(SESSION_KEY, {}), attempt.pk.hex: value}
    session[SESSION_KEY] = dict(list(kept.items())[-MOST_ATTEMPTS:])


def is_bound(session: MutableMapping[str, Any], attempt: AuthorizationAttempt) -> bool:
    """Whether this session began the attempt."""
    value = session.get(SESSION_KEY, {}).get(attempt.pk.hex)
    return value is not None and secrets.compare_digest(hash_of(value), attempt.session_hash)
