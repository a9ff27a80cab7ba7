"""A designer's regular expression on what somebody else wrote, matched by RE2: in linear time.

``re`` goes back and tries again: 32 characters against ``(a+)+$`` hold a process for minutes. RE2
does not know what needs that (references back, looking ahead or behind), and ``\\d``, ``\\w`` and
``\\b`` mean ASCII there. Source: https://github.com/google/re2/wiki/Syntax.
"""

from __future__ import annotations

import re
from typing import Final

import re2

LONGEST_VALUE: Final = 300
"""Characters of a value that may match; hosts and the names of accounts are shorter."""
LONGEST: Final = 500
"""Characters of a pattern."""
_MEMORY: Final = 1 << 20
"""Bytes for a compiled pattern and its states: the worst tried took 50 ms for 300 characters."""

_OPTIONS: Final = re2.Options()
_OPTIONS.max_mem = _MEMORY
_OPTIONS.log_errors = False

_REASONS: Final = (
    (("(?=", "(?!", "(?<"), "looks ahead or behind"),
    (("(?P=",), "refers back to a group"),
    (("\\Z",), "is not needed: the whole value is matched"),
    (("(?a", "(?u", "(?L"), "is not needed: the classes mean ASCII"),
    (("(?x",), "allows blanks and comments: write it on one line"),
    (("(?>", "(?("), "is known to Python alone"),
)
_LETTER_CASE: Final = re.compile(r"\(\?[a-zA-Z]*i")
_OTHER_LETTERS: Final = re.compile(r"\\[pPxC]|[^\x00-\x7f]")
_ELSEWHERE: Final = re.compile(r"(?<!\\)\{,\d*\}|\[:\^?[a-z]+:\]|\\[CQ]")
"""What Python reads in another way than RE2, and both take."""
_FOLDED: Final = ("\u017f", "\u212a")
"""Long s and the sign for Kelvin: the two that Unicode takes for s and k in another case."""


class Unsupported(ValueError):
    """A pattern that RE2 does not take. ``part`` is what of it, the text says why, in words."""

    def __init__(self, part: str, reason: str) -> None:
        super().__init__(f"{part} {reason}" if part else reason)
        self.part = part


def check(pattern: str) -> None:
    """Raises Unsupported."""
    _compiled(pattern)


def fits(pattern: str, value: str) -> bool:
    """Whether the whole value is of this form. Raises Unsupported.

    >>> fits(r"[a-z]+\\.example\\.com", "eu.example.com")
    True
    """
    compiled = _compiled(pattern)
    if len(value) > LONGEST_VALUE:
        return False
    if _LETTER_CASE.search(pattern) and any(letter in value for letter in _FOLDED):
        return False
    try:
        return compiled.fullmatch(value.encode()) is not None
    except UnicodeEncodeError:
        return False


def _compiled(pattern: str) -> re2._Regexp:
    """``re2`` itself keeps the last 128, of at most ``_MEMORY`` bytes each."""
    if len(pattern) > LONGEST:
        raise Unsupported("", f"it is longer than {LONGEST} characters")
    if elsewhere := _ELSEWHERE.search(pattern):
        raise Unsupported(elsewhere.group()[:20], "means one thing to Python and another to RE2")
    other = _OTHER_LETTERS.search(pattern)
    if other and _LETTER_CASE.search(pattern):
        raise Unsupported(other.group(), "stands beside (?i), which is for the letters A to Z")
    try:
        return re2.compile(pattern, _OPTIONS)
    except re2.error as error:
        raise _unsupported(pattern, error) from None
    except UnicodeEncodeError:
        raise Unsupported("", "it holds half of a character") from None


def _unsupported(pattern: str, error: re2.error) -> Unsupported:
    """RE2 says ``invalid escape sequence: \\1``, and may quote all of the pattern behind it."""
    said = error.args[0]
    words, _, part = (said.decode() if isinstance(said, bytes) else str(said)).partition(": ")
    if part == "(?P" and "(?P=" in pattern:
        part = "(?P="
    for beginnings, reason in _REASONS:
        if part.startswith(beginnings):
            return Unsupported(part, reason)
    if words == "invalid escape sequence" and part[1:2].isdigit():
        return Unsupported(part, "refers back to a group")
    if words == "pattern too large - compile failed":
        return Unsupported("", "it is too large: shorten its repetitions")
    if words == "invalid repetition size":
        return Unsupported(part, "repeats too often: at most 1,000 times, inner ones included")
    if len(part) > 20:
        return Unsupported("", f"it cannot be read: {words}")
    return Unsupported(part, f"cannot be read: {words}")
