"""Strict JSON within bounds: the reader of every JSON text that the product did not write.

No NaN, no Infinity, no member twice in one object, no half letter, nothing beyond its bounds.
Two parsers must not be able to read two things from one text.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any, Final, NoReturn

from connectedsystems.bounds import Bounds, Counting, OutOfBounds

# Every quote ends in one match or at the end of the text: nothing is looked at twice.
_TEXT: Final = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_BRACKET: Final = re.compile(r"[\[\]{}]")
_PLAIN: Final = re.compile(r'[^\s,:\[\]{}"]+')
_ODD_ESCAPE: Final = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")


class NotJson(ValueError):
    """Why a text is not read as JSON, as a sentence that quotes only the names of members.

    ``line``: where it stops being JSON; None for JSON that is refused.
    """

    def __init__(self, sentence: str, line: int | None = None) -> None:
        super().__init__(sentence)
        self.line = line

    @property
    def is_syntax(self) -> bool:
        """Whether it is no JSON at all."""
        return self.line is not None


def read(text: str, bounds: Bounds, *, unstorable: bool = False) -> Any:
    """The tree in ``text``. Raises NotJson.

    ``unstorable``: whether half letters, zero bytes and numbers beyond all measure are let through,
    for who looks at each member and keeps none as it is: a token that came with one is not lost.

    Counted is before anything is built: 1 MB of empty lists would be 30 MB of objects.
    """
    try:
        _count(text, bounds)
        tree = json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=float if unstorable else _float,
            parse_int=_any_int if unstorable else None,
            object_pairs_hook=_object,
        )
        if not unstorable and _ODD_ESCAPE.search(text):
            _check_texts(tree, Counting(bounds))
        return tree
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise NotJson(f"This is no JSON: {where}, {error.msg}.", error.lineno) from None
    except OutOfBounds as beyond:
        raise NotJson(str(beyond)) from None
    except NotJson:
        raise
    except ValueError:
        # Python reads no number of more than 4,300 digits.
        raise NotJson("One of its numbers has too many digits.") from None


def _count(text: str, bounds: Bounds) -> None:
    """Count what would be built. A text that is no JSON is counted somehow, and refused later."""
    counting = Counting(bounds)
    counting.add(len(_TEXT.findall(text)), 0)
    rest = _TEXT.sub('"', text)
    counting.add(rest.count("[") + rest.count("{"), len(text) - len(rest))
    if len(text) > bounds.text:
        longest = max((match.end() - match.start() for match in _TEXT.finditer(text)), default=0)
        if longest > bounds.text + 2:
            raise OutOfBounds(f"One of its texts is longer than {bounds.text:,} characters.")
    counting.add(sum(1 for _ in _PLAIN.finditer(rest)), 0)
    depth = 0
    for bracket in _BRACKET.findall(rest):
        depth += 1 if bracket in "[{" else -1
        counting.depth(depth)


def _check_texts(tree: Any, counting: Counting) -> None:
    """The depth is known to be small here."""
    if isinstance(tree, str):
        counting.text(tree)
    elif isinstance(tree, list):
        for item in tree:
            _check_texts(item, counting)
    elif isinstance(tree, dict):
        for key, item in tree.items():
            counting.text(key)
            _check_texts(item, counting)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for key, number in Counter(names).items() if number > 1)
        raise NotJson(f"The key {twice[:100]} stands there twice in one place.")
    return members


def _any_int(digits: str) -> int | float:
    """Python reads no whole number of more than 4,300 digits: as a float it is infinite."""
    try:
        return int(digits)
    except ValueError:
        return float(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if number - number != 0:
        raise NotJson("One of its numbers is too large.")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise NotJson(f"{name} is no JSON.")
