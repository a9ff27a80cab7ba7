"""Authorize, Done Authorizing, Check configuration: addresses for a form that is not saved.

They take the whole form, check only what a walk needs, and save no connected system. With
``Accept: application/json`` the box comes as JSON for the page's script; else as a page.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    JsonResponse,
)
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_GET, require_POST

from authlinks import limits
from authlinks.models import AttemptOutcome, AuthorizationAttempt
from authlinks.navigation import private
from connectedsystems import configuration, noticed, outbound
from connectedsystems.configuration import AUTHORIZATION_CODE, Configuration
from connectedsystems.errors import ConfigurationInvalid, Failure
from connectedsystems.models import ConnectedSystem, redirect_uri_of
from workbench import cautions, discovering, examination, says, tries, unfinished
from workbench import preview as previews
from workbench.affected import of_change, told
from workbench.discovering import Answer
from workbench.says import Says
from workbench.systemform import Birth, Typed, mistakes_in, typed

_PAGE = "workbench/systems/draft.html"
_BOX = "workbench/systems/_says.html"
_REQUESTS = "workbench/systems/_preview.html"

NOT_BEGUN = Says(
    tone="bad",
    title="Nobody has been sent to the other system yet",
    code="attempt_not_finished",
    lines=(
        ("", "No authorization has been begun from this form."),
        ("Cause", "Authorize was not clicked, or the browser blocked the pop-up."),
        ("Fix", "Click Authorize, approve in the other system's window, then come back here."),
    ),
)
WRONG_KIND = Says(
    tone="bad",
    title="There is nothing to authorize",
    code="configuration_invalid",
    lines=(("", "Only with OAuth 2.0: Authorization Code does each user authorize."),),
    fields=("authentication",),
)
NOBODY_TOUCHED = Says(
    tone="good",
    title="Saving this touches nobody's authorization",
    code="",
)


@dataclass(frozen=True, slots=True)
class Draft:
    """A posted form: whose, of which system if that is saved, and what it says."""

    birth: Birth
    typed: Typed
    user: Any


class Refused(Exception):
    """A form that cannot be read as a draft of this person's."""

    def __init__(self, said: Says) -> None:
        super().__init__(said.title)
        self.says = said


@sensitive_variables()
def _draft(request: HttpRequest, model_admin: Any) -> Draft:
    birth = Birth.read(request.POST.get("public_id", ""), request.user)
    if birth is None:
        raise Refused(says.failure("form_expired", {}))
    saved = ConnectedSystem.objects.filter(pk=birth.public_id).first()
    mine = model_admin.has_change_permission(request, saved)
    if not (mine if saved else model_admin.has_add_permission(request)):
        raise Http404("no such connected system")
    post = {name: request.POST.get(name, "") for name in request.POST}
    said = typed(post, saved, birth.public_id, request.user, request.session)
    return Draft(birth, said, request.user)


@sensitive_post_parameters()
@require_POST
def authorize(request: HttpRequest, model_admin: Any) -> HttpResponse:
    """Begin an attempt with the form's values and lead to the other system."""
    try:
        draft = _draft(request, model_admin)
        url, data = _set_out(request, draft)
    except Refused as refused:
        return _answer(request, refused.says, status=400)
    except ConfigurationInvalid as invalid:
        noticed.note_mistakes(invalid.errors)
        return _answer(request, says.mistakes(mistakes_in(invalid)), status=400)
    except Failure as failure:
        noticed.note(failure.code, failure.facts, system_id=draft.birth.public_id)
        return _answer(request, says.failure(failure.code, failure.facts), status=400)
    if not _wants_json(request):
        return private(HttpResponseRedirect(url))
    said = _waiting(
        configuration.read(tries.needed(data)),
        draft.typed.secrets,
        blocked=request.POST.get("popup") == "blocked",
        url=url,
    )
    return _answer(request, said, url=url)


@sensitive_variables()
def _set_out(request: HttpRequest, draft: Draft) -> tuple[str, dict[str, Any]]:
    """The other system's address, and the values that were tried."""
    data = draft.typed.data
    if data["authentication"] != AUTHORIZATION_CODE:
        raise Refused(WRONG_KIND)
    _refuse_mistakes(draft)
    found = configuration.discover(configuration.parse(tries.needed(data)))
    data = {**data, "discovered": found} if found else data
    back = reverse(
        "admin:connectedsystems_connectedsystem_draft_back", args=[draft.birth.public_id]
    )
    _attempt, url = tries.begin(
        draft.birth.public_id, data, draft.typed.secrets, request.user, request.session, back
    )
    return url, data


