"""How answers and held submissions are shown: a list of things as a table, the rest as text."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django import template

from connectedsystems.exact import ExactEncoder
from integrations.models import HeldState

register = template.Library()

MOST_ROWS = 200
MOST_COLUMNS = 12
LONGEST_TEXT = 2000
LONGEST_CELL = 200
LONGEST_TREE = 20_000

_TONES = {
    "waiting": "due",
    "sending": "quiet",
    "delivered": "good",
    "refused": "bad",
    "outcome_unknown": "bad",
}


@dataclass(frozen=True, slots=True)
class Rows:
    """A list of flat things: column names, texts, and how many more there were."""

    columns: list[str]
    cells: list[list[str]]
    left_out: int


@register.filter
def rows(result: Any) -> Rows | None:
    """The answer's list of things, if it is one: a list, or an object that holds just one list."""
    data = getattr(result, "data", None)
    if isinstance(data, dict):
        lists = [value for value in data.values() if isinstance(value, list)]
        data = lists[0] if len(lists) == 1 else None
    if not isinstance(data, list) or not data or not all(isinstance(row, dict) for row in data):
        return None
    columns = list(dict.fromkeys(str(key) for row in data[:MOST_ROWS] for key in row))
    shown = columns[:MOST_COLUMNS]
    cells = [[_cell(row.get(column)) for column in shown] for row in data[:MOST_ROWS]]
    return Rows(columns=shown, cells=cells, left_out=max(0, len(data) - MOST_ROWS))


@register.filter
def readable(result: Any) -> str:
    """The answer as text: JSON indented, anything else its first 2,000 characters."""
    if result is None:
        return ""
    if result.data is not None:
        return json.dumps(result.data, indent=2, ensure_ascii=False, cls=ExactEncoder)[
            :LONGEST_TREE
        ]
    return str(result.text)[:LONGEST_TEXT]


@register.filter
def held_label(state: str) -> str:
    """A held submission's state in words."""
    return str(HeldState(state).label)


@register.filter
def held_tone(state: str) -> str:
    """The tone of a held submission's badge."""
    return _TONES.get(state, "")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = (
        value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, cls=ExactEncoder)
    )
    return text if len(text) <= LONGEST_CELL else f"{text[:LONGEST_CELL]}…"
