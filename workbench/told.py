"""Times, states and failures as the desk's lists tell them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.timesince import timesince, timeuntil

from authlinks.models import State
from connectedsystems.diagnosis import diagnose
from connectedsystems.models import Circuit

NOTHING = "–"
MOST_CIRCUITS = 3
STATES = {
    State.CONNECTED: "connected",
    State.REFRESH_DUE: "renewal due",
    State.NEEDS_AUTHORIZATION: "needs authorization",
    State.CONFIGURATION_CHANGED: "settings changed",
    State.CANNOT_BE_OPENED: "cannot be opened",
    State.KEY_MISSING: "cannot be opened now",
}
STATE_TONES = {
    State.CONNECTED: "success",
    State.REFRESH_DUE: "success",
    State.NEEDS_AUTHORIZATION: "warning",
    State.CONFIGURATION_CHANGED: "warning",
    State.CANNOT_BE_OPENED: "danger",
    State.KEY_MISSING: "danger",
}


def moment(when: datetime | None) -> str:
    """A time in words, with its date in reach; nothing where there is none."""
    if when is None:
        return NOTHING
    exact = date_format(timezone.localtime(when), "j M Y, H:i:s e")
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', when.isoformat(), exact, _far(when)
    )


def _far(when: datetime) -> str:
    now = timezone.now()
    if abs((when - now).total_seconds()) < 60:
        return "now" if when > now else "just now"
    return f"in {timeuntil(when, depth=1)}" if when > now else f"{timesince(when, depth=1)} ago"


def badge(words: str, tone: str = "") -> str:
    """A state in a word, in one of Unfold's tones: success, info, warning, danger."""
    return render_to_string("unfold/helpers/label.html", {"text": words, "type": tone})


def silence_of(circuits: Sequence[Circuit]) -> str:
    """Where a system does not answer, for a list: ``does not answer at https://a.example``."""
    where = [circuit.origin for circuit in circuits if circuit.origin]
    if not where:
        return "does not answer"
    more = f" and {len(where) - 1} more" if where[1:] else ""
    return f"does not answer at {where[0]}{more}"


def told_in_short(circuits: Sequence[Circuit]) -> list[str]:
    """A sentence for each of the first circuits, and how many more there are."""
    told = [circuit.sentence for circuit in circuits[:MOST_CIRCUITS]]
    more = len(circuits) - MOST_CIRCUITS
    return [*told, f"{more} more of its origins do not answer."] if more > 0 else told


def failure(code: str, facts: Mapping[str, Any] | None = None) -> str:
    """A failure's title and code on one line."""
    if not code:
        return NOTHING
    title = diagnose(code, facts).title
    return format_html('<span class="desk-failure">{} <code>{}</code></span>', title, code)


def diagnosis(code: str, facts: Mapping[str, Any] | None = None) -> str:
    """A failure at length: seen, cause, fix, who can act."""
    if not code:
        return NOTHING
    told = diagnose(code, facts)
    said = [
        ("Seen", told.seen),
        ("Cause", told.cause),
        ("Fix", told.fix),
        ("Who can act", capfirst(", ".join(told.who))),
    ]
    body: SafeString = format_html_join(
        "", '<p class="mt-2"><strong>{}:</strong> {}</p>', [pair for pair in said if pair[1]]
    )
    return format_html("<p>{}</p>{}", failure(code, facts), body)


def unbroken(text: str) -> str:
    """A short text on one line."""
    return format_html('<span class="whitespace-nowrap">{}</span>', text)


def reference_link(reference: str | None) -> str:
    """A reference that leads to what happened under it."""
    if not reference:
        return NOTHING
    return format_html(
        '<a class="underline whitespace-nowrap" href="{}">{}</a>',
        reverse("integrations:reference", args=[reference]),
        reference,
    )
