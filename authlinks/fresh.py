"""What came once is saved though the database loses a connection: tried again for five seconds.

A rotated pair exists nowhere else: the other system has ended the old one by answering. A database
that restarts, fails over, or hangs up on one connection must not cost a user their permission.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from django.db import InterfaceError, InternalError, OperationalError, connection

SECONDS = 5.0
"""So long after the first failure a new try is begun; one that waits for a lock may last longer."""
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 0.5

LOST = (OperationalError, InterfaceError, InternalError)
"""What a database raises that is gone, locked, full, or not ready to be written to."""

Result = TypeVar("Result")

log = structlog.get_logger(__name__)


def insist(act: Callable[[bool], Result], seconds: float = SECONDS) -> Result:
    """What ``act`` gives, once the database lets it end; each further try has a new connection.

    ``act(again)`` must bear repeating: the try before may have been committed though nobody heard
    of it, and ``again`` says so. Inside a transaction there is one try. Raises what is in ``LOST``.
    """
    ends: float | None = None
    pause = FIRST_PAUSE
    while True:
        try:
            return act(ends is not None)
        except LOST as error:
            now = time.monotonic()
            ends = now + seconds if ends is None else ends
            if connection.in_atomic_block or now + pause >= ends:
                log.error("fresh_token_not_saved", error=type(error).__name__)
                raise
            log.warning("fresh_token_saved_again", error=type(error).__name__)
            _leave_connection()
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def _leave_connection() -> None:
    """The next statement gets a new connection, and not another dead one of the pool's."""
    connection.close()
    pool = getattr(connection, "pool", None)
    if pool is not None:
        pool.check()
