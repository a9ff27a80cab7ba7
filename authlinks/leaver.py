"""Ends everything that somebody who left is connected to."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from authlinks import disconnect
from authlinks.disconnect import Left
from authlinks.models import Authorization


def connections_of(user: Any) -> QuerySet[Authorization]:
    """The authorizations that live on under this person's name."""
    return Authorization.objects.filter(user=user).select_related("system").order_by("system__name")


def end_all(user: Any, *, actor: Any) -> Left:
    """Disconnect each of them, all or none: nothing of it is lost if this process dies."""
    return disconnect.disconnect_all(user, actor=actor)
