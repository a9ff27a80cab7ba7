"""A designer's JMESPath on what another system answered, bounded in work, size and time.

Two hundred characters are enough to ask for more than any machine has: ``[@,@]|[@,@]|…`` doubles
its value with each step, and so do flattening, ``join`` and the escapes of ``to_string``. So every
visit of a node, every value that is made or looked through and every character that is written
takes from a ``Budget``, which all expressions on one answer share. The counts do not depend on the
machine; the clock behind them is the thread's own processor time, so that a busy server refuses
nothing that an idle one takes.

Sources: the JMESPath specification (jmespath.org), RFC 8259 (JSON).
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions, signature
from jmespath.lexer import Lexer
from jmespath.parser import Parser
from jmespath.visitor import Options, TreeInterpreter

LONGEST: Final = 2000
"""Characters of an expression."""
MOST_BRACKETS: Final = 50
MOST_LEVELS: Final = 100
"""How deep an expression may nest. A level takes up to five frames of Python's stack of 1,000."""
DEEPEST_VALUE: Final = 64
MOST_VALUES: Final = 1_000_000
MOST_CHARACTERS: Final = 10_000_000
"""Of what one expression gives."""

_OFTEN: Final = 1024
"""Steps between two looks at the clock, which costs as much as two steps."""
_AT_ONCE: Final = 512
"""Characters that are compared or read in about the time in which one value is looked at."""
_WIDEST_INTEGER: Final = 14_280
"""Bits of the largest number that Python writes out: 4,300 digits."""


class NotFound(ValueError):
    """An expression that cannot be used on this answer; the text says why."""


class TooCostly(ValueError):
    """An expression that is over its bounds, and was not taken; the text says which."""


class NoExpression(ValueError):
    """A text that cannot be saved as an expression; the text says why, after its name."""


@dataclass(slots=True)
class Budget:
    """What all expressions on one answer may cost together.

    ``steps``: visits of a node of an expression. ``values``: values of JSON made or looked
    through. ``characters``: of texts made, or of what is given. ``seconds``: processor time.
    """

    steps: int
    values: int
    characters: int
    seconds: float
    most_steps: int = field(init=False)
    until: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self.most_steps = self.steps

    def look(self) -> None:
        """Raises TooCostly where the steps or the time are used up."""
        if self.steps <= 0:
            raise TooCostly(f"it takes more than {self.most_steps:,} steps")
        now = time.thread_time()
        self.until = self.until or now + self.seconds
        if now > self.until:
            raise TooCostly(f"it takes longer than {self.seconds:g} seconds")

    def take_values(self, number: int) -> None:
        self.values -= number
        if self.values < 0:
            raise TooCostly("it makes too many values")
        if number > _OFTEN:
            self.look()

    def take_characters(self, number: int) -> None:
        self.characters -= number
        if self.characters < 0:
            raise TooCostly("it makes texts that are too long")
        if number > _OFTEN * _AT_ONCE:
            self.look()


def for_authorizing() -> Budget:
    """Of one token answer, or of the answer of ``after_authorization``."""
    return Budget(steps=100_000, values=200_000, characters=2_000_000, seconds=0.5)


def for_call() -> Budget:
    """Of all replies of one call."""
    return Budget(steps=2_000_000, values=4_000_000, characters=30_000_000, seconds=2.0)


def find(expression: str, tree: Any, budget: Budget) -> Any:
    """What the expression gives of a tree of JSON, itself JSON; None where it finds nothing.

    Raises NotFound (a function that does not take what stands there, a value that JSON does not
    know) and TooCostly (over its bounds).

    >>> find("items[*].id", {"items": [{"id": 1}, {"id": 2}]}, for_call())
    [1, 2]
    """
    try:
        value = _Bounded(budget).visit(_parsed(expression), tree)
        _weigh(value, budget, given=True)
    except (NotFound, TooCostly):
        raise
    except JMESPathError as error:
        raise NotFound(type(error).__name__) from None
    except (TypeError, AttributeError, ArithmeticError, RecursionError, ValueError):
        # ValueError: a slice whose step is 0, a number that Python does not write out.
        raise NotFound("it does not fit this answer") from None
    return value


def is_true(expression: str, tree: Any, budget: Budget) -> bool:
    """Whether an expression finds something that is not null, false, 0 or empty.

    Raises TooCostly.
    """
    try:
        return bool(find(expression, tree, budget))
    except NotFound:
        return False


def check(expression: str) -> None:
    """Whether this can be saved as an expression. Raises NoExpression."""
    try:
        _parse(expression)
    except TooCostly as reason:
        raise NoExpression(f"is no expression that can be used: {reason}") from None
    except JMESPathError as error:
        words = str(error).splitlines()[0].rstrip(": ")
        raise NoExpression(f"is no JMESPath expression: {words}") from None
    except (ValueError, LookupError, TypeError):
        raise NoExpression("is no JMESPath expression") from None


