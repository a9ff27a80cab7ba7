"""Writes down that somebody looked at another person's connections, once an hour each."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.http import HttpRequest

from connectedsystems.models import AuditEvent, ConnectedSystem

_LONGEST = 100


def at_connections(request: HttpRequest, subject: Any, system: ConnectedSystem | None) -> None:
    """This person's, on a page of their own; one's own are nobody's business but one's own."""
    if subject is not None and subject != request.user:
        AuditEvent.objects.record_hourly(
            "looked_at_connections",
            actor=request.user,
            subject=subject,
            system=system,
            outcome="done",
        )


def for_somebody(request: HttpRequest) -> None:
    """A list that was narrowed to a person, by the search box or by an address."""
    given = [(name, str(text)[:_LONGEST]) for name, text in request.GET.items() if _narrows(name)]
    words = {name: text for name, text in given if text}
    if not words:
        return
    users = get_user_model().objects.filter(username__in=words.values())
    found = users.first() or _by_key(words)
    if found is not None:
        at_connections(request, found, None)
        return
    AuditEvent.objects.record_hourly(
        "looked_for_connections",
        actor=request.user,
        outcome="done",
        facts={"search": words},
        about=sorted(words.items()),
    )


def _narrows(name: str) -> bool:
    return name == "q" or name.startswith("user__")


def _by_key(words: dict[str, str]) -> Any:
    keys = [text for name, text in words.items() if name.startswith("user__id") and text.isdigit()]
    return get_user_model().objects.filter(pk__in=[int(key) for key in keys[:1]]).first()
