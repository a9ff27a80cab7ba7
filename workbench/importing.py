"""An integration that begins as something else: a pasted cURL command, or another integration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters

from connectedsystems.models import ConnectedSystem
from workbench import curl
from workbench.curl import Command, NotACommand
from workbench.integrationform import shown

if TYPE_CHECKING:
    from workbench.integrations import Integrations

SESSION_KEY = "imported_integration"
MOST_SYSTEMS = 2_000


@sensitive_post_parameters("command")
def from_curl(request: HttpRequest, screen: Integrations) -> HttpResponse:
    """Take a pasted command, and open the add form filled with what it says."""
    problem, typed = "", ""
    if request.method == "POST":
        typed = request.POST.get("command", "")
        try:
            return _begun(request, curl.read(typed))
        except NotACommand as mistake:
            problem = str(mistake)
    context = {
        **screen.admin_site.each_context(request),
        "title": "From a cURL command",
        "opts": screen.opts,
        "typed": typed,
        "problem": problem,
    }
    response = render(request, "workbench/from_curl.html", context, status=400 if problem else 200)
    response["Cache-Control"] = "no-store"
    return response


def _begun(request: HttpRequest, command: Command) -> HttpResponse:
    system = _system_of(request.user, command)
    definition = curl.definition(command, system.base_url)
    request.session[SESSION_KEY] = {"system": str(system.pk), "definition": definition}
    if command.left_behind:
        names = ", ".join(dict.fromkeys(command.left_behind))
        messages.warning(
            request,
            f"Left out: {names}. Credentials belong to the connected system, which adds its own.",
        )
    return HttpResponseRedirect(f"{reverse('admin:integrations_integration_add')}?begun=1")


def _system_of(user: Any, command: Command) -> ConnectedSystem:
    """The system of this designer whose base URL the address begins with; the longest wins."""
    mine = ConnectedSystem.objects.for_designer(user).order_by("name")[:MOST_SYSTEMS]
    fitting = [system for system in mine if _begins_with(command.url, system.base_url)]
    if fitting:
        return max(fitting, key=lambda system: len(system.base_url))
    raise NotACommand(
        f"None of your connected systems has a base URL that {command.origin} begins with. Describe"
        " that system first, then paste again."
    )


def _begins_with(url: str, base_url: str) -> bool:
    base = base_url.rstrip("/").lower()
    return bool(base) and (url.lower() == base or url.lower().startswith((f"{base}/", f"{base}?")))


def initial(request: HttpRequest, screen: Integrations) -> dict[str, Any]:
    """What the add form opens with: the pasted command's values, or a copy's; empty for neither."""
    if request.method != "GET":
        return {}
    if request.GET.get("begun"):
        begun = request.session.get(SESSION_KEY) or {}
        return {"connected_system": begun.get("system"), **shown(begun.get("definition") or {})}
    slug = request.GET.get("copy_of", "")
    original = screen.get_queryset(request).filter(slug=slug).first() if slug else None
    if original is None:
        return {}
    return {
        "connected_system": original.connected_system_id,
        "name": f"Copy of {original.name}"[:100],
        "usage": original.usage,
        **shown(original.definition),
    }
