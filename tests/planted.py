"""Looks for planted values, plain and in each encoding that they may travel in."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote, quote_plus


def forms(value: str) -> Iterator[bytes]:
    """The value as it may be written: plain, URL-encoded, in JSON, in base64 at each offset."""
    yield value.encode()
    yield json.dumps(value)[1:-1].encode()
    for quoted in {quote(value, safe=""), quote_plus(value)}:
        yield quoted.encode()
        yield from _base64(quoted.encode())
    yield from _base64(value.encode())


def _base64(value: bytes) -> Iterator[bytes]:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for offset in range(3):
            # What stands before moves the letters; those at both ends depend on the neighbours.
            spelled = encode(bytes(offset) + value)
            yield spelled[-(-offset * 8 // 6) : (offset + len(value)) * 8 // 6]


class Search:
    """Finds any of some named values in any content."""

    def __init__(self, planted: Mapping[str, str]) -> None:
        for name, value in planted.items():
            assert len(value) >= 16, f"{name} is too short to be sure"
        self._names = {form: name for name, value in planted.items() for form in forms(value)}
        longest_first = sorted(self._names, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, longest_first)))

    def __call__(self, content: bytes | str) -> set[str]:
        """The names of the values that stand in it."""
        if isinstance(content, str):
            content = content.encode("utf-8", "surrogatepass")
        return {self._names[found] for found in self._pattern.findall(content)}
