"""Reads YAML as a tree, event by event within bounds: nothing is built that is too much.

The events come from libyaml where PyYAML was built with it, which is ten times as fast. What a
plain scalar means is decided here, for PyYAML follows YAML 1.1, where ``NO`` is false and
``9:30`` is 570. Source: YAML 1.2.2, chapter 10.3 (core schema).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from connectedsystems.bounds import Bounds, Counting, OutOfBounds

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MOST_DIRECTIVES: Final = 20
# libyaml compares each %TAG with all before it: 30,000 of them took five seconds.
_DIRECTIVE: Final = re.compile(r"^%", re.MULTILINE)
_TAG: Final = "tag:yaml.org,2002:"
_KNOWN_TAGS: Final[dict[str | None, str]] = {
    None: "",
    "!": "str",
    **{f"{_TAG}{name}": name for name in ("str", "int", "float", "bool", "null", "seq", "map")},
}
_TAG_UNKNOWN: Final = "could not determine a constructor for this tag (!…): remove it"
_LONGEST_NUMBER: Final = 4000

_INT: Final = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NO_NUMBER: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_OLD_INT: Final = re.compile(r"[-+]?(?:0b[01_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)")
_OLD_FLOAT: Final = re.compile(
    r"[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|[-+]?\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?"
)
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_CORE_WORDS: Final = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_OLD_WORDS: Final = {
    **_CORE_WORDS,
    **dict.fromkeys(("yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("no", "No", "NO", "off", "Off", "OFF"), False),
}


class NotYaml(ValueError):
    """Why a text is not read as YAML, as a sentence; of the text it quotes names alone."""


def core_value(text: str) -> Any:
    """What a plain scalar means by YAML 1.2's core schema; dates are text."""
    if text in _NULLS:
        return None
    if text in _CORE_WORDS:
        return _CORE_WORDS[text]
    if _INT.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.fullmatch(text):
        return _finite(float(text))
    return _finite(None) if _NO_NUMBER.fullmatch(text) else text


def older_value(text: str) -> Any:
    """What a plain scalar means in configuration files, by YAML 1.1; dates and times are text."""
    if text in _NULLS:
        return None
    if text in _OLD_WORDS:
        return _OLD_WORDS[text]
    digits = text.replace("_", "")
    if _OLD_INT.fullmatch(text):
        sign, number = (-1, digits[1:]) if digits[0] == "-" else (1, digits.lstrip("+"))
        base = {"0b": 2, "0x": 16}.get(number[:2], 8 if number[:1] == "0" and number != "0" else 10)
        try:
            return sign * int(number, base)
        except ValueError:
            return text  # 0x_ and its like
    if _OLD_FLOAT.fullmatch(text):
        return _finite(float(digits))
    return _finite(None) if _NO_NUMBER.fullmatch(text) else text


def _finite(number: float | None) -> float:
    if number is None or number - number != 0:
        raise OutOfBounds("a number that is infinite or none at all, which JSON does not know")
    return number


@dataclass(frozen=True, slots=True)
class Dialect:
    """``with_aliases``: whether anchors, aliases and merge keys are read, or refused."""

    bounds: Bounds
    value: Callable[[str], Any] = core_value
    with_aliases: bool = False
    heard: Callable[[int], None] | None = None
    """Told now and then how many nodes were read."""


def read(text: str, dialect: Dialect) -> Any:
    """The tree of the one document in ``text``; None for an empty one. Raises NotYaml."""
    if len(_DIRECTIVE.findall(text)) > _MOST_DIRECTIVES:
        raise NotYaml("More than twenty of its lines begin with %: write them indented.")
    builder = _Builder(dialect)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        raise NotYaml(_where(error, text)) from None
    except yaml.YAMLError:
        raise NotYaml("The file holds characters that YAML does not allow.") from None
    except OutOfBounds as beyond:
        raise NotYaml(str(beyond)) from None
    except RecursionError:
        # Only PyYAML's own parser, where libyaml is missing, goes deeper with each level.
        raise NotYaml("The file is nested too deeply.") from None
    return builder.root


def _where(error: yaml.MarkedYAMLError, text: str) -> str:
    mark = error.problem_mark
    place = ""
    if mark:
        # The end of a text without a last line break is a line of its own for libyaml.
        lines = text.splitlines() or [""]
        line = min(mark.line, len(lines) - 1)
        column = mark.column if line == mark.line else len(lines[line])
        place = f"Line {line + 1}, column {column + 1}: "
    words = ", ".join(filter(None, (error.context, error.problem))) or "this is no YAML"
    return f"{place}{words}."


def _refused(event: Any, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)


_NO_KEY: Final = object()


@dataclass(slots=True)
class _Open:
    """A list or an object that has begun and not ended. ``nodes``, ``characters``: counted before
    it began."""

    value: Any
    anchor: str | None
    nodes: int
    characters: int
    key: Any = _NO_KEY
    written: set[str] = field(default_factory=set)
    merged: list[Any] = field(default_factory=list)
    merges: bool = False
    """Whether the key at hand is ``<<``."""


@dataclass(frozen=True, slots=True)
class _Anchored:
    """A value with a name, and how much it counts wherever it is named."""

    value: Any
    nodes: int
    characters: int


