"""A form of a system over which somebody saved: what each of the two says, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connectedsystems.models import ConfigurationVersion, ConnectedSystem
from workbench import differences, says
from workbench.says import Says

if TYPE_CHECKING:
    from workbench.systemform import Typed


@dataclass(frozen=True, slots=True)
class Conflict:
    """What is stored now against what this form says; ``who`` saved it, and ``at`` what time."""

    rows: tuple[differences.Row | differences.SecretRow, ...]
    who: str
    at: str


def between(stored: ConnectedSystem, seen: int | None, said: Typed) -> Conflict:
    """Every setting in which the stored row and the form differ.

    ``seen``: the version that the form was opened with. Of a secret it says only that the other
    person replaced it, or that this one did.
    """
    versions = ConfigurationVersion.objects.filter(system=stored)
    newest, before = versions.first(), versions.filter(number=seen or 0).first()
    rows: list[Any] = differences.changed(stored.as_data(), said.data)
    rows += _secrets(before, newest, said)
    return Conflict(
        rows=tuple(rows),
        who=(newest.actor_name if newest else "") or "somebody",
        at=f"{newest.at if newest else stored.updated_at:%H:%M} UTC",
    )


def _secrets(
    before: ConfigurationVersion | None, newest: ConfigurationVersion | None, said: Typed
) -> list[differences.SecretRow]:
    old, new = (each.secret_marks if each else {} for each in (before, newest))
    theirs = {name for name in {*old, *new} if old.get(name) != new.get(name)}
    ours = {name for name in said.new_secrets if name != "variables"}
    ours |= {f"variables.{name}" for name in said.new_secrets.get("variables") or {}}
    return [
        differences.SecretRow(
            path=name,
            label=differences.label_of(name),
            before="changed" if name in theirs else "as it was",
            after="changed" if name in ours else "stays as it is stored now",
            changed=True,
        )
        for name in sorted(theirs | ours)
    ]


def told(conflict: Conflict) -> Says:
    """The box above both values."""
    return says.failure("saved_meanwhile", {"who": conflict.who, "at": conflict.at})
