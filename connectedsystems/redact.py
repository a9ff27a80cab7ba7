"""Replaces, by value, every secret opened or received in this context in text for others."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import quote, quote_plus

REDACTED = "[redacted]"
SHORTEST = 4
"""Shorter values are left alone: replacing them would make text unreadable and hide nothing."""
MOST = 200
"""How many values one context keeps; the oldest go first, so a long job does not grow for ever."""

_BASE64_SHORTEST = 8
_ESCAPE = re.compile("%[0-9A-F]{2}")


class _Secrets:
    """What one context remembers. Its forms are made when a text is redacted, not before."""

    __slots__ = ("forms", "values")

    def __init__(self) -> None:
        self.values: dict[str, None] = {}
        self.forms: list[str] | None = None

    def longest_first(self) -> list[str]:
        if self.forms is None:
            forms = {form for value in self.values for form in _forms(value)}
            self.forms = sorted(forms, key=len, reverse=True)
        return self.forms


_secrets: ContextVar[_Secrets | None] = ContextVar("connectedsystems_secrets", default=None)


def remember(*values: str) -> None:
    """Keep ``values`` out of every text that passes :func:`redact` in this context."""
    secrets = _secrets.get()
    if secrets is None:
        _secrets.set(secrets := _Secrets())
    known = secrets.values
    for value in values:
        if value not in known:
            known[value] = None
            secrets.forms = None
            if len(known) > MOST:
                del known[next(iter(known))]


def forget_all() -> None:
    """Forget what this context remembers, as at the start of a request."""
    _secrets.set(None)


@contextmanager
def scope() -> Iterator[None]:
    """What is remembered inside is forgotten at the end; what was remembered before stays known."""
    outer = _secrets.get()
    inner = _Secrets()
    if outer is not None:
        inner.values = dict(outer.values)
    token = _secrets.set(inner)
    try:
        yield
    finally:
        _secrets.reset(token)


def redact(text: str) -> str:
    """``text`` with every remembered value, in each encoding it may travel in, replaced."""
    secrets = _secrets.get()
    if secrets is None or not secrets.values or not text:
        return text
    for form in secrets.longest_first():
        if form in text:
            text = text.replace(form, REDACTED)
    return text


def redact_tree(value: Any) -> Any:
    """A copy of a tree of dicts, lists and tuples with every string redacted, keys included."""
    secrets = _secrets.get()
    if secrets is None or not secrets.values:
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
