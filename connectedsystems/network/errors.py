"""Why there is no reply: libcurl's numbers and words, and redirects, as failures of ours."""

from __future__ import annotations

import errno
import re
from typing import Any, Final
from urllib.parse import urljoin

from connectedsystems.errors import OutboundFailure
from connectedsystems.network.addresses import host_of

# By number, as in libcurl-errors(3); numbers never change their meaning.
_TLS: Final = frozenset({35, 53, 54, 58, 59, 60, 66, 77, 80, 82, 83, 90, 91, 98})
_BAD_RESPONSES: Final = {
    1: "it is not HTTP/1.1",
    8: "its headers are malformed",
    18: "the answer was cut off",
    61: "its transfer encoding is unknown",
    100: "it has too many headers",
}
# By OpenSSL's and libcurl's words for it; what stands first counts.
_TLS_REASONS: Final = {
    "not yet valid": "the certificate is not valid yet",
    "has expired": "the certificate has expired",
    "self-signed certificate in|local issuer|first certificate": "the certificate comes from an"
    " unknown authority, or an intermediate one is missing",
    "self-signed": "the certificate is self-signed",
    "revoked": "the certificate was revoked",
    "target ip": "the certificate is for another address",
    "subject name": "the certificate is for another name",
    "unsupported protocol|protocol version": "only a TLS version older than 1.2 is offered",
    "wrong version number|http request|packet length|record layer": "the port does not speak TLS;"
    " it may be a plain http port",
    "certificate required": "a client certificate is asked for",
    "unrecognized name": "the server does not know this name",
    "handshake failure": "no TLS version or cipher is shared with the server",
    "key too small": "the server's key is too weak",
    "recv failure|eof|syscall": "the connection was closed during the TLS handshake",
    "certificate": "the certificate cannot be verified",
    "": "the TLS handshake failed",
}
_CONNECT_REASONS: Final = {
    errno.ECONNREFUSED: "connection refused",
    errno.ENETUNREACH: "network unreachable",
    errno.EHOSTUNREACH: "network unreachable",
    errno.EADDRNOTAVAIL: "network unreachable",
}


def of_libcurl(
    number: int, words: str, *, sent: bool, heard: bool, connected: bool, system: int
) -> OutboundFailure:
    """``sent``: bytes of the request went out; ``heard``: lines came back; ``system``: errno."""
    lower = words.lower()
    if number == 28:
        reason = f"no {'TLS handshake' if connected else 'connection'} in time"
        return OutboundFailure("timeout", sent=sent, **({} if sent else {"reason": reason}))
    if number in _TLS or "ssl routines" in lower:
        reason = next(reason for part, reason in _TLS_REASONS.items() if re.search(part, lower))
        return OutboundFailure("tls_error", sent=sent, reason=reason)
    if not sent:
        reason = _CONNECT_REASONS.get(system, "no connection")
        return OutboundFailure("connection_failed", sent=False, reason=reason)
    if number in _BAD_RESPONSES:
        return bad_response(_BAD_RESPONSES[number])
    if heard:
        return bad_response(
            "a chunk is malformed" if "chunk" in lower else "the answer was cut off"
        )
    reason = "the connection was closed without an answer"
    return OutboundFailure("connection_failed", reason=reason)


def bad_response(reason: str) -> OutboundFailure:
    """What came is no proper HTTP answer."""
    return OutboundFailure("bad_response", reason=reason)


def too_large(limit: int) -> OutboundFailure:
    """What came is more than ``limit`` bytes, unpacked."""
    return OutboundFailure("too_large", limit=limit)


def target_of(url: str, location: str) -> str:
    """Where a redirect leads, without its fragment; "" for what is no address."""
    try:
        return urljoin(url, location)
    except ValueError:
        return ""


def redirect_refused(url: str, target: str, status: int, reason: str) -> OutboundFailure:
    """It was answered with a redirect; ``target_error`` is a word of RFC 6749 §4.1.2.1."""
    error = re.search(r"[?&#]error=([a-z_]{1,40})(?=&|#|$)", target)
    facts: dict[str, Any] = {"target_error": error[1]} if error else {}
    facts |= {"status": status, "host": host_of(url), "target_host": host_of(target)}
    return OutboundFailure("redirect_refused", reason=reason, **facts)
