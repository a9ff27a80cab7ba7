"""The transport: one libcurl handle with one connection, used by one thread at a time.

libcurl speaks HTTP/1.1 and TLS, and decides nothing: where it connects is pinned and checked, it
follows no redirect, writes no header of its own, and asks neither environment nor files. No
HTTP/2: each thread has a connection of its own, so there is nothing that it would share.
"""

from __future__ import annotations

import atexit
import os
import re
import select
import socket
import threading
import time
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from weakref import WeakSet

import certifi
import pycurl
from django.conf import settings

from connectedsystems.errors import OutboundFailure
from connectedsystems.network import addresses, errors, wire
from connectedsystems.network.addresses import Origin
from connectedsystems.network.timings import Timings
from connectedsystems.network.wire import Reply, Request
from connectedsystems.redact import redact

OLDEST: Final = 0x081700
MOST_OF_ONE, MOST, SECONDS = 32, 128, 30.0
"""How many idle connections are kept of one origin and pool, how many in all, and for how long."""

Key = tuple[str, Origin]
Written = list[tuple[str, str]]

_ALWAYS: Final = tuple(
    {
        pycurl.NOSIGNAL: 1,
        pycurl.PROTOCOLS: pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
        pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
        pycurl.HTTP09_ALLOWED: 0,
        pycurl.HTTP_CONTENT_DECODING: 0,
        pycurl.FOLLOWLOCATION: 0,
        pycurl.PATH_AS_IS: 1,
        pycurl.PROXY: "",
        pycurl.NOPROXY: "*",
        pycurl.NETRC: 0,
        pycurl.SSLVERSION: pycurl.SSLVERSION_TLSv1_2,
        pycurl.SSL_VERIFYPEER: 1,
        pycurl.SSL_VERIFYHOST: 2,
        pycurl.MAXCONNECTS: 1,
    }.items()
)
# Directories by hash first: of a bundle each connection would keep a megabyte of its own.
_HASHED = re.compile(r"[0-9a-f]{8}\.0")
_AUTHORITIES: Final = (
    *("/etc/ssl/certs", "/etc/pki/ca-trust/extracted/pem/directory-hash"),
    *("/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"),
)


def send(request: Request) -> Reply:
    """Make one request. Raises OutboundFailure; its facts name the host and the path."""
    origin, rest = addresses.split(request.url)
    target = wire.target_of(rest)
    headers = wire.headers_of(request, origin)
    key = (request.pool, origin)
    try:
        kept = idle.take(key) if request.repeatable else None
        if kept is not None:
            # Without an address it can open nothing: a request is never sent twice behind our back.
            try:
                return kept.ask(request, target, headers, fresh=False)
            except _Died:
                pass
        return _Handle(key).ask(request, target, headers, fresh=True)
    except OutboundFailure as failure:
        failure.facts.setdefault("host", origin.host)
        failure.facts.setdefault("path", redact(target.partition("?")[0]))
        raise


def about() -> str:
    """``libcurl 8.23.0 with OpenSSL/3.6.5``."""
    return "libcurl {1} with {5}".format(*pycurl.version_info())


def lacking() -> str:
    """What this build of libcurl lacks of that we rely on; "" where it is fit."""
    number, features, protocols = (pycurl.version_info()[at] for at in (2, 4, 8))
    wanted = {
        "asynchronous name lookups": features & pycurl.VERSION_ASYNCHDNS,
        "TLS": features & pycurl.VERSION_SSL and "https" in protocols,
        "the age of 8.23": number >= OLDEST,
    }
    return ", ".join(name for name, there in wanted.items() if not there)


class _Died(OutboundFailure):
    """A connection that was kept was gone before an answer began."""


