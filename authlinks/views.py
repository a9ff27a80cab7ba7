"""The walk in HTTP: authorize, callback, closing, status, My connections, disconnect."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    JsonResponse,
)
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from authlinks import disconnect as ending
from authlinks import flow, limits, listing, posted, question, registration
from authlinks.flow import AttemptFailed
from authlinks.link import link_for
from authlinks.models import AttemptOutcome, AuthorizationAttempt
from authlinks.navigation import (
    authorize_path,
    form_may_leave,
    holds_form,
    is_ahead_of_time,
    is_own_click,
    local_path,
    private,
)
from authlinks.standing import alive, of_access, standing_of, standings
from connectedsystems import noticed
from connectedsystems.diagnosis import diagnose, quote
from connectedsystems.errors import Failure, FlowFailure
from connectedsystems.models import ConnectedSystem

FETCH_METADATA = ("Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Sec-Purpose")


class SeeOther(HttpResponseRedirect):
    """303: go on with a GET."""

    status_code = 303


def _system_for(user: Any, slug: str) -> ConnectedSystem:
    """The system this user may authorize at; for everybody else it does not exist."""
    system = of_access(user).filter(slug=slug).first()
    if system is None:
        raise Http404("no such connected system")
    return system


@login_required
@require_http_methods(["GET", "POST"])
def authorize(request: HttpRequest, slug: str) -> HttpResponse:
    """Go to the other system, or ask first where the click was not made on a page of ours."""
    system = _system_for(request.user, slug)
    given = request.POST if request.method == "POST" else request.GET
    next_path = local_path(given.get("next"), "")
    popup = given.get("popup") == "1"
    if request.method == "POST" or is_own_click(request):
        response = _set_out(request, system, next_path, popup)
    else:
        response = _confirmation(request, system, next_path, popup)
    patch_vary_headers(response, FETCH_METADATA)
    return private(response)


def _set_out(
    request: HttpRequest, system: ConnectedSystem, next_path: str, popup: bool
) -> HttpResponse:
    try:
        limits.check_authorize(request.user)
        _attempt, url = flow.begin(
            registration.of_system(system),
            request.user,
            request.session,
            next_path=next_path,
            popup=popup,
        )
    except Failure as failure:
        noticed.note(failure.code, failure.facts, system_id=system.pk, subject=request.user)
        return failed_walk(request, failure, system, next_path=next_path, popup=popup)
    return HttpResponseRedirect(url)


def _confirmation(
    request: HttpRequest, system: ConnectedSystem, next_path: str, popup: bool
) -> HttpResponse:
    context = {"system": system, "next": next_path, "popup": popup}
    response = render(request, "authlinks/confirm.html", context)
    endpoint = str(system.parsed().oauth.get("authorization_endpoint") or "")
    return holds_form(form_may_leave(response, endpoint))


@csrf_exempt  # a form posted here only leads to a GET, which any link may ask for
@require_http_methods(["GET", "POST"])
def callback(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """The redirect URI: ends in a clean address, or in a page that says why not."""
    if request.method == "POST":
        return private(_come_again(request, public_id))
    if is_ahead_of_time(request):
        return private(failed_walk(request, FlowFailure("opened_ahead"), None))
    if not _may_come_back(request.user, public_id):
        raise Http404("no such connected system")
    try:
        limits.check_callback(request)
        attempt = flow.finish(
            public_id, request.user, request.session, request.META.get("QUERY_STRING", "")
        )
    except AttemptFailed as failed:
        return private(_callback_failed(request, public_id, failed))
    except Failure as failure:
        return private(_callback_failed(request, public_id, AttemptFailed(failure, None)))
    if attempt.outcome == AttemptOutcome.OPEN:
        return private(SeeOther(reverse("authlinks:question", args=[attempt.system.slug])))
    return private(_onward(attempt))


def _come_again(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    if posted.is_redirected(request):
        return SeeOther(request.get_full_path())
    if not posted.is_form(request):
        return HttpResponseNotAllowed(["GET"])
    try:
        return SeeOther(posted.address_of(request))
    except Failure as failure:
        return _callback_failed(request, public_id, AttemptFailed(failure, None))


def _onward(attempt: AuthorizationAttempt) -> HttpResponse:
    """On to where the walk was meant to end, under a clean address."""
    next_path = attempt.next or reverse("authlinks:connections")
    if attempt.popup:
        next_path = f"{reverse('authlinks:closing')}?{urlencode({'next': next_path})}"
    return SeeOther(next_path)


@login_required
@require_http_methods(["GET", "POST"])
def ask(request: HttpRequest, slug: str) -> HttpResponse:
    """The question a walk ended in: which of several, or whether another account is meant."""
    system = _system_for(request.user, slug)
    attempt = question.asked_in(request.session, request.user, system.pk)
    try:
        brought = question.kept(attempt) if attempt else None
    except Failure as failure:
        return private(failed_walk(request, failure, system))
    if attempt is None or brought is None:
        return private(SeeOther(reverse("authlinks:connections")))
    if request.method == "GET":
        context = {"system": system, "brought": brought, "attempt": attempt}
        return private(holds_form(render(request, "authlinks/question.html", context)))
    if brought.open_question == "account" and request.POST.get("action") == "keep":
        flow.leave_as_it_was(attempt)
        messages.info(
            request, f"Nothing was changed: {system.name} still knows you as {brought.previous}."
        )
        return private(_onward(attempt))
    try:
        done = flow.answer_question(
            attempt,
            chosen=request.POST.get("choice", ""),
            replace=request.POST.get("action") == "replace",
        )
    except AttemptFailed as failed:
        return private(_callback_failed(request, system.pk, failed))
    return private(_onward(attempt) if done else SeeOther(request.path))


def _may_come_back(user: Any, public_id: uuid.UUID) -> bool:
    """Whether this person may use the system still; a draft's has no row yet."""
    known = ConnectedSystem.objects.filter(pk=public_id)
    if not user.is_authenticated or not known.exists():
        return True
    return ConnectedSystem.objects.for_member(user).filter(pk=public_id).exists()


