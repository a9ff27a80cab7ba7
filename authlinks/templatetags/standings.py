"""How an authorization stands, in words and tones."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.timesince import timesince, timeuntil

from authlinks.models import Authorization, State

register = template.Library()


@register.filter
def validity(authorization: Authorization, state: str) -> str:
    """How long an authorization goes on, as its user would ask."""
    if state in {State.NEEDS_AUTHORIZATION, State.CONFIGURATION_CHANGED, State.CANNOT_BE_OPENED}:
        return "Ended: authorize again to use it."
    if state == State.KEY_MISSING:
        return "Cannot be read at the moment."
    if authorization.refresh_token:
        return "Renewed by itself until you disconnect."
    return expiry(authorization.expires_at)


@register.filter
def expiry(when: datetime | None) -> str:
    """An expiry in words; None is a token without an announced end."""
    if when is None:
        return "No end announced."
    if when > timezone.now():
        return f"Ends in {timeuntil(when)}."
    return f"Ended {timesince(when)} ago."


@register.filter
def tone(state: str) -> str:
    """The tone of a state's badge."""
    return {
        State.CONNECTED: "good",
        State.REFRESH_DUE: "good",
        State.NEVER_AUTHORIZED: "quiet",
    }.get(State(state), "due")
