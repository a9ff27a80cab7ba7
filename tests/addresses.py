"""Every address of the site, its parameters filled with what is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from typing import Any

from django.apps import apps
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

_PARAMETER = re.compile(r"<(?:(\w+):)?(\w+)>")
_MOST_OBJECTS = 3


def addresses() -> list[str]:
    """Paths, sorted; without what is said by regular expressions."""
    found = {path for route in _routes(get_resolver().url_patterns, "/") for path in _fill(route)}
    return sorted(found)


def _routes(patterns: list[Any], prefix: str) -> Iterator[str]:
    for each in patterns:
        if not isinstance(each.pattern, RoutePattern):
            continue
        route = prefix + str(each.pattern._route)
        if isinstance(each, URLResolver):
            yield from _routes(each.url_patterns, route)
        elif isinstance(each, URLPattern):
            yield route


def _fill(route: str) -> Iterator[str]:
    names = _PARAMETER.findall(route)
    for values in product(*(_values(route, kind, name) for kind, name in names)):
        filled = route
        for value in values:
            filled = _PARAMETER.sub(str(value), filled, count=1)
        yield filled


def _values(route: str, kind: str, name: str) -> list[Any]:
    from authlinks.models import AuthorizationAttempt
    from connectedsystems.models import ConnectedSystem
    from integrations.models import CallRecord, HeldSubmission, Integration

    if name == "reference":
        attempts = AuthorizationAttempt.objects.values_list("reference", flat=True)
        calls = CallRecord.objects.values_list("reference", flat=True)
        return [*attempts, *calls]
    if name == "slug":
        model = Integration if "integrations" in route else ConnectedSystem
        return list(model._default_manager.values_list("slug", flat=True))
    if name == "held_id":
        return list(HeldSubmission.objects.values_list("pk", flat=True))
    model = _model_of(route)
    if model is not None:
        return list(model._default_manager.values_list("pk", flat=True)[:_MOST_OBJECTS])
    if kind == "uuid":
        return list(ConnectedSystem.objects.values_list("pk", flat=True))
    return ["1"]


def _model_of(route: str) -> Any:
    """The model that an address of the admin is about."""
    for model in apps.get_models():
        if f"/{model._meta.app_label}/{model._meta.model_name}/" in route:
            return model
    return None
