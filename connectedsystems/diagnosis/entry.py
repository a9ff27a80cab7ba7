"""What the catalogue says of one failure code, and how facts choose between its causes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

Facts = Mapping[str, Any]
Kind = Literal["error", "warning", "ask"]
Who = Literal["end user", "designer", "admin", "developer", "the other system's owner"]

END_USER: Who = "end user"
DESIGNER: Who = "designer"
ADMIN: Who = "admin"
DEVELOPER: Who = "developer"
OWNER: Who = "the other system's owner"

# The field to look at is the one that the facts name; or else, with BY_REQUEST, the one that holds
# the address of the request that failed (fact ``stage``).
BY_FIELD = "by field"
BY_REQUEST = "by request"

TELL = "Ask the designer of this connection."


@dataclass(frozen=True)
class Diagnosis:
    """One failure, told: sentences are plain text, and whoever shows them escapes them.

    ``status`` is the HTTP status of our own page. ``seen``, ``cause`` and ``fix`` are for
    designers and admins, ``user`` is for the person at the page. ``look_at`` is the bundle's key
    of the field to look at, or None; ``also`` are those that may be wrong instead. ``retry`` says
    whether doing the same again may help.
    """

    code: str
    status: int
    title: str
    seen: str
    cause: str
    fix: str
    user: str
    who: tuple[Who, ...]
    look_at: str | None
    also: tuple[str, ...]
    retry: bool
    kind: Kind


@dataclass(frozen=True)
class Variant:
    """What is said instead where the facts tell more; ``label`` says when, for the documents."""

    label: str
    when: Callable[[Facts], bool]
    status: int | None = None
    title: str | None = None
    seen: str | None = None
    cause: str | None = None
    fix: str | None = None
    user: str | None = None
    who: tuple[Who, ...] | None = None
    look_at: str | None = None
    also: tuple[str, ...] | None = None
    retry: bool | None = None
    kind: Kind | None = None

    def changes(self) -> dict[str, Any]:
        """The members that this variant says differently."""
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: value
            for name, value in told.items()
            if value is not None and name not in ("label", "when")
        }


@dataclass(frozen=True)
class Entry:
    """One code of the catalogue; its sentences are templates (see ``sentences``)."""

    title: str
    status: int
    seen: str
    cause: str
    fix: str
    user: str
    who: tuple[Who, ...]
    look_at: str | None = None
    also: tuple[str, ...] = ()
    retry: bool = False
    kind: Kind = "error"
    variants: tuple[Variant, ...] = ()

    def under(self, facts: Facts) -> Entry:
        """This entry as the facts make it: the first variant that fits."""
        for variant in self.variants:
            if variant.when(facts):
                return replace(self, **variant.changes())
        return self


def fact(name: str, *values: object) -> Callable[[Facts], bool]:
    """True where the fact has one of these values."""
    return lambda facts: name in facts and facts[name] in values


def status_from(low: int, high: int) -> Callable[[Facts], bool]:
    """True where the other system's status lies between the two, both included."""
    return lambda facts: isinstance(facts.get("status"), int) and low <= facts["status"] <= high


def mentions(*words: str) -> Callable[[Facts], bool]:
    """True where the other system's own words hold one of these."""

    def found(facts: Facts) -> bool:
        said = str(facts.get("quote") or "").lower()
        return any(word in said for word in words)

    return found
