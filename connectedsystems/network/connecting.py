"""Opens a connection to an origin: its name resolved once, each address checked, TLS verified."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import threading
import time
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

import certifi
from django.conf import settings

from connectedsystems.errors import OutboundFailure
from connectedsystems.network.addresses import Origin, refusal, refuse

_REASON_BY_VERIFY_CODE = {
    9: "the certificate is not valid yet",
    10: "the certificate has expired",
    18: "the certificate is self-signed",
    19: "the certificate comes from an unknown authority",
    20: "the certificate comes from an unknown authority, or an intermediate one is missing",
    21: "the certificate comes from an unknown authority, or an intermediate one is missing",
    23: "the certificate was revoked",
    62: "the certificate is for another name",
    64: "the certificate is for another address",
}
_REASONS_BY_WORD = [
    ("UNSUPPORTED_PROTOCOL", "only a TLS version older than 1.2 is offered"),
    ("PROTOCOL_VERSION", "only a TLS version older than 1.2 is offered"),
    ("WRONG_VERSION_NUMBER", "the port does not speak TLS; it may be a plain http port"),
    ("HTTP_REQUEST", "the port does not speak TLS; it may be a plain http port"),
    ("PACKET_LENGTH_TOO_LONG", "the port does not speak TLS; it may be a plain http port"),
    ("RECORD_LAYER_FAILURE", "the port does not speak TLS; it may be a plain http port"),
    ("CERTIFICATE_REQUIRED", "a client certificate is asked for"),
    ("UNRECOGNIZED_NAME", "the server does not know this name"),
    ("HANDSHAKE_FAILURE", "no TLS version or cipher is shared with the server"),
    ("DH_KEY_TOO_SMALL", "the server's key is too weak"),
    ("EE_KEY_TOO_SMALL", "the server's key is too weak"),
    ("EOF", "the connection was closed during the TLS handshake"),
]

_Family = tuple[socket.AddressFamily, tuple[Any, ...]]


def connect(origin: Origin, deadline: float) -> socket.socket:
    """A connected socket, its TLS handshake done.

    ``deadline`` is a ``time.monotonic`` value. Raises OutboundFailure with ``sent`` False:
    ``address_refused``, ``connection_failed``, ``timeout``, ``tls_error``.
    """
    addresses = _permitted(origin, _resolve(origin, deadline))
    sock = _first_that_answers(origin, addresses, deadline)
    if origin.scheme == "http":
        return sock
    try:
        sock.settimeout(remaining(deadline, sent=False))
        return _tls_context(getattr(settings, "OUTBOUND_CA_FILE", None)).wrap_socket(
            sock, server_hostname=origin.host
        )
    except OSError as error:
        sock.close()
        raise _handshake_failure(error) from None
    except BaseException:
        sock.close()
        raise


def remaining(deadline: float, *, sent: bool) -> float:
    """Seconds left. Raises OutboundFailure ``timeout`` when there are none."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise OutboundFailure("timeout", sent=sent)
    return left


def tls_reason(error: ssl.SSLError) -> str:
    """What went wrong, in our own words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _REASON_BY_VERIFY_CODE.get(error.verify_code, "the certificate cannot be verified")
    word = (error.reason or type(error).__name__).upper()
    return next(
        (reason for part, reason in _REASONS_BY_WORD if part in word), "the TLS handshake failed"
    )


def _permitted(origin: Origin, found: list[_Family]) -> list[_Family]:
    """The addresses that may be connected to: of an allowed name all, else the public ones."""
    if origin.allowed:
        return found
    kinds = [refusal(ip_address(address[0].partition("%")[0])) for _, address in found]
    public = [entry for entry, kind in zip(found, kinds, strict=True) if not kind]
    if not public:
        refuse(origin.host, f"its name leads to {kinds[0]}")
    return public


def _resolve(origin: Origin, deadline: float) -> list[_Family]:
    """What the name stands for, asked once. The lookup takes no time limit: a thread gives one."""
    literal = origin.literal
    if literal is not None:
        family = socket.AF_INET if literal.version == 4 else socket.AF_INET6
        return [(family, (origin.host, origin.port))]
    lookup = _Lookup(origin.host, origin.port)
    lookup.start()
    lookup.join(remaining(deadline, sent=False))
    if lookup.is_alive():
        raise OutboundFailure("timeout", sent=False, reason="its name was not resolved in time")
    if lookup.error is not None or not lookup.found:
        raise OutboundFailure("connection_failed", sent=False, reason=_lookup_reason(lookup.error))
    return lookup.found


class _Lookup(threading.Thread):
    def __init__(self, host: str, port: int) -> None:
        super().__init__(daemon=True, name="name-lookup")
        self.host, self.port = host, port
        self.found: list[_Family] = []
        self.error: OSError | UnicodeError | None = None

    def run(self) -> None:
        try:
            answers = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            self.error = error
        else:
            self.found = [(family, address) for family, _, _, _, address in answers]


def _lookup_reason(error: Exception | None) -> str:
    if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
        return "name lookup failed for now"
    return "name not found"


def _first_that_answers(origin: Origin, addresses: list[_Family], deadline: float) -> socket.socket:
    """Connects to one address after the other; each gets its share of the time left."""
    failure = OutboundFailure("connection_failed", sent=False, reason="no address")
    for tried, (family, address) in enumerate(addresses):
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(remaining(deadline, sent=False) / (len(addresses) - tried))
            sock.connect((address[0], origin.port, *address[2:]))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        except TimeoutError:
            sock.close()
            failure = OutboundFailure("timeout", sent=False, reason="no connection in time")
        except OSError as error:
            sock.close()
            failure = OutboundFailure(
                "connection_failed", sent=False, reason=_connect_reason(error)
            )
        except BaseException:
            sock.close()
            raise
    raise failure


def _connect_reason(error: OSError) -> str:
    if error.errno == errno.ECONNREFUSED:
        return "connection refused"
    if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL):
        return "network unreachable"
    return "no connection"


def _handshake_failure(error: OSError) -> OutboundFailure:
    if isinstance(error, ssl.SSLError):
        return OutboundFailure("tls_error", sent=False, reason=tls_reason(error))
    if isinstance(error, TimeoutError):
        return OutboundFailure("timeout", sent=False, reason="no TLS handshake in time")
    reason = "the connection was closed during the TLS handshake"
    return OutboundFailure("tls_error", sent=False, reason=reason)


@lru_cache(maxsize=4)
def _tls_context(extra_authorities: str | os.PathLike[str] | None) -> ssl.SSLContext:
    """Not ``create_default_context``, which writes session keys where SSLKEYLOGFILE says."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_verify_locations(certifi.where())
    if extra_authorities:
        context.load_verify_locations(extra_authorities)
    return context
