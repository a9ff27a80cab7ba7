"""The only door to the network: Request in, Reply out; address, time, size and redirect rules.

Every request takes the same way: through ``requests``' HTTPAdapter, below which all is our own
(:mod:`connectedsystems.network`). So Authlib's sessions go through the same door by
:func:`mount`, and test doubles that replace ``HTTPAdapter.send`` work.
Nothing of the environment is read: no proxies, no netrc, no CA bundles. No cookie is kept.
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import wraps
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final
from urllib.parse import urljoin

import requests
from django.conf import settings
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPHeaderDict, HTTPResponse
from urllib3.util import Timeout

from connectedsystems.errors import OutboundFailure
from connectedsystems.network import addresses
from connectedsystems.network.addresses import host_of
from connectedsystems.network.exchange import Answer
from connectedsystems.network.roundtrip import USER_AGENT, RoundTrip, Timings

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

_NO_TIMEOUT: Any = Timeout()


# Values


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``deadline`` is a ``time.monotonic`` value, ``max_bytes`` counts decoded bytes.

    ``pool``: requests of one pool share connections. ``follow_same_origin``: a GET or HEAD follows
    redirects within scheme, host and port; otherwise none is followed.
    """

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    deadline: float = field(kw_only=True)
    max_bytes: int = field(kw_only=True)
    follow_same_origin: bool = field(default=False, kw_only=True)
    pool: str = field(default="", kw_only=True)


