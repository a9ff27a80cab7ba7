"""Home, and an integration's page: as a page and as JSON."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_safe

from authlinks import limits
from authlinks.listing import part_of
from authlinks.navigation import local_path
from authlinks.standing import standings
from connectedsystems import json
from connectedsystems.bounds import POSTED
from connectedsystems.diagnosis import diagnose
from connectedsystems.errors import Failure, InputInvalid
from connectedsystems.exact import ExactEncoder
from connectedsystems.models import Application, Authentication, ConnectedSystem
from integrations import call, conversation, files, held, inputs, once
from integrations.definition import Definition
from integrations.forms import form_for
from integrations.models import Integration
from integrations.response import IntegrationResponse, error_of

MOST_CONNECTIONS = 12
"""As many stand on the home page; all of them under My connections."""


@login_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """What this user can use, and how their connections are."""
    user: Any = request.user
    systems = ConnectedSystem.objects.for_member(user).filter(
        authentication=Authentication.AUTHORIZATION_CODE
    )
    offered = (
        Integration.objects.for_member(user)
        .select_related("connected_system__application")
        .prefetch_related("connected_system__circuits")
    )
    part = part_of(
        request,
        offered.order_by("connected_system__application__name", "name", "pk"),
        "name",
        "connected_system__name",
    )
    by_application: dict[Application, list[Integration]] = {}
    for each in part.page:
        by_application.setdefault(each.connected_system.application, []).append(each)
    of_word = systems.filter(name__icontains=part.q)
    number = of_word.count()
    context = {
        "silent": _silent(by_application, user),
        "part": part,
        "applications": list(by_application.items()),
        "standings": standings(of_word[:MOST_CONNECTIONS], user),
        "more_connections": max(0, number - MOST_CONNECTIONS),
        "held": held.of_user(user).exclude(state="delivered"),
    }
    return render(request, "integrations/home.html", context)


def _silent(by_application: dict[Application, list[Integration]], user: Any) -> set[Any]:
    """Keys of the systems that have no connections of users, and do not answer this user."""
    systems = {each.connected_system for offered in by_application.values() for each in offered}
    return {
        system.pk
        for system in systems
        if not system.has_user_authorizations and system.circuit_for(user.pk)
    }


def prefers_json(request: HttpRequest) -> bool:
    """Whether the caller asks for JSON rather than for a page."""
    preferred = request.get_preferred_type(["text/html", "application/json"])
    return preferred == "application/json"


@require_http_methods(["GET", "HEAD", "POST"])
def integration(request: HttpRequest, slug: str) -> HttpResponse:
    """One integration: its inputs as a form, the result, or the authorization link."""
    as_json = prefers_json(request)
    if not request.user.is_authenticated:
        if as_json:
            return _refused_json(Failure("log_in"))
        return redirect_to_login(
            request.get_full_path() if request.method != "POST" else request.path
        )
    user: Any = request.user
    found = (
        Integration.objects.for_member(user)
        .filter(slug=slug)
        .select_related("connected_system")
        .first()
    )
    if found is None:
        raise Http404("no such integration")
    page = _Page(request, found, as_json)
    response = page.answer()
    response["Cache-Control"] = "no-store"
    response["Vary"] = "Accept, Cookie"
    return response


def _refused_json(failure: Failure, system: str = "") -> JsonResponse:
    """What never became a call, in the shape of every other answer."""
    error = error_of(failure)
    response = IntegrationResponse(
        success=False, connected_system=system, reference="", error=error
    )
    return JsonResponse(response.to_json(), status=error.status)


class _Page:
    """One request at an integration's page."""

    def __init__(self, request: HttpRequest, found: Integration, as_json: bool) -> None:
        self.request = request
        self.integration = found
        self.as_json = as_json
        self.definition: Definition = conversation.definition_of(found.pk, found.version)

    def answer(self) -> HttpResponse:
        if self.definition.modifies:
            if self.request.method == "POST":
                return self._send()
            if self.as_json:
                return HttpResponseNotAllowed(["POST"])
            return self._show(form=self._form(None))
        if self.request.method == "POST":
            return HttpResponseNotAllowed(["GET"])
        given = self._given()
        if not inputs.ready(self.definition.inputs, given) and not (self.as_json or given):
            return self._show(form=self._form(None))
        return self._call(given)

    def _given(self) -> dict[str, Any]:
        """What was typed, or sent as a JSON object; names that are no inputs are ignored."""
        request = self.request
        if request.method == "POST" and request.content_type == "application/json":
            try:
                body = json.read((request.body or b"{}").decode("utf-8-sig"), POSTED)
            except ValueError:
                body = None
            if not isinstance(body, dict):
                raise InputInvalid({"body": ["The body must be a JSON object of inputs."]})
            names = {each.name for each in self.definition.inputs}
            return {name: body[name] for name in body if name in names}
        wanted = self.definition.inputs
        source = request.POST if request.method == "POST" else request.GET
        texts = inputs.texts_of(wanted, dict(source.lists()))
        return {**texts, **files.texts_of(wanted, request.FILES)}

    def _send(self) -> HttpResponse:
        sent, first = once.take(self.request.POST.get("action", ""), self.request.user)
        if not first:
            return self._show(form=self._form(None), repeated=sent)
        try:
            given = self._given()
        except InputInvalid as invalid:
            once.release(sent)
            return self._invalid({}, invalid)
        response = self._call(given)
        if response.status_code in (400, 429):
            once.release(sent)
        else:
            once.note(sent, response.headers.get("X-Reference", ""))
        return response

    def _call(self, given: dict[str, Any]) -> HttpResponse:
        texts = self.request.content_type != "application/json" or self.request.method != "POST"
        try:
            limits.count("call", str(self.request.user.pk))
            values = inputs.read(self.definition.inputs, given, texts=texts)
        except InputInvalid as invalid:
            return self._invalid(given, invalid)
        except Failure as failure:
            return self._refused(given, failure)
        response = call.call(self.integration.slug, self.request.user, values, hold=True)
        answer = (
            self._as_json(response)
            if self.as_json
            else self._show(form=self._form(given), response=response)
        )
        if response.error is not None and response.error.retry_after:
            answer["Retry-After"] = str(response.error.retry_after)
        return answer

    def _invalid(self, given: dict[str, Any], invalid: InputInvalid) -> HttpResponse:
        response = call.refused(self.integration.slug, self.request.user, invalid)
        if self.as_json:
            return self._as_json(response)
        form = self._form(given)
        form.is_valid()
        return self._show(form=form, response=response)

    def _refused(self, given: dict[str, Any], failure: Failure) -> HttpResponse:
        answer = (
            _refused_json(failure, self.integration.connected_system.slug)
            if self.as_json
            else self._show(form=self._form(given), failure=failure)
        )
        if failure.facts.get("retry_after"):
            answer["Retry-After"] = str(failure.facts["retry_after"])
        return answer

    def _form(self, given: dict[str, Any] | None) -> Any:
        return form_for(self.definition, given)

    def _sees_detail(self) -> bool:
        user: Any = self.request.user
        return Integration.objects.for_designer(user).filter(pk=self.integration.pk).exists()

    def _as_json(self, response: IntegrationResponse) -> JsonResponse:
        if self.request.method != "POST":
            # Too long for a ``next``, the page comes back without what was typed.
            path = local_path(self.request.get_full_path(), self.request.path)
            response = response.leading_back_to(path)
        detail = response.error is not None and self._sees_detail()
        told = response.to_json(detail=detail)
        return JsonResponse(told, ExactEncoder, status=response.http_status)

    def _show(
        self,
        *,
        form: Any,
        response: IntegrationResponse | None = None,
        failure: Failure | None = None,
        repeated: Any = None,
    ) -> HttpResponse:
        error = response.error if response else None
        status = response.http_status if response else 200
        context: dict[str, Any] = {
            "integration": self.integration,
            "system": self.integration.connected_system,
            "definition": self.definition,
            "form": form,
            "response": response,
            "repeated": repeated,
            "action": once.new_action() if self.definition.modifies else "",
            "shows_detail": error is not None and self._sees_detail(),
        }
        if failure is not None:
            diagnosis = diagnose(failure.code, failure.facts)
            context |= {"diagnosis": diagnosis, "reference": ""}
            status = diagnosis.status
        answer = render(self.request, "integrations/integration.html", context, status=status)
        if response is not None:
            answer["X-Reference"] = response.reference
        return answer
