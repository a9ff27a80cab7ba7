"""How many threads of this process may wait for one system at a time, in a process of the web site.

However slowly a system answers, the other threads stay free for everybody else; however slowly it
answers one user, or at one of its origins, the others' calls to it go on. And one person has a
share of all threads, over all systems: whoever describes eight slow ones holds up nobody else.
Scripts and jobs have no such limit: nobody else waits for their threads.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable
from dataclasses import dataclass
from types import TracebackType

from connectedsystems import person
from connectedsystems.errors import CallFailure

MOST_SECONDS = 5.0
PATIENCE = 1.0
LITTLE_PATIENCE = 0.25
LEAST = 2
DESK = "desk"
"""The system of whatever designers have looked up: metadata, pages, checks of a configuration."""


@dataclass(frozen=True, slots=True)
class Places:
    """How many threads may be inside: one system, one of its origins, one user there.

    ``person``: one user at all systems together. All of the numbers are here. Half of the threads
    may wait besides, see :class:`_Door`.
    """

    system: int
    origin: int
    user: int
    person: int
    queue: int

    @classmethod
    def of(cls, threads: int) -> Places:
        """The places where a process has so many threads."""
        return cls(
            system=max(LEAST, threads // 2),
            origin=max(LEAST, threads // 4),
            user=max(LEAST, threads // 8),
            person=max(LEAST, threads // 4),
            queue=threads // 2,
        )


_places: Places | None = None
_doors: dict[Hashable, _Door] = {}
_lock = threading.Lock()


def divide(threads: int | None) -> None:
    """From now on so many threads are shared out between systems, origins, users; None: no limit.

    ``config.wsgi`` says it, once in the life of a process.
    """
    global _places
    with _lock:
        _places = None if threads is None else Places.of(threads)
        _doors.clear()
        _people.clear()


class inside:  # noqa: N801
    """With a place inside this system, at this origin, for this user.

    ``origin`` is where the request goes, "" where that is unknown; ``user`` None: nobody's in
    particular. Raises CallFailure ``busy`` where there is no place. A burst of quick calls passes,
    for whoever finds none waits, at most until ``until`` (``time.monotonic``), as long as others
    come out.
    """

    __slots__ = ("_door", "_kinds", "_system", "_until")

    def __init__(
        self, system: Hashable, until: float, *, origin: str = "", user: Hashable = None
    ) -> None:
        self._system, self._until = system, until
        who = _who(user)
        self._kinds = (
            ("origin", origin),
            *((("user", user),) if user is not None else ()),
            *((("person", who),) if who is not None else ()),
        )
        self._door: _Door | None = None

    def __enter__(self) -> None:
        if _places is None:
            return
        door = _door_of(self._system, _places)
        if not door.enter(self._kinds, self._until):
            raise CallFailure("busy")
        self._door = door

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._door is not None:
            self._door.leave(self._kinds)


def at_desk(seconds: float, user: Hashable = None) -> inside:
    """With a place for what a designer has looked up at another system, within so many seconds.

    ``user`` None: whoever asks. Raises CallFailure ``busy``.
    """
    return inside(DESK, time.monotonic() + seconds, user=_who(user))


class Outside:
    """Before the door, while somebody inside does what we need.

    Half of the threads may stand there as long as they like, of one person at all doors together;
    whoever comes later for a second.
    """

    __slots__ = ("_door", "_system", "_until", "_who")

    def __init__(self, system: Hashable, *, user: Hashable = None) -> None:
        self._system = system
        self._who = _who(user)
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
            self._door.stands_outside(-1, self._who)

    def sleep(self, seconds: float) -> bool:
        """Wait for so long; False where that would leave too few threads for others."""
        if self._door is None and _places is not None:
            self._door = _door_of(self._system, _places)
            if not self._door.stands_outside(1, self._who):
                self._until = time.monotonic() + PATIENCE
        if time.monotonic() >= self._until:
            return False
        time.sleep(seconds)
        return True


def _who(user: Hashable) -> Hashable:
    """Whose threads these are: this user's, or, where a system speaks for itself, who asks."""
    if user is not None or _places is None:
        return user
    actor = person.actor()
    return None if actor is None else actor.pk


