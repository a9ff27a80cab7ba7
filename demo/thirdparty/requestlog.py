"""One JSON line a request in `requests.log`, before the answer leaves; no token, no query."""

import json
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from demo.thirdparty.caller import access_token_of, client_of
from demo.thirdparty.faults import place_of

_lock = threading.Lock()


class RequestLog:
    """Middleware, the outermost: time, method, path, client, grant_type, status, error, user.

    `status` is 0 where the connection was cut; `error` the OAuth error code of the answer or empty.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # Asked first: an access token may be gone (revoked, rotated) once the request is answered.
        client, user = client_of(request), _user_behind_token(request)
        response = self.get_response(request)
        _write(
            {
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "method": request.method,
                "path": request.path,
                "client": client,
                "grant_type": request.POST.get("grant_type", ""),
                "status": 0 if request.META.get("acme.is_cut") else response.status_code,
                "error": _error_in(response) if place_of(request.path) else "",
                "user": user or getattr(request, "acme_user", "") or _user_logged_in(request),
            }
        )
        if request.META.get("acme.is_cut"):
            request.META["acme.cut"]()
        return response


def _user_behind_token(request: HttpRequest) -> str:
    token = access_token_of(request)
    return token.user.username if token and token.user else ""


def _user_logged_in(request: HttpRequest) -> str:
    user = getattr(request, "user", None)
    return user.get_username() if user is not None and user.is_authenticated else ""


def _error_in(response: HttpResponse) -> str:
    if response.status_code < 400 or "json" not in response.get("Content-Type", ""):
        return ""
    try:
        return str(json.loads(response.content).get("error", ""))
    except (ValueError, AttributeError):
        return ""


def _write(entry: dict[str, Any]) -> None:
    line = (json.dumps(entry) + "\n").encode()
    with _lock:
        handle = os.open(
            settings.ACME_DATA / "requests.log", os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600
        )
        try:
            os.write(handle, line)
        finally:
            os.close(handle)
