"""Start from a known system: a list to search, and a form that is filled already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from connectedsystems import presets
from connectedsystems.presets import Preset
from workbench import systemfields

if TYPE_CHECKING:
    from workbench.systems import ConnectedSystems

MOST_SHOWN = 60


def known(request: HttpRequest, screen: ConnectedSystems) -> HttpResponse:
    """The confirmed systems; with a search, the others too."""
    text = request.GET.get("q", "").strip()[:100]
    found = presets.search(text)
    if not text:
        found = [each for each in found if each.confirmed]
    context: dict[str, Any] = {
        **screen.admin_site.each_context(request),
        "title": "Start from a known system",
        "opts": screen.opts,
        "q": text,
        "found": found[:MOST_SHOWN] if text else found,
        "left_out": max(0, len(found) - MOST_SHOWN) if text else 0,
    }
    return render(request, "workbench/systems/known.html", context)


def chosen(request: HttpRequest) -> Preset | None:
    """The preset that the add form was opened with."""
    return presets.preset(request.GET.get("preset", "")) if request.method == "GET" else None


def initial(chosen: Preset) -> dict[str, Any]:
    """The add form's values, as the preset knows them."""
    data = chosen.data()
    values: dict[str, Any] = dict(systemfields.shown(data))
    values |= {key: data[key] for key in ("name", "base_url", "authentication") if key in data}
    return values