class _Handle:
    """A handle of libcurl and its connection; ``permitted``: where it may connect."""

    def __init__(self, key: Key) -> None:
        os.unsetenv("SSLKEYLOGFILE")  # libcurl would write the keys of all connections there
        self.key, self.origin = key, key[1]
        self.curl = pycurl.Curl()
        self.lines: list[bytes] = []
        self.pieces: list[bytes] = []
        self.permitted: set[Any] = set()
        self.refused = False
        self.fd, self.since = -1, 0.0
        self._begin()
        _all.add(self)

    def ask(self, request: Request, target: str, headers: Written, *, fresh: bool) -> Reply:
        """Raises OutboundFailure, and _Died where a kept connection was of no use any more."""
        began = time.monotonic()
        try:
            if fresh:
                self._pin(addresses.permitted(self.origin, request.deadline))
            self._prepare(request, target, headers)
            offset = time.monotonic() - began
            try:
                self.curl.perform()
                timings = self._timings(began, offset, fresh)
                reply = wire.reply_of(self.lines, self.pieces, request, timings)
            except pycurl.error as error:
                raise self._failure(error, request.max_bytes, fresh) from None
        except BaseException as failure:
            self.close()
            if isinstance(failure, OutboundFailure) and (fresh or failure.sent):
                wire.note(request, headers, time.monotonic() - began, failure.code)
            raise
        wire.note(request, headers, time.monotonic() - began, reply)
        self.fd = self.curl.getinfo(pycurl.ACTIVESOCKET)
        # Two ways to find the end of one answer: the next on this connection is not to be trusted.
        two_ends = {"content-length", "transfer-encoding"} <= reply.headers.by_name.keys()
        if self.fd < 0 or two_ends or not request.repeatable:
            self.close()
        else:
            self._forget(request, fresh)
            idle.give(self)
        return reply

    def close(self) -> None:
        """Close its connection."""
        self.fd = -1
        self.curl.close()

    def is_quiet(self) -> bool:
        """Nobody has closed it, nor spoken unasked. libcurl looks only after a second."""
        return not self.poll.poll(0)

    def _forget(self, request: Request, fresh: bool) -> None:
        """Nothing of it stays, neither token nor body, nor where it was allowed to connect."""
        self.lines.clear()
        self.pieces.clear()
        self.permitted.clear()
        self.curl.unsetopt(pycurl.HTTPHEADER)  # an empty list would change nothing
        if fresh:
            self.poll = select.poll()
            self.poll.register(self.fd, select.POLLIN)
        if fresh or request.method != "GET" or request.body:
            self.curl.reset()
            self._begin()

    def _begin(self) -> None:
        authorities = _authorities(getattr(settings, "OUTBOUND_CA_FILE", None))
        for option, value in (*_ALWAYS, *authorities):
            self.curl.setopt(option, value)
        self.curl.setopt(pycurl.URL, f"{self.origin.scheme}://{self.origin.authority}/")
        self.curl.setopt(pycurl.HEADERFUNCTION, self.lines.append)
        self.curl.setopt(pycurl.WRITEFUNCTION, self.pieces.append)
        self.curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open)

    def _pin(self, found: list[str]) -> None:
        """Connect anew, and to one of these addresses."""
        self.permitted.update(map(ip_address, found))
        self.curl.setopt(pycurl.FRESH_CONNECT, 1)
        self.curl.setopt(pycurl.SOCKOPTFUNCTION, self._opened)
        if self.origin.literal is None:
            pin = f"{self.origin.host}:{self.origin.port}:{','.join(found)}"
            self.curl.setopt(pycurl.RESOLVE, [pin])

    def _prepare(self, request: Request, target: str, headers: Written) -> None:
        left = request.deadline - time.monotonic()
        if left <= 0:
            raise OutboundFailure("timeout", sent=False)
        setopt = self.curl.setopt
        lines = [f"{name}: {value}" if value.strip() else f"{name};" for name, value in headers]
        if request.method == "HEAD":
            setopt(pycurl.NOBODY, 1)
        elif headers[-1][0] == "Content-Length":
            setopt(pycurl.POSTFIELDS, request.body or b"")
            lines.append("Expect:")  # none of libcurl's own; nor a type, unless one is written
            if "content-type" not in {name.lower() for name, _ in headers}:
                lines.append("Content-Type:")
        if request.method != "GET" or request.body:
            setopt(pycurl.CUSTOMREQUEST, request.method)
        setopt(pycurl.HTTPHEADER, [line.encode() for line in lines])
        setopt(pycurl.REQUEST_TARGET, target)
        # Of an answer without a body, libcurl takes the length that it names for one: no limit.
        setopt(pycurl.MAXFILESIZE_LARGE, 0 if request.method == "HEAD" else request.max_bytes)
        setopt(pycurl.TIMEOUT_MS, max(1, int(left * 1000)))

    def _open(self, purpose: int, address: Any) -> Any:
        """Whatever libcurl made of the URL, the socket leads where the checked name led."""
        host, port = address.addr[:2]
        if port != self.origin.port or ip_address(host) not in self.permitted:
            self.refused = True
            return pycurl.SOCKET_BAD
        self.opened = socket.socket(address.family, address.socktype, address.protocol)
        return self.opened

    def _opened(self, fd: int, purpose: int) -> int:
        self.opened.close()  # pycurl has a duplicate of it, which is inherited by default
        os.set_inheritable(fd, False)
        self.fd = fd
        return pycurl.SOCKOPT_OK

    def _failure(self, error: Exception, limit: int, fresh: bool) -> Exception:
        number, words = error.args
        heard = bool(self.lines)
        sent = self.curl.getinfo(pycurl.REQUEST_SIZE) > 0
        if number == pycurl.E_FILESIZE_EXCEEDED:
            return errors.too_large(limit)
        if not fresh and not heard and number != pycurl.E_OPERATION_TIMEDOUT:
            return _Died("connection_failed", sent=sent)
        if self.refused:
            reason = "it leads to an address that was not checked"
            return OutboundFailure("address_refused", sent=sent, reason=reason)
        connected = self.curl.getinfo(pycurl.CONNECT_TIME) > 0
        system = self.curl.getinfo(pycurl.OS_ERRNO)
        return errors.of_libcurl(
            number, words, sent=sent, heard=heard, connected=connected, system=system
        )

    def _timings(self, began: float, offset: float, fresh: bool) -> Timings:
        told = self.curl.getinfo
        connected = None
        if fresh:
            connected = offset + (told(pycurl.APPCONNECT_TIME) or told(pycurl.CONNECT_TIME))
        sent = offset + told(pycurl.POSTTRANSFER_TIME_T) / 1e6
        first_byte = offset + told(pycurl.STARTTRANSFER_TIME)
        return Timings(connected, sent, first_byte, time.monotonic() - began)


