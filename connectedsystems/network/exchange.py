"""One HTTP/1.1 exchange over a connected socket, under a deadline and a limit on decoded size.

Written out because what it promises is about each single read: ``http.client`` renews its time
limit with every line, follows 100 Continue for ever, counts no decoded bytes, and takes twice the
time. The grammar is RFC 9112; what does not fit it is ``bad_response``.
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass

from connectedsystems.errors import OutboundFailure
from connectedsystems.network.connecting import remaining, tls_reason
from connectedsystems.network.content import STEP, Content, bad_response, too_large

MAX_HEAD = 65_536
MAX_HEADERS = 100
MAX_INTERIM = 8_000_000

_STATUS = re.compile(r"HTTP/1\.([01]) ([2-9][0-9]{2}|1[0-9]{2})(?: (.*))?")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):(.*)")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;.*)?")


class Dropped(OutboundFailure):
    """The connection was gone before the first byte of an answer."""

    def __init__(self, *, sent: bool, reason: str) -> None:
        super().__init__("connection_failed", sent=sent, reason=reason)


@dataclass(slots=True)
class Answer:
    """What was heard: the body whole and decoded. Moments are ``time.monotonic`` values."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes
    reusable: bool
    sent: float
    first_byte: float


def exchange(
    sock: socket.socket,
    method: str,
    head: bytes,
    body: bytes,
    deadline: float,
    max_bytes: int,
) -> Answer:
    """Writes a request, reads its answer.

    Raises OutboundFailure: ``timeout``, ``too_large``, ``bad_response``, ``tls_error``,
    ``connection_failed`` (a :class:`Dropped`). The socket is then of no further use.
    """
    _write(sock, head, body, deadline)
    sent = time.monotonic()
    reader = _Reader(sock, deadline)
    minor, status, reason, headers = _read_head(reader)
    fields = _Framing(headers)
    content = _read_body(reader, method, status, fields, max_bytes)
    reusable = (
        minor == "1"
        and fields.delimited(method, status)
        and "close" not in fields.connection
        and not reader.buffer
    )
    return Answer(status, reason, headers, content, reusable, sent, reader.first_byte)


# Writing


def _write(sock: socket.socket, head: bytes, body: bytes, deadline: float) -> None:
    if len(body) <= STEP:
        head, body = head + body, b""
    unwritten = [memoryview(part) for part in (head, body) if part]
    begun = False
    for view in unwritten:
        while view:
            try:
                sock.settimeout(remaining(deadline, sent=begun))
                view = view[sock.send(view) :]
            except TimeoutError:
                raise OutboundFailure("timeout", sent=True) from None
            except OSError:
                if begun:  # it may have answered before it hung up: 413 and the like
                    return
                raise Dropped(sent=False, reason="the connection was closed") from None
            begun = True


# Reading


class _Reader:
    """Bytes off the socket; each read waits no longer than what the deadline leaves."""

    __slots__ = ("buffer", "deadline", "first_byte", "sock")

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self.sock = sock
        self.deadline = deadline
        self.buffer = bytearray()
        self.first_byte = 0.0

    def fill(self) -> bool:
        """Reads once; False at the end of the connection."""
        self.sock.settimeout(remaining(self.deadline, sent=True))
        try:
            data = self.sock.recv(STEP)
        except TimeoutError:
            raise OutboundFailure("timeout", sent=True) from None
        except ssl.SSLError as error:
            raise OutboundFailure("tls_error", sent=True, reason=tls_reason(error)) from None
        except OSError:
            raise self._cut("the connection was reset") from None
        if not self.first_byte:
            self.first_byte = time.monotonic() if data else 0.0
        self.buffer += data
        return bool(data)

    def need(self) -> None:
        """Reads once, and more has to come."""
        if not self.fill():
            raise self._cut("the connection was closed")

    def line(self, limit: int) -> bytes:
        """One line without its end."""
        while (end := self.buffer.find(b"\n")) < 0:
            if len(self.buffer) > limit:
                raise bad_response("a line is too long")
            self.need()
        line = bytes(self.buffer[:end])
        del self.buffer[: end + 1]
        return line.removesuffix(b"\r")

    def take(self, most: int) -> bytes:
        """At least one byte, at most ``most``."""
        if not self.buffer:
            self.need()
        data = bytes(self.buffer[:most])
        del self.buffer[:most]
        return data

    def _cut(self, how: str) -> OutboundFailure:
        if not self.first_byte:
            return Dropped(sent=True, reason=f"{how} without an answer")
        return bad_response("the answer was cut off")


