"""Connections between two requests: kept for a while, looked at before they are used again."""

from __future__ import annotations

import os
import select
import time
from collections import deque
from socket import socket
from typing import Final

from connectedsystems.network.addresses import Origin

Key = tuple[str, Origin]
"""The pool's name and where the connection leads."""

MOST: Final = 32
"""How many are kept for one key."""

SECONDS: Final = 30.0


class IdleConnections:
    """The latest is on top. Deques are safe among threads."""

    def __init__(self) -> None:
        self._kept: dict[Key, deque[tuple[socket, float]]] = {}

    def take(self, key: Key, most_seconds: float = SECONDS) -> socket | None:
        """One that was not idle for longer and that nobody has closed."""
        kept = self._kept.get(key)
        now = time.monotonic()
        while kept:
            try:
                sock, since = kept.pop()
            except IndexError:
                break
            if now - since <= most_seconds and not _readable(sock):
                return sock
            sock.close()
        return None

    def give(self, key: Key, sock: socket) -> None:
        """Keep this one; its last answer was read to the end."""
        kept = self._kept.get(key)
        if kept is None:
            self.close_the_old()
            kept = self._kept.setdefault(key, deque())
        if len(kept) >= MOST:
            sock.close()
        else:
            kept.append((sock, time.monotonic()))

    def close_the_old(self, seconds: float = SECONDS) -> None:
        """Where nobody asks any more (a base URL was changed), nothing stays open."""
        eldest = time.monotonic() - seconds
        for key, kept in list(self._kept.items()):
            while kept:
                try:
                    sock, since = kept.popleft()
                except IndexError:
                    break
                if since > eldest:
                    kept.appendleft((sock, since))
                    break
                sock.close()
            if not kept:
                self._kept.pop(key, None)

    def close(self) -> None:
        """Closes all; in a forked child that leaves the parent's open."""
        for kept in self._kept.values():
            for sock, _ in kept:
                sock.close()
        self._kept = {}


def _readable(sock: socket) -> bool:
    """An idle connection with something to read was closed, or speaks unasked."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


connections = IdleConnections()
"""This process's."""

os.register_at_fork(after_in_child=connections.close)
