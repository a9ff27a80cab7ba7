"""What is known of well-known systems, as data: addresses and manners, never a secret.

``systems.json`` holds one entry a line: ``system`` under the bundle's keys, the ``variables`` it
asks for, whether two sources agree (``confirmed``), and the provider's own ``documentation``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from . import traps

_FILE = Path(__file__).parent / "systems.json"


@dataclass(frozen=True, slots=True)
class Preset:
    """One well-known system. ``variables``: name to {title, example, prefix, suffix, secret}."""

    key: str
    name: str
    confirmed: bool
    documentation: str
    system: Mapping[str, Any] = field(repr=False)
    variables: Mapping[str, Mapping[str, Any]] = field(repr=False)

    @property
    def caution(self) -> str:
        """What a designer should know before trusting it; "" for a confirmed one."""
        return "" if self.confirmed else "One source, not tried: check the endpoints."

    def data(self, variables: Mapping[str, str] | None = None) -> dict[str, Any]:
        """A system entry under the bundle's keys, still without client ID and secret."""
        entry: dict[str, Any] = {
            "name": self.name,
            "authentication": "oauth2_authorization_code",
            **json.loads(json.dumps(self.system)),
        }
        if self.variables:
            given = variables or {}
            entry["variables"] = {
                name: {"secret": True, "value": given.get(name, "")}
                if described.get("secret")
                else given.get(name, "")
                for name, described in self.variables.items()
            }
        return entry

    @property
    def traps(self) -> list[str]:
        """What surprises designers at this system, in sentences; it follows from the data."""
        return list(traps.of(self.system))


@lru_cache(maxsize=1)
def presets() -> tuple[Preset, ...]:
    """All presets, by name."""
    entries = json.loads(_FILE.read_text(encoding="utf-8"))
    return tuple(
        Preset(
            key=entry["key"],
            name=entry["name"],
            confirmed=entry["confirmed"],
            documentation=entry["documentation"],
            system=entry["system"],
            variables=entry.get("variables", {}),
        )
        for entry in entries
    )


def preset(key: str) -> Preset | None:
    """The preset with this key."""
    return next((each for each in presets() if each.key == key), None)


def search(text: str) -> list[Preset]:
    """Presets whose name or key holds this text; the confirmed ones first."""
    wanted = text.strip().lower()
    found = [each for each in presets() if wanted in each.name.lower() or wanted in each.key]
    return sorted(found, key=lambda each: (not each.confirmed, each.name.lower()))
