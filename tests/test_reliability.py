"""The rows of what may go wrong, on the wire and in the store: each has a test that bears its name."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from tests.faults.test_callbacks import QUERIES
from tests.faults.test_calls import ODD as ODD_CALLS
from tests.faults.token_answers import ODD as ODD_TOKENS

TESTS = Path(__file__).resolve().parent
TEST = re.compile(r"\bdef test_((?:[A-K]\d+_)+)")
ANSWER = re.compile(r"[(\s]\"([A-K]\d+) \w")
ROWS = {
    "A": "1 2 5 6 7 8 9 10 11 12 15 16 17 19 20 21 23 24 25 26 27 28 29 31",  # the flow
    "B": "1 2 4 5 6 7 8 9 10 14 16 17 18 19 20",  # answers of the token endpoint
    "C": "1 3 5 6 7 8 9 11 12 13",  # what is stored
    "D": "1 2 4 5 6 7 8 9 10 11 12 14 17 18 20",  # renewal
    "E": "1 2 4 5 6 7 8 9 10 11 12 15 16 17 18 19 20 21 22 23 26 27 29",  # calls
    "F": "1 2 3 5 7 8 9 11 12",  # input
    "G": "1 2 5 7 9 10 11 12 13 14 15",  # pages
    "H": "1 2 3 5 6 7 8 9 10 11",  # who may do what
    "I": "1 3 4 6 7",  # logs and audit
    "J": "1 2 3 6 7 9 10 11",  # crashes
    "K": "1 2 3 4 5",  # load
}


def rows() -> list[str]:
    return [f"{letter}{number}" for letter, numbers in ROWS.items() for number in numbers.split()]


@cache
def named() -> frozenset[str]:
    """Rows in the names of tests: ``test_D9_J3_killed_while_renewing`` has two.

    Where one test goes through a list of answers, each answer's name begins with its row.
    """
    found: set[str] = set()
    for path in TESTS.rglob("test_*.py"):
        found |= {row for names in TEST.findall(path.read_text()) for row in names.split("_")}
    for path in (TESTS / "faults").glob("*.py"):
        found |= set(ANSWER.findall(path.read_text()))
    return frozenset(found)


@pytest.mark.parametrize("row", rows())
def test_each_row_has_a_test(row: str) -> None:
    assert row in named(), f"no test is named test_{row}_…"


def test_misbehaviours_are_many() -> None:
    """Of token endpoint, API and authorization endpoint, each played over a socket of its own."""
    played = [*(odd.wire for odd in ODD_TOKENS), *(odd.wire for odd in ODD_CALLS)]
    bytes_or_talks = {wire if isinstance(wire, bytes) else id(wire) for wire in played}
    assert len(bytes_or_talks) + len({query[1] for query in QUERIES}) >= 80