@sensitive_post_parameters()
@require_POST
def check(request: HttpRequest, model_admin: Any) -> HttpResponseBase:
    """Look at each setting from here, without a user and without a token."""
    try:
        draft = _draft(request, model_admin)
        limits.count("call", f"check:{request.user.pk}")
        _refuse_mistakes(draft)
        data = tries.needed(draft.typed.data)
        parsed = configuration.parse(data, discovered=_remembered(draft), complete=False)
    except Refused as refused:
        return _answer(request, refused.says, status=400)
    except ConfigurationInvalid as invalid:
        noticed.note_mistakes(invalid.errors)
        return _answer(request, says.mistakes(mistakes_in(invalid)), status=400)
    except Failure as failure:
        return _answer(request, says.failure(failure.code, failure.facts), status=400)
    bare = _wants_json(request)
    return examination.stream(
        request, parsed, draft.typed.secrets, draft.birth.public_id, bare=bare
    )


def _refuse_mistakes(draft: Draft) -> None:
    errors = {name: texts for name, texts in draft.typed.errors.items() if _matters(name)}
    if errors:
        raise Refused(says.mistakes(errors))


def _matters(name: str) -> bool:
    return name not in ("request_headers", "request_parameters", "expired_when")


@sensitive_variables()
def _waiting(tried: Configuration, secrets: Mapping[str, Any], *, blocked: bool, url: str) -> Says:
    found = cautions.of_settings(tried, secrets)
    host = outbound.host_of(url)
    if blocked:
        said = says.failure("popup_blocked", {})
        return replace(said, tone="due", link=(f"Open {host}", url), cautions=found)
    return Says(
        tone="due",
        title="Waiting for your approval in the other window",
        lines=(
            ("", f"The window shows {host}. Approve there, then click Done Authorizing here."),
            *_found_there(tried),
        ),
        cautions=found,
    )


def _found_there(tried: Configuration) -> tuple[tuple[str, str], ...]:
    """Where the code and the secret go, if nobody typed it."""
    if "token_endpoint" not in tried.discovered:
        return ()
    sentence = f"the token is asked for at {tried.discovered['token_endpoint']}."
    return (("From the Discovery URL", sentence),)


@sensitive_post_parameters()
@require_POST
def done(request: HttpRequest, model_admin: Any) -> HttpResponse:
    """Say what became of the newest attempt begun from this form."""
    try:
        draft = _draft(request, model_admin)
    except Refused as refused:
        return _answer(request, refused.says, status=400)
    attempt = tries.latest(draft.birth.public_id, request.user, draft.birth.at)
    return _answer(request, _verdict(request, attempt, _with_remembered(draft)))


@sensitive_post_parameters()
@require_POST
def affected(request: HttpRequest, model_admin: Any) -> HttpResponse:
    """Say whom the values in the form would touch, were they saved now."""
    try:
        draft = _draft(request, model_admin)
    except Refused as refused:
        return _answer(request, refused.says, status=400)
    return _answer(request, _touched(draft))


@sensitive_post_parameters()
@require_POST
def preview(request: HttpRequest, model_admin: Any) -> HttpResponse:
    """The requests that the values in the form lead to, with names in the place of secrets."""
    try:
        draft = _draft(request, model_admin)
    except Refused as refused:
        return _answer(request, refused.says, status=400)
    parsed = configuration.read(_with_remembered(draft))
    context = {"requests": previews.of(parsed, redirect_uri_of(draft.birth.public_id))}
    if not _wants_json(request):
        return private(render(request, "workbench/systems/preview.html", context))
    return private(JsonResponse({"html": render_to_string(_REQUESTS, context, request)}))


def _touched(draft: Draft) -> Says:
    """What is half typed touches nobody yet."""
    system = ConnectedSystem.objects.filter(pk=draft.birth.public_id).first()
    if system is None or draft.typed.errors:
        return NOBODY_TOUCHED
    try:
        parsed = configuration.parse(draft.typed.data, discovered=_remembered(draft))
    except ConfigurationInvalid:
        return NOBODY_TOUCHED
    return told(of_change(system, parsed)) or NOBODY_TOUCHED


def fetched(request: HttpRequest, model_admin: Any) -> Answer:
    """What the Discovery URL of a posted form says now; None where there is none to ask.

    For a save, which checks the form inside a transaction: nothing is fetched there.
    """
    try:
        draft = _draft(request, model_admin)
        written = configuration.parse(tries.needed(draft.typed.data))
    except (Refused, Http404, ConfigurationInvalid):
        return None
    return discovering.asked(written)


