"""The troubleshooting catalogue: failure code → what was seen, cause, fix, who can act.

``diagnose(code, facts)`` tells one failure to its readers. Beside the facts that ``Failure``
carries (status, host, path, quote, error, retry_after, target_host, reason, field, missing_scope,
granted_scope, expected, received, name, limit, method) these choose between causes:

``stage``            callback, exchange, refresh, client_credentials, revocation, discovery, call
``system``           the connected system's name, as people know it
``cause``            why an authorization is over: token_expired, token_rejected,
                     refresh_refused, refresh_outcome_unknown
``refreshable``      False: the authorization has no refresh token
``outcome_unknown``  True: it is not known whether the other system took a write
``subject``          what does not open: authorization (also when missing), or anything else
``timed_out``        True: the other system did not answer a renewal in time
``hidden``           True: that the thing exists is not told to this person
``too_costly``       True: the expression that ``field`` names is over its bounds
``unread``           an expression that was given up beside the failure, and why
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import before, callback, calls, later, network, ours, token_endpoint
from .entry import BY_FIELD, BY_REQUEST, Diagnosis, Entry
from .screen import FIELDS, field_named, field_of_request
from .sentences import fill, quote, wait

__all__ = ["CATALOGUE", "FIELDS", "GROUPS", "Diagnosis", "diagnose", "quote", "wait"]

GROUPS: dict[str, dict[str, Entry]] = {
    "Before authorizing": before.ENTRIES,
    "Coming back": callback.ENTRIES,
    "The token endpoint": token_endpoint.ENTRIES,
    "Later": later.ENTRIES,
    "Calls": calls.ENTRIES,
    "The network": network.ENTRIES,
    "This site": ours.ENTRIES,
}

CATALOGUE: dict[str, Entry] = {
    code: entry for entries in GROUPS.values() for code, entry in entries.items()
}

_OUTCOME_UNKNOWN = (
    "It is not known whether the other system took it. Look there before you send it again."
)


def diagnose(code: str, facts: Mapping[str, Any] | None = None) -> Diagnosis:
    """What is to be said of this failure; an unknown code is told as an internal error."""
    facts = facts or {}
    entry = CATALOGUE.get(code, CATALOGUE["internal_error"]).under(facts)
    unknown = facts.get("outcome_unknown") is True
    return Diagnosis(
        code=code,
        status=entry.status,
        title=entry.title,
        seen=_with_unread(_with_quote(fill(entry.seen, facts), facts), facts),
        cause=fill(entry.cause, facts),
        fix=fill(entry.fix, facts),
        user=_OUTCOME_UNKNOWN if unknown else fill(entry.user, facts),
        who=entry.who,
        look_at=_look_at(entry, facts),
        also=entry.also,
        retry=entry.retry and not unknown,
        kind=entry.kind,
    )


def _look_at(entry: Entry, facts: Mapping[str, Any]) -> str | None:
    if entry.look_at == BY_FIELD:
        return field_named(facts)
    if entry.look_at == BY_REQUEST:
        return field_named(facts) or field_of_request(facts)
    return entry.look_at or None


def _with_quote(seen: str, facts: Mapping[str, Any]) -> str:
    words = quote(facts)
    return f"{seen} In its own words, the other system says: “{words}”" if words else seen


def _with_unread(seen: str, facts: Mapping[str, Any]) -> str:
    unread = fill("[An expression was given up on this answer: {unread}.]", facts)
    return f"{seen} {unread}" if unread else seen
