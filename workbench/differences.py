"""What differs between two configurations, key path by key path."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from workbench.systemfields import labelled

NOTHING: Final = "–"


@dataclass(frozen=True, slots=True)
class Row:
    """One key path and its two values, as texts."""

    path: str
    label: str
    before: str
    after: str

    @property
    def changed(self) -> bool:
        return self.before != self.after


@dataclass(frozen=True, slots=True)
class SecretRow:
    """One secret: whether it is another one, and nothing else of it."""

    path: str
    label: str
    before: str
    after: str
    changed: bool


def of(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Row]:
    """Every key path of either, in the newer one's order, then what only the older has."""
    old, new = dict(_flat(before)), dict(_flat(after))
    return [
        Row(path, label_of(path), old.get(path, NOTHING), new.get(path, NOTHING))
        for path in dict.fromkeys([*new, *old])
    ]


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Row]:
    """Only what differs."""
    return [row for row in of(before, after) if row.changed]


def of_secrets(before: Mapping[str, str], after: Mapping[str, str]) -> list[SecretRow]:
    """The secrets of either side, by their marks: "stored" or nothing, and "changed"."""
    rows = []
    for name in sorted({*before, *after}):
        differs = before.get(name) != after.get(name)
        new = "stored" if name in after else NOTHING
        if differs and name in before and name in after:
            new = "changed"
        old = "stored" if name in before else NOTHING
        rows.append(SecretRow(name, label_of(name), old, new, differs))
    return rows


def label_of(path: str) -> str:
    """The words on the screen for a key path; what stands in a box keeps its own name."""
    if path.startswith("discovered."):
        return f"{label_of(path.removeprefix('discovered.').removeprefix('settings.'))} (metadata)"
    _box, _, key = path.rpartition("oauth.")
    label = labelled(key)
    return label if label != key else key.replace("_", " ").replace(".", " › ").capitalize()


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(path, text) of everything that has a value; a list stays whole."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else str(key))
    elif value not in (None, "", []):
        text = value if isinstance(value, str) else json.dumps(value, indent=1, ensure_ascii=False)
        yield path, text
