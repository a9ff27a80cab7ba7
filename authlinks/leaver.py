"""Ends everything that somebody who left is connected to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from authlinks import disconnect
from authlinks.models import Authorization
from connectedsystems import redact


@dataclass(frozen=True, slots=True)
class Left:
    """What was ended: ``forgotten`` here, of these ``unconfirmed`` at the other systems."""

    forgotten: int
    unconfirmed: int


def connections_of(user: Any) -> QuerySet[Authorization]:
    """The authorizations that live on under this person's name."""
    return Authorization.objects.filter(user=user).select_related("system").order_by("system__name")


def end_all(user: Any, *, actor: Any) -> Left:
    """Disconnect each of them. One that fails there is forgotten here all the same."""
    forgotten = unconfirmed = 0
    for authorization in list(connections_of(user)):
        with redact.scope():
            ended = disconnect.disconnect(authorization.system, user, actor=actor)
        forgotten += ended.forgotten
        unconfirmed += ended.forgotten and ended.confirmed is not True
    return Left(forgotten, unconfirmed)
