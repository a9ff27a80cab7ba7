"""Requests are written in UTF-8: what names another charset is refused before it is decoded.

Django decodes the fields of a multipart form by whatever charset the request names. Python has some
that take hours for a few megabytes (punycode), some that give halves of letters (utf-7), and some
that raise (idna, undefined).
"""

from __future__ import annotations

import codecs
import encodings
from collections.abc import Callable, Mapping
from typing import Final

from django.core.exceptions import BadRequest
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse

from connectedsystems.charsets import known_name

_UTF_8: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})


class Request(WSGIRequest):
    """A request whose Content-Type may be nonsense: that is answered, and not raised.

    Django decodes ``x*=nonsense''y`` (RFC 5987) before any middleware is asked, and a charset that
    there is not would end in the server's own error page.
    """

    def _set_content_type_params(self, meta: Mapping[str, str]) -> None:
        # Private, as Django offers no other way; a test sends such a header.
        try:
            super()._set_content_type_params(meta)  # type: ignore[misc]
        except (LookupError, ValueError):
            self.content_type, self.content_params = "", {"charset": "unreadable"}


class Utf8Alone:
    """Answers 400 to another charset. ASCII is the same characters.

    Stands before everything that reads a form.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        charset = (request.content_params or {}).get("charset", "utf-8")
        if charset.strip().lower() not in _UTF_8:
            raise BadRequest("not UTF-8")
        return self.get_response(request)


def forget_unknown_names() -> None:
    """Have Python remember no charset that there is not, from now on in this process.

    Django asks for each that a request names, in a header of up to 8 KB, before any middleware can
    look at it.
    """
    codecs.unregister(encodings.search_function)
    codecs.register(_found)


def _found(name: str) -> codecs.CodecInfo | None:
    spelt = known_name(name)
    return encodings.search_function(spelt) if spelt else None
