"""What the test panel keeps of a call: each request, its reply or failure, and when."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from connectedsystems import outbound
from connectedsystems.errors import OutboundFailure
from connectedsystems.outbound import Reply, Request


@dataclass(slots=True)
class Exchange:
    """One request that went out, or tried to; times are ``time.monotonic`` values."""

    request: Request = field(repr=False)
    began: float
    ended: float = 0.0
    reply: Reply | None = field(default=None, repr=False)
    failure: OutboundFailure | None = None


@dataclass(slots=True)
class Trace:
    """The exchanges of one call, and how its time was spent."""

    exchanges: list[Exchange] = field(default_factory=list, repr=False)
    began: float = field(default_factory=time.monotonic)
    ended: float = 0.0

    def send(self, request: Request) -> Reply:
        """Send as ``outbound.send`` does, and keep what came of it."""
        exchange = Exchange(request, time.monotonic())
        self.exchanges.append(exchange)
        try:
            exchange.reply = outbound.send(request)
        except OutboundFailure as failure:
            exchange.failure = failure
            raise
        finally:
            exchange.ended = time.monotonic()
        return exchange.reply

    def end(self) -> None:
        """The response is made."""
        self.ended = time.monotonic()

    @property
    def seconds(self) -> dict[str, float]:
        """How long it took to prepare, send, receive and transform; nothing sent: all prepared.

        What came before the last exchange (tokens, earlier tries) counts as preparation, waiting
        for the first byte as receiving.
        """
        if not self.exchanges:
            return {"prepare": self.ended - self.began}
        last = self.exchanges[-1]
        sent = last.reply.timings.sent if last.reply else None
        whole = last.ended - last.began
        parts = {"prepare": last.began - self.began, "send": whole}
        if sent is not None:
            parts |= {"send": sent, "receive": max(0.0, whole - sent)}
        return {**parts, "transform": self.ended - last.ended}