def _parsed(expression: str) -> Any:
    """The tree of an expression. Long ones are rare, and a thousand of them are 300 MB."""
    return (_short if len(expression) <= 300 else _long)(expression)


@lru_cache(maxsize=1000)
def _short(expression: str) -> Any:
    return _parse(expression)


@lru_cache(maxsize=50)
def _long(expression: str) -> Any:
    return _parse(expression)


class _Parser(Parser):
    """Without the cache of ``jmespath``, which keeps 512 trees of any size for ever."""

    _MAX_SIZE = 0


def _parse(expression: str) -> Any:
    """Raises JMESPathError, and TooCostly for what is longer or nests deeper than it may."""
    if len(expression) > LONGEST:
        raise TooCostly(f"it is longer than {LONGEST:,} characters")
    depth = 0
    for token in Lexer().tokenize(expression):
        if token["type"] in ("lparen", "lbracket", "lbrace", "filter"):
            depth += 1
        elif token["type"] in ("rparen", "rbracket", "rbrace"):
            depth -= 1
        if depth > MOST_BRACKETS:
            raise TooCostly(f"its brackets nest more than {MOST_BRACKETS} levels deep")
    deep = TooCostly(f"it nests more than {MOST_LEVELS} levels deep")
    try:
        tree = _Parser().parse(expression).parsed
    except RecursionError:
        raise deep from None
    level, below = 0, [tree]
    while below:
        level += 1
        if level > MOST_LEVELS:
            raise deep
        # The children of a slice are numbers.
        below = [c for node in below for c in node["children"] if isinstance(c, dict)]
    return tree


