"""The pages of held submissions: look, deliver, edit, discard, resolve; each act is a POST."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from authlinks.returned import came_back_for
from authlinks.standing import standing_of
from connectedsystems.diagnosis import Diagnosis, diagnose
from connectedsystems.errors import InputInvalid, VaultFailure
from integrations import call, conversation, files, inputs
from integrations import held as holding
from integrations.forms import form_for
from integrations.models import HeldState, HeldSubmission
from integrations.response import IntegrationResponse


@login_required
@require_safe
def held_list(request: HttpRequest) -> HttpResponse:
    """All that this user submitted and that did not arrive yet, and what became of the rest."""
    return render(request, "integrations/held_list.html", {"rows": holding.of_user(request.user)})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def held(request: HttpRequest, held_id: uuid.UUID) -> HttpResponse:
    """One held submission: what was typed, its state, and what its user can do with it."""
    submission = holding.of_user(request.user).filter(pk=held_id).first()
    if submission is None:
        raise Http404("no such held submission")
    if request.method == "POST":
        return _act(request, submission, request.POST.get("action", ""))
    return _show(request, submission)


def _act(request: HttpRequest, submission: HeldSubmission, action: str) -> HttpResponse:
    if action in ("deliver", "send_again"):
        return _deliver(request, submission, again=action == "send_again")
    if action == "go_on":
        # The page that waited goes on by itself only where nothing is left to ask.
        if _came_back(request, submission):
            return _deliver(request, submission, again=False)
        return redirect(submission.url)
    if action in ("edit", "save") and _opened(submission)[1] is not None:
        # What does not open cannot be shown, and saving would replace it.
        return _show(request, submission)
    if action == "edit":
        return _show(request, submission, editing=True)
    if action == "save":
        return _save(request, submission)
    if action == "arrived":
        holding.resolve_as_arrived(submission)
        return redirect(submission.url)
    if action == "discard":
        return _discard(request, submission)
    return _show(request, submission, status=400)


def _came_back(request: HttpRequest, submission: HeldSubmission) -> bool:
    """Whether the walk that began with this submission has just ended well, in this session."""
    system = submission.integration.connected_system
    return came_back_for(request.session, request.user, system, submission.url)


def _deliver(request: HttpRequest, submission: HeldSubmission, *, again: bool) -> HttpResponse:
    response = call.deliver(submission, again=again)
    submission.refresh_from_db()
    status = response.http_status if response else 200
    return _show(request, submission, response=response, status=status)


def _discard(request: HttpRequest, submission: HeldSubmission) -> HttpResponse:
    if not holding.discard(submission):
        messages.warning(request, "It is being sent right now, so it was not discarded.")
        return redirect(submission.url)
    messages.success(request, f"“{submission.integration.name}” was discarded. Nothing was sent.")
    return redirect(reverse("integrations:held_list"))


def _save(request: HttpRequest, submission: HeldSubmission) -> HttpResponse:
    definition = conversation.definition_of(
        submission.integration_id, submission.integration.version
    )
    given = inputs.texts_of(definition.inputs, dict(request.POST.lists()))
    given |= files.texts_of(definition.inputs, request.FILES)
    try:
        values = inputs.read(definition.inputs, given, texts=True)
    except InputInvalid:
        form = form_for(definition, given)
        form.is_valid()
        return _show(request, submission, editing=True, form=form, status=400)
    if holding.change(submission, values):
        messages.success(request, "Your changes are kept.")
    else:
        messages.warning(request, "It could not be changed: it is on its way, or kept already.")
    return redirect(submission.url)


def _shown(wanted: inputs.Input, value: Any) -> Any:
    if wanted.type == "file":
        return files.told(value) or None
    return ", ".join(map(str, value)) if wanted.type == "list" and value else value


def _opened(submission: HeldSubmission) -> tuple[dict[str, Any], Diagnosis | None]:
    """What was typed; where it does not open nothing, and why."""
    try:
        return submission.opened_inputs(), None
    except VaultFailure as failure:
        return {}, diagnose(failure.code, {**failure.facts, "subject": "held submission"})


def _lacks_authorization(request: HttpRequest, submission: HeldSubmission) -> bool:
    """Whether sending it now would only lead to the authorization link."""
    system = submission.integration.connected_system
    standing = standing_of(system, request.user)
    return system.has_user_authorizations and standing.can_authorize and not standing.connected


def _show(
    request: HttpRequest,
    submission: HeldSubmission,
    *,
    response: IntegrationResponse | None = None,
    editing: bool = False,
    form: Any = None,
    status: int = 200,
) -> HttpResponse:
    definition = conversation.definition_of(
        submission.integration_id, submission.integration.version
    )
    values, shut = _opened(submission)
    if shut is not None and response is None:
        status = shut.status
    texts = inputs.as_texts(definition.inputs, values)
    state = submission.present_state
    goes_on = (
        shut is None
        and request.method == "GET"
        and state == HeldState.WAITING
        and _came_back(request, submission)
    )
    told = response is not None and response.needs_authorization
    context = {
        "held": submission,
        "state": state,
        "state_label": HeldState(state).label,
        "integration": submission.integration,
        "system": submission.integration.connected_system,
        "values": [(each.title, _shown(each, values.get(each.name))) for each in definition.inputs],
        "form": form or (form_for(definition, texts) if editing else None),
        "editing": editing,
        "shut": shut,
        "response": response,
        "goes_on": goes_on,
        "lacks_authorization": state == HeldState.WAITING
        and shut is None
        and not (told or goes_on or editing)
        and _lacks_authorization(request, submission),
    }
    answer = render(request, "integrations/held.html", context, status=status)
    answer["Cache-Control"] = "no-store"
    return answer
