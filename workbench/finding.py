"""From an issuer: finds the endpoints in the other system's metadata, for the form to take over."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from authlinks import limits
from authlinks.navigation import private
from connectedsystems import noticed, outbound, share
from connectedsystems.errors import Failure
from connectedsystems.oauth import discovery
from connectedsystems.oauth.discovery import Metadata
from workbench import offers, says
from workbench.says import Says

GIVEN = "find_from"

_NOTHING_TYPED = Says(
    tone="bad",
    title="Type an address first",
    code="discovery_failed",
    lines=(("Fix", "Enter the other system's issuer, or the Base URL of its API, and try again."),),
    fields=(GIVEN,),
)


@sensitive_post_parameters()
@require_POST
def find(request: HttpRequest, model_admin: Any) -> HttpResponse:
    """What the metadata of the typed address offers, beside what stands in the form."""
    if not (model_admin.has_add_permission(request) or model_admin.has_change_permission(request)):
        raise Http404("no such page")
    given = request.POST.get(GIVEN, "").strip()
    if not given:
        return _answer(request, {"says": _NOTHING_TYPED})
    address = given if "://" in given else f"https://{given}"
    try:
        limits.count("call", f"check:{request.user.pk}")
        outbound.check_url(address)
        with share.at_desk(discovery.SECONDS):
            found = discovery.find(address)
    except Failure as failure:
        failure.facts["stage"] = "discovery"
        noticed.note(failure.code, failure.facts)
        return _answer(request, {"says": says.failure(failure.code, failure.facts)})
    return _answer(
        request, {"host": outbound.host_of(found.address), "offers": _of(request, found)}
    )


def _of(request: HttpRequest, found: Metadata) -> list[offers.Offer]:
    """The offers; a choice that stands at its default counts as empty."""
    values = dict(found.settings)
    if found.method:
        values["client_authentication"] = found.method
    typed = {key: request.POST.get(key, "").strip() for key in values}
    if typed.get("issuer_in_response") == "optional":
        typed["issuer_in_response"] = ""
    return offers.of(values, typed)


def _answer(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    wanted = request.get_preferred_type(["text/html", "application/json"])
    if wanted != "application/json":
        return private(render(request, "workbench/systems/found.html", context))
    html = render_to_string("workbench/systems/_found.html", context, request)
    return private(JsonResponse({"html": html}))
