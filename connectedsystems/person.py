"""Whose request this is: the person and their network address, for the audit.

Nothing is decided by it: who may do what is asked where it is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class _Request:
    address: str
    user: Callable[[], Any] = field(repr=False)
    kept: dict[str, Any] = field(default_factory=dict, repr=False)


_request: ContextVar[_Request | None] = ContextVar("connectedsystems_person", default=None)


@contextmanager
def at(address: str, user: Callable[[], Any]) -> Iterator[None]:
    """All inside is done for this request; ``user`` gives who makes it, as far as is known."""
    token = _request.set(_Request(address, user))
    try:
        yield
    finally:
        _request.reset(token)


def address() -> str:
    """The network address of whoever asks; "" where nobody does, as in a command."""
    request = _request.get()
    return request.address if request else ""


def kept() -> dict[str, Any]:
    """What was read once for this request, and goes with it; of no request nothing is kept."""
    request = _request.get()
    return request.kept if request else {}


def actor() -> Any:
    """Whoever asks, logged in; None for nobody and for a command."""
    request = _request.get()
    user = request.user() if request else None
    return user if user is not None and user.is_authenticated else None