def _is_tried(public_id: uuid.UUID, user: Any = None) -> bool:
    """Whether somebody (or this user) has tried a system of this public id before saving it."""
    tries = AuthorizationAttempt.objects.filter(system_id=public_id, draft__isnull=False)
    return (tries.filter(user=user) if user else tries).exists()


def _callback_failed(
    request: HttpRequest, public_id: uuid.UUID, failed: AttemptFailed
) -> HttpResponse:
    attempt = failed.attempt
    system = None
    if request.user.is_authenticated:
        visible = ConnectedSystem.objects.for_member(request.user)
        system = visible.filter(pk=public_id).first()
        if system is None and not _is_tried(public_id, request.user):
            raise Http404("no such connected system")
    else:
        system = ConnectedSystem.objects.filter(pk=public_id).first()
        if system is None and not _is_tried(public_id):
            raise Http404("no such connected system")
        if attempt is None:
            system = None
    return failed_walk(
        request,
        failed.failure,
        system,
        next_path=attempt.next if attempt else "",
        popup=bool(attempt and attempt.popup),
        reference=attempt.reference if attempt else "",
        draft=bool(attempt and attempt.draft),
    )


def failed_walk(
    request: HttpRequest,
    failure: Failure,
    system: ConnectedSystem | None,
    *,
    next_path: str = "",
    popup: bool = False,
    reference: str = "",
    draft: bool = False,
) -> HttpResponse:
    """The page of a walk that did not end well: what was seen, why, and a fresh start."""
    facts = {"stage": "callback", **failure.facts, **({"system": system.name} if system else {})}
    diagnosis = diagnose(failure.code, facts)
    user: Any = request.user
    designs = system is not None and (
        ConnectedSystem.objects.for_designer(user).filter(pk=system.pk).exists()
    )
    again = ""
    helps = failure.facts.get("subject", "authorization") == "authorization"
    if failure.code == "key_missing":
        helps = False
    if system is not None and not draft and system.has_user_authorizations and helps:
        again = authorize_path(system.slug, next_path, popup=popup)
    context = {
        "system": system,
        "diagnosis": diagnosis,
        "quote": quote(facts),
        "reference": reference,
        "again": again,
        "next": next_path or reverse("authlinks:connections"),
        "popup": popup,
        "draft": draft,
        "shows_detail": designs or draft,
    }
    response = render(request, "authlinks/failed.html", context, status=diagnosis.status)
    if failure.facts.get("retry_after"):
        response["Retry-After"] = str(failure.facts["retry_after"])
    return response


