"""Reads a mapping that somebody wrote, and notes by key path what is wrong with it.

No sentence quotes a value: any value may be a secret that stands in the wrong line.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from connectedsystems import expressions, placeholders
from connectedsystems.errors import ConfigurationInvalid

RESERVED_SLUGS: Final = frozenset({"held", "callback", "closing"})
FORBIDDEN_HEADERS: Final = frozenset(
    {
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "cookie",
        "expect",
        "keep-alive",
        "te",
        "trailer",
        "upgrade",
    }
)
"""Headers that belong to the transport: written by hand they would split or redirect a request."""

_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_DOTS = re.compile(r"(?:\.|%2[eE]){1,2}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Errors(dict[str, list[str]]):
    """Sentences by key path."""

    def add(self, path: str, sentence: str) -> None:
        known = self.setdefault(path, [])
        if sentence not in known:
            known.append(sentence)

    def take(self, invalid: ConfigurationInvalid, below: str = "") -> None:
        """The sentences of a failure too, their paths below ``below``."""
        for path, sentences in invalid.errors.items():
            for sentence in sentences:
                self.add(f"{below}.{path}" if below and path else below or path, sentence)

    def raise_if_any(self) -> None:
        """Raises ConfigurationInvalid if anything was noted."""
        if self:
            raise ConfigurationInvalid(self)


class Box:
    """One mapping of what was written, at its key path; a null counts as a key left out."""

    def __init__(self, data: object, path: str, errors: Errors) -> None:
        self.path = path
        self.errors = errors
        self.data: Mapping[str, Any] = {}
        if not isinstance(data, Mapping):
            errors.add(path, "Write keys and values here, not a single value or a list.")
            return
        if odd := [key for key in data if not isinstance(key, str)]:
            errors.add(path, f"Keys are text; put quotes round {len(odd)} of them.")
        self.data = {key: value for key, value in data.items() if isinstance(key, str)}

    def at(self, key: str) -> str:
        """The key's path: what an error is filed under."""
        return f"{self.path}.{key}" if self.path else key

    def refuse(self, key: str, sentence: str) -> None:
        self.errors.add(self.at(key), sentence)

    def has(self, key: str) -> bool:
        return self.data.get(key) is not None

    def only(self, known: Collection[str], supported: Collection[str] | None = None) -> None:
        """Names the keys that nobody knows, and those that nothing reads yet."""
        for key in self.data:
            if key not in known:
                self.refuse(key, f"unknown key: {key}")
            elif supported is not None and key not in supported:
                self.refuse(key, f"not supported yet: {key}")

    def text(
        self, key: str, *, required: bool = False, lines: bool = False, longest: int = 2000
    ) -> str:
        """A text, "" where there is none; ``lines`` allows line breaks."""
        value = self.data.get(key)
        if value is None or value == "":
            if required:
                self.refuse(key, "needs a value.")
            return ""
        if not isinstance(value, str):
            self.refuse(key, "must be text; put it in quotes.")
            return ""
        if (_CONTROL_BUT_LINES if lines else _CONTROL).search(value):
            self.refuse(key, "holds a line break or another control character; remove it.")
            return ""
        if len(value) > longest:
            self.refuse(key, f"is longer than {longest} characters.")
            return ""
        return value

    def expression(self, key: str, *, required: bool = False) -> str:
        """A JMESPath expression, "" where there is none."""
        text = self.text(key, required=required)
        if text:
            try:
                expressions.check(text)
            except expressions.NoExpression as problem:
                self.refuse(key, f"{problem}.")
        return text

    def choice(self, key: str, choices: Collection[str], default: str) -> str:
        """One of the texts in ``choices``. YAML reads a bare ``off`` as false: it is taken back."""
        value = self.data.get(key)
        if value is None:
            return default
        if value is False and "off" in choices:
            return "off"
        if not isinstance(value, str) or value not in choices:
            self.refuse(key, f"must be one of: {', '.join(choices)}.")
            return default
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self.data.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.refuse(key, "must be true or false.")
            return default
        return value

    def number(self, key: str, default: float | None, least: float, most: float) -> float | None:
        """A number between ``least`` and ``most``."""
        value = self.data.get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self.refuse(key, f"must be a number from {least:g} to {most:g}.")
            return default
        if not least <= value <= most:
            self.refuse(key, f"must be from {least:g} to {most:g}.")
            return default
        return value

    def box(self, key: str) -> Box:
        """The mapping under this key; an empty one where there is none."""
        value = self.data.get(key)
        return Box({} if value is None else value, self.at(key), self.errors)

    def listing(self, key: str) -> list[Any]:
        value = self.data.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            self.refuse(key, "must be a list.")
            return []
        return value

    def slug(self, key: str = "slug") -> str:
        """A slug as it stands in addresses: lower case, digits, hyphens, at most 64."""
        value = self.text(key, required=True, longest=64)
        if value and not _SLUG.fullmatch(value):
            self.refuse(key, "may hold lower case letters, digits and single hyphens between them.")
        if value in RESERVED_SLUGS:
            self.refuse(key, f"'{value}' is an address of this site; choose another slug.")
        return value

    def template(self, key: str, value: Any, declared: Collection[str]) -> None:
        """Checks that ``value``, a tree with placeholders, asks only for what is declared."""
        try:
            asked = placeholders.names(value)
        except ValueError as error:
            self.refuse(key, str(error))
            return
        for name in sorted(asked.difference(declared)):
            self.refuse(
                key,
                f"{{{name}}} is not declared: add a variable or an input of this name, "
                "or write {{ and }} for literal braces.",
            )

    def parameters(self, key: str, declared: Collection[str]) -> dict[str, Any]:
        """A templated list of parameters: text, numbers, lists of them; null removes a built-in."""
        box = self.box(key)
        for name, value in box.data.items():
            if not name or _CONTROL.search(name):
                box.refuse(name, "A parameter's name is text without control characters.")
            if not _is_parameter(value):
                box.refuse(name, "must be text, a number, true, false, null, or a list of these.")
            else:
                box.template(name, value, declared)
        return dict(box.data)

    def headers(
        self, key: str, declared: Collection[str], taken: Collection[str] = ()
    ) -> dict[str, str | None]:
        """A templated list of headers; ``taken``: names (lower case) that are written elsewhere."""
        box = self.box(key)
        for name, value in box.data.items():
            if problem := header_name_problem(name, taken):
                box.refuse(name, problem)
            if value is None:
                continue
            if not isinstance(value, str):
                box.refuse(name, "must be text; put it in quotes.")
            elif problem := header_value_problem(value):
                box.refuse(name, problem)
            else:
                box.template(name, value, declared)
        return dict(box.data)


