"""What one look at a configuration brings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from connectedsystems import redact
from connectedsystems.diagnosis import FIELDS, diagnose
from connectedsystems.errors import Failure, OutboundFailure

Outcome = Literal["ok", "warn", "fail", "unknown"]

SECONDS = 10.0
MOST_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Step:
    """One thing looked at: ``sentence`` is the evidence.

    ``code`` is a failure code or ""; ``look_at`` the field's key or "", ``also``
    those that may be wrong instead; ``offers`` values that were
    found for fields, by key, for somebody to confirm.
    """

    name: str
    outcome: Outcome
    sentence: str
    code: str = ""
    look_at: str = ""
    cause: str = ""
    fix: str = ""
    offers: Mapping[str, str] = field(default_factory=dict)
    also: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """Evidence, cause and fix on one line."""
        told = [self.sentence]
        told += [f"Cause: {self.cause}"] if self.cause else []
        told += [f"Fix: {self.fix}"] if self.fix else []
        return " ".join(told)


def label(key: str) -> str:
    """The words on the screen for a field."""
    return FIELDS.get(key, key.replace("_", " ").capitalize())


def failed(name: str, failure: Failure, key: str, outcome: Outcome = "fail") -> Step:
    """A failure as the catalogue tells it; one of the network belongs to the address's field."""
    diagnosis = diagnose(failure.code, failure.facts)
    return Step(
        name,
        outcome,
        redact.redact(diagnosis.seen),
        failure.code,
        key if isinstance(failure, OutboundFailure) else diagnosis.look_at or key,
        redact.redact(diagnosis.cause),
        redact.redact(diagnosis.fix),
        also=() if isinstance(failure, OutboundFailure) else diagnosis.also,
    )
