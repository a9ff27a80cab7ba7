"""Replaces, by value, every secret opened or received in this context in text for others."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator, MutableMapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any
from urllib.parse import quote, quote_plus

REDACTED = "[redacted]"
SHORTEST = 4
"""Shorter values are left alone: replacing them would make text unreadable and hide nothing."""
MOST = 200
"""How many values that a request merely came with are kept; the oldest go first. It is the limit
of secrets too where no scope is open, as in a shell: a long job does not grow for ever."""

_BASE64_SHORTEST = 8
_ESCAPE = re.compile("%[0-9A-F]{2}")


class _Secrets:
    """What one context remembers. Its forms are made when a text is redacted, not before.

    ``values`` are secrets, by their forms once those are made; in a scope none of them is dropped.
    ``given`` is what a stranger may have put into a request, as many as they like: kept apart, so
    that it pushes no secret out.
    """

    __slots__ = ("forms", "given", "is_scope", "values")

    def __init__(self, *, is_scope: bool) -> None:
        self.values: dict[str, tuple[str, ...] | None] = {}
        self.given: dict[str, tuple[str, ...] | None] = {}
        self.is_scope = is_scope
        self.forms: list[str] | None = None

    def longest_first(self) -> list[str]:
        if self.forms is None:
            found: set[str] = set()
            for known in (self.values, self.given):
                for value, forms in known.items():
                    if forms is None:
                        known[value] = forms = tuple(_forms(value))
                    found.update(forms)
            self.forms = sorted(found, key=len, reverse=True)
        return self.forms

    def keep(self, known: dict[str, tuple[str, ...] | None], value: str, most: int | None) -> None:
        if value in known:
            return
        known[value] = None
        self.forms = None
        if most is not None and len(known) > most:
            del known[next(iter(known))]


_secrets: ContextVar[_Secrets | None] = ContextVar("connectedsystems_secrets", default=None)


def remember(*values: str) -> None:
    """Keep these secrets out of every text that passes :func:`redact` in this context."""
    secrets = _of_context()
    for value in values:
        secrets.keep(secrets.values, value, None if secrets.is_scope else MOST)


def remember_given(*values: str) -> None:
    """The same for what a request came with and what may be a secret: at most ``MOST`` of them."""
    secrets = _of_context()
    for value in values:
        secrets.keep(secrets.given, value, MOST)


def _of_context() -> _Secrets:
    secrets = _secrets.get()
    if secrets is None:
        _secrets.set(secrets := _Secrets(is_scope=False))
    return secrets


def forget_all() -> None:
    """Forget what this context remembers, as at the start of a request."""
    _secrets.set(None)


@contextmanager
def scope() -> Iterator[None]:
    """What is remembered inside is forgotten at the end; what was remembered before stays known.

    A job opens one for each of its rows.
    """
    outer = _secrets.get()
    inner = _Secrets(is_scope=True)
    if outer is not None:
        inner.values, inner.given = dict(outer.values), dict(outer.given)
    token = _secrets.set(inner)
    try:
        yield
    finally:
        _secrets.reset(token)


def scope_of_job() -> AbstractContextManager[None]:
    """A scope where none is open, as for each call of a job; in a request its own goes on."""
    secrets = _secrets.get()
    return nullcontext() if secrets is not None and secrets.is_scope else scope()


def redact(text: str) -> str:
    """``text`` with every remembered value, in each encoding it may travel in, replaced."""
    secrets = _secrets.get()
    if secrets is None or not text:
        return text
    for form in secrets.longest_first():
        if form in text:
            text = text.replace(form, REDACTED)
    return text


def redact_tree(value: Any) -> Any:
    """A copy of a tree of dicts, lists and tuples with every string redacted, keys included."""
    secrets = _secrets.get()
    if secrets is None or not (secrets.values or secrets.given):
        return value
    return _redact_tree(value)


def processor(
    logger: Any, name: str, event_dict: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """For structlog; stands after the exception formatter and right before the renderer."""
    cleaned: MutableMapping[str, Any] = redact_tree(event_dict)
    return cleaned


def _redact_tree(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {_redact_tree(key): _redact_tree(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        members = [_redact_tree(member) for member in value]
        return tuple(members) if isinstance(value, tuple) else members
    shown = repr(value)
    cleaned = redact(shown)
    return value if cleaned == shown else cleaned


def _forms(value: str) -> Iterator[str]:
    """No regular expressions: ``re`` would keep the secret in its cache."""
    if len(value) < SHORTEST:
        return
    yield value
    yield html.escape(value)
    yield json.dumps(value)[1:-1]
    yield json.dumps(value)[1:-1].replace("/", "\\/")  # as PHP writes it
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield repr(value)[1:-1]
    yield from _base64_forms(value.encode("utf-8", "surrogatepass"))
    for quoted in {
        quote(value, safe="", errors="surrogatepass"),
        quote(value, errors="surrogatepass"),
        quote_plus(value, errors="surrogatepass"),
    } - {value}:
        yield quoted
        yield _ESCAPE.sub(lambda match: match[0].lower(), quoted)
        yield from _base64_forms(quoted.encode())


def _base64_forms(value: bytes) -> Iterator[str]:
    """The value alone, and inside a longer text such as ``client_id:client_secret``.

    Base64 spells a byte by its position modulo 3, so there are three spellings; the characters
    at the ends that depend on the neighbours are cut off.
    """
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        whole = encode(value).decode()
        yield whole
        yield whole.rstrip("=")
        for shift in range(3):
            padded = bytes(shift) + value
            first = -(-shift * 8 // 6)
            last = len(padded) * 8 // 6
            inside = encode(padded).decode()[first:last]
            if len(inside) >= _BASE64_SHORTEST:
                yield inside