def header_name_problem(name: str, taken: Collection[str] = ()) -> str:
    """Why this cannot be the name of a header, as a sentence; "" if it can."""
    if not _HEADER_NAME.fullmatch(name):
        return "is no name of a header: use letters, digits and hyphens."
    lower = name.lower()
    if lower in FORBIDDEN_HEADERS or lower.startswith("proxy-"):
        return f"{name} is written by the connection itself; remove it."
    if lower in taken:
        return f"{name} is written by the authentication of this system; remove it."
    return ""


def header_value_problem(value: str) -> str:
    """Why this cannot stand in a header, as a sentence; "" if it can."""
    if _CONTROL.search(value):
        return "holds a line break or another control character; remove it."
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        return "holds characters that a header cannot carry; use plain ASCII."
    return ""


def check_names(
    kinds: Iterable[tuple[str, Collection[str]]], errors: Errors, built_ins: Collection[str]
) -> None:
    """Notes names of placeholders that are no names, are built in, or are given twice.

    ``kinds``: key path and the names declared there, in order of precedence.
    """
    seen: dict[str, str] = {}
    for path, names in kinds:
        for name in names:
            where = f"{path}.{name}"
            if not is_name(name):
                errors.add(where, "A name holds letters, digits and underscores, no digit first.")
            elif name in built_ins:
                errors.add(where, f"{{{name}}} is built in; choose another name.")
            elif name in seen:
                errors.add(where, f"The name stands in {seen[name]} too; choose another.")
            seen.setdefault(name, path)


def is_name(text: str) -> bool:
    """Whether this can be the name of a placeholder."""
    return len(text) <= 64 and _NAME.fullmatch(text) is not None


def _is_parameter(value: object) -> bool:
    if isinstance(value, list):
        return all(
            item is not None and not isinstance(item, list) and _is_parameter(item)
            for item in value
        )
    return value is None or isinstance(value, (str, int, float, bool))


def has_dot_segment(path: str) -> bool:
    """Whether a part between slashes is ``.`` or ``..``, percent-encoded or not."""
    return any(_DOTS.fullmatch(segment) for segment in path.split("/"))