class _Idle:
    """Handles whose connection is open, the latest at the end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._handles: list[_Handle] = []

    def take(self, key: Key) -> _Handle | None:
        """One that was not idle for long and that nobody has closed."""
        while True:
            with self._lock:
                for handle in reversed(self._handles):
                    if handle.key == key:
                        self._handles.remove(handle)
                        break
                else:
                    return None
            if time.monotonic() - handle.since <= SECONDS and handle.is_quiet():
                return handle
            handle.close()

    def give(self, handle: _Handle) -> None:
        """Keep it; what is beyond the bounds, or was idle for too long, is closed."""
        now = handle.since = time.monotonic()
        with self._lock:
            handles = self._handles
            handles.append(handle)
            surplus: list[_Handle] = []
            if len(handles) > MOST_OF_ONE or now - handles[0].since > SECONDS:
                alike = [each for each in handles if each.key == handle.key]
                old = [each for each in handles if now - each.since > SECONDS]
                beyond = {*alike[:-MOST_OF_ONE], *handles[:-MOST], *old}
                surplus = [each for each in handles if each in beyond]
            for each in surplus:
                handles.remove(each)
        for each in surplus:
            each.close()

    def close(self) -> None:
        """Close all."""
        handles, self._handles = self._handles, []
        for each in handles:
            each.close()


@lru_cache(maxsize=4)
def _authorities(extra: str | None) -> tuple[tuple[int, Any], ...]:
    """Whom TLS trusts: the system's authorities, else certifi's, and those of ``extra``."""
    for place in (*_AUTHORITIES, certifi.where()):
        if os.path.isdir(place) and any(map(_HASHED.fullmatch, os.listdir(place))):
            return (pycurl.CAPATH, place), (pycurl.CAINFO, extra)
        if os.path.isfile(place):
            break
    if extra is None:
        return ((pycurl.CAINFO, place),)
    return ((pycurl.CAINFO_BLOB, Path(place).read_bytes() + Path(extra).read_bytes()),)


def _after_fork() -> None:
    """What the parent has open stays the parent's: not a byte of ours goes over it."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for handle in _all:
        if handle.fd >= 0:
            os.dup2(nowhere, handle.fd, inheritable=False)
    os.close(nowhere)
    idle._lock = threading.Lock()
    idle.close()


_all: WeakSet[_Handle] = WeakSet()
idle: Final = _Idle()
os.register_at_fork(after_in_child=_after_fork)
atexit.register(idle.close)
