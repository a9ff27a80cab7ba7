"""How much a document of somebody else's may hold: counted while it is read, before it is built."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of one kind of document.

    ``nodes``: values and keys, each list and each object being one as well; what an alias stands
    for counts each time. ``depth``: lists and objects within each other. ``text``: characters of
    one text. ``characters``: of all texts together, again with what aliases stand for.
    """

    nodes: int
    depth: int
    text: int
    characters: int


ANSWERS: Final = Bounds(nodes=100_000, depth=64, text=1_000_000, characters=1_000_000)
"""An answer of a token endpoint, a metadata document: what is fetched is 1 MB at most."""

TYPED: Final = Bounds(nodes=20_000, depth=64, text=5_000_000, characters=5_000_000)
"""JSON in a field of a form, or as an input of a call."""

POSTED: Final = Bounds(nodes=200_000, depth=64, text=12_000_000, characters=12_000_000)
"""JSON that a page of ours posts back, or the inputs of a call with files as text."""

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class OutOfBounds(ValueError):
    """What of a document is too much, or is no text at all, as a sentence."""


class Counting:
    """What was met of one document so far. Every method raises OutOfBounds."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.nodes = 0
        self.characters = 0

    def add(self, nodes: int, characters: int) -> None:
        """So many nodes, with texts of so many characters together."""
        self.nodes += nodes
        self.characters += characters
        if self.nodes > self.bounds.nodes:
            raise OutOfBounds(
                f"It holds more than {self.bounds.nodes:,} values and keys: divide it into several."
            )
        if self.characters > self.bounds.characters:
            raise OutOfBounds(
                f"Its texts are longer than {self.bounds.characters:,} characters together."
            )

    def text(self, text: str) -> None:
        """One text. PostgreSQL stores no zero byte, and no page can show half a letter."""
        self.add(1, len(text))
        if len(text) > self.bounds.text:
            raise OutOfBounds(f"One of its texts is longer than {self.bounds.text:,} characters.")
        if _UNSTORABLE.search(text):
            raise OutOfBounds("One of its texts holds a zero byte or half a letter: remove it.")

    def depth(self, levels: int) -> None:
        """So many lists and objects within each other."""
        if levels > self.bounds.depth:
            raise OutOfBounds(f"It is nested more than {self.bounds.depth} levels deep.")
