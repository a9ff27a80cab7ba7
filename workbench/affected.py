"""Who is touched by a change of a connected system: users, integrations, held submissions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from authlinks.models import Authorization
from connectedsystems import configuration
from connectedsystems.configuration import Configuration
from connectedsystems.configuration.keys import ENDPOINTS
from connectedsystems.models import ConnectedSystem
from integrations.models import HeldState, HeldSubmission, Integration
from workbench.says import Says

MOST_NAMED: Final = 5
"""Integrations that a sentence names; of the others it gives the number."""


@dataclass(frozen=True, slots=True)
class Affected:
    """What a change touches, as counts; all zero where it touches nothing."""

    ended: int = 0
    """Authorizations that the change ends."""
    users: int = 0
    """Users among them, who must authorize again; the rest are the system's own."""
    keep_scope: int = 0
    """Authorizations that stay, with the scope they were asked for."""
    integrations: tuple[str, ...] = ()
    """Names of at most ``MOST_NAMED`` integrations."""
    more: int = 0
    """Integrations that are not named."""
    held: int = 0
    """Held submissions that wait to be sent."""

    @property
    def lines(self) -> tuple[tuple[str, str], ...]:
        """(word, sentence) for a box."""
        found = []
        if self.users:
            found.append(("Users", f"{_many(self.users, 'user')} must authorize again."))
        if self.keep_scope:
            asked = _many(self.keep_scope, "authorization")
            sentence = f"{asked} with the old scope: it stays until the user authorizes again."
            found.append(("Scope", sentence))
        if self.integrations:
            found.append(("Integrations", named(self.integrations, self.more)))
        if self.held:
            found.append(("Held submissions", f"{self.held} waiting; sent under the new settings."))
        return tuple(found)


def of_change(before: ConnectedSystem, now: Configuration) -> Affected:
    """What saving ``now`` over the stored system touches: three queries, however many rows."""
    stored = configuration.read(before.as_data())
    ends = (stored.fingerprint(), stored.authentication) != (now.fingerprint(), now.authentication)
    rescoped = (stored.oauth.get("scope") or "") != (now.oauth.get("scope") or "")
    if not (ends or rescoped or _moved(stored, now)):
        return Affected()
    live = Authorization.objects.filter(
        system_id=before.pk, fingerprint=stored.fingerprint(), ended_code=""
    )
    owners = list(live.values_list("user_id", flat=True)) if ends else []
    integrations, more = names_of([before])
    return Affected(
        ended=len(owners),
        users=sum(owner is not None for owner in owners),
        keep_scope=live.count() if rescoped and not ends else 0,
        integrations=integrations,
        more=more,
        held=waiting([before]),
    )


def _moved(stored: Configuration, now: Configuration) -> bool:
    """Whether an address of the other system is another one, or the client is."""
    keys = (*ENDPOINTS, "client_id")
    written = [(each.base_url, [each.oauth.get(key) for key in keys]) for each in (stored, now)]
    return written[0] != written[1] or stored.variables != now.variables


def names_of(systems: Iterable[ConnectedSystem]) -> tuple[tuple[str, ...], int]:
    """Names of a few integrations of these systems, and how many more there are."""
    rows = Integration.objects.filter(connected_system__in=systems).order_by("name")
    names = tuple(rows.values_list("name", flat=True)[:MOST_NAMED])
    more = rows.count() - len(names) if len(names) == MOST_NAMED else 0
    return names, more


def waiting(systems: Iterable[ConnectedSystem]) -> int:
    """Held submissions of these systems that wait to be sent."""
    return HeldSubmission.objects.filter(
        integration__connected_system__in=systems, state=HeldState.WAITING
    ).count()


def named(names: Iterable[str], more: int) -> str:
    """Some integrations in one sentence: names, and the number of the others."""
    return f"{', '.join(names)}{f', {more} more' if more else ''}."


def told(affected: Affected) -> Says | None:
    """The box beside a form that is not saved yet; None where nobody is touched."""
    if not affected.lines and not affected.ended:
        return None
    title = "Saving this touches what others use"
    if affected.ended:
        title = f"Saving this ends {_many(affected.ended, 'authorization')}"
    return Says(tone="due", title=title, lines=affected.lines)


def _many(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
