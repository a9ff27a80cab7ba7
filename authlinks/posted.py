"""An answer that arrives as a form (OAuth 2.0 Form Post Response Mode): brought home as a GET.

A browser leaves our session cookie out of a form that another site posts, so whose walk it is
cannot be known here. Nothing is believed, looked up or written: the same parameters are asked for
again at the same address, which reads them as those of any other callback. So is a query that
arrives by POST.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from django.http import HttpRequest

from connectedsystems.errors import FlowFailure

LONGEST = 7_000
"""Characters of the query; servers in front of us take addresses of 8,190."""

_FORM = "application/x-www-form-urlencoded"
_NEVER_IN_AN_ADDRESS = frozenset({"access_token", "id_token", "refresh_token", "device_secret"})


def is_redirected(request: HttpRequest) -> bool:
    """Whether this is a GET that became a POST on its way, as a 307 in answer to a form makes it.

    The answer stands in the query then, and what the form held was meant for somebody else: it is
    not read.
    """
    return bool(request.META.get("QUERY_STRING"))


def is_form(request: HttpRequest) -> bool:
    """Whether this is a request as that mode makes it; any other POST has no business here."""
    return request.content_type == _FORM


def address_of(request: HttpRequest) -> str:
    """Where the browser goes on: this path, with what the form holds; tokens are left behind.

    Raises FlowFailure ``bad_callback`` for what does not fit an address.
    """
    length = request.headers.get("Content-Length", "")
    if not length.isdigit() or int(length) > 2 * LONGEST:
        raise FlowFailure("bad_callback", reason="it is longer than an answer may be")
    pairs = parse_qsl(request.body.decode("ascii", "replace"), keep_blank_values=True)
    query = urlencode([pair for pair in pairs if pair[0] not in _NEVER_IN_AN_ADDRESS])
    if len(query) > LONGEST:
        raise FlowFailure("bad_callback", reason="it is longer than an address may be")
    return f"{request.path}?{query}"
