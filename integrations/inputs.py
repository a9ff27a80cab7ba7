"""The typed inputs of an integration: what a user may give it, read from text or from Python.

A value that was read is JSON-able: dates and times are their ISO text. What has no value is left
out of the result, so that whatever holds its placeholder is left out too.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from connectedsystems import json as strict_json
from connectedsystems import placeholders
from connectedsystems.bounds import TYPED
from connectedsystems.configuration import BUILT_IN_NAMES
from connectedsystems.errors import InputInvalid
from connectedsystems.written import Box, is_name
from integrations import files

TYPES: Final = (
    "text",
    "integer",
    "number",
    "boolean",
    "date",
    "datetime",
    "choice",
    "list",
    "file",
    "json",
)
MOST_LISTED: Final = 1000
RESERVED_NAMES: Final = frozenset({"csrfmiddlewaretoken", "next", "action"})
"""Fields of our own forms, which no input may be called."""

_KEYS = ("name", "type", "required", "default", "label", "help", "choices")
_INTEGER = re.compile(r"[+-]?[0-9]{1,100}")
_NUMBER = re.compile(
    r"[+-]?(?:[0-9]{1,100}(?:\.[0-9]{0,100})?|\.[0-9]{1,100})(?:[eE][+-]?[0-9]{1,3})?"
)
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")
_DEEPEST = 64
_LARGEST: Final = 10**100
"""Whole numbers are smaller: as text they have a hundred digits."""
_YES = frozenset({"true", "on", "yes", "1"})
_NO = frozenset({"false", "off", "no", "0"})


class NoFit(ValueError):
    """A value that does not fit its input; the text says what would."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the values of a ``choice`` input, and how it is shown."""

    value: str | int | float | bool
    label: str

    @property
    def text(self) -> str:
        """The value as a form sends it."""
        return _text_of(self.value)


@dataclass(frozen=True, slots=True)
class Input:
    """One input. ``default`` has been read already; None where there is none."""

    name: str
    type: str = "text"
    required: bool = False
    default: Any = None
    label: str = ""
    help: str = ""
    choices: tuple[Choice, ...] = ()

    @property
    def title(self) -> str:
        """What people call it: the label, else the name."""
        return self.label or self.name


def read(
    inputs: Iterable[Input], given: Mapping[str, Any], *, texts: bool = False
) -> dict[str, Any]:
    """The values of these inputs, defaults filled in; names that are no inputs are not looked at.

    ``texts``: the values are strings, as a query, a form or a command line holds them; there an
    empty one is no value. Raises InputInvalid with sentences for each input that does not fit.
    """
    values: dict[str, Any] = {}
    errors: dict[str, list[str]] = {}
    for each in inputs:
        try:
            value = read_one(each, given.get(each.name), given=each.name in given, texts=texts)
        except NoFit as sentence:
            errors[each.name] = [str(sentence)]
            continue
        if value is not None:
            values[each.name] = value
    if errors:
        raise InputInvalid(errors)
    return values


def read_one(wanted: Input, value: Any, *, given: bool = True, texts: bool = False) -> Any:
    """One input's value, None where there is none. Raises NoFit with a sentence.

    A default stands in for what was not given, and for an emptied required input; an emptied
    optional one has no value.
    """
    if texts and value == "":
        value = None
    if wanted.type == "list" and _is_blank(value):
        value = None
    if value is None:
        value = wanted.default if wanted.required or not given else None
        if value is None and wanted.required:
            raise NoFit(f"{_subject(wanted)} needs a value.")
        return value
    fitting = _from_text if texts else _from_python
    try:
        return fitting(wanted, value)
    except NoFit as wish:
        raise NoFit(f"{_subject(wanted)} takes {wish}.") from None


def unknown(inputs: Iterable[Input], names: Iterable[str]) -> list[str]:
    """Those of ``names`` that are no inputs."""
    known = {each.name for each in inputs}
    return [name for name in names if name not in known]


def ready(inputs: Iterable[Input], given: Mapping[str, Any]) -> bool:
    """Whether every required input has a value, so that a query can be made."""
    return all(
        given.get(each.name) not in (None, "") or each.default is not None
        for each in inputs
        if each.required
    )


def as_texts(inputs: Iterable[Input], values: Mapping[str, Any]) -> dict[str, str]:
    """Values as a form would have sent them, to show them again; "" for no value."""
    return {each.name: as_text(each, values.get(each.name)) for each in inputs}


def as_text(wanted: Input, value: Any) -> str:
    """One value as a form would have sent it."""
    if value is not None and wanted.type in ("json", "file"):
        return json.dumps(value, ensure_ascii=False)
    if wanted.type == "list" and isinstance(value, list | tuple):
        return "\n".join(map(placeholders.as_text, value))
    return placeholders.as_text(value)


