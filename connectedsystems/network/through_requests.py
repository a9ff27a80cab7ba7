"""What makes test doubles of ``requests``, and Authlib's sessions, pass the same door."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import wraps
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.structures import CaseInsensitiveDict

from connectedsystems.errors import OutboundFailure
from connectedsystems.network import addresses, curl
from connectedsystems.network.addresses import host_of
from connectedsystems.network.errors import redirect_refused, target_of, too_large
from connectedsystems.network.wire import USER_AGENT, Headers, Reply, Request

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_ITS_OWN: Final = HTTPAdapter.send


def send(request: Request) -> Reply:
    """As ``curl.send``, unless a double stands where ``HTTPAdapter.send`` was. Raises the same."""
    if HTTPAdapter.send is not _ITS_OWN:
        try:
            return _from_double(request)
        except _LetThrough:
            pass
    return curl.send(request)


def mount(session: requests.Session, deadline: float, max_bytes: int) -> None:
    """Sends what an Authlib session requests through this door, whole and under one deadline.

    Nothing is sent twice or on a kept connection, no redirect is followed (``redirect_refused``),
    no cookie kept; every error is an OutboundFailure.
    """
    session.adapters.clear()
    for scheme in ("https://", "http://"):
        session.mount(scheme, _SessionAdapter(deadline, max_bytes))
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers = CaseInsensitiveDict({"User-Agent": USER_AGENT})
    session.request = _translating(session.request)  # type: ignore[method-assign]


class _SessionAdapter(BaseAdapter):
    def __init__(self, deadline: float, max_bytes: int) -> None:
        super().__init__()
        self.deadline, self.max_bytes = deadline, max_bytes

    def send(self, request: Any, *ignored: Any, **more: Any) -> requests.Response:
        body = request.body.encode() if isinstance(request.body, str) else request.body
        limits: Any = {"deadline": self.deadline, "max_bytes": self.max_bytes}
        reply = send(Request(request.method, request.url, request.headers, body, **limits))
        if reply.status in REDIRECTS and "Location" in reply.headers:
            target = target_of(reply.url, reply.headers["Location"])
            reason = "redirects are not followed here"
            raise redirect_refused(reply.url, target, reply.status, reason)
        response = requests.Response()
        response.status_code, response.reason, response.url = reply.status, reply.reason, reply.url
        response.request, response.raw = request, io.BytesIO(reply.body)
        response.headers = CaseInsensitiveDict(reply.headers)
        response.encoding = requests.utils.get_encoding_from_headers(response.headers)
        return response

    def close(self) -> None:
        pass


class _LetThrough(Exception):
    """A double passes a request on to the network."""


class _Doubled(HTTPAdapter):
    def get_connection_with_tls_context(self, *ignored: Any, **more: Any) -> Any:
        raise _LetThrough


def _from_double(request: Request) -> Reply:
    addresses.split(request.url)  # what is refused is refused behind a double too
    try:
        headers = dict(request.headers)
        asked = requests.Request(request.method, request.url, headers, data=request.body).prepare()
        heard = _Doubled().send(asked, stream=True)
        body = heard.content
    except requests.RequestException as error:
        raise _translated(error) from None
    if len(body) > request.max_bytes:
        raise too_large(request.max_bytes)
    headers_heard = Headers(list(heard.raw.headers.items()))
    return Reply(heard.status_code, heard.reason or "", headers_heard, body, request.url)


def _translating(call: Callable[..., requests.Response]) -> Callable[..., requests.Response]:
    @wraps(call)
    def translated(*args: Any, **kwargs: Any) -> requests.Response:
        try:
            return call(*args, **kwargs)
        except requests.RequestException as error:
            raise _translated(error) from None

    return translated


def _translated(error: requests.RequestException) -> OutboundFailure:
    """What a double raises, or ``requests`` itself about a URL that it cannot use."""
    url = str(getattr(error.request, "url", None) or "")
    host: dict[str, Any] = {"host": host_of(url)} if url else {}
    if isinstance(error, requests.Timeout):
        return OutboundFailure(
            "timeout", sent=not isinstance(error, requests.ConnectTimeout), **host
        )
    if isinstance(error, requests.exceptions.SSLError):
        return OutboundFailure("tls_error", sent=False, reason="the TLS handshake failed", **host)
    if isinstance(error, requests.ConnectionError):
        return OutboundFailure("connection_failed", reason="no connection", **host)
    if isinstance(error, ValueError):  # InvalidURL, MissingSchema, InvalidHeader and their kin
        return OutboundFailure("address_refused", sent=False, reason="it is malformed", **host)
    return OutboundFailure("bad_response", reason="it cannot be read", **host)
