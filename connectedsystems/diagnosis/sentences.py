"""Sentences of the catalogue, filled from facts.

A template is plain text in which

- ``{name}`` is a fact,
- ``{name|words}`` is a fact, or those words where it is missing,
- ``[... {name} ...]`` is left out as a whole where a fact in it is missing.

So a missing fact never breaks a sentence. What a fact says is never read as a template.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

QUOTE_LIMIT = 500
WAIT_LIMIT = 3600

_OPTIONAL = re.compile(r"\[([^\[\]]*)\]")
_FACT = re.compile(r"\{(\w+)(?:\|([^{}]*))?\}")

_DURING = {
    "exchange": "while the code was exchanged for a token",
    "refresh": "while the token was renewed",
    "client_credentials": "while the system's own token was fetched",
    "revocation": "while the authorization was revoked",
    "call": "during the integration's call",
}


def fill(template: str, facts: Mapping[str, Any]) -> str:
    """The template with its facts; an optional part without its facts is left out."""
    known = _spoken(facts)
    parts = []
    # Splitting by a pattern with one group: even places are outside brackets, odd ones inside.
    for place, part in enumerate(_OPTIONAL.split(template)):
        optional = place % 2 == 1
        if optional and any(name not in known for name in _needed(part)):
            continue
        parts.append(_FACT.sub(lambda match: known.get(match[1], match[2] or ""), part))
    return "".join(parts)


def quote(facts: Mapping[str, Any]) -> str:
    """The other system's own words, on one line and at most 500 characters; or an empty text."""
    return _text(facts.get("quote"))


def wait(seconds: object) -> str:
    """A number of seconds as people say it: "1 second", "45 seconds", "about 5 minutes"."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return ""
    if not 0 < seconds < float("inf"):
        return ""
    whole = max(1, round(min(seconds, WAIT_LIMIT)))
    if whole == 1:
        return "1 second"
    if whole <= 90:
        return f"{whole} seconds"
    return f"about {round(whole / 60)} minutes"


def _needed(part: str) -> list[str]:
    return [match[1] for match in _FACT.finditer(part) if match[2] is None]


def _spoken(facts: Mapping[str, Any]) -> dict[str, str]:
    """The facts that have something to say, as text, with those that follow from them."""
    spoken = {str(name): _text(value) for name, value in facts.items()}
    spoken["wait"] = wait(facts.get("retry_after"))
    spoken["soon"] = spoken["wait"] and f"in {spoken['wait']}"
    spoken["during"] = _DURING.get(str(facts.get("stage", "")), "")
    return {name: text for name, text in spoken.items() if text}


def _text(value: object) -> str:
    if isinstance(value, str):
        return _one_line(value)
    if isinstance(value, bool):
        return ""
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list | tuple | set | frozenset):
        members = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return _one_line(", ".join(filter(None, map(_text, members))))
    return ""


def _one_line(text: str) -> str:
    # Line breaks, other controls and characters that turn the reading direction become blanks.
    visible = "".join(char if char.isprintable() else " " for char in text[: 4 * QUOTE_LIMIT])
    words = " ".join(visible.split())
    return words if len(words) <= QUOTE_LIMIT else words[: QUOTE_LIMIT - 1] + "…"
