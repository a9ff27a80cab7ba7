"""The control address: where a person clicks, or a test POSTs JSON, to make Acme CRM misbehave.

`POST /control/` with JSON; every member is optional:

    client          whom it concerns; absent: everybody
    authorize, token, revoke, api, metadata     a fault (see faults.Fault), or null to end it
    lifetime, keep_refresh_token, pkce_required  a habit (see faults), or null to end it
    client_authentication  a habit too: the one method that is taken, such as client_secret_post
    expire          true: all access tokens end now
    revoke_user     a user name, or true for all users: all tokens end now
    reconsent       true: refresh tokens end, access tokens live out
    rotate_secret   the new client secret (needs client)
    forget          "redirect_uri" or "client" (needs client)
    register        {client_id, client_secret, redirect_uris, name, grant_type}

The answer says what is on. `POST /control/reset` ends all of it and restores the registrations
made since the start; with `{"data": true}` contacts and notes too.
"""

import ipaddress
import json
import secrets
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_POST
from oauth2_provider.models import Application

from demo.thirdparty import oauth, people, tokens
from demo.thirdparty.faults import EVERYBODY, HABITS, PLACES, Fault, switches

# Registrations as they were asked for, by client ID: what a reset goes back to.
registrations: dict[str, dict[str, Any]] = {}

# The buttons of the page: (group, name shown, JSON of the control address).
BUTTONS: list[tuple[str, str, dict[str, Any]]] = [
    ("Tokens", "Let all access tokens expire now", {"expire": True}),
    ("Tokens", "Revoke everything of ada", {"revoke_user": "ada"}),
    ("Tokens", "Revoke everything of ben", {"revoke_user": "ben"}),
    ("Tokens", "Ask everybody for consent again", {"reconsent": True}),
    ("Tokens", "Keep the refresh token, do not send it again", {"keep_refresh_token": True}),
    (
        "Tokens",
        "Leave the refresh token out of answers",
        {"token": {"change": {"refresh_token": None}}},
    ),
    ("API", "Refuse: 403", {"api": {"status": 403}}),
    ("API", "401 for ever", {"api": {"status": 401}}),
    ("API", "Answer 500", {"api": {"status": 500}}),
    ("API", "Answer HTML", {"api": {"status": 200, "body": "<h1>Welcome to Acme</h1>"}}),
    ("API", "429, retry after 30 s", {"api": {"status": 429, "retry_after": 30}}),
    ("API", "Be slow: 5 s", {"api": {"delay": 5}}),
    ("API", "Cut the connection", {"api": {"cut": True}}),
    ("API", "Do as asked, then cut the connection", {"api": {"cut": True, "act_first": True}}),
    ("API", "Behave", {"api": None}),
    ("Token endpoint", "Answer 500", {"token": {"status": 500}}),
    (
        "Token endpoint",
        "Answer HTML",
        {"token": {"status": 200, "body": "<h1>Welcome to Acme</h1>"}},
    ),
    ("Token endpoint", "429, retry after 30 s", {"token": {"status": 429, "retry_after": 30}}),
    ("Token endpoint", "Be slow: 5 s", {"token": {"delay": 5}}),
    ("Token endpoint", "Cut the connection", {"token": {"cut": True}}),
    (
        "Token endpoint",
        "Issue tokens, then cut the connection",
        {"token": {"cut": True, "act_first": True}},
    ),
    ("Token endpoint", "Behave", {"token": None}),
    ("Registration", "Change the client secret", {"rotate_secret": True}),
    ("Registration", "Forget the redirect URI", {"forget": "redirect_uri"}),
    ("Registration", "Forget the client", {"forget": "client"}),
]
NEEDS_CLIENT = ("rotate_secret", "forget")


