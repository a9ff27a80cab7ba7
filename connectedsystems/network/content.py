"""A body as it is collected and unpacked, never beyond its limit."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

from connectedsystems.errors import OutboundFailure

STEP: Final = 65_536
"""How much is read, and unpacked, at a time."""


class Content:
    """Collects and unpacks a body, and stops at the limit: a bomb is never unpacked whole."""

    def __init__(self, encoding: str, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.pieces: list[bytes] = []
        self.size = 0
        self.packed = 0
        self.unpack: _Unpacker | None = None
        if encoding not in ("", "identity"):
            self.unpack = _Unpacker(encoding)

    def add(self, data: bytes) -> None:
        if self.unpack is None:
            self._keep(data)
            return
        self.packed += len(data)
        if self.packed > self.max_bytes + STEP:
            raise too_large(self.max_bytes)
        for piece in self.unpack(data):
            self._keep(piece)

    def _keep(self, data: bytes) -> None:
        self.size += len(data)
        if self.size > self.max_bytes:
            raise too_large(self.max_bytes)
        self.pieces.append(data)

    def whole(self) -> bytes:
        if self.unpack is not None and self.packed and not self.unpack.finished:
            raise bad_response("its compressed body was cut off")
        return self.pieces[0] if len(self.pieces) == 1 else b"".join(self.pieces)


class _Unpacker:
    """gzip (several members too) and deflate, with and without zlib's header."""

    def __init__(self, encoding: str) -> None:
        if encoding not in ("gzip", "x-gzip", "deflate"):
            raise bad_response("its content encoding was not asked for")
        self.gzip = encoding != "deflate"
        self.inflate = self._begin(wrapped=True)
        self.head = b""
        self.raw = False

    @property
    def finished(self) -> bool:
        return self.inflate.eof

    def __call__(self, data: bytes) -> Iterator[bytes]:
        more = bool(data)
        while more:
            if self.inflate.eof:
                if not self.gzip or not data.startswith(b"\x1f"):
                    return  # padding after the end
                self.inflate = self._begin(wrapped=True)
            try:
                piece = self._step(data)
            except zlib.error:
                raise bad_response("its compressed body is damaged") from None
            yield piece
            data = self.inflate.unused_data if self.inflate.eof else self.inflate.unconsumed_tail
            more = bool(data) or (len(piece) == STEP and not self.inflate.eof)

    def _step(self, data: bytes) -> bytes:
        if self.gzip or self.raw or len(self.head) >= 2:
            return self.inflate.decompress(data, STEP)
        before, self.head = self.head, (self.head + data)[:2]
        try:
            return self.inflate.decompress(data, STEP)
        except zlib.error:
            self.raw = True
            self.inflate = self._begin(wrapped=False)
            return self.inflate.decompress(before + data, STEP)

    def _begin(self, *, wrapped: bool) -> zlib._Decompress:
        if self.gzip:
            return zlib.decompressobj(16 + zlib.MAX_WBITS)
        return zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)


def bad_response(reason: str) -> OutboundFailure:
    """What came is no proper HTTP answer."""
    return OutboundFailure("bad_response", sent=True, reason=reason)


def too_large(limit: int) -> OutboundFailure:
    """What came is more than ``limit`` bytes, unpacked."""
    return OutboundFailure("too_large", sent=True, limit=limit)
