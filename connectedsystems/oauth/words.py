"""The other system's words, made fit to be quoted: without our secrets, on one line, short."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from connectedsystems import redact

_UNSHOWABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def quoted(text: str, limit: int = 500) -> str:
    """``text`` redacted, control and direction characters escaped, cut at ``limit``."""
    clean = _UNSHOWABLE.sub(_escape, redact.redact(text))
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def quoted_code(value: Any) -> str:
    """An error code as the other system writes it, at most 100 characters."""
    return quoted(str(value), 100)


def web_address(text: str) -> str:
    """``text`` if it is an http(s) address fit to be shown, else nothing."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname or len(text) > 500:
        return ""
    return "" if _UNSHOWABLE.search(text) or " " in text else redact.redact(text)


def _escape(found: re.Match[str]) -> str:
    character = found.group()
    number = ord(character)
    return _SHORT.get(character) or (f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}")
