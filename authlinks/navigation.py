"""Where people are sent, and what their browsers may do there."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

LONGEST_NEXT = 2000
_AHEAD_OF_TIME = ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")


def local_path(candidate: str | None, default: str) -> str:
    """``candidate`` if it is a path of this site, else ``default``."""
    if not candidate or len(candidate) > LONGEST_NEXT or not candidate.startswith("/"):
        return default
    if any(ord(letter) < 32 for letter in candidate):
        return default
    return candidate if url_has_allowed_host_and_scheme(candidate, allowed_hosts=None) else default


def authorize_path(slug: str, next_path: str = "", *, popup: bool = False) -> str:
    """The local path that leads this user to the other system and back to ``next_path``."""
    query = {"next": next_path} if next_path else {}
    if popup:
        query["popup"] = "1"
    path = reverse("authlinks:authorize", args=[slug])
    return f"{path}?{urlencode(query)}" if query else path


def is_own_click(request: HttpRequest) -> bool:
    """Whether the browser says that a page of ours led here, by a click, in a window of its own.

    Fetch Metadata (W3C): a link on another site, an image, a frame or a prefetch is none.
    """
    headers = request.headers
    return (
        headers.get("Sec-Fetch-Site") == "same-origin"
        and headers.get("Sec-Fetch-Mode") == "navigate"
        and headers.get("Sec-Fetch-Dest") == "document"
        and "Sec-Purpose" not in headers
    )


def is_ahead_of_time(request: HttpRequest) -> bool:
    """Whether the browser fetches this page in case somebody opens it later (prefetch, prerender).

    ``Sec-Purpose`` is the standard's name; older browsers said it in the other three.
    """
    said = (request.headers.get(name, "") for name in _AHEAD_OF_TIME)
    return any(word in value.lower() for value in said for word in ("prefetch", "prerender"))


def private(response: HttpResponse) -> HttpResponse:
    """A page of the walk: kept nowhere, told to nobody, and free to be a pop-up.

    ``unsafe-none`` because any other opener policy cuts the window that waits for it.
    """
    response["Cache-Control"] = "no-store"
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    response["Cross-Origin-Opener-Policy"] = "unsafe-none"
    return response


def holds_form(response: HttpResponse) -> HttpResponse:
    """Let this page's form be sent to us; its address holds no secret.

    Under ``no-referrer`` browsers send ``Origin: null``, which the CSRF check refuses.
    """
    response["Referrer-Policy"] = "same-origin"
    return response


def form_may_leave(response: HttpResponse, authorization_endpoint: str) -> HttpResponse:
    """Let this page's form end at the other system, which may redirect on to anywhere https.

    Browsers apply ``form-action`` to every redirect that answers a form.
    """
    sources = ["'self'", "https:"]
    if urlsplit(authorization_endpoint).scheme == "http":
        sources.append("http:")
    response._csp_update = {"form-action": sources}  # type: ignore[attr-defined]
    return response