class Headers(Mapping[str, str]):
    """Headers as received; names in any case. A repeated one is joined by ``", "``."""

    __slots__ = ("_by_name", "_pairs")

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs
        self._by_name: dict[str, str] = {}
        for name, value in pairs:
            lower = name.lower()
            known = self._by_name.get(lower)
            self._by_name[lower] = value if known is None else f"{known}, {value}"

    def __getitem__(self, name: str) -> str:
        return self._by_name[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter({name.lower(): name for name, _ in reversed(self._pairs)}.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def __repr__(self) -> str:
        return f"<Headers {sorted(self._by_name)}>"

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Names and values as received, in their order."""
        return self._pairs

    def get_all(self, name: str) -> list[str]:
        """Each value of its own, in the order received."""
        wanted = name.lower()
        if wanted not in self._by_name:
            return []
        return [value for known, value in self._pairs if known.lower() == wanted]


@dataclass(frozen=True, slots=True)
class Reply:
    """What the other system answered. ``url`` is the last one, after redirects."""

    status: int
    reason: str
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)
    url: str = field(repr=False)
    timings: Timings = Timings()


# What others ask


def send(request: Request) -> Reply:
    """Raises OutboundFailure: ``address_refused redirect_refused timeout too_large tls_error
    connection_failed bad_response``."""
    url, hops = request.url, 0
    while True:
        reply = _send_once(request, url)
        location = _redirection(reply.status, reply.headers)
        if location is None:
            return reply
        hops += 1
        url = _next_hop(request, url, location, reply.status, hops)


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


def mount(session: requests.Session, deadline: float, max_bytes: int) -> None:
    """Sends what an Authlib session requests through this door, whole and under one deadline.

    No redirect is followed (``redirect_refused``), no cookie kept; every error is an
    OutboundFailure.
    """
    adapter = _SessionAdapter(deadline, max_bytes)
    session.adapters.clear()
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers["User-Agent"] = USER_AGENT
    session.request = _translating(session.request)  # type: ignore[method-assign]


# Redirects


def _redirection(status: int, headers: Mapping[str, str]) -> str | None:
    if status in (301, 302, 303, 307, 308):
        return headers.get("Location")
    return None


def _next_hop(request: Request, url: str, location: str, status: int, hops: int) -> str:
    """The next address. Raises OutboundFailure ``redirect_refused``."""
    target = _target(url, location).partition("#")[0]
    if not request.follow_same_origin or request.method not in ("GET", "HEAD"):
        raise _redirect_refused(url, target, status, "redirects are not followed here")
    if not _same_origin(url, target):
        raise _redirect_refused(url, target, status, "it leads to another origin")
    if hops > MAX_HOPS:
        raise _redirect_refused(url, target, status, f"more than {MAX_HOPS} redirects")
    return target


def _target(url: str, location: str) -> str:
    """Where a redirect leads; "" for what is no address."""
    try:
        return urljoin(url, location)
    except ValueError:
        return ""


def _same_origin(url: str, target: str) -> bool:
    try:
        return addresses.split(target)[0].same_as(addresses.split(url)[0])
    except OutboundFailure:
        return False


def _redirect_refused(url: str, target: str, status: int, reason: str) -> OutboundFailure:
    return OutboundFailure(
        "redirect_refused",
        status=status,
        host=host_of(url),
        target_host=host_of(target),
        reason=reason,
        **_error_in(target),
    )


def _error_in(target: str) -> dict[str, Any]:
    """The error of an authorization answer (RFC 6749 §4.1.2.1): a word, and no secret."""
    found = re.search(r"[?&#]error=([a-z_]{1,40})(?=&|#|$)", target)
    return {"target_error": found[1]} if found else {}


# Through requests


class _Prepared(requests.PreparedRequest):
    """A request ready for an adapter, made without the work of ``PreparedRequest.prepare``."""

    def __init__(self, request: Request, url: str) -> None:
        self.method = request.method
        self.url = url
        self.headers = CaseInsensitiveDict(request.headers)
        self.body = request.body
        self.hooks = {}
        self._cookies = None
        self._body_position = None
        self.terms = request


class _Passage:
    """Stands where HTTPAdapter expects one of urllib3's pools, and makes the round trip."""

    __slots__ = ("trip",)

    def __init__(
        self, request: requests.PreparedRequest, deadline: float, max_bytes: int, pool: str
    ) -> None:
        body: Any = request.body or b""
        self.trip = RoundTrip(
            str(request.method),
            str(request.url),
            request.headers,
            body.encode() if isinstance(body, str) else body,
            deadline,
            max_bytes,
            pool,
        )

    def urlopen(self, **ignored: Any) -> tuple[Answer, Timings]:
        return self.trip.make()


class _Adapter(HTTPAdapter):
    """HTTPAdapter with its steps taken out: what is left is the seam that test doubles patch."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        self.poolmanager = None

    def close(self) -> None:
        pass

    def get_connection_with_tls_context(  # type: ignore[override]
        self, request: _Prepared, verify: Any, proxies: Any = None, cert: Any = None
    ) -> _Passage:
        terms = request.terms
        return _Passage(request, terms.deadline, terms.max_bytes, terms.pool)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        pass

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:
        return ""

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> Any:
        if isinstance(resp, tuple):
            return _Heard(req, *resp)
        return super().build_response(req, resp)


class _Heard:
    """The little of requests.Response that is looked at between the adapter and us."""

    __slots__ = ("headers", "raw", "request", "status_code", "timings", "url")

    def __init__(self, request: requests.PreparedRequest, answer: Answer, timings: Timings) -> None:
        self.request = request
        self.raw = answer
        self.status_code = answer.status
        self.headers = Headers(answer.headers)
        self.url = str(request.url)
        self.timings = timings


class _SessionAdapter(_Adapter):
    """For a session of somebody else: gives it a requests.Response whose body is read already."""

    def __init__(self, deadline: float, max_bytes: int) -> None:
        super().__init__()
        self.deadline = deadline
        self.max_bytes = max_bytes

    def get_connection_with_tls_context(  # type: ignore[override]
        self,
        request: requests.PreparedRequest,
        verify: Any,
        proxies: Any = None,
        cert: Any = None,
    ) -> _Passage:
        return _Passage(request, self.deadline, self.max_bytes, pool="")

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        if isinstance(resp, tuple):
            resp = _as_urllib3(resp[0])
        response = HTTPAdapter.build_response(self, req, resp)
        location = _redirection(response.status_code, response.headers)
        if location is not None:
            url = str(req.url)
            target = _target(url, location)
            reason = "redirects are not followed here"
            raise _redirect_refused(url, target, response.status_code, reason)
        return response


def _as_urllib3(answer: Answer) -> HTTPResponse:
    headers = HTTPHeaderDict()
    for name, value in answer.headers:
        if name.lower() not in ("content-encoding", "content-length", "transfer-encoding"):
            headers.add(name, value)
    return HTTPResponse(
        body=io.BytesIO(answer.body),
        headers=headers,
        status=answer.status,
        reason=answer.reason,
        preload_content=False,
    )


def _translating(call: Callable[..., requests.Response]) -> Callable[..., requests.Response]:
    @wraps(call)
    def translated(*args: Any, **kwargs: Any) -> requests.Response:
        try:
            return call(*args, **kwargs)
        except requests.RequestException as error:
            raise _translated(error) from None

    return translated


def _translated(error: requests.RequestException) -> OutboundFailure:
    """What a test double raises, or ``requests`` itself about a URL that it cannot use."""
    url = str(getattr(error.request, "url", None) or "")
    host: dict[str, Any] = {"host": host_of(url)} if url else {}
    if isinstance(error, requests.Timeout):
        unsent = isinstance(error, requests.ConnectTimeout)
        return OutboundFailure("timeout", sent=not unsent, **host)
    if isinstance(error, requests.exceptions.SSLError):
        return OutboundFailure("tls_error", sent=False, reason="the TLS handshake failed", **host)
    if isinstance(error, requests.ConnectionError):
        return OutboundFailure("connection_failed", reason="no connection", **host)
    if isinstance(error, ValueError):  # InvalidURL, MissingSchema, InvalidHeader and their kin
        return OutboundFailure("address_refused", sent=False, reason="it is malformed", **host)
    return OutboundFailure("bad_response", reason="it cannot be read", **host)


_adapter = _Adapter()


def _send_once(request: Request, url: str) -> Reply:
    addresses.split(url)  # behind a test double too
    try:
        heard: Any = _adapter.send(_Prepared(request, url), stream=True, timeout=_NO_TIMEOUT)
        if isinstance(heard, _Heard):
            answer = heard.raw
            return Reply(
                answer.status, answer.reason, heard.headers, answer.body, url, heard.timings
            )
        body = heard.content
    except requests.RequestException as error:
        raise _translated(error) from None
    if len(body) > request.max_bytes:
        raise OutboundFailure("too_large", limit=request.max_bytes, host=host_of(url))
    headers = Headers(list(heard.raw.headers.items()))
    return Reply(heard.status_code, heard.reason or "", headers, body, url)
