"""What goes over the wire: a request as it is written, a reply as it is read, and their record.

libcurl finds where an answer begins and ends.
"""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from connectedsystems.network import addresses
from connectedsystems.network.addresses import Origin
from connectedsystems.network.errors import bad_response, too_large
from connectedsystems.network.timings import Timings

USER_AGENT: Final = "ConnectedSystems/1"

_MAX_HEAD, _MAX_HEADERS, _MOST_MEMBERS = 65_536, 100, 256
_PACKED: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""The codings that are offered, with zlib's name for each; any other stays as it came."""
_USUAL: Final = (
    ("user-agent", "User-Agent", USER_AGENT),
    ("accept-encoding", "Accept-Encoding", "gzip, deflate"),
    ("accept", "Accept", "*/*"),
)
"""What is written where the request says nothing else."""
_WITHOUT_LENGTH = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})
_OURS = frozenset(
    {
        *("connection", "content-length", "cookie", "expect", "host", "keep-alive", "te"),
        *("proxy-authorization", "trailer", "transfer-encoding", "upgrade"),
    }
)
"""Headers that are written here or not at all, whatever was asked for."""
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_IN_A_HEADER = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_NOT_ASCII = re.compile(r"[^!-~]")
_TEXT = r"[\t -~\x80-\xff]*"
_HEAD = re.compile(rf"HTTP/1\.[01] ([1-9][0-9]{{2}})(?: ({_TEXT}))?\r?\n((?:[^\r\n]+\r?\n)*)\r?\n")
_HEADER = re.compile(rf"^({_TOKEN.pattern}):({_TEXT})\r?\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``deadline`` is a ``time.monotonic`` value, ``max_bytes`` counts decoded bytes.

    ``pool``: requests of one pool share connections. ``follow_same_origin``: a GET or HEAD follows
    redirects within scheme, host and port; otherwise none is followed. ``repeatable``: its maker
    knows that nothing happens twice if it arrives twice. Any other goes on a connection of its
    own: one that was open already may die, and nobody knows then what arrived.
    """

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    deadline: float = field(kw_only=True)
    max_bytes: int = field(kw_only=True)
    follow_same_origin: bool = field(default=False, kw_only=True)
    repeatable: bool = field(default=False, kw_only=True)
    pool: str = field(default="", kw_only=True)


class Headers(Mapping[str, str]):
    """Headers as received; names in any case. A repeated one is joined by ``", "``.

    ``pairs``: names and values as received, in their order.
    """

    __slots__ = ("by_name", "pairs")

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self.pairs = pairs
        self.by_name: dict[str, str] = {}
        for name, value in pairs:
            lower = name.lower()
            known = self.by_name.get(lower)
            self.by_name[lower] = value if known is None else f"{known}, {value}"

    def __getitem__(self, name: str) -> str:
        return self.by_name[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter({name.lower(): name for name, _ in reversed(self.pairs)}.values())

    def __len__(self) -> int:
        return len(self.by_name)

    def __repr__(self) -> str:
        return f"<Headers {sorted(self.by_name)}>"

    def get_all(self, name: str) -> list[str]:
        """Each value of its own, in the order received."""
        return [value for known, value in self.pairs if known.lower() == name.lower()]


@dataclass(frozen=True, slots=True)
class Reply:
    """What the other system answered. ``url`` is the last one, after redirects."""

    status: int
    reason: str
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)
    url: str = field(repr=False)
    timings: Timings = Timings()


# Writing


def target_of(rest: str) -> str:
    """The request target: path and query, anything but printable ASCII percent-encoded."""
    target = rest.partition("#")[0]
    if not target.startswith("/"):
        target = f"/{target}"
    if _NOT_ASCII.search(target):
        target = quote(target, safe="!#$%&'()*+,/:;=?@[]~", errors="replace")
    return target


def headers_of(request: Request, origin: Origin) -> list[tuple[str, str]]:
    """All headers that are written, in order. Raises OutboundFailure ``address_refused``."""
    if not _lower(request.method):
        addresses.refuse(origin.host, "its method is malformed")
    given = []
    names = set()
    for name, value in request.headers.items():
        lower = _lower(name)
        if not lower or _NOT_IN_A_HEADER.search(value):
            addresses.refuse(origin.host, "a header holds characters that no header can hold")
        if lower not in _OURS:
            names.add(lower)
            given.append((name, value))
    usual = [(name, value) for lower, name, value in _USUAL if lower not in names]
    if request.body or request.method not in _WITHOUT_LENGTH:
        given.append(("Content-Length", str(len(request.body or b""))))
    return [("Host", origin.authority), *usual, *given]


@lru_cache(maxsize=4096)
def _lower(name: str) -> str:
    """A header's name in lower case; "" for what is no name."""
    return name.lower() if _TOKEN.fullmatch(name) else ""


# Reading


def reply_of(lines: list[bytes], pieces: list[bytes], request: Request, timings: Timings) -> Reply:
    """The answer that came as these lines of heads and pieces of a body.

    Raises OutboundFailure ``bad_response`` and ``too_large``.
    """
    status, reason, headers = _head(lines)
    body = b"".join(pieces)
    wbits = _PACKED.get(headers.by_name.get("content-encoding", "").lower())
    if body and wbits:
        body = _unpacked(body, wbits, request.max_bytes)
    return Reply(status, reason, headers, body, request.url, timings)


def _unpacked(packed: bytes, wbits: int, most: int) -> bytes:
    """Never more than the limit, and whole.

    Not left to libcurl, which takes what was cut in the middle for whole, refuses gzip of several
    members or with padding, and has no way to leave an unknown coding as it came.
    """
    if wbits == 15 and packed[0] & 15 != 8:
        wbits = -15  # deflate without zlib's header, as some servers send it
    body = b""
    for _ in range(_MOST_MEMBERS):
        inflate = zlib.decompressobj(wbits)
        try:
            body += inflate.decompress(packed, most + 1 - len(body))
        except zlib.error:
            raise bad_response("its compressed body is damaged") from None
        if len(body) > most:
            break
        if not inflate.eof:
            raise bad_response("its compressed body was cut off")
        packed = inflate.unused_data
        if wbits != 31 or not packed.startswith(b"\x1f"):
            return body  # what follows is padding
    raise too_large(most)


def _head(lines: list[bytes]) -> tuple[int, str, Headers]:
    """Of the final answer: interim ones (1xx) are passed over, trailers not looked at.

    What libcurl lets pass and no proper server sends is refused: readers come to differ there.
    """
    text = b"".join(lines).decode("latin-1")
    head = _HEAD.match(text)
    while head is not None and head[1] < "200":
        head = _HEAD.match(text, head.end())
    if head is None:
        raise bad_response("its head is malformed or was cut off")
    count = head[3].count("\n")
    if count > _MAX_HEADERS or len(head[3]) > _MAX_HEAD:
        raise bad_response("its headers are too many or too long")
    pairs = [(name, value.strip(" \t")) for name, value in _HEADER.findall(head[3])]
    if len(pairs) < count:
        raise bad_response("a header is malformed")
    headers = Headers(pairs)
    if headers.by_name.get("transfer-encoding", "chunked").lower() != "chunked":
        raise bad_response("its transfer encoding is unknown")
    return int(head[1]), head[2] or "", headers


# The record


@dataclass(slots=True)
class Exchange:
    """One request with the headers that were written, and what came: a reply or a failure's code.

    ``began`` is a ``time.time`` value; ``seconds``: until it was over.
    """

    request: Request = field(repr=False)
    headers: list[tuple[str, str]] = field(repr=False)
    began: float
    seconds: float
    reply: Reply | None = None
    code: str = ""

    @property
    def at(self) -> datetime:
        return datetime.fromtimestamp(self.began, UTC)

    @property
    def is_call(self) -> bool:
        """Not what the protocol says itself, such as a token request."""
        return bool(self.request.pool)


_record: ContextVar[list[Exchange] | None] = ContextVar("connectedsystems_wire", default=None)


@contextmanager
def kept() -> Iterator[list[Exchange]]:
    """The list that each exchange inside is written to as it ends."""
    written: list[Exchange] = []
    token = _record.set(written)
    try:
        yield written
    finally:
        _record.reset(token)


def note(
    request: Request, headers: list[tuple[str, str]], seconds: float, came: Reply | str
) -> None:
    """Write an exchange down, if anybody keeps a record; ``came``: a reply, or a failure's code."""
    record = _record.get()
    if record is not None:
        reply, code = (None, came) if isinstance(came, str) else (came, "")
        began = time.time() - seconds
        record.append(Exchange(request, headers, began, seconds, reply, code))