@require_safe
def closing(request: HttpRequest) -> HttpResponse:
    """Where a pop-up ends: it signals the page that waits, and closes."""
    next_path = local_path(request.GET.get("next"), reverse("authlinks:connections"))
    return private(render(request, "authlinks/closing.html", {"next": next_path}))


@require_safe
def status(request: HttpRequest, slug: str) -> HttpResponse:
    """This user's standing at one system, as JSON; the page that waits asks here for the truth."""
    if not request.user.is_authenticated:
        response = _error_json("log_in")
    else:
        try:
            system = _system_for(request.user, slug)
        except Http404:
            response = _error_json("not_found")
        else:
            response = JsonResponse(standing_of(system, request.user).as_json())
    response["Cache-Control"] = "no-store"
    return response


def _error_json(code: str) -> JsonResponse:
    told = diagnose(code)
    error = {"code": code, "title": told.title, "message": told.user}
    return JsonResponse({"error": error}, status=told.status)


@login_required
@require_safe
def connections(request: HttpRequest) -> HttpResponse:
    """My connections: every system this user may authorize or is connected to still."""
    user: Any = request.user
    part = listing.part_of(
        request, alive(user).select_related("application"), "name", "description"
    )
    context = {
        "part": part,
        "rows": [
            {
                "standing": row,
                "diagnosis": diagnose(row.code, row.facts) if row.code else None,
                "link": link_for(
                    row, request.path, "Authorize again" if row.connected else "Authorize"
                )
                if row.can_authorize
                else None,
            }
            for row in standings(part.page.object_list, user)
        ],
    }
    response = render(request, "authlinks/connections.html", context)
    response["Cache-Control"] = "no-store"
    response["Cross-Origin-Opener-Policy"] = "same-origin-allow-popups"
    return response


@login_required
@require_POST
def disconnect(request: HttpRequest, slug: str) -> HttpResponse:
    """Revoke there, forget here, and say which of the two happened.

    Also for somebody who may not use the system any more: what is theirs stays theirs to end.
    """
    user: Any = request.user
    system = alive(user).filter(slug=slug).first()
    if system is None:
        raise Http404("no such connected system")
    ended = ending.disconnect(system, request.user, actor=request.user)
    announce(request, system, ended)
    return SeeOther(local_path(request.POST.get("next"), reverse("authlinks:connections")))


def announce(request: HttpRequest, system: ConnectedSystem, ended: ending.Ended) -> None:
    """Say what a disconnect did, here and over there."""
    if not ended.forgotten:
        messages.info(request, f"{system.name} was not connected.")
    elif ended.confirmed:
        messages.success(
            request,
            f"{system.name} is disconnected: forgotten here, and {system.name} confirmed that it"
            " no longer accepts the permission.",
        )
    elif ended.confirmed is None:
        messages.success(
            request,
            f"{system.name} is disconnected: forgotten here. {system.name} has no address for"
            " ending the permission there; you can remove it in your account settings there.",
        )
    else:
        diagnosis = diagnose(ended.code, {"system": system.name, **ended.facts})
        messages.warning(
            request, f"{system.name} is forgotten here. {diagnosis.user}", extra_tags=ended.code
        )
