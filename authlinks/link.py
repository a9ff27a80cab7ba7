"""From a response to an authorization link, or to nothing where authorizing would not help.

A response is anything with the four attributes of ``Answer``: the tag knows no integration.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from django.urls import reverse

from authlinks.flow import latest_attempt
from authlinks.navigation import authorize_path
from authlinks.standing import Standing
from connectedsystems.models import Authentication, ConnectedSystem


@runtime_checkable
class Answer(Protocol):
    """What the tag needs to know of a response."""

    @property
    def connected_system(self) -> str: ...
    @property
    def needs_authorization(self) -> bool: ...
    @property
    def held(self) -> Any: ...
    @property
    def reference(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Link:
    """One authorization link, ready to render.

    ``second`` is set where authorizing is the less likely remedy; ``code`` is the failure code
    of the response, empty for a page that has made no call.
    """

    system: ConnectedSystem
    href: str
    popup_href: str
    label: str
    message: str
    next: str
    status_href: str
    title: str
    explanation: str = ""
    last_attempt: str = ""
    code: str = ""
    reference: str = ""
    held: Any = None
    second: bool = False


def links_for(
    responses: Iterable[Any], user: Any, next_path: str, *, label: str = "", message: str = ""
) -> list[Link]:
    """One link per system that a response names as missing this user's authorization.

    Several responses with the same missing authorization give one link; a held submission
    among them leads the walk back to its own page.
    """
    wanted: dict[str, Any] = {}
    for response in responses:
        if response is None or not _would_help(response):
            continue
        slug = response.connected_system
        if slug not in wanted or (response.held and not wanted[slug].held):
            wanted[slug] = response
    if not wanted:
        return []
    systems = ConnectedSystem.objects.for_member(user).filter(
        slug__in=wanted, authentication=Authentication.AUTHORIZATION_CODE
    )
    by_slug = {system.slug: system for system in systems}
    return [
        _link(by_slug[slug], response, user, next_path, label=label, message=message)
        for slug, response in wanted.items()
        if slug in by_slug
    ]


def link_to(
    slug: str, user: Any, next_path: str, *, label: str = "", message: str = ""
) -> Link | None:
    """The link of a page that has made no call yet; None for a system this user cannot use."""
    system = (
        ConnectedSystem.objects.for_member(user)
        .filter(slug=slug, authentication=Authentication.AUTHORIZATION_CODE)
        .first()
    )
    if system is None:
        return None
    return _link(system, None, user, next_path, label=label, message=message)


def _would_help(response: Any) -> bool:
    return bool(response.needs_authorization or getattr(response, "authorize_url", None))


def _link(
    system: ConnectedSystem, response: Any, user: Any, next_path: str, *, label: str, message: str
) -> Link:
    held = response.held if response is not None else None
    back = held_path(held) or next_path
    error = getattr(response, "error", None)
    attempt = latest_attempt(system.pk, user)
    verb = f"Authorize {system.name} and send" if held else f"Authorize {system.name}"
    return Link(
        system=system,
        href=authorize_path(system.slug, back),
        popup_href=authorize_path(system.slug, back, popup=True),
        status_href=reverse("authlinks:status", args=[system.slug]),
        next=back,
        title=error.title if error is not None else f"{system.name} needs your authorization",
        explanation=error.message if error is not None else "",
        label=label or verb,
        message=message or system.authorization_message,
        last_attempt=attempt.reference if attempt else "",
        code=error.code if error is not None else "",
        reference=response.reference if response is not None else "",
        held=held,
        second=response is not None and not response.needs_authorization,
    )


def link_for(standing: Standing, next_path: str, label: str) -> Link:
    """The link beside a connection whose standing is known already."""
    slug = standing.system.slug
    return Link(
        system=standing.system,
        href=authorize_path(slug, next_path),
        popup_href=authorize_path(slug, next_path, popup=True),
        status_href=reverse("authlinks:status", args=[slug]),
        next=next_path,
        title=standing.system.name,
        label=label,
        message="",
        last_attempt=standing.attempt.reference if standing.attempt else "",
    )


def held_path(held: Any) -> str:
    """The page of a held submission, given as an object or as its JSON."""
    if held is None:
        return ""
    return str(held["url"] if isinstance(held, dict) else held.url)
