"""What a process keeps of stored rows: values made once per row and version, at most so many."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """Values by key; the one that was asked for least recently goes first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[Hashable, Value] = OrderedDict()
        self._guard = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value kept under ``key``, made now if there is none."""
        with self._guard:
            found = self._values.get(key)
            if found is not None:
                self._values.move_to_end(key)
                return found
        fresh = make()
        with self._guard:
            self._values[key] = fresh
            if len(self._values) > self._most:
                self._values.popitem(last=False)
        return fresh

    def __len__(self) -> int:
        return len(self._values)

    def forget(self, *keys: Hashable) -> None:
        """Keep nothing of these keys; nothing at all where none is given."""
        with self._guard:
            for key in keys:
                self._values.pop(key, None)
            if not keys:
                self._values.clear()
