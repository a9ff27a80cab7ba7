"""A connected system's logo under an address of its own, for the members of its application."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import path
from django.views.decorators.http import condition, require_safe

from connectedsystems.models import ConnectedSystem


@require_safe
def logo(request: HttpRequest, public_id: uuid.UUID) -> HttpResponseBase:
    """The PNG; 304 where the browser has it; 404 for everybody who may not see the system."""
    user: Any = request.user
    system = ConnectedSystem.objects.for_member(user).filter(pk=public_id).first()
    if system is None or not system.logo:
        raise Http404("no such logo")
    etag = f'"{system.logo_etag}"'
    return condition(etag_func=lambda *_: etag)(_served)(request, bytes(system.logo))


def _served(request: HttpRequest, png: bytes) -> HttpResponse:
    response = HttpResponse(png, content_type="image/png")
    response["Cache-Control"] = "private, no-cache"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


urlpatterns = [path("systems/<uuid:public_id>/logo/", logo, name="logo")]
