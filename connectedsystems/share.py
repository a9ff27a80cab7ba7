"""How many threads of this process may wait for one system at a time, in a process of the web site.

However slowly a system answers, the other threads stay free for everybody else. Scripts and jobs
have no such limit: nobody else waits for their threads.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable
from types import TracebackType

from connectedsystems.errors import CallFailure

LEAST = 2
MOST_SECONDS = 5.0
PATIENCE = 1.0
LITTLE_PATIENCE = 0.25

_threads: int | None = None
_doors: dict[Hashable, _Door] = {}
_lock = threading.Lock()


def divide(threads: int | None) -> None:
    """From now on a quarter of so many threads, at least two, may be inside one system; None: all.

    ``config.wsgi`` says it, once in the life of a process.
    """
    global _threads
    with _lock:
        _threads = threads
        _doors.clear()


class inside:  # noqa: N801
    """With a place inside this system. Raises CallFailure ``busy`` where there is none.

    A burst of quick calls passes, for whoever finds no place waits, at most until ``until``
    (``time.monotonic``), as long as others come out.
    """

    __slots__ = ("_door", "_system", "_until")

    def __init__(self, system: Hashable, until: float) -> None:
        self._system, self._until = system, until
        self._door: _Door | None = None

    def __enter__(self) -> None:
        if _threads is None:
            return
        door = _door_of(self._system, _threads)
        if not door.enter(self._until):
            raise CallFailure("busy")
        self._door = door

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._door is not None:
            self._door.leave()


class Outside:
    """Before the door, while somebody inside does what we need.

    Half of the threads may stand there as long as they like, whoever comes later for a second.
    """

    __slots__ = ("_door", "_system", "_until")

    def __init__(self, system: Hashable) -> None:
        self._system = system
        self._door: _Door | None = None
        self._until = float("inf")

    def __enter__(self) -> Outside:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._door is not None:
            self._door.stands_outside(-1)

    def sleep(self, seconds: float) -> bool:
        """Wait for so long; False where that would leave too few threads for others."""
        if self._door is None and _threads is not None:
            self._door = _door_of(self._system, _threads)
            if not self._door.stands_outside(1):
                self._until = time.monotonic() + PATIENCE
        if time.monotonic() >= self._until:
            return False
        time.sleep(seconds)
        return True


def _door_of(system: Hashable, threads: int) -> _Door:
    door = _doors.get(system)
    if door is None:
        with _lock:
            door = _doors.setdefault(system, _Door(threads))
    return door


class _Door:
    """The places inside one system, and the queue before it; times are ``time.monotonic`` values.

    Half of the threads may queue, five seconds at most, and give up when nobody went in or came out
    for one. More than that would leave too few threads for others: they give up sooner.
    """

    def __init__(self, threads: int) -> None:
        self._places = max(LEAST, threads // 4)
        self._queue = threads // 2
        self._waiting = 0
        self._outside = 0
        self._moved = 0.0
        self._turn = threading.Condition()

    def enter(self, until: float) -> bool:
        with self._turn:
            if not self._places and not self._waits(until):
                return False
            self._places -= 1
            self._moved = time.monotonic()
            return True

    def leave(self) -> None:
        with self._turn:
            self._places += 1
            self._moved = time.monotonic()
            self._turn.notify()

    def stands_outside(self, change: int) -> bool:
        """One more or one less; whether they are few enough."""
        with self._turn:
            self._outside += change
            return self._outside <= self._queue

    def _waits(self, until: float) -> bool:
        early = self._waiting < self._queue
        most, patience = (MOST_SECONDS, PATIENCE) if early else (PATIENCE, LITTLE_PATIENCE)
        until = min(until, time.monotonic() + most)
        self._waiting += 1
        try:
            while not self._places:
                left = min(until, self._moved + patience) - time.monotonic()
                if left <= 0:
                    return False
                self._turn.wait(left)
            return True
        finally:
            self._waiting -= 1