def _weigh(value: Any, budget: Budget, *, given: bool = False) -> int:
    """Take what a value costs to look through, its shared parts as often as they stand in it.

    Gives the most characters that it has as JSON. ``given``: it is the result of an expression,
    which is JSON of a bearable size. Raises NotFound and TooCostly.
    """
    room = min(budget.values, MOST_VALUES) if given else budget.values
    values = characters = digits = depth = 0
    level = [value]
    while level:
        depth += 1
        values += len(level)
        if depth > DEEPEST_VALUE:
            raise TooCostly(f"it makes values that nest more than {DEEPEST_VALUE} levels deep")
        below: list[Any] = []
        for each in level:
            if isinstance(each, str):
                characters += len(each)
            elif isinstance(each, dict):
                characters += sum(map(len, each))
                below += each.values()
            elif isinstance(each, list):
                below += each
            elif each is not None:
                digits += _digits(each, given)
            # Here too, for each of the values of one level may be the same long list.
            if values + len(below) > room:
                raise TooCostly("it gives too much")
        level = below
    budget.take_values(values + characters // _AT_ONCE)
    if given:
        if characters > MOST_CHARACTERS:
            raise TooCostly("it gives too much")
        budget.take_characters(characters)
    return 12 * characters + 8 * values + digits


def _digits(number: Any, given: bool) -> int:
    """The most characters of a number as JSON."""
    if isinstance(number, float):
        if given and not math.isfinite(number):
            raise NotFound("it gives a number that JSON does not know")
        return 32
    if not isinstance(number, int):
        raise NotFound("it gives no value")
    if number.bit_length() > _WIDEST_INTEGER:
        raise NotFound("it gives a number that is too long to be written")
    return number.bit_length() // 3


def _compare(left: Any, right: Any, budget: Budget) -> None:
    """Take what it costs to compare two values, before it is done."""
    if isinstance(left, str) and isinstance(right, str):
        budget.take_values(min(len(left), len(right)) // _AT_ONCE)
    elif isinstance(left, list | dict) and type(left) is type(right) and len(left) == len(right):
        _weigh(left, budget)
        _weigh(right, budget)


class _Functions(Functions):
    """The functions of JMESPath, each paid for before it runs."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget

    def call_function(self, function_name: str, resolved_args: list[Any]) -> Any:
        # What is given is looked through for its types, and mostly read or copied once.
        for argument in resolved_args:
            if isinstance(argument, str):
                self.budget.take_values(len(argument) // _AT_ONCE)
            elif isinstance(argument, list | dict):
                self.budget.take_values(len(argument))
        return super().call_function(function_name, resolved_args)

    @signature({"types": ["array", "string"]}, {"types": []})
    def _func_contains(self, subject: Any, search: Any) -> bool:
        if isinstance(subject, list):
            for each in subject:
                _compare(each, search, self.budget)
        elif isinstance(search, str):
            # Short needles are looked for at every place anew, in the worst case whole.
            self.budget.take_values(min(len(search), 100) * len(subject) // _AT_ONCE)
        return search in subject

    @signature({"types": ["string"]}, {"types": ["array-string"]})
    def _func_join(self, separator: str, array: list[str]) -> str:
        self.budget.take_characters(len(separator) * len(array) + sum(map(len, array)))
        return separator.join(array)

    @signature({"types": ["object"], "variadic": True})
    def _func_merge(self, *arguments: dict[str, Any]) -> dict[str, Any]:
        # A member of an object takes as much memory as ten of a list.
        self.budget.take_values(10 * sum(map(len, arguments)))
        merged: dict[str, Any] = {}
        for each in arguments:
            merged.update(each)
        return merged

    @signature({"types": ["array-number", "array-string"]})
    def _func_max(self, arg: list[Any]) -> Any:
        self._compare_all(arg, times=1)
        return max(arg, default=None)

    @signature({"types": ["array-number", "array-string"]})
    def _func_min(self, arg: list[Any]) -> Any:
        self._compare_all(arg, times=1)
        return min(arg, default=None)

    @signature({"types": ["array", "string"]})
    def _func_reverse(self, arg: Any) -> Any:
        if isinstance(arg, str):
            self.budget.take_characters(len(arg))
        return arg[::-1]

    @signature({"types": ["array-string", "array-number"]})
    def _func_sort(self, arg: list[Any]) -> list[Any]:
        self._compare_all(arg, times=len(arg).bit_length())
        return sorted(arg)

    @signature({"types": []})
    def _func_to_number(self, arg: Any) -> Any:
        if isinstance(arg, str):
            # Reading digits takes longer with the square of their number.
            self.budget.take_values(len(arg) // 16)
        return super()._func_to_number(arg)

    @signature({"types": []})
    def _func_to_string(self, arg: Any) -> str:
        if isinstance(arg, str):
            return arg
        if _weigh(arg, self.budget) > self.budget.characters:
            raise TooCostly("it makes texts that are too long")
        text = json.dumps(arg, separators=(",", ":"))
        self.budget.take_characters(len(text))
        return text

    def _compare_all(self, values: list[Any], times: int) -> None:
        """Take what it costs to compare each of some numbers or texts so many times."""
        characters = sum(map(len, values)) if values and isinstance(values[0], str) else 0
        self.budget.take_values(times * (len(values) // 4 + characters // _AT_ONCE))

    def _create_key_func(
        self, expref: Any, allowed_types: list[str], function_name: str
    ) -> Callable[[Any], Any]:
        key_of = super()._create_key_func(expref, allowed_types, function_name)
        # A list of a million is sorted with 20 comparisons of each.
        times = 20 if function_name == "sort_by" else 1

        def paid_key_of(value: Any) -> Any:
            key = key_of(value)
            self.budget.take_values(times // 4 + 1)
            if isinstance(key, str):
                self.budget.take_values(times * len(key) // _AT_ONCE)
            return key

        return paid_key_of


class _Bounded(TreeInterpreter):
    """Walks the tree of an expression, and counts. A projection needs no count of its own: it
    visits a node for each of its values."""

    def __init__(self, budget: Budget) -> None:
        super().__init__(Options(custom_functions=_Functions(budget)))
        self.budget = budget

    def visit(self, node: Any, value: Any) -> Any:
        budget = self.budget
        budget.steps -= 1
        if not budget.steps % _OFTEN or budget.steps < 0:
            budget.look()
        return _VISITS[node["type"]](self, node, value)

    def visit_comparator(self, node: Any, value: Any) -> Any:
        left, right = (self.visit(child, value) for child in node["children"])
        _compare(left, right, self.budget)
        if node["value"] in ("eq", "ne"):
            return self.COMPARATOR_FUNC[node["value"]](left, right)
        if not (_is_ordered(left) and _is_ordered(right)):
            return None
        return self.COMPARATOR_FUNC[node["value"]](left, right)

    def visit_flatten(self, node: Any, value: Any) -> Any:
        base = self.visit(node["children"][0], value)
        if not isinstance(base, list):
            return None
        merged: list[Any] = []
        for element in base:
            if isinstance(element, list):
                self.budget.take_values(len(element))
                merged += element
            else:
                merged.append(element)
        self.budget.take_values(len(base))
        return merged

    def visit_slice(self, node: Any, value: Any) -> Any:
        if isinstance(value, list):
            self.budget.take_values(len(value))
        return super().visit_slice(node, value)


def _is_ordered(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


_VISITS: Final = {
    name.removeprefix("visit_"): getattr(_Bounded, name)
    for name in dir(_Bounded)
    if name.startswith("visit_")
}
