"""Values that were found for fields of the form, for the designer to take over or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.systemfields import labelled


@dataclass(frozen=True, slots=True)
class Offer:
    """One value for one field; ``typed`` is what stands there now, "" for nothing."""

    field: str
    label: str
    value: str
    typed: str = ""

    @property
    def differs(self) -> bool:
        """Whether taking it over would replace what was typed."""
        return bool(self.typed) and self.typed != self.value


def of(found: Mapping[str, str], oauth: Mapping[str, Any] | None = None) -> list[Offer]:
    """The offers, beside what stands in the fields of the ``oauth`` box."""
    typed = oauth or {}
    return [
        Offer(key, labelled(key), value, str(typed.get(key) or "")) for key, value in found.items()
    ]