def _door_of(system: Hashable, places: Places) -> _Door:
    door = _doors.get(system)
    if door is None:
        with _lock:
            door = _doors.setdefault(system, _Door(places))
    return door


@dataclass(slots=True)
class _Taken:
    """The threads inside of one kind, and when one last went in or came out."""

    most: int
    number: int = 0
    moved: float = 0.0

    def change(self, by: int, now: float) -> None:
        self.number += by
        self.moved = now


Kinds = tuple[tuple[str, Hashable], ...]

_turn = threading.Condition()
"""One for all doors: a person's place that is free again may be waited for at any of them."""
_people: dict[tuple[str, Hashable], _Taken] = {}
"""The threads of each person inside, and outside, of all systems together."""


class _Door:
    """The places inside one system, and the queue before it; times are ``time.monotonic`` values.

    A place is taken in the system, at the origin and for the user at once, or not at all: whoever
    waits for one of them keeps none of the others from anybody. Half of the threads may queue, five
    seconds at most, and give up when nobody went in or came out for one second of what is full.
    More than that would leave too few threads for others: they give up sooner.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self._system = _Taken(places.system)
        self._parts: dict[tuple[str, Hashable], _Taken] = {}
        self._waiting = 0
        self._outside = 0

    def enter(self, kinds: Kinds, until: float) -> bool:
        with _turn:
            if self._full(kinds) and not self._waits(kinds, until):
                return False
            now = time.monotonic()
            self._system.change(1, now)
            for kind in kinds:
                self._change(kind, 1, now)
            return True

    def leave(self, kinds: Kinds) -> None:
        with _turn:
            now = time.monotonic()
            self._system.change(-1, now)
            for kind in kinds:
                self._change(kind, -1, now)
            # Whom this place fits is not known: those whom it does not go on waiting.
            _turn.notify_all()

    def stands_outside(self, change: int, who: Hashable) -> bool:
        """One more or one less; whether they are few enough."""
        with _turn:
            self._outside += change
            few = self._outside <= self._places.queue
            if who is None:
                return few
            return self._change(("outside", who), change, time.monotonic()) and few

    def _change(self, kind: tuple[str, Hashable], by: int, now: float) -> bool:
        """One more or one less of this kind; whether they are as few as they may be."""
        parts = self._all(kind)
        part = parts.get(kind)
        if part is None:
            part = parts[kind] = _Taken(self._most(kind[0]))
        part.change(by, now)
        if not part.number:
            del parts[kind]
        return part.number <= part.most

    def _all(self, kind: tuple[str, Hashable]) -> dict[tuple[str, Hashable], _Taken]:
        return _people if kind[0] in ("person", "outside") else self._parts

    def _most(self, name: str) -> int:
        places = self._places
        return places.queue if name == "outside" else int(getattr(places, name))

    def _full(self, kinds: Kinds) -> list[_Taken]:
        """What stands in the way."""
        parts = [part for kind in kinds if (part := self._all(kind).get(kind))]
        return [taken for taken in (self._system, *parts) if taken.number >= taken.most]

    def _waits(self, kinds: Kinds, until: float) -> bool:
        early = self._waiting < self._places.queue
        most, patience = (MOST_SECONDS, PATIENCE) if early else (PATIENCE, LITTLE_PATIENCE)
        until = min(until, time.monotonic() + most)
        self._waiting += 1
        try:
            while full := self._full(kinds):
                moved = min(taken.moved for taken in full)
                left = min(until, moved + patience) - time.monotonic()
                if left <= 0:
                    return False
                _turn.wait(left)
            return True
        finally:
            self._waiting -= 1
