"""Puts values into a template: text, or a JSON tree whose strings hold ``{name}``.

A template is data, and so are the values: nothing is called, looked up inside a value, or read
twice. The rules (DESIGN §3, Placeholders):

- only ``{name}`` with a name of ASCII letters, digits and underscores, no digit first, is a
  placeholder; ``{{`` and ``}}`` are literal braces; any other brace is a mistake. So JSON that is
  written as *text* doubles its braces (``{{"limit": {limit}}}``); as a *tree* it needs none;
- a string that is one placeholder and nothing else takes the value with its type;
- within other text a value becomes text: ``true``, ``20``, ``2026-11-23``, JSON for a list;
- a dict member or list item whose placeholders all lack a value (absent, or None) is left out;
  where some have one, the others become empty text;
- the keys of a dict are names, never templates.
"""

from __future__ import annotations

import json
import re
import secrets
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from datetime import time as time_of_day
from decimal import Decimal
from enum import Enum
from typing import Any, Final, Literal
from urllib.parse import quote

BUILT_INS: Final = frozenset({"random", "uuid", "timestamp"})
"""Placeholders that have a fresh value in every request."""

_TOKEN = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}|[{}]")


_BEHIND_AUTHORITY = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*[/?#]")
_WRITTEN_AUTHORITY = re.compile(r"(?:[^/?#]*//)?[^/?#]*")
_HALF_A_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")
_HOST_CHARACTERS = re.compile(r"[\w.-]+(?::[0-9]+)?")


class Omit(Enum):
    """The type of ``OMIT``."""

    OMIT = "omit"

    def __repr__(self) -> str:
        return "OMIT"

    def __bool__(self) -> Literal[False]:
        return False


OMIT: Final = Omit.OMIT
"""What ``fill`` gives for a string none of whose placeholders has a value: leave it out."""


def fresh_values() -> dict[str, Any]:
    """The built-ins of one request: ``random`` (32 hex digits), ``uuid``, ``timestamp`` (Unix)."""
    return {
        "random": secrets.token_hex(16),
        "uuid": str(uuid.uuid4()),
        "timestamp": int(time.time()),
    }


def names(template: Any) -> frozenset[str]:
    """The names a template asks for. Raises ValueError, in a sentence, for a lone brace."""
    return frozenset(
        name for text in _texts(template) for literal, name in _pieces(text) if name is not None
    )


def missing(template: Any, values: Mapping[str, Any]) -> frozenset[str]:
    """The names a template asks for that have no value."""
    return frozenset(name for name in names(template) if values.get(name) is None)


def fill(template: Any, values: Mapping[str, Any]) -> Any:
    """The template with its placeholders filled; ``OMIT`` for a lone string without a value.

    Raises ValueError, in a sentence, for a lone brace.
    """
    if isinstance(template, str):
        return _fill_string(template, values)
    if isinstance(template, Mapping):
        filled = ((key, fill(item, values)) for key, item in template.items())
        return {key: item for key, item in filled if item is not OMIT}
    if isinstance(template, (list, tuple)):
        return [item for item in (fill(item, values) for item in template) if item is not OMIT]
    return template


def fill_text(
    template: str, values: Mapping[str, Any], *, escape: Callable[[str], str] = str
) -> str:
    """The template as text; what has no value becomes empty text, see ``missing``.

    ``escape`` is applied to each value, never to the template: so a path keeps its own slashes
    and a value cannot add one. Raises ValueError, in a sentence, for a lone brace.
    """
    return "".join(
        literal if name is None else escape(as_text(values.get(name)))
        for literal, name in _pieces(template)
    )


def fill_url(template: str, values: Mapping[str, Any]) -> str:
    """The template of a URL with each value escaped for its place; a missing one is empty text.

    A value that begins the URL stands as it is (a captured base address); within scheme, host and
    port only the characters of a host name and a port pass; behind them a value is percent-encoded
    whole, slashes included. Whoever sends checks the result as any other URL.
    Raises ValueError, in a sentence without the value.
    """
    url = ""
    for literal, name in _pieces(template):
        if name is None:
            url += literal
            continue
        value = as_text(values.get(name))
        if url and not _BEHIND_AUTHORITY.match(url):
            if not _HOST_CHARACTERS.fullmatch(value):
                raise ValueError(f"The value of {{{name}}} cannot stand in the host of a URL.")
            url += value
        elif url:
            url += quote(value, safe="")
        elif _HALF_A_SCHEME.fullmatch(value):
            # With the template's own slash behind it the next name would be the host, unseen by
            # ``names_in_host``.
            raise ValueError(f"The value of {{{name}}} ends in the middle of '://'.")
        else:
            url = value
    return url


def authority(template: str) -> str:
    """A URL's template up to its path, as it is written: ``https://{site}.example.com``."""
    found = _WRITTEN_AUTHORITY.match(template)
    return found[0] if found else ""


def names_in_host(template: str) -> frozenset[str]:
    """The placeholders of a URL's template that say to which host it leads.

    Those that :func:`fill_url` does not percent-encode, and those that only a value can bring
    there: in ``{scheme}//{host}/`` the second stands in the host as well.
    """
    found, url = set(names(authority(template))), ""
    for literal, name in _pieces(template):
        if name is not None and not _BEHIND_AUTHORITY.match(url):
            found.add(name)
        url += literal if name is None else ("x" if url else "https://x")
    return frozenset(found)


def as_text(value: Any) -> str:
    """A value as it stands within text: dates in ISO form, numbers without exponent."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return str(value)
        case float() | Decimal():
            number = Decimal(str(value))
            return format(number, "f") if number.is_finite() else str(value)
        case datetime() | date() | time_of_day():
            return value.isoformat()
        case Mapping() | list() | tuple():
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=as_text)
        case _:
            return str(value)


def _fill_string(text: str, values: Mapping[str, Any]) -> Any:
    if "{" not in text and "}" not in text:
        return text
    pieces = list(_pieces(text))
    asked = [name for _, name in pieces if name is not None]
    if asked and all(values.get(name) is None for name in asked):
        return OMIT
    if len(pieces) == 1 and asked:
        return values[asked[0]]
    return fill_text(text, values)


def _texts(template: Any) -> Iterator[str]:
    if isinstance(template, str):
        yield template
    elif isinstance(template, Mapping):
        for item in template.values():
            yield from _texts(item)
    elif isinstance(template, (list, tuple)):
        for item in template:
            yield from _texts(item)


def _pieces(text: str) -> Iterator[tuple[str, str | None]]:
    """The text cut into (literal, None) and ("", name), in order."""
    position = 0
    for found in _TOKEN.finditer(text):
        if found.start() > position:
            yield text[position : found.start()], None
        position = found.end()
        token = found.group()
        if found.group(1) is not None:
            yield "", found.group(1)
        elif len(token) == 2:
            yield token[0], None
        else:
            raise ValueError(
                f"The brace '{token}' at character {found.start() + 1} belongs to no placeholder: "
                "write {name} for a value (letters, digits and underscores, no digit first), "
                f"or '{token * 2}' for a literal brace."
            )
    if position < len(text):
        yield text[position:], None
