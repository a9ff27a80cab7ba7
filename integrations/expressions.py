"""A designer's JMESPath on another system's answer, bounded: in time, and in what comes of it."""

from __future__ import annotations

import math
import time
from functools import lru_cache
from typing import Any, Final

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult
from jmespath.visitor import TreeInterpreter

SECONDS: Final = 2.0
MOST_VALUES: Final = 1_000_000
MOST_CHARACTERS: Final = 10_000_000
DEEPEST: Final = 64


class NotFound(ValueError):
    """An expression that cannot be used on this answer; the text says why."""


def find(expression: str, tree: Any) -> Any:
    """What the expression gives of a tree of JSON, itself JSON; None where it finds nothing.

    Raises NotFound: a function that does not take what stands there, too long, too much.
    """
    try:
        value = _Bounded().visit(_compiled(expression).parsed, tree)
        _check(value)
    except JMESPathError as error:
        raise NotFound(type(error).__name__) from None
    except (TypeError, AttributeError, ArithmeticError, RecursionError):
        raise NotFound("it does not fit this answer") from None
    return value


def is_true(expression: str, tree: Any) -> bool:
    """Whether an expression finds something that is not null, false, 0 or empty."""
    try:
        return bool(find(expression, tree))
    except NotFound:
        return False


@lru_cache(maxsize=1000)
def _compiled(expression: str) -> ParsedResult:
    return jmespath.compile(expression)


class _Bounded(TreeInterpreter):
    """Gives up after a while: a few letters such as ``[@, @][]`` double what they are given."""

    def __init__(self) -> None:
        super().__init__()
        self.until = time.monotonic() + SECONDS

    def visit(self, node: Any, *args: Any, **more: Any) -> Any:
        value = super().visit(node, *args, **more)
        if time.monotonic() > self.until:
            raise NotFound("it takes longer than 2 seconds")
        if isinstance(value, list | dict) and len(value) > MOST_VALUES:
            raise NotFound("it gives too much")
        if isinstance(value, str) and len(value) > MOST_CHARACTERS:
            raise NotFound("it gives too much")
        return value


def _check(value: Any) -> None:
    """That a value is JSON of a bearable size, shared parts counted as often as they stand."""
    values = characters = 0
    waiting = [(value, 1)]
    while waiting:
        each, depth = waiting.pop()
        values += 1
        if isinstance(each, str):
            characters += len(each)
        elif isinstance(each, dict):
            characters += sum(map(len, each))
            waiting += [(inner, depth + 1) for inner in each.values()]
        elif isinstance(each, list):
            waiting += [(inner, depth + 1) for inner in each]
        elif isinstance(each, float):
            if not math.isfinite(each):
                raise NotFound("it gives a number that JSON does not know")
        elif each is not None and not isinstance(each, bool | int):
            raise NotFound("it gives no value")
        if max(values, len(waiting)) > MOST_VALUES or characters > MOST_CHARACTERS:
            raise NotFound("it gives too much")
        if depth > DEEPEST:
            raise NotFound("it gives values nested too deep")
