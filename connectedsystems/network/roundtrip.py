"""One request there and its answer back, on an idle connection if there is a good one."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from socket import socket
from typing import Final
from urllib.parse import quote

from connectedsystems.errors import OutboundFailure
from connectedsystems.network import addresses, idle, journal
from connectedsystems.network.addresses import Origin
from connectedsystems.network.connecting import connect
from connectedsystems.network.exchange import Answer, Dropped, exchange
from connectedsystems.redact import redact

USER_AGENT: Final = "ConnectedSystems/1"

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_IDLE_SECONDS_UNSAFE = 2.0
"""A write takes no connection that was idle longer: a server hangs up after a few seconds, and a
write that meets this moment is a write of which nobody knows whether it arrived."""

_OURS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "cookie",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "referer",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    }
)
"""Headers that are written here or not at all, whatever was asked for."""

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_IN_A_HEADER = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_NOT_ASCII = re.compile(r"[^!-~]")


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds from the start; ``connect`` is None on a connection that was open already."""

    connect: float | None = None
    sent: float | None = None
    first_byte: float | None = None
    done: float | None = None


@dataclass(slots=True)
class RoundTrip:
    """What is asked of whom, until when, and how much may come back."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    deadline: float
    max_bytes: int
    pool: str
    _head: bytes = field(init=False, repr=False)

    def make(self) -> tuple[Answer, Timings]:
        """Raises OutboundFailure; its facts name the host and the path."""
        noted = journal.note(
            self.method, self.url, self.headers, self.body, of_call=bool(self.pool)
        )
        try:
            answer, timings = self._make()
        except OutboundFailure as failure:
            if noted is not None:
                noted.failed(failure.code)
            raise
        if noted is not None:
            noted.answered(answer)
        return answer, timings

    def _make(self) -> tuple[Answer, Timings]:
        begun = time.monotonic()
        origin, rest = addresses.split(self.url)
        target = _target(rest)
        self._head = _head(self.method, origin, target, self.headers, len(self.body))
        try:
            answer, connected = self._ask(origin)
        except OutboundFailure as failure:
            failure.facts.setdefault("host", origin.host)
            failure.facts.setdefault("path", redact(target.partition("?")[0]))
            raise
        return answer, Timings(
            None if connected is None else connected - begun,
            answer.sent - begun,
            answer.first_byte - begun,
            time.monotonic() - begun,
        )

    def _ask(self, origin: Origin) -> tuple[Answer, float | None]:
        """The answer, and when a new connection stood.

        A request is written a second time only where the first cannot have counted: an idle
        connection was gone before it took a byte, or before it answered a GET, HEAD or OPTIONS.
        """
        key = (self.pool, origin)
        safe = self.method in _SAFE
        sock = idle.connections.take(key, idle.SECONDS if safe else _IDLE_SECONDS_UNSAFE)
        if sock is not None:
            try:
                return self._over(sock, key), None
            except Dropped as dropped:
                if dropped.sent and not safe:
                    raise
        sock = connect(origin, self.deadline)
        connected = time.monotonic()
        return self._over(sock, key), connected

    def _over(self, sock: socket, key: idle.Key) -> Answer:
        try:
            answer = exchange(
                sock, self.method, self._head, self.body, self.deadline, self.max_bytes
            )
        except BaseException:
            sock.close()
            raise
        if answer.reusable:
            idle.connections.give(key, sock)
        else:
            sock.close()
        return answer


def _target(rest: str) -> str:
    """The request target: path and query, anything but printable ASCII percent-encoded."""
    target = rest.partition("#")[0]
    if not target.startswith("/"):
        target = f"/{target}"
    if _NOT_ASCII.search(target):
        target = quote(target, safe="!#$%&'()*+,/:;=?@[]~", errors="replace")
    return target


def _head(
    method: str, origin: Origin, target: str, headers: Mapping[str, str], length: int
) -> bytes:
    if not _HEADER_NAME.fullmatch(method):
        addresses.refuse(origin.host, "its method is malformed")
    lines = [
        f"{method} {target} HTTP/1.1\r\nHost: {origin.authority}\r\n"
        f"User-Agent: {USER_AGENT}\r\nAccept-Encoding: gzip, deflate"
    ]
    accepts = False
    for name, value in headers.items():
        lower = name.lower()
        if lower in _OURS:
            continue
        if not _HEADER_NAME.fullmatch(name) or _NOT_IN_A_HEADER.search(value):
            addresses.refuse(origin.host, "a header holds characters that no header can hold")
        accepts = accepts or lower == "accept"
        lines.append(f"{name}: {value}")
    if not accepts:
        lines.append("Accept: */*")
    if length or method not in ("GET", "HEAD", "OPTIONS", "DELETE"):
        lines.append(f"Content-Length: {length}")
    lines.append("\r\n")
    return "\r\n".join(lines).encode()
