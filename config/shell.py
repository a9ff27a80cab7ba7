"""What the frame around every page needs to know."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from connectedsystems.models import Application


def shell(request: HttpRequest) -> dict[str, Any]:
    """``may_use_desk``: whether the header shows the way to the desk; asked only where shown."""
    return {"may_use_desk": SimpleLazyObject(lambda: _may_use_desk(request))}


def _may_use_desk(request: HttpRequest) -> bool:
    user = getattr(request, "user", None)
    if user is None or not user.is_active:
        return False
    return user.is_superuser or Application.objects.for_designer(user).exists()