def texts_of(inputs: Iterable[Input], given: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """What was given for these inputs, each name perhaps several times, as one text each.

    The values of a ``list`` become its lines; of any other input the last one counts.
    """
    return {
        each.name: "\n".join(given[each.name]) if each.type == "list" else given[each.name][-1]
        for each in inputs
        if given.get(each.name)
    }


def parse(boxes: Sequence[Any], parent: Box) -> tuple[Input, ...]:
    """The ``inputs`` list of a written integration; what is wrong is noted in ``parent``."""
    found: list[Input] = []
    for index, data in enumerate(boxes):
        box = Box(data, f"{parent.at('inputs')}[{index}]", parent.errors)
        box.only(_KEYS)
        name = _name(box, {each.name for each in found})
        kind = box.choice("type", TYPES, "text")
        bare = Input(
            name=name,
            type=kind,
            required=box.flag("required", False),
            label=box.text("label", longest=200),
            help=box.text("help", lines=True),
            choices=_choices(box) if kind == "choice" or box.has("choices") else (),
        )
        if kind not in ("choice", "list") and box.has("choices"):
            box.refuse("choices", "is read only with type: choice or list. Remove it.")
        if kind == "file" and box.has("default"):
            box.refuse("default", "A file has no default. Remove it.")
            continue
        found.append(_with_default(bare, box))
    return tuple(found)


def stored(boxes: Sequence[Mapping[str, Any]]) -> tuple[Input, ...]:
    """The ``inputs`` list of a stored integration, which was checked when it was written."""
    return tuple(_stored(box) for box in boxes)


def _stored(box: Mapping[str, Any]) -> Input:
    bare = Input(
        name=box["name"],
        type=box.get("type") or "text",
        required=bool(box.get("required")),
        label=box.get("label") or "",
        help=box.get("help") or "",
        choices=tuple(_choice(each) for each in box.get("choices") or ()),
    )
    default = box.get("default")
    return bare if default is None else replace(bare, default=read_one(bare, default))


def _name(box: Box, taken: Collection[str]) -> str:
    name = box.text("name", required=True)
    if not name:
        return ""
    if not is_name(name):
        box.refuse("name", "A name holds letters, digits and underscores, no digit first.")
    elif name in RESERVED_NAMES or name in BUILT_IN_NAMES:
        box.refuse("name", f"'{name}' is taken by this site; choose another name.")
    elif name in taken:
        box.refuse("name", f"There are two inputs called {name}.")
    return name


def _choices(box: Box) -> tuple[Choice, ...]:
    written = box.listing("choices")
    if not written:
        box.refuse("choices", "A choice needs a list of choices.")
    found: list[Choice] = []
    for each in written:
        choice = _choice(each)
        if choice.text == "" or not isinstance(choice.value, (str, int, float, bool)):
            box.refuse("choices", "Each choice is a text or a number, or {value, label}.")
        elif choice.text in [other.text for other in found]:
            box.refuse("choices", f"'{choice.text}' stands there twice.")
        else:
            found.append(choice)
    return tuple(found)


def _choice(written: Any) -> Choice:
    if not isinstance(written, Mapping):
        return Choice(written, _text_of(written))
    value: Any = written.get("value")
    return Choice(value, str(written.get("label") or _text_of(value)))


def _with_default(bare: Input, box: Box) -> Input:
    if not box.has("default"):
        return bare
    try:
        default = read_one(bare, box.data["default"])
    except NoFit as sentence:
        box.refuse("default", str(sentence))
        return bare
    return replace(bare, default=default)


def _subject(wanted: Input) -> str:
    return f"“{wanted.label}” ({wanted.name})" if wanted.label else f"“{wanted.name}”"


def _from_text(wanted: Input, text: Any) -> Any:
    if not isinstance(text, str):
        raise NoFit("text")
    if wanted.type == "text":
        return _fit_text(text)
    return _TEXT_READERS[wanted.type](wanted, text.strip())


def _fit_text(text: str) -> str:
    if _NO_TEXT.search(text):
        raise NoFit(_WISHES["text"])
    return text


def _is_blank(value: Any) -> bool:
    return (isinstance(value, str) and not value.strip()) or value in ([], ())


def _list_text(wanted: Input, text: str) -> list[Any]:
    return _listed(wanted, [line.strip() for line in text.splitlines() if line.strip()])


def _listed(wanted: Input, items: Sequence[Any]) -> list[Any]:
    """Several texts, each a choice where there are choices."""
    texts = [_text_of(item) for item in items if isinstance(item, str | int | float)]
    if len(texts) != len(items) or len(texts) > MOST_LISTED:
        raise NoFit(_WISHES["list"])
    if wanted.choices:
        return [_choice_text(wanted, text) for text in texts]
    return [_fit_text(text) for text in texts]


def _integer_text(_: Input, text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise NoFit("a whole number, such as 20")
    return int(text)


def _number_text(_: Input, text: str) -> int | float:
    if not _NUMBER.fullmatch(text):
        raise NoFit("a number with a point, such as 2.5")
    number = int(text) if _INTEGER.fullmatch(text) else float(text)
    if isinstance(number, float) and not math.isfinite(number):
        raise NoFit("a smaller number")
    return number


def _boolean_text(_: Input, text: str) -> bool:
    if text.lower() in _YES:
        return True
    if text.lower() in _NO:
        return False
    raise NoFit("true or false")


def _date_text(_: Input, text: str) -> str:
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        try:
            return date.fromisoformat(text).isoformat()
        except ValueError:
            pass
    raise NoFit("a date written year-month-day, such as 2026-11-23")


def _datetime_text(_: Input, text: str) -> str:
    try:
        if len(text) > 10:
            return _moment(datetime.fromisoformat(text))
    except ValueError:
        pass
    raise NoFit("a date and time, such as 2026-11-23T14:30 or 2026-11-23T14:30:00Z")


def _choice_text(wanted: Input, text: str) -> Any:
    for choice in wanted.choices:
        if choice.text == text:
            return choice.value
    raise NoFit(f"one of: {', '.join(choice.text for choice in wanted.choices)}")


def _json_text(_: Input, text: str) -> Any:
    try:
        return _json(strict_json.read(text, TYPED))
    except ValueError:
        raise NoFit('JSON, such as {"name": "Ada"}, with text in double quotes') from None


def _file_text(_: Input, text: str) -> dict[str, str]:
    try:
        return files.fit(strict_json.read(text, TYPED))
    except ValueError:
        raise NoFit(files.WISH) from None


def _file_value(wanted: Input, value: Any) -> dict[str, str]:
    """A file as a value, or as Python has it: ``("report.pdf", b"…")``, or its bytes alone."""
    match value:
        case bytes():
            value = files.value_of(wanted.name, value)
        case (str() as filename, bytes() as content):
            value = files.value_of(filename, content)
    try:
        return files.fit(value)
    except ValueError:
        raise NoFit(files.WISH) from None


def _json(value: Any) -> Any:
    """The value, if it can be sent as JSON. Raises ValueError."""
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    if _depth(value) > _DEEPEST:
        raise ValueError
    return value


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0


_TEXT_READERS: Final[Mapping[str, Callable[[Input, str], Any]]] = {
    "integer": _integer_text,
    "number": _number_text,
    "boolean": _boolean_text,
    "date": _date_text,
    "datetime": _datetime_text,
    "choice": _choice_text,
    "list": _list_text,
    "file": _file_text,
    "json": _json_text,
}


def _from_python(wanted: Input, value: Any) -> Any:
    match wanted.type, value:
        case "text", str():
            return _fit_text(value)
        case "integer", int() if not isinstance(value, bool) and abs(value) < _LARGEST:
            return value
        case "number", int() | float() | Decimal() if not isinstance(value, bool):
            return _number(value)
        case "boolean", bool():
            return value
        case "date", date() if not isinstance(value, datetime):
            return value.isoformat()
        case "datetime", datetime():
            return _moment(value)
        case "choice", str() | int() | float() | bool():
            return _choice_text(wanted, _text_of(value))
        case "list", list() | tuple():
            return _listed(wanted, value)
        case "list", str():
            return _list_text(wanted, value)
        case "file", _:
            return _file_value(wanted, value)
        case "json", _:
            return _json_value(value)
        case (("integer" | "number" | "boolean" | "date" | "datetime"), str()):
            # The text of a value is one too: what a template or a spreadsheet hands over.
            return _from_text(wanted, value)
    raise NoFit(_WISHES[wanted.type])


_WISHES: Final = {
    "text": "text without NUL characters and broken letters",
    "integer": "a whole number, such as 20",
    "number": "a number, such as 2.5",
    "boolean": "True or False",
    "date": "a date",
    "datetime": "a date and time",
    "choice": "one of its choices",
    "list": f"several texts, at most {MOST_LISTED}, one a line",
    "file": files.WISH,
    "json": "a value that JSON can hold",
}


def _number(value: int | float | Decimal) -> int | float:
    if isinstance(value, int):
        if abs(value) >= _LARGEST:
            raise NoFit("a smaller number")
        return value
    number = float(value)
    if not math.isfinite(number):
        raise NoFit("a finite number")
    return number


def _json_value(value: Any) -> Any:
    try:
        return _json(json.loads(json.dumps(value, allow_nan=False)))
    except (TypeError, ValueError, RecursionError):
        raise NoFit(_WISHES["json"]) from None


def _moment(value: datetime) -> str:
    return value.isoformat().replace("+00:00", "Z")


def _text_of(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
