"""How large a request may be: looked at before anything parses it or writes it to a file.

Whoever is not logged in sends passwords, searches and answers of other systems: little. Files come
from people who are logged in, at the addresses of ``WITH_FILES``. What is announced as larger is
refused unread; what is announced without a size (chunked) is counted while it is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from io import BytesIO

from django.contrib import auth
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse

from config import errorpages

KB, MB = 1024, 1024 * 1024
ANONYMOUS = 64 * KB
LOGGED_IN = 5 * MB
LARGEST = 12 * MB
"""Imports, and forms with files."""

WITH_FILES = re.compile(
    r"/admin/(connectedsystems|integrations)/"  # logos, imports, files of tests
    r"|/integrations/"  # inputs that are files, also of held submissions
    r"|/pages/"  # an organization's own apps, whose forms may have files too
)
_PIECE = 64 * KB


class BodySize:
    """Answers 413 where a request is larger than its sender may send to its address.

    Stands before everything that reads a body: a form is read by the CSRF check already.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self._sessions = SessionMiddleware(get_response)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        announced = _announced_size(request)
        if announced is None:
            return self._count(request)
        if announced > ANONYMOUS and announced > (limit := self._limit(request)):
            return errorpages.request_too_large(request, limit_in_words(limit))
        return self.get_response(request)

    def _limit(self, request: HttpRequest) -> int:
        """Bytes. Asks the database who it is, so it is called for large requests alone."""
        # The middleware that knows the person comes later, after others that read the body.
        self._sessions.process_request(request)
        if not auth.get_user(request).is_authenticated:
            return ANONYMOUS
        return LARGEST if WITH_FILES.match(request.path_info) else LOGGED_IN

    def _count(self, request: HttpRequest) -> HttpResponse:
        """Read a body of unknown size into memory, up to the limit.

        Django takes a request without Content-Length for one without a body: what a client sends
        in chunks would be dropped without a word. Now it has a length.
        """
        limit = self._limit(request)
        body = BytesIO()
        try:
            while piece := request.META["wsgi.input"].read(_PIECE):
                body.write(piece)
                if body.tell() > limit:
                    return errorpages.request_too_large(request, limit_in_words(limit))
        except OSError:  # cut short, or no chunks as they should be
            return errorpages.bad_request(request)
        request.META["CONTENT_LENGTH"] = str(body.tell())
        body.seek(0)
        # Private, as Django offers no other way to hand it a body that was read already.
        request._stream = body
        return self.get_response(request)


def _announced_size(request: HttpRequest) -> int | None:
    """Content-Length in bytes; None where a body comes in chunks."""
    meta = request.META
    # Only a server that knows the end of such a body may be asked for it (wsgi.input_terminated).
    if "chunked" in meta.get("HTTP_TRANSFER_ENCODING", "").lower():
        return None if meta.get("wsgi.input_terminated") else 0
    try:
        return int(meta.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0  # as Django reads it: no body


def limit_in_words(limit: int) -> str:
    """Such as ``64 KB`` or ``5 MB``."""
    return f"{limit // MB} MB" if limit >= MB else f"{limit // KB} KB"
