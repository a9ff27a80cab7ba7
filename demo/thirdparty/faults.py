"""How Acme CRM misbehaves on request: the switches, and the middleware that obeys them.

A *fault* changes what one place (`authorize`, `token`, `revoke`, `api`, `metadata`) answers; a
*habit* is a standing peculiarity (`lifetime`, `keep_refresh_token`, `pkce_required`,
`client_authentication`). Both hold for one client or, under `EVERYBODY`, for all. They live in this
process's memory and end with it.
"""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from django.http import HttpRequest, HttpResponse

from demo.thirdparty.caller import client_of

EVERYBODY = "*"
PLACES = {
    "/oauth/authorize": "authorize",
    "/oauth/token": "token",
    "/oauth/revoke": "revoke",
    "/.well-known/oauth-authorization-server": "metadata",
}
HABITS = ("lifetime", "keep_refresh_token", "pkce_required", "client_authentication")
WORDS = {
    400: "invalid_grant",
    401: "invalid_token",
    403: "forbidden",
    404: "not_found",
    429: "too_many_requests",
    500: "internal_error",
    503: "unavailable",
}


@dataclass(frozen=True)
class Fault:
    """What goes wrong at a place. All fields are the keys of the control address's JSON.

    status: answer with it, instead of doing the work.
    body, content_type, headers, error (its code), retry_after (seconds, any text): of that answer.
    delay: seconds before anything else.
    cut: close the connection without an answer.
    act_first: do the work, then answer wrongly.
    change: members of the right JSON answer to replace, or (null) to leave out.
    times: how often; null is for ever.
    grant_type: only for such token requests.
    """

    status: int | None = None
    body: str | None = None
    content_type: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    error: str = ""
    retry_after: int | str | None = None
    delay: float = 0
    cut: bool = False
    act_first: bool = False
    change: dict[str, Any] = field(default_factory=dict)
    times: int | None = None
    grant_type: str = ""

    @classmethod
    def parse(cls, data: dict[str, Any]) -> "Fault":
        """A fault from JSON; ValueError names a key that does not exist."""
        known = {each.name for each in fields(cls)}
        if strange := sorted(set(data) - known):
            raise ValueError(f"A fault has no {strange[0]}; it has {', '.join(sorted(known))}.")
        return cls(**data)


class Switches:
    """The faults and habits that are on; safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: dict[tuple[str, str], Fault] = {}
        self._left: dict[tuple[str, str], int] = {}
        self._habits: dict[tuple[str, str], Any] = {}

    def set_fault(self, place: str, client: str, fault: Fault | None) -> None:
        """Switch a fault on, or off with None."""
        with self._lock:
            key = (place, client)
            self._faults.pop(key, None)
            self._left.pop(key, None)
            if fault is None:
                return
            self._faults[key] = fault
            if fault.times is not None:
                self._left[key] = fault.times

    def set_habit(self, name: str, client: str, value: Any) -> None:
        """Begin a habit, or end it with None."""
        with self._lock:
            self._habits.pop((name, client), None)
            if value is not None:
                self._habits[name, client] = value

    def habit(self, name: str, client: str) -> Any:
        """The client's own value, else everybody's, else None."""
        with self._lock:
            own = self._habits.get((name, client))
            return self._habits.get((name, EVERYBODY)) if own is None else own

    def take(self, place: str, client: str, grant_type: str) -> Fault | None:
        """The fault this request meets, counted down; the client's own goes before everybody's."""
        with self._lock:
            for key in ((place, client), (place, EVERYBODY)):
                fault = self._faults.get(key)
                if fault is None or (fault.grant_type and fault.grant_type != grant_type):
                    continue
                if fault.times is None:
                    return fault
                if self._left[key] > 0:
                    self._left[key] -= 1
                    return fault
            return None

    def clear(self) -> None:
        """Everything off."""
        with self._lock:
            self._faults.clear()
            self._left.clear()
            self._habits.clear()

    def now_on(self) -> list[dict[str, Any]]:
        """What is on, for the page and for JSON."""
        with self._lock:
            faults = [
                {"place": place, "client": client, "what": _set_members(fault)}
                for (place, client), fault in self._faults.items()
                if self._left.get((place, client), 1) > 0
            ]
            habits = [
                {"place": name, "client": client, "what": value}
                for (name, client), value in self._habits.items()
            ]
        return faults + habits


def _set_members(fault: Fault) -> dict[str, Any]:
    usual = Fault()
    return {
        each.name: getattr(fault, each.name)
        for each in fields(fault)
        if getattr(fault, each.name) != getattr(usual, each.name)
    }


switches = Switches()


def place_of(path: str) -> str:
    """The name of the place that a path belongs to; empty for pages and the control address."""
    if path.startswith("/api/"):
        return "api"
    return PLACES.get(path.rstrip("/"), "")


class Faults:
    """Middleware: lets a fault happen before, instead of, or after the right answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        place = place_of(request.path)
        if not place:
            return self.get_response(request)
        fault = switches.take(place, client_of(request), request.POST.get("grant_type", ""))
        if fault is None:
            return self.get_response(request)
        return self._go_wrong(request, place, fault)

    def _go_wrong(self, request: HttpRequest, place: str, fault: Fault) -> HttpResponse:
        if fault.delay:
            time.sleep(fault.delay)
        if fault.status is None and not fault.cut:
            return _changed(self.get_response(request), fault.change)
        if fault.act_first:
            self.get_response(request)
        request.META["acme.is_cut"] = fault.cut
        return _wrong_answer(place, fault)


def _changed(response: HttpResponse, change: dict[str, Any]) -> HttpResponse:
    if not change or not 200 <= response.status_code < 300:
        return response
    answer = {**json.loads(response.content), **change}
    response.content = json.dumps(
        {key: value for key, value in answer.items() if value is not None}
    )
    return response


def _wrong_answer(place: str, fault: Fault) -> HttpResponse:
    status = fault.status or 500
    response = HttpResponse(status=status)
    response._has_been_logged = True  # type: ignore[attr-defined]  # asked for: no news on stderr
    if fault.body is None:
        word = fault.error or WORDS.get(status, "error")
        described = {"error": word, "error_description": "Switched on at the control page."}
        response.content = json.dumps(described)
        response["Content-Type"] = "application/json"
    else:
        response.content = fault.body
        response["Content-Type"] = "text/html; charset=utf-8"
    if fault.content_type:
        response["Content-Type"] = fault.content_type
    if status == 401 and place == "api":
        response["WWW-Authenticate"] = 'Bearer realm="Acme CRM", error="invalid_token"'
    if fault.retry_after is not None:
        response["Retry-After"] = str(fault.retry_after)
    for name, value in fault.headers.items():
        response[name] = value
    return response
