"""The desk's side bar: what is configured, what is watched, who the people are."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import capfirst

from authlinks.models import Authorization, AuthorizationAttempt, EndingClient
from connectedsystems.models import Application, AuditEvent, ConnectedSystem
from integrations.models import CallRecord, Integration

_GROUPS = (
    (
        "Configure",
        (
            (ConnectedSystem, "hub"),
            (Integration, "bolt"),
            (Application, "folder"),
        ),
    ),
    (
        "Watch",
        (
            (Authorization, "key"),
            (AuthorizationAttempt, "route"),
            (CallRecord, "swap_horiz"),
            (AuditEvent, "history"),
            (EndingClient, "link_off"),
        ),
    ),
    ("People", ((User, "person"), (Group, "group"))),
)


def sidebar(site: AdminSite, request: HttpRequest) -> list[dict[str, Any]]:
    """The groups with what this person may see, in the shape Unfold's templates expect."""
    start = reverse("admin:index")
    home = {"title": "Overview", "icon": "dashboard", "link": start, "has_permission": True}
    looking = {"title": "References", "icon": "search", "link": reverse("integrations:references")}
    found: list[dict[str, Any]] = [{"items": [{**home, "active": request.path == start}]}]
    for title, entries in _GROUPS:
        items = [_item(site, request, *entry) for entry in entries]
        shown = [item for item in items if item]
        if title == "Watch":
            shown.append({**looking, "has_permission": True, "active": False})
        if shown:
            found.append({"title": title, "items": shown, "separator": True})
    return found


def _item(
    site: AdminSite, request: HttpRequest, model: type[Model], icon: str
) -> dict[str, Any] | None:
    screen = site._registry.get(model)
    if screen is None or not screen.has_view_permission(request):
        return None
    meta = model._meta
    link = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
    return {
        "title": capfirst(meta.verbose_name_plural),
        "icon": icon,
        "link": link,
        "active": request.path.startswith(link),
        "has_permission": True,
    }
