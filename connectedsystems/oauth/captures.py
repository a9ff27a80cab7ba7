"""Values picked out of an answer by JMESPath: the fields of a token answer, and what is kept."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from connectedsystems import expressions, patterns, placeholders, redact
from connectedsystems.expressions import Budget, NotFound, TooCostly, for_authorizing
from connectedsystems.oauth import token_texts

log = structlog.get_logger(__name__)

LONGEST = 2000
"""Characters of a captured text."""
_ORIGIN = re.compile(r"(?i)\Ahttps?://[^/?#]*")
_LIKE_A_TOKEN = re.compile(r"[\w.~+/=%-]{20,}")
PATTERNS = "oauth.capture_patterns"


class RuleRefused(Exception):
    """A rule that a designer wrote and that was not applied: the failure's code, and facts.

    ``expression_too_costly``: the expression of the key ``field`` is over its bounds;
    ``pattern_unsupported``: RE2 does not take the pattern ``name``.
    """

    def __init__(self, code: str, **facts: Any) -> None:
        super().__init__(code)
        self.code = code
        self.facts = facts


@dataclass(frozen=True, slots=True)
class Rules:
    """Captures: JMESPaths and patterns by name. ``at`` is the key path of the JMESPaths.

    ``in_hosts``: names that stand in the host of an address, which is kept and shown in clear.
    """

    paths: Mapping[str, str]
    patterns: Mapping[str, str]
    at: str
    in_hosts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Picker:
    """Picks values out of one answer; all its expressions share one budget."""

    tree: Any = field(repr=False)
    budget: Budget = field(default_factory=for_authorizing)
    whole: Any = field(default=None, repr=False)
    tokens: frozenset[str] = field(default=frozenset(), repr=False)
    """Left out of ``tree``, and what they were left out of: a capture may be one of them."""

    def pick(self, path: str, key: str) -> Any:
        """What ``path`` finds, or None: a path that does not fit this answer finds nothing.

        ``key``: the key path under which the designer wrote it. Raises RuleRefused.
        """
        try:
            return expressions.find(path, self.tree, self.budget)
        except TooCostly as reason:
            raise RuleRefused("expression_too_costly", field=key, reason=str(reason)) from None
        except NotFound:
            return None

    def without(self, tokens: frozenset[str]) -> Picker:
        """The same without these tokens."""
        tree = token_texts.without(self.tree, tokens)
        return Picker(tree, self.budget, whole=self.tree, tokens=tokens)

    def captured(self, path: str, key: str) -> Any:
        """What ``path`` finds, a whole token among it: a second exchange may need the first one.

        Nothing that was made of a token is found. Raises RuleRefused.
        """
        value = self.pick(path, key)
        if value is not None or not self.tokens:
            return value
        token = Picker(self.whole, self.budget).pick(path, key)
        return token if isinstance(token, str) and token in self.tokens else None

    def within(self, item: Any) -> Picker:
        """The same for a part of the answer."""
        return Picker(item, self.budget)

    def kept(self, rules: Rules, *, renewing: bool = False) -> tuple[dict[str, Any], str | None]:
        """The captured values by name, and the name of one that is not of its form, if any.

        ``renewing``: the value of a rule that is refused is left as it was kept before, for
        without the new tokens the user would lose the authorization. Else raises RuleRefused.
        """
        found: dict[str, Any] = {}
        for name, path in rules.paths.items():
            try:
                find = self.pick if name in rules.in_hosts else self.captured
                value = find(path, f"{rules.at}.{name}")
                if value in (None, ""):
                    continue
                if not fits(value, rules.patterns.get(name), name):
                    return {}, name
            except RuleRefused as refused:
                if not renewing:
                    raise
                log.warning("capture_left_as_it_was", name=name, code=refused.code)
                continue
            found[name] = value
        return found, None


def values_of(text: str) -> dict[str, Any]:
    """Captured values from the JSON in which an authorization keeps them.

    A token may be among them, for a second exchange may need it: what looks like one is shown
    nowhere. In an address only what follows the host is looked at.
    """
    values: dict[str, Any] = json.loads(text)
    written = (_ORIGIN.sub("", each) for each in _texts(values))
    redact.remember(*(each for each in written if _LIKE_A_TOKEN.search(each)))
    return values


def _texts(value: Any) -> Iterator[str]:
    """Every text that a captured value can become in a request."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        yield placeholders.as_text(value)
        for member in value.values() if isinstance(value, dict) else value:
            yield from _texts(member)


def check_patterns(written: Mapping[str, str]) -> None:
    """Raises RuleRefused for the first pattern that RE2 does not take."""
    for refused in unsupported_patterns(written):
        raise refused


def unsupported_patterns(written: Mapping[str, str]) -> list[RuleRefused]:
    """What is to be said of each pattern that RE2 does not take."""
    found = []
    for name, pattern in written.items():
        try:
            patterns.check(pattern)
        except patterns.Unsupported as reason:
            found.append(_refused(name, reason))
    return found


def fits(value: Any, pattern: str | None, name: str) -> bool:
    """Whether a value may be kept: a pattern has to match it from end to end, as text.

    Raises RuleRefused ``pattern_unsupported``.
    """
    if isinstance(value, str) and len(value) > LONGEST:
        return False
    if not pattern:
        return True
    if not isinstance(value, str | int) or isinstance(value, bool):
        return False
    try:
        return patterns.fits(pattern, str(value))
    except patterns.Unsupported as reason:
        raise _refused(name, reason) from None


def _refused(name: str, reason: patterns.Unsupported) -> RuleRefused:
    return RuleRefused(
        "pattern_unsupported", name=name, reason=str(reason), field=f"{PATTERNS}.{name}"
    )