def _remembered(draft: Draft) -> Mapping[str, Any] | None:
    """What the form's Discovery URL said last: when it was tried, or saved."""
    system = ConnectedSystem.objects.filter(pk=draft.birth.public_id).first()
    attempt = tries.latest(draft.birth.public_id, draft.user, draft.birth.at)
    stored = system.configuration.get("discovered") if system else None
    return discovering.remembered(
        configuration.read(draft.typed.data), tries.discovered(attempt), stored
    )


def _with_remembered(draft: Draft) -> dict[str, Any]:
    return {**draft.typed.data, "discovered": _remembered(draft)}


@require_GET
def status(request: HttpRequest, model_admin: Any, public_id: uuid.UUID) -> HttpResponse:
    """The newest attempt of this person for this public id, for the page that waits."""
    attempt = _newest(request, public_id)
    response = JsonResponse(
        {
            "attempt": str(attempt.present_outcome) if attempt else "",
            "code": attempt.present_code if attempt else "",
            "reference": attempt.reference if attempt else "",
        }
    )
    response["Cache-Control"] = "no-store"
    return response


@require_GET
def back(request: HttpRequest, model_admin: Any, public_id: uuid.UUID) -> HttpResponse:
    """Where a walk ends that was made in a tab of its own: the form waits in the other one."""
    said = _verdict(request, _newest(request, public_id), None)
    return private(render(request, _PAGE, _context(request, said)))


def _newest(request: HttpRequest, public_id: uuid.UUID) -> AuthorizationAttempt | None:
    user: Any = request.user
    return (
        AuthorizationAttempt.objects.filter(system_id=public_id, user=user, draft__isnull=False)
        .order_by("-begun_at")
        .first()
    )


@sensitive_variables("brought")
def _verdict(
    request: HttpRequest, attempt: AuthorizationAttempt | None, data: Mapping[str, Any] | None
) -> Says:
    """What is true of an attempt, compared with what the form says now."""
    if attempt is None:
        return NOT_BEGUN
    if attempt.present_outcome == AttemptOutcome.OPEN:
        return unfinished.told(attempt, _where(attempt), request.user)
    if attempt.present_outcome == AttemptOutcome.FAILED:
        facts = {**_where(attempt), **attempt.facts}
        if attempt.present_code == "client_auth_failed":
            return unfinished.refused(attempt, facts, request.user)
        return says.failure(attempt.present_code, facts, attempt.reference)
    brought = tries.brought(attempt, request.session)
    if brought is None:
        return says.failure("state_missing_session", {}, attempt.reference)
    changed = tries.changes(attempt, data) if data is not None else []
    if changed:
        return _stale(attempt, changed)
    return Says(
        tone="good",
        title="You are authorized",
        lines=(("", _received(brought.answer.scope, brought.answer.expires_in)),),
        reference=attempt.reference,
        cautions=cautions.of_grant(
            asked=attempt.scope_requested,
            granted=brought.answer.scope or "",
            refreshable=brought.answer.refresh_token is not None,
        ),
    )


def _received(scope: str | None, seconds: float | None) -> str:
    granted = f" It may do: {scope}." if scope else ""
    life = "" if seconds is None else f" It lives for {_in_words(seconds)}."
    return f"A token has come, sealed for you alone.{granted}{life} Save keeps it."


def _in_words(seconds: float) -> str:
    for size, word in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {word}s"
    return f"{max(0.0, seconds):.0f} seconds"


def _stale(attempt: AuthorizationAttempt, changed: list[str]) -> Says:
    return Says(
        tone="bad",
        title="You are authorized, but under other settings",
        code="configuration_changed",
        reference=attempt.reference,
        lines=(
            ("", f"Changed since you authorized: {', '.join(changed)}."),
            ("Cause", "An authorization holds only for the settings it was given under."),
            ("Fix", "Click Authorize again."),
        ),
    )


def _where(attempt: AuthorizationAttempt) -> dict[str, Any]:
    tried = tries.tried(attempt)
    endpoint = str(tried.oauth.get("authorization_endpoint") or "") if tried else ""
    host = urlsplit(endpoint).hostname
    return {"host": host} if host else {}


def _wants_json(request: HttpRequest) -> bool:
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"


def _answer(request: HttpRequest, said: Says, *, url: str = "", status: int = 200) -> HttpResponse:
    if not _wants_json(request):
        return private(render(request, _PAGE, _context(request, said), status=status))
    content = {
        "html": render_to_string(_BOX, {"says": said}, request),
        "fields": list(said.fields),
        "tone": said.tone,
        "code": said.code,
        "url": url,
    }
    # A box is an answer, whatever it says: browsers complain of anything but 200 to a script.
    return private(JsonResponse(content))


def _context(request: HttpRequest, said: Says) -> dict[str, Any]:
    return {"says": said, "title": said.title}
