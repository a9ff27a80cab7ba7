"""The only door to the network: Request in, Reply out; address, time, size and redirect rules.

Every request takes the same way down to libcurl (:mod:`connectedsystems.network`), Authlib's
sessions by :func:`mount`. Nothing of the environment is read: no proxies, no netrc, no CA bundles.
No cookie is kept.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Final

from django.conf import settings

from connectedsystems.errors import OutboundFailure
from connectedsystems.network import addresses, through_requests
from connectedsystems.network.addresses import host_of
from connectedsystems.network.errors import redirect_refused, target_of
from connectedsystems.network.through_requests import REDIRECTS, mount
from connectedsystems.network.timings import Timings
from connectedsystems.network.wire import Headers, Reply, Request

__all__ = [
    "Headers",
    "Reply",
    "Request",
    "Timings",
    "check_url",
    "deadline_in",
    "host_of",
    "mount",
    "origin_of",
    "send",
    "time_limit",
    "uses_allowed_http",
]

MAX_HOPS: Final = 5

# What others ask


def send(request: Request) -> Reply:
    """Raises OutboundFailure: ``address_refused redirect_refused timeout too_large tls_error
    connection_failed bad_response``."""
    hops = 0
    while True:
        reply = through_requests.send(request)
        if reply.status not in REDIRECTS or "Location" not in reply.headers:
            return reply
        hops += 1
        request = replace(request, url=_next_hop(request, reply, hops))


def check_url(url: str, *, allow_fragment: bool = False) -> None:
    """What can be said without resolving the name, for a save as for a request.

    Raises OutboundFailure ``address_refused`` with ``reason``.
    """
    _, rest = addresses.split(url)
    if "#" in rest and not allow_fragment:
        addresses.refuse(host_of(url), "it holds a fragment (#)")


def uses_allowed_http(url: str) -> bool:
    """Whether it is plain http to a host of ``OUTBOUND_ALLOW``: worth a warning on a form."""
    try:
        origin, _ = addresses.split(url)
    except OutboundFailure:
        return False
    return origin.scheme == "http"


def origin_of(url: str) -> str:
    """``scheme://host``, with the port where it is not the scheme's, read as a request reads it.

    RFC 6454 §4. "" for a URL that would be refused. Two URLs lead to one server where these texts
    are equal.
    """
    try:
        origin, _ = addresses.split(url)
    except OutboundFailure:
        return ""
    return f"{origin.scheme}://{origin.authority}"


def time_limit(seconds: float) -> float:
    """A time limit in seconds, after the operator's factor ``TIME_LIMITS``."""
    factor: float = settings.TIME_LIMITS
    return seconds * factor


def deadline_in(seconds: float) -> float:
    """The ``time.monotonic`` value in :func:`time_limit` of this many seconds."""
    return time.monotonic() + time_limit(seconds)


# Redirects


def _next_hop(request: Request, reply: Reply, hops: int) -> str:
    """The next address. Raises OutboundFailure ``redirect_refused``."""
    target = target_of(reply.url, reply.headers["Location"]).partition("#")[0]
    if not request.follow_same_origin or request.method not in ("GET", "HEAD"):
        reason = "redirects are not followed here"
    elif not _same_origin(reply.url, target):
        reason = "it leads to another origin"
    elif hops > MAX_HOPS:
        reason = f"more than {MAX_HOPS} redirects"
    else:
        return target
    raise redirect_refused(reply.url, target, reply.status, reason)


def _same_origin(url: str, target: str) -> bool:
    try:
        return addresses.split(target)[0].same_as(addresses.split(url)[0])
    except OutboundFailure:
        return False