def _read_head(reader: _Reader) -> tuple[str, int, str, list[tuple[str, str]]]:
    """The head of the final answer; interim ones (1xx) are passed over."""
    passed = 0
    while True:
        text = _read_head_text(reader)
        passed += len(text)
        first, *lines = text.replace("\r\n", "\n").split("\n")
        status_line = _STATUS.fullmatch(first)
        if status_line is None:
            raise bad_response("it is not HTTP/1.1")
        headers = _parse_headers(lines)
        status = int(status_line[2])
        if status >= 200:
            return status_line[1], status, status_line[3] or "", headers
        if status == 101 or passed > MAX_INTERIM:
            raise bad_response("it never comes to an answer")


def _read_head_text(reader: _Reader) -> str:
    buffer, looked = reader.buffer, 0
    while (end := _HEAD_END.search(buffer, looked)) is None and len(buffer) <= MAX_HEAD:
        if not b"HTTP/".startswith(buffer[:5]):
            raise bad_response("it is not HTTP/1.1")
        looked = max(0, len(buffer) - 3)
        reader.need()
    if end is None or end.start() > MAX_HEAD:
        raise bad_response("its headers are too long")
    text = buffer[: end.start()].decode("latin-1")
    del buffer[: end.end()]
    if _CONTROL.search(text):
        raise bad_response("its headers hold control characters")
    return text


def _parse_headers(lines: list[str]) -> list[tuple[str, str]]:
    if len(lines) > MAX_HEADERS:
        raise bad_response("it has too many headers")
    headers = []
    for line in lines:
        matched = _HEADER.fullmatch(line)
        if matched is None:
            raise bad_response("a header is malformed")
        headers.append((matched[1], matched[2].strip(" \t")))
    return headers


class _Framing:
    """What the headers say about where the body ends and how it is packed."""

    __slots__ = ("chunked", "connection", "encoding", "length")

    def __init__(self, headers: list[tuple[str, str]]) -> None:
        self.length: int | None = None
        self.chunked = False
        self.encoding = ""
        self.connection = ""
        lengths: set[str] = set()
        codings: list[str] = []
        for name, value in headers:
            lower = name.lower()
            if lower == "content-length":
                lengths.update(map(str.strip, value.split(",")))
            elif lower == "transfer-encoding":
                codings.append(value.lower())
            elif lower == "content-encoding":
                self.encoding = f"{self.encoding},{value}".strip(", ").lower()
            elif lower == "connection":
                self.connection += value.lower()
        if codings:
            if codings != ["chunked"]:
                raise bad_response("its transfer encoding is unknown")
            self.chunked = True
            if lengths:  # RFC 9112 §6.3: the chunks count, the connection is not to be trusted
                self.connection += "close"
        elif lengths:
            text = lengths.pop()
            if lengths or not (text.isascii() and text.isdigit() and len(text) < 19):
                raise bad_response("its Content-Length is malformed")
            self.length = int(text)

    def delimited(self, method: str, status: int) -> bool:
        """Whether the end of the body is known without the end of the connection."""
        return self.chunked or self.length is not None or _has_no_body(method, status)


def _has_no_body(method: str, status: int) -> bool:
    return method == "HEAD" or status in (204, 304)


# The body


def _read_body(
    reader: _Reader, method: str, status: int, fields: _Framing, max_bytes: int
) -> bytes:
    if _has_no_body(method, status):
        return b""
    if fields.length is not None and fields.length > max_bytes:
        raise too_large(max_bytes)
    content = Content(fields.encoding, max_bytes)
    if fields.chunked:
        pieces = _chunks(reader)
    elif fields.length is not None:
        pieces = _sized(reader, fields.length)
    else:
        pieces = _until_the_end(reader)
    for piece in pieces:
        content.add(piece)
    return content.whole()


def _sized(reader: _Reader, length: int) -> Iterator[bytes]:
    while length:
        piece = reader.take(min(length, STEP))
        length -= len(piece)
        yield piece


def _until_the_end(reader: _Reader) -> Iterator[bytes]:
    while reader.buffer or reader.fill():
        yield reader.take(STEP)


def _chunks(reader: _Reader) -> Iterator[bytes]:
    """RFC 9112 §7.1; trailers are read and dropped."""
    while True:
        size = _CHUNK_SIZE.fullmatch(reader.line(MAX_HEAD))
        if size is None:
            raise bad_response("a chunk is malformed")
        if not (length := int(size[1], 16)):
            break
        yield from _sized(reader, length)
        if reader.line(2):
            raise bad_response("a chunk is malformed")
    for _ in range(MAX_HEADERS):
        if not reader.line(MAX_HEAD):
            return
    raise bad_response("it has too many headers")
