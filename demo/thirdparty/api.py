"""The API: contacts and notes of the user behind the Bearer token; refusals as RFC 6750 says."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from oauth2_provider.oauth2_backends import get_oauthlib_core

from demo.thirdparty.models import Contact, Note

MOST = 100
View = Callable[..., HttpResponse]


class Unfit(Exception):
    """The request's content is wrong; the words say what."""


def speaks(**scope_of_method: str) -> Callable[[View], View]:
    """Answer these methods, each to a valid token with its scope."""

    def wrap(view: View) -> View:
        @csrf_exempt
        @wraps(view)
        def checked(request: HttpRequest, **kwargs: Any) -> HttpResponse:
            scope = scope_of_method.get(request.method or "")
            if scope is None:
                response = _error(405, "method_not_allowed", "Not here.")
                response["Allow"] = ", ".join(scope_of_method)
                return response
            valid, found = get_oauthlib_core().verify_request(request, scopes=[scope])
            if not valid:
                return _refusal(request, found, scope)
            request.user = found.user
            try:
                return view(request, **kwargs)
            except Unfit as unfit:
                return _error(422, "invalid", str(unfit))

        return checked

    return wrap


def _refusal(request: HttpRequest, found: Any, scope: str) -> HttpResponse:
    if not request.headers.get("Authorization"):
        return _challenge(401, "", "A Bearer token is needed.", "")
    if getattr(found, "oauth2_error", {}).get("error") == "insufficient_scope":
        return _challenge(403, "insufficient_scope", f"The token lacks the scope {scope}.", scope)
    return _challenge(
        401, "invalid_token", "The access token expired, was revoked or never existed.", ""
    )


def _challenge(status: int, code: str, words: str, scope: str) -> HttpResponse:
    members = ['realm="Acme CRM"']
    if code:
        members += [f'error="{code}"', f'error_description="{words}"']
    if scope:
        members.append(f'scope="{scope}"')
    response = _error(status, code or "token_missing", words)
    response["WWW-Authenticate"] = "Bearer " + ", ".join(members)
    return response


def _error(status: int, code: str, words: str) -> HttpResponse:
    return JsonResponse({"error": code, "error_description": words}, status=status)


def status(request: HttpRequest) -> HttpResponse:
    """For anybody: whether Acme CRM is up."""
    return JsonResponse(
        {"service": "Acme CRM", "status": "ok", "time": datetime.now(UTC).isoformat()}
    )


def nothing_here(request: HttpRequest) -> HttpResponse:
    """What stands at no address of the API."""
    return _error(404, "not_found", "Nothing here.")


@speaks(GET="profile")
def me(request: HttpRequest) -> HttpResponse:
    """Who the token speaks for."""
    user = request.user
    return JsonResponse(
        {"id": user.pk, "account": user.get_username(), "name": user.get_full_name()}  # type: ignore[union-attr]
    )


@speaks(GET="contacts.read", POST="contacts.write")
def contacts(request: HttpRequest) -> HttpResponse:
    """List (`limit`, `q`) or add (`name`; `email`, `phone`, `company`)."""
    own = Contact.objects.filter(owner=request.user)
    if request.method == "POST":
        return _created(request, _new_contact(request))
    if q := request.GET.get("q", ""):
        own = own.filter(name__icontains=q) | own.filter(company__icontains=q)
    return _listed("contacts", request, own)


@speaks(GET="contacts.read")
def contact(request: HttpRequest, pk: int) -> HttpResponse:
    """One contact of the user."""
    found = Contact.objects.filter(owner=request.user, pk=pk).first()
    return JsonResponse(found.as_json()) if found else _error(404, "not_found", "No such contact.")


@speaks(GET="notes.read", POST="notes.write")
def notes(request: HttpRequest) -> HttpResponse:
    """List (`limit`), the newest first, or add (`text`; `contact`: an id)."""
    if request.method == "POST":
        return _created(request, _new_note(request))
    return _listed("notes", request, Note.objects.filter(owner=request.user))


def _listed(name: str, request: HttpRequest, rows: Any) -> HttpResponse:
    limit = _limit(request.GET.get("limit", "20"))
    found = [row.as_json() for row in rows[:limit]]
    return JsonResponse({name: found, "total": rows.count(), "limit": limit})


def _limit(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST:
        raise Unfit(f"limit is a whole number from 1 to {MOST}.")
    return int(text)


def _created(request: HttpRequest, row: Contact | Note) -> HttpResponse:
    response = JsonResponse(row.as_json(), status=201)
    response["Location"] = f"{request.path}/{row.pk}"
    return response


def _new_contact(request: HttpRequest) -> Contact:
    sent = _content(request)
    return Contact.objects.create(
        owner=request.user,
        name=_text(sent, "name", 200, needed=True),
        email=_text(sent, "email", 254),
        phone=_text(sent, "phone", 40),
        company=_text(sent, "company", 200),
    )


def _new_note(request: HttpRequest) -> Note:
    sent = _content(request)
    about = None
    if sent.get("contact"):
        about = Contact.objects.filter(owner=request.user, pk=_whole(sent["contact"])).first()
        if about is None:
            raise Unfit("contact is no contact of yours.")
    return Note.objects.create(
        owner=request.user, contact=about, text=_text(sent, "text", 2_000, needed=True)
    )


def _content(request: HttpRequest) -> dict[str, Any]:
    if request.content_type == "application/x-www-form-urlencoded":
        return request.POST.dict()
    try:
        sent = json.loads(request.body)
    except (ValueError, RecursionError):
        raise Unfit("The body is not JSON.") from None
    if not isinstance(sent, dict):
        raise Unfit("The body is no JSON object.")
    return sent


def _text(sent: dict[str, Any], name: str, most: int, *, needed: bool = False) -> str:
    value = sent.get(name) or ""
    if not isinstance(value, str) or len(value) > most:
        raise Unfit(f"{name} is text of at most {most} characters.")
    if needed and not value.strip():
        raise Unfit(f"{name} is missing.")
    return value.strip()


def _whole(value: Any) -> int:
    if not str(value).isdecimal():
        raise Unfit("contact is a whole number.")
    return int(value)
