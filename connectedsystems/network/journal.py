"""What goes over the wire in this context, kept for as long as somebody wants to tell of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from connectedsystems.network.exchange import Answer

KEPT: Final = 65_536
"""Bytes of each body: much more than is shown, so that no secret is cut before it is replaced."""


@dataclass(slots=True)
class Exchange:
    """One request, and what came of it: an answer, a failure's code, or nothing yet.

    ``of_call`` is False for what the protocol says itself, such as a token request. ``size`` is
    that of the answer's whole body.
    """

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    of_call: bool
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    began: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    status: int = 0
    reason: str = ""
    answer_headers: list[tuple[str, str]] = field(default_factory=list, repr=False)
    answer_body: bytes = field(default=b"", repr=False)
    size: int = 0
    code: str = ""

    def answered(self, answer: Answer) -> None:
        """Keep what was heard, its body cut."""
        self.seconds = time.monotonic() - self.began
        self.status, self.reason = answer.status, answer.reason
        self.answer_headers = answer.headers
        self.answer_body, self.size = answer.body[:KEPT], len(answer.body)

    def failed(self, code: str) -> None:
        """Keep why there is no answer."""
        self.seconds = time.monotonic() - self.began
        self.code = code


_journal: ContextVar[list[Exchange] | None] = ContextVar("connectedsystems_journal", default=None)


@contextmanager
def kept() -> Iterator[list[Exchange]]:
    """The list that each exchange inside is written to as it begins."""
    written: list[Exchange] = []
    token = _journal.set(written)
    try:
        yield written
    finally:
        _journal.reset(token)


def note(
    method: str, url: str, headers: Mapping[str, str], body: bytes, *, of_call: bool
) -> Exchange | None:
    """Write down that a request begins; None where nobody keeps a journal."""
    written = _journal.get()
    if written is None:
        return None
    exchange = Exchange(method, url, headers, body[:KEPT], of_call)
    written.append(exchange)
    return exchange
