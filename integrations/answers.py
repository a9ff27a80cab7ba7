"""What an API's reply means: success, a token it does not accept, a refusal, a failure.

Sources: RFC 6750 §3 (``WWW-Authenticate``), RFC 9110 §10.2.3 (``Retry-After``), the rate-limit
headers that providers send, and error bodies as they are seen: most are JSON with the words in
``error_description``, ``message``, ``detail`` or ``title``.
"""

from __future__ import annotations

import json
import re
import time
from email.utils import parsedate_to_datetime
from typing import Any

from connectedsystems.configuration import Configuration
from connectedsystems.errors import CallFailure
from connectedsystems.expressions import Budget, NotFound, TooCostly, find, for_call, is_true
from connectedsystems.oauth.words import quoted
from connectedsystems.outbound import Reply
from connectedsystems.placeholders import as_text

LONGEST_QUOTE = 500
LONGEST_WAIT = 3600
LONGEST_READ = 10_000_000

_ERROR = re.compile(r'\berror\s*=\s*"?([A-Za-z_]+)"?')
_SCOPE = re.compile(r'\bscope\s*=\s*"([^"]*)"')
_DESCRIPTION = re.compile(r'\berror_description\s*=\s*"([^"]*)"')
_REMAINING = ("x-ratelimit-remaining", "ratelimit-remaining", "x-rate-limit-remaining")
_WORDS = ("error_description", "message", "detail", "error", "title", "description", "errors")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def _challenge(reply: Reply) -> str:
    return ", ".join(reply.headers.get_all("WWW-Authenticate"))


def _challenge_error(reply: Reply) -> str:
    found = _ERROR.search(_challenge(reply))
    return found.group(1) if found else ""


def too_costly(reply: Reply, key: str, reason: object) -> CallFailure:
    """The failure of a call whose expression ``key`` is over its bounds on this reply."""
    facts = {"status": reply.status, "field": key, "too_costly": True}
    return CallFailure("result_rule_failed", **facts, reason=f"{key}: {reason}")


def token_not_accepted(reply: Reply, system: Configuration, budget: Budget | None = None) -> bool:
    """Whether the other system says that this token is no longer good: by default a 401.

    ``expired_when`` names other statuses, and a JMESPath that is true in such an answer (some
    providers say it in a 200). ``budget``: that of the call. Raises CallFailure
    ``result_rule_failed`` where the JMESPath is over its bounds.
    """
    rule = system.expired_when.get("json")
    try:
        if rule and is_true(rule, _tree(reply), budget or for_call()):
            return True
    except TooCostly as reason:
        raise too_costly(reply, "expired_when.json", reason) from None
    if reply.status < 400:
        return False
    error = _challenge_error(reply)
    if error == "insufficient_scope":
        return False
    return reply.status in (system.expired_when.get("status") or (401,)) or error == "invalid_token"


def lacks_scope(reply: Reply) -> bool:
    """Whether the token is good and was granted too little (RFC 6750 §3.1)."""
    if reply.status not in (401, 403):
        return False
    return _challenge_error(reply) == "insufficient_scope" or (
        reply.status == 403 and _body_error(reply) == "insufficient_scope"
    )


def is_rate_limited(reply: Reply) -> bool:
    """429, or a 403 that says when to come back or that nothing is left."""
    if reply.status == 429:
        return True
    if reply.status != 403:
        return False
    return "Retry-After" in reply.headers or any(
        reply.headers.get(name, "").strip() == "0" for name in _REMAINING
    )


def plain_refusal(reply: Reply) -> bool:
    """A 403 that gives no reason we know: a dead token at some systems, a refusal at others."""
    return reply.status == 403 and not lacks_scope(reply) and not is_rate_limited(reply)


def failure_in(
    reply: Reply, success: str = "", error_message: str = "", budget: Budget | None = None
) -> CallFailure | None:
    """The failure that a reply says, or None: for a 2xx, or as the JMESPath ``success`` says.

    ``error_message``: a JMESPath of the other system's own words. ``budget``: that of the call.
    """
    budget = budget or for_call()
    facts: dict[str, Any] = {"status": reply.status}
    try:
        if success and is_true(success, _tree(reply), budget):
            return None
    except TooCostly as reason:
        if reply.status < 400:
            return too_costly(reply, "success", reason)
        # The status says what happened, and that is worth more than the rule.
        facts["unread"] = f"success: {reason}"
    if 200 <= reply.status < 300:
        if not success:
            return None
        facts |= quote_of(reply, error_message, budget)
        return CallFailure("success_rule_failed", **facts)
    facts |= {"stage": "call", **quote_of(reply, error_message, budget)}
    if lacks_scope(reply):
        found = _SCOPE.search(_challenge(reply))
        if found:
            facts["missing_scope"] = quoted(found.group(1), LONGEST_QUOTE)
        return CallFailure("insufficient_scope", **facts)
    if is_rate_limited(reply):
        return CallFailure("rate_limited", retry_after=retry_after(reply), **facts)
    if reply.status in (401, 403):
        return CallFailure("call_refused", **facts)
    if reply.status == 404:
        return CallFailure("call_not_found", **facts)
    return CallFailure("call_failed", retry_after=retry_after(reply), **facts)


def retry_after(reply: Reply) -> int | None:
    """Seconds to wait as the other system asks, at most an hour; None where it says nothing."""
    text = reply.headers.get("Retry-After", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return min(int(text[:9]), LONGEST_WAIT)
    try:
        seconds = parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, OverflowError, TypeError):
        return None
    return int(max(0.0, min(seconds, LONGEST_WAIT)))


def quote_of(reply: Reply, error_message: str, budget: Budget) -> dict[str, str]:
    """The other system's own words about a failure, as facts.

    ``quote``: one line, at most 500 characters, redacted. They stand where ``error_message``, a
    JMESPath, finds them; else where most systems put theirs. ``unread``: why ``error_message`` was
    given up. The failure itself is known without it.
    """
    described = _DESCRIPTION.search(_challenge(reply))
    tree = _tree(reply)
    facts: dict[str, str] = {}
    words = ""
    try:
        words = _told(error_message, tree, budget)
    except TooCostly as reason:
        facts["unread"] = f"error_message: {reason}"
    words = words or _words(tree) or (described.group(1) if described else "")
    facts["quote"] = quoted(_CONTROL.sub(" ", words).strip(), LONGEST_QUOTE)
    return facts


def _told(error_message: str, tree: Any, budget: Budget) -> str:
    if not error_message:
        return ""
    try:
        found = find(error_message, tree, budget)
    except NotFound:
        return ""
    if isinstance(found, list) and all(isinstance(each, str) for each in found):
        return "; ".join(found)
    return as_text(found) if isinstance(found, str | int | float) else _words(found)


def _tree(reply: Reply) -> Any:
    if not reply.body or len(reply.body) > LONGEST_READ:
        return None
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError):
        return None


def _body_error(reply: Reply) -> str:
    tree = _tree(reply)
    error = tree.get("error") if isinstance(tree, dict) else None
    return error if isinstance(error, str) else ""


def _words(tree: Any, depth: int = 0) -> str:
    """The first sentence in a tree of JSON, where providers put theirs."""
    if isinstance(tree, str):
        return tree
    if depth > 4:
        return ""
    if isinstance(tree, list):
        return next((found for item in tree[:5] if (found := _words(item, depth + 1))), "")
    if isinstance(tree, dict):
        wanted = (tree[key] for key in _WORDS if key in tree)
        return next((found for item in wanted if (found := _words(item, depth + 1))), "")
    return ""