def for_loopback(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Serve a view to this machine alone; elsewhere it does not exist."""

    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponse:
        if not ipaddress.ip_address(request.META["REMOTE_ADDR"]).is_loopback:
            raise Http404
        return view(request)

    return guarded


@for_loopback
@csrf_exempt
def control(request: HttpRequest) -> HttpResponse:
    """The page, what is on (GET with `Accept: application/json`), or a change (POST)."""
    if request.method == "POST":
        # A page of another origin cannot send JSON unasked; its forms fail at the CSRF check.
        return _change(request) if request.content_type == "application/json" else _click(request)
    if "application/json" in request.headers.get("Accept", ""):
        return JsonResponse(_state())
    return _page(request)


@for_loopback
@csrf_exempt
@require_POST
def reset(request: HttpRequest) -> HttpResponse:
    """Back to good behaviour."""
    if request.content_type != "application/json":
        return _click_reset(request)
    _reset(json.loads(request.body or b"{}").get("data", False))
    return JsonResponse(_state())


@csrf_protect
def _page(request: HttpRequest) -> HttpResponse:
    groups: dict[str, list[tuple[int, str]]] = {}
    for number, (group, name, _) in enumerate(BUTTONS):
        groups.setdefault(group, []).append((number, name))
    state = _state()
    return render(
        request,
        "thirdparty/control.html",
        {
            "groups": groups,
            "on": [{**each, "what": json.dumps(each["what"])} for each in state["on"]],
            "clients": state["clients"],
            "said": request.GET.get("said", ""),
        },
    )


@csrf_protect
def _click(request: HttpRequest) -> HttpResponse:
    number = request.POST.get("button", "")
    if not number.isdecimal() or int(number) >= len(BUTTONS):
        raise Http404
    _, name, change = BUTTONS[int(number)]
    client = request.POST.get("client", EVERYBODY)
    if client == EVERYBODY and any(key in change for key in NEEDS_CLIENT):
        clients = list(Application.objects.values_list("client_id", flat=True))
        for each in clients:
            apply({**change, "client": each})
    else:
        apply({**change, "client": client})
    return redirect(f"/control/?said={name}")


@csrf_protect
def _click_reset(request: HttpRequest) -> HttpResponse:
    _reset(data=False)
    return redirect("/control/?said=Behave again")


def _change(request: HttpRequest) -> HttpResponse:
    try:
        done = apply(json.loads(request.body))
    except (ValueError, TypeError, KeyError) as error:
        return JsonResponse({"error": str(error)}, status=400)
    return JsonResponse({**_state(), **done})


def apply(change: dict[str, Any]) -> dict[str, Any]:
    """Do what the JSON says, and return what was done; ValueError names an unknown member."""
    known = {"client", *PLACES.values(), "api", *HABITS, *_ACTIONS}
    if strange := sorted(set(change) - known):
        raise ValueError(f"There is no switch {strange[0]}; there are {', '.join(sorted(known))}.")
    client = change.get("client") or EVERYBODY
    for place in (*PLACES.values(), "api"):
        if place in change:
            fault = change[place]
            switches.set_fault(place, client, None if fault is None else Fault.parse(fault))
    for name in HABITS:
        if name in change:
            switches.set_habit(name, client, change[name])
    named = "" if client == EVERYBODY else client
    return {name: act(named, change[name]) for name, act in _ACTIONS.items() if name in change}


def _revoke(client: str, whose: str | bool) -> int:
    return tokens.revoke(client, whose if isinstance(whose, str) else "")


def _rotate_secret(client: str, new: str | bool) -> str:
    application = _one(client)
    application.client_secret = new if isinstance(new, str) else secrets.token_urlsafe(24)
    said = str(application.client_secret)
    application.save()
    return said


def _forget(client: str, what: str) -> bool:
    application = _one(client)
    if what == "client":
        application.client_id = f"forgotten {client}"
    else:
        application.redirect_uris = "http://localhost/forgotten"
    application.save()
    return True


def _register(_: str, asked: dict[str, Any]) -> str:
    registrations[asked["client_id"]] = asked
    return oauth.register(**asked).client_id


def _one(client: str) -> Application:
    if not client:
        raise ValueError("Name a client.")
    try:
        return Application.objects.get(client_id=client)
    except Application.DoesNotExist:
        raise ValueError(f"There is no client {client}.") from None


_ACTIONS: dict[str, Callable[[str, Any], Any]] = {
    "expire": lambda client, _: tokens.expire(client),
    "revoke_user": _revoke,
    "reconsent": lambda client, _: tokens.want_consent_again(client),
    "rotate_secret": _rotate_secret,
    "forget": _forget,
    "register": _register,
}


def _reset(data: bool) -> None:
    switches.clear()
    for application in Application.objects.filter(client_id__startswith="forgotten "):
        application.client_id = application.client_id.removeprefix("forgotten ")
        application.save()
    for asked in registrations.values():
        oauth.register(**asked)
    if data:
        people.restore()


def _state() -> dict[str, Any]:
    clients = Application.objects.order_by("client_id").values_list("client_id", flat=True)
    return {"on": switches.now_on(), "clients": list(clients)}