class _Builder:
    """The tree of one document, as far as its events have come."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.counting = Counting(dialect.bounds)
        self.root: Any = None
        self.documents = 0
        self.open: list[_Open] = []
        self.anchors: dict[str, _Anchored] = {}
        self.told = 0

    def take(self, event: Any) -> None:
        match event:
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.MappingStartEvent():
                self._begin(event, {}, "map")
            case yaml.SequenceStartEvent():
                self._begin(event, [], "seq")
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._end(event)
            case yaml.DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    raise _refused(event, "expected a single document, but another one begins here")
        if self.dialect.heard and self.counting.nodes - self.told > 20_000:
            self.told = self.counting.nodes
            self.dialect.heard(self.told)

    def _scalar(self, event: Any) -> None:
        text = event.value
        self.counting.text(text)
        tag = _KNOWN_TAGS.get(event.tag)
        if tag is None or tag in ("seq", "map"):
            raise _refused(event, _TAG_UNKNOWN)
        is_key = self._awaits_key()
        if is_key and text == "<<" and event.implicit[0]:
            self._merge_key(event)
            return
        value = self._typed(event, text, tag)
        if is_key:
            self._key(event, text, value)
            return
        self._keep(event.anchor, _Anchored(value, 1, len(text)))
        self._put(event, value)

    def _typed(self, event: Any, text: str, tag: str) -> Any:
        if tag == "str" or (not tag and not event.implicit[0]):
            return text
        try:
            value: Any = text if len(text) > _LONGEST_NUMBER else self.dialect.value(text)
        except OutOfBounds as beyond:
            raise _refused(event, str(beyond)) from None
        kinds: dict[str, Any] = {
            "int": int,
            "float": (int, float),
            "bool": bool,
            "null": type(None),
        }
        if tag and not (
            isinstance(value, kinds[tag]) and (tag == "bool" or not isinstance(value, bool))
        ):
            raise _refused(event, f"this is no {tag}")
        return float(value) if tag == "float" else value

    def _awaits_key(self) -> bool:
        at = self.open[-1] if self.open else None
        return at is not None and isinstance(at.value, dict) and at.key is _NO_KEY

    def _key(self, event: Any, text: str, value: Any) -> None:
        at = self.open[-1]
        # 1 and 1.0 are two texts and one key.
        if text in at.written or value in at.value:
            raise _refused(event, f"the key {text[:100]} stands there twice")
        at.written.add(text)
        at.key = value
        self._keep(event.anchor, _Anchored(value, 1, len(text)))

    def _merge_key(self, event: Any) -> None:
        if not self.dialect.with_aliases:
            raise _refused(event, "a merge key (<<) is not allowed: write the keys out")
        at = self.open[-1]
        if "<<" in at.written:
            raise _refused(event, "the key << stands there twice")
        at.written.add("<<")
        at.key, at.merges = "<<", True

    def _alias(self, event: Any) -> None:
        if not self.dialect.with_aliases:
            raise _refused(event, "an alias (*name) is not allowed: write the value out")
        found = self.anchors.get(event.anchor)
        if found is None:
            raise _refused(event, "an alias (*name) whose anchor (&name) has not ended before it")
        self.counting.add(found.nodes, found.characters)
        if self._awaits_key():
            if isinstance(found.value, dict | list):
                raise _refused(event, "a key is a single text")
            self._key(event, str(found.value), found.value)
            return
        self._put(event, found.value)

    def _begin(self, event: Any, value: Any, kind: str) -> None:
        if _KNOWN_TAGS.get(event.tag) not in ("", kind):
            raise _refused(event, _TAG_UNKNOWN)
        if self._awaits_key():
            raise _refused(event, "a key is a single text")
        before = self.counting.nodes, self.counting.characters
        self.counting.add(1, 0)
        self.open.append(_Open(value, event.anchor, *before))
        self.counting.depth(len(self.open))

    def _end(self, event: Any) -> None:
        ended = self.open.pop()
        for other in ended.merged:
            for key, value in other.items():
                ended.value.setdefault(key, value)
        counting = self.counting
        size = counting.nodes - ended.nodes, counting.characters - ended.characters
        self._keep(ended.anchor, _Anchored(ended.value, *size))
        self._put(event, ended.value)

    def _keep(self, anchor: str | None, found: _Anchored) -> None:
        if anchor:
            self.anchors[anchor] = found

    def _put(self, event: Any, value: Any) -> None:
        """A whole value, where it belongs."""
        if not self.open:
            self.root = value
            return
        at = self.open[-1]
        if isinstance(at.value, list):
            at.value.append(value)
        elif at.merges:
            at.merged += self._merged(event, value)
            at.key, at.merges = _NO_KEY, False
        else:
            at.value[at.key] = value
            at.key = _NO_KEY

    def _merged(self, event: Any, value: Any) -> list[Any]:
        """The objects of a merge key, the first of which wins. Their keys are built once more."""
        found = value if isinstance(value, list) else [value]
        if not all(isinstance(each, dict) for each in found):
            raise _refused(event, "a merge key (<<) takes objects alone")
        for each in found:
            self.counting.add(len(each), 0)
        return found
