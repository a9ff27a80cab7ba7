"""When things happened on the way of one request."""

from __future__ import annotations

from typing import NamedTuple


class Timings(NamedTuple):
    """Seconds from the start; ``connect`` is None on a connection that was open already."""

    connect: float | None = None
    sent: float | None = None
    first_byte: float | None = None
    done: float | None = None
