"""The token answer (RFC 6749 §5.1): five fields in, each checked; the rest is dropped."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from connectedsystems import redact
from connectedsystems.errors import TokenEndpointFailure
from connectedsystems.oauth import body, token_texts
from connectedsystems.oauth.captures import Picker, RuleRefused, Rules
from connectedsystems.oauth.endpoint import Heard
from connectedsystems.oauth.refusal import Purpose, raise_if_refused
from connectedsystems.oauth.words import quoted_code

LONGEST_TOKEN = 65_536
LONGEST_LIFE = 10 * 365 * 86_400.0
"""Seconds; what is said to live longer is taken to live so long."""

_TOKEN = re.compile("[\x21-\x7e]+")
_SCOPE = re.compile("[^\x00-\x1f\x7f-\x9f\ud800-\udfff]*")
_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{1,40})?")


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """What was granted. ``expires_in``: seconds, 0 for expired now, None for unknown."""

    access_token: str = field(repr=False)
    token_type: str = "Bearer"
    expires_in: float | None = None
    refresh_token: str | None = field(default=None, repr=False)
    scope: str | None = None
    captures: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Reading:
    """How this system's token answers are read: JMESPaths by field, captures, a default life."""

    paths: Mapping[str, str]
    captures: Mapping[str, str]
    patterns: Mapping[str, str]
    default_expires_in: float | None = None
    at: str = "oauth"
    """The key path of the box that holds ``token_response``."""
    captures_at: str = "oauth.captures.token"
    in_hosts: frozenset[str] = frozenset()
    """The names that stand in the host of an address."""


def read(heard: Heard, reading: Reading, purpose: Purpose) -> TokenAnswer:
    """The grant in an answer. Raises TokenEndpointFailure for anything else."""
    tree = body.parse(heard.body, heard.content_type)
    fields = _Fields(Picker(tree), reading)
    given = {name: fields.secret(name) for name in ("access_token", "refresh_token", "id_token")}
    tokens = [value for value in given.values() if isinstance(value, str) and value]
    redact.remember(*tokens)
    fields.leave_out(token_texts.tokens_of(tree, tokens))
    # What the endpoint refuses is said first, also where an expression on its answer was given up.
    raise_if_refused(heard, tree, fields.error(), purpose)
    try:
        return _grant(heard, fields, given, purpose)
    except RuleRefused as refused:
        raise TokenEndpointFailure(refused.code, **heard.where, **refused.facts) from None


class _Fields:
    """The fields of one answer, each where the designer says or where RFC 6749 has it.

    The tokens come first; whatever else is asked for is looked for without them.
    """

    def __init__(self, picker: Picker, reading: Reading) -> None:
        self.picker = picker
        self.reading = reading
        self.refused: RuleRefused | None = None

    def leave_out(self, tokens: frozenset[str]) -> None:
        """From here on nothing finds these, but a capture that is one of them."""
        self.picker = self.picker.without(tokens)

    def field(self, name: str) -> Any:
        """Raises RuleRefused."""
        if not isinstance(self.picker.tree, dict):
            return None
        if self.reading.paths.get(name):
            return self.written(name)
        return self.picker.tree.get(name)

    def written(self, name: str) -> Any:
        """What the JMESPath of this name finds. Raises RuleRefused."""
        return self.picker.pick(
            self.reading.paths[name], f"{self.reading.at}.token_response.{name}"
        )

    def secret(self, name: str) -> Any:
        """A field that no text may show; ``id_token`` is looked for to this end alone."""
        try:
            return self.field(name)
        except RuleRefused as refused:
            self.refused = self.refused or refused
            return None

    def error(self) -> Any:
        """The error where the designer says that it stands; None where nothing is said."""
        if not self.reading.paths.get("error") or not isinstance(self.picker.tree, dict):
            return None
        try:
            return self.written("error")
        except RuleRefused as refused:
            self.refused = self.refused or refused
            return None


def _grant(
    heard: Heard, fields: _Fields, given: Mapping[str, Any], purpose: Purpose
) -> TokenAnswer:
    """Captures come last: what they cost takes nothing from the tokens. Raises RuleRefused."""
    if fields.refused:
        raise fields.refused
    access_token = _token(heard, "access_token", given["access_token"])
    if access_token is None:
        raise TokenEndpointFailure("token_missing", **heard.where)
    answer = TokenAnswer(
        access_token=access_token,
        token_type=_token_type(heard, fields.field("token_type")),
        expires_in=_life(fields),
        refresh_token=_token(heard, "refresh_token", given["refresh_token"]),
        scope=_scope(heard, fields.field("scope")),
    )
    reading = fields.reading
    rules = Rules(reading.captures, reading.patterns, reading.captures_at, reading.in_hosts)
    renewing = purpose in ("refresh", "client_credentials")
    found, unfit = fields.picker.kept(rules, renewing=renewing)
    if unfit:
        raise _malformed(heard, unfit, "a captured value is not of the form that is set for it")
    return replace(answer, captures=found)


def _token(heard: Heard, name: str, value: Any) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise _malformed(heard, name, "it is not a text")
    if len(value) > LONGEST_TOKEN:
        raise _malformed(heard, name, "it is longer than 64 KB")
    if not _TOKEN.fullmatch(value):
        raise _malformed(heard, name, "it has characters that no request can carry")
    return value


def _token_type(heard: Heard, value: Any) -> str:
    if value is None or value == "" or (isinstance(value, str) and value.lower() == "bearer"):
        return "Bearer"
    raise TokenEndpointFailure(
        "token_type_unsupported", **heard.where, received=quoted_code(value), expected="Bearer"
    )


def _scope(heard: Heard, value: Any) -> str | None:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        value = " ".join(value)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > LONGEST_TOKEN or not _SCOPE.fullmatch(value):
        raise _malformed(heard, "scope", "it is not a list of words")
    return value


def _life(fields: _Fields) -> float | None:
    seconds = _number(fields.field("expires_in"))
    if seconds is None and fields.reading.paths.get("expires_at"):
        moment = _moment(fields.written("expires_at"))
        seconds = None if moment is None else moment - time.time()
    if seconds is None:
        seconds = fields.reading.default_expires_in
    return None if seconds is None else max(0.0, min(float(seconds), LONGEST_LIFE))


def _number(value: Any) -> float | None:
    """A number, also one written as text; a word, a list, a truth value is none."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    return None if math.isnan(number) else number


def _moment(value: Any) -> float | None:
    """Unix seconds of a point in time: seconds, milliseconds, or ISO 8601 (UTC if it says none)."""
    number = _number(value)
    if number is not None:
        return number / 1000 if number > 1e11 else number
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _malformed(heard: Heard, name: str, reason: str) -> TokenEndpointFailure:
    return TokenEndpointFailure("token_malformed", **heard.where, field=name, reason=reason)
