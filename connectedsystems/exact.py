"""Numbers of JSON that no float holds: read, calculated with, and written as they came."""

from __future__ import annotations

import math
import re
import secrets
from decimal import Decimal
from typing import Any, ClassVar, Final

from django.core.serializers.json import DjangoJSONEncoder

LONGEST: Final = 100
"""Characters of a number that keeps its digits."""
_WIDEST: Final = 400
"""Places before or behind the point. Written without its exponent, 1e-999999999 is a gigabyte."""


class ExactNumber(float):
    """A number whose nearest float has other digits, such as 99999999999999999.99.

    It calculates, compares and sorts as that float; ``text`` is what came, and what ``str`` gives.
    """

    text: str
    any_made: ClassVar[bool] = False
    """Whether this process ever made one: until then no tree is searched for them."""

    def __new__(cls, text: str) -> ExactNumber:
        number = super().__new__(cls, text)
        number.text = text
        ExactNumber.any_made = True
        return number

    def __repr__(self) -> str:
        return self.text

    __str__ = __repr__

    def __reduce__(self) -> tuple[type[ExactNumber], tuple[str]]:
        return ExactNumber, (self.text,)


def exact_number(text: str) -> float:
    """A number of JSON with a point or an exponent; for ``parse_float`` of ``json.loads``.

    >>> exact_number("0.1"), exact_number("99999999999999999.99")
    (0.1, 99999999999999999.99)
    """
    nearest = float(text)
    if repr(nearest) == text or len(text) > LONGEST or not math.isfinite(nearest):
        return nearest
    try:
        exact = Decimal(text)
    except ArithmeticError:
        return nearest
    if exact == Decimal(repr(nearest)) or abs(exact.adjusted()) > _WIDEST:
        return nearest
    return ExactNumber(text)


class ExactEncoder(DjangoJSONEncoder):
    """Writes each ExactNumber as it came: ``json.dumps(tree, cls=ExactEncoder)``.

    The encoder of ``json`` writes any float by ``float.__repr__``. So each stands in the text as a
    mark first, which nobody can foresee.
    """

    def encode(self, o: Any) -> str:
        if not ExactNumber.any_made or not _holds_exact(o):
            return super().encode(o)
        nonce = secrets.token_hex(16)
        text = super().encode(_marked(o, nonce))
        return re.sub(f'"{nonce}:([^"]*)"', r"\1", text)


def _holds_exact(tree: Any) -> bool:
    """By exact types, level by level: many answers are searched, and few hold one."""
    level = [tree]
    while level:
        below: list[Any] = []
        for each in level:
            kind = type(each)
            if kind is dict:
                below += each.values()
            elif kind is list:
                below += each
            elif kind is ExactNumber:
                return True
        level = below
    return False


def _marked(tree: Any, nonce: str) -> Any:
    if isinstance(tree, ExactNumber):
        return f"{nonce}:{tree.text}"
    if isinstance(tree, dict):
        return {name: _marked(value, nonce) for name, value in tree.items()}
    if isinstance(tree, list):
        return [_marked(value, nonce) for value in tree]
    return tree
