"""What an integration says, parsed from the keys of the bundle file: one HTTP call.

``parse`` checks what somebody wrote against the system it belongs to; ``read`` takes what was
checked and stored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from connectedsystems import placeholders
from connectedsystems.configuration import Configuration
from connectedsystems.kept import Kept
from connectedsystems.written import (
    Box,
    Errors,
    check_names,
    has_dot_segment,
    header_name_problem,
)
from integrations import inputs as typed
from integrations import multipart, paging
from integrations.inputs import Input

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
WITHOUT_BODY: Final = frozenset({"GET", "HEAD"})
USAGES: Final = ("query", "modify")
LONGEST_TIMEOUT: Final = 60
DEFAULT_TIMEOUT: Final = 30

KEYS: Final = (
    "slug",
    "name",
    "connected_system",
    "usage",
    "method",
    "path",
    "parameters",
    "headers",
    "body",
    "content_type",
    "inputs",
    "timeout",
    "success",
    "result",
    "error_message",
    "pagination",
    "idempotency_key",
)
SUPPORTED: Final = KEYS
"""What something reads today. A key of ``KEYS`` that is not here is refused, not kept."""

Kind = Literal["json", "form", "multipart", "text"]

_CONTENT_TYPE = re.compile(
    r"(?P<type>[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+)(?:\s*;\s*charset\s*=\s*\"?utf-8\"?)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Definition:
    """One HTTP call, under the names of the bundle's keys; ``timeout`` in seconds."""

    slug: str = ""
    name: str = ""
    usage: str = "query"
    method: str = "GET"
    path: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str | None] = field(default_factory=dict)
    body: Any = None
    content_type: str = "application/json"
    inputs: tuple[Input, ...] = ()
    timeout: float = DEFAULT_TIMEOUT
    success: str = ""
    result: str = ""
    error_message: str = ""
    pagination: Mapping[str, Any] = field(default_factory=dict)
    idempotency_key: str = ""

    def read(self, given: Mapping[str, Any], *, texts: bool = False) -> dict[str, Any]:
        """The values of this call's inputs; ``texts`` as a query, form or command line gives them.

        Raises InputInvalid, and TypeError for names that are no inputs.
        """
        if unknown := typed.unknown(self.inputs, given):
            known = ", ".join(each.name for each in self.inputs) or "none"
            raise TypeError(f"{self.slug!r} has no input {unknown[0]!r}; its inputs: {known}.")
        return typed.read(self.inputs, given, texts=texts)

    @property
    def modifies(self) -> bool:
        return self.usage == "modify"

    @property
    def body_kind(self) -> Kind:
        """How the body is written."""
        return body_kind(self.content_type)


def body_kind(content_type: str) -> Kind:
    """How a body of this content type is written: a JSON tree, form fields, files, or text."""
    essence = content_type.partition(";")[0].strip().lower()
    if essence == "application/json" or essence.endswith("+json"):
        return "json"
    if essence == multipart.ESSENCE:
        return "multipart"
    return "form" if essence == "application/x-www-form-urlencoded" else "text"


def parse(
    data: Mapping[str, Any],
    configuration: Configuration,
    *,
    supported: Collection[str] = SUPPORTED,
) -> Definition:
    """What was written for one integration of the system with this configuration.

    Raises ConfigurationInvalid with a sentence for each key that cannot be used.
    """
    errors = Errors()
    _Check(Box(data, "", errors), configuration, supported).run()
    errors.raise_if_any()
    return read(data)


def read(data: Mapping[str, Any]) -> Definition:
    """What was checked before, as stored. Nothing is refused here."""
    present = {key: value for key, value in data.items() if value is not None}
    definition = Definition(
        **{key: value for key, value in present.items() if key in _PLAIN},
        inputs=typed.stored(present.get("inputs") or ()),
    )
    return replace(definition, inputs=_with_required(definition))


def parsed(
    integration_id: object,
    version: int,
    data: Mapping[str, Any] | Callable[[], Mapping[str, Any]],
) -> Definition:
    """A stored integration's definition, read once per process and version.

    ``data`` may be a function, which is asked only where nothing is kept yet.
    """
    return _kept.get((integration_id, version), lambda: read(data() if callable(data) else data))


_kept: Kept[Definition] = Kept(most=10_000)
_PLAIN = frozenset(KEYS) - {"connected_system", "inputs"}


def _with_required(definition: Definition) -> tuple[Input, ...]:
    """An input of the path is required, said or not: a path without it is another address."""
    in_path = placeholders.names(definition.path)
    return tuple(
        replace(each, required=True) if each.name in in_path else each for each in definition.inputs
    )


class _Check:
    """The checks of one integration's box, key by key."""

    def __init__(self, box: Box, configuration: Configuration, supported: Collection[str]) -> None:
        self.box = box
        self.configuration = configuration
        self.supported = supported

    def run(self) -> None:
        box = self.box
        box.only(KEYS, self.supported)
        box.slug()
        box.text("name", required=True, longest=100)
        usage = box.choice("usage", USAGES, "query")
        method = box.choice("method", METHODS, "GET")
        box.number("timeout", DEFAULT_TIMEOUT, 1, LONGEST_TIMEOUT)
        if not self.configuration.base_url:
            box.refuse("connected_system", "This system has no base_url: a call needs one.")
        declared = self.inputs()
        self.path(declared)
        self.parameters(declared)
        box.headers("headers", declared, self.configuration.written_headers)
        self.body(method, declared)
        for key in ("success", "result", "error_message"):
            box.expression(key)
        paging.check(box, usage)
        self.idempotency_key()
        self.files(usage)

    def files(self, usage: str) -> None:
        """A file is a field of a form that is sent, and stands nowhere else."""
        written = self.box.data.get("inputs")
        listed = written if isinstance(written, list) else []
        boxes = [each for each in listed if isinstance(each, Mapping)]
        names = {each.get("name") for each in boxes if each.get("type") == "file"}
        if names and usage == "query":
            self.box.refuse("inputs", "A file is sent with usage: modify alone.")
        alone = {f"{{{name}}}" for name in names}
        kind = body_kind(str(self.box.data.get("content_type") or "application/json"))
        for key in ("path", "parameters", "headers", "body"):
            tree = self.box.data.get(key)
            if key == "body" and kind == "multipart" and isinstance(tree, Mapping):
                tree = [each for each in _members(tree) if str(each) not in alone]
            if astray := _names(tree) & names:
                sentence = (
                    f"{{{min(astray)}}} is a file: it stands alone as a field of"
                    " multipart/form-data, or as a file's content."
                )
                self.box.refuse(key, sentence)

    def inputs(self) -> frozenset[str]:
        """All the names that this call's placeholders may use."""
        found = typed.parse(self.box.listing("inputs"), self.box)
        system = self.configuration.declared
        names = [each.name for each in found if each.name]
        kinds = [("the connected system", tuple(system)), ("inputs", tuple(names))]
        check_names(kinds, self.box.errors, ())
        return frozenset(names) | system | placeholders.BUILT_INS

    def path(self, declared: Collection[str]) -> None:
        path = self.box.text("path")
        self.box.template("path", path, declared)
        if problem := path_problem(path):
            self.box.refuse("path", problem)

    def parameters(self, declared: Collection[str]) -> None:
        written = self.box.parameters("parameters", declared)
        taken = self.configuration.written_parameter
        if taken and taken in written:
            self.box.refuse(
                f"parameters.{taken}",
                f"{taken} is written by the authentication of this system; remove it.",
            )

    def body(self, method: str, declared: Collection[str]) -> None:
        box = self.box
        content_type = box.text("content_type", longest=200) or "application/json"
        found = _CONTENT_TYPE.fullmatch(content_type)
        if not found:
            box.refuse("content_type", "is a type such as application/json, always in UTF-8.")
            return
        essence = found["type"].lower()
        if essence.startswith("multipart/") and essence != multipart.ESSENCE:
            box.refuse("content_type", f"Of these types only {multipart.ESSENCE} can be sent.")
        body = box.data.get("body")
        if body is None:
            return
        if method in WITHOUT_BODY:
            box.refuse("body", f"{method} sends no body: remove it, or choose another method.")
        kind = body_kind(content_type)
        if kind == "form":
            box.parameters("body", declared)
        elif kind == "multipart":
            multipart.check(box, "body", declared)
        elif kind == "text" and not isinstance(body, str):
            box.refuse("body", f"For {content_type} the body is text.")
        elif problem := _tree_problem(body):
            box.refuse("body", problem)
        else:
            box.template("body", body, declared)

    def idempotency_key(self) -> None:
        name = self.box.text("idempotency_key", longest=200)
        if name and (problem := header_name_problem(name, self.configuration.written_headers)):
            self.box.refuse("idempotency_key", problem)


def _members(fields: Mapping[str, Any]) -> list[Any]:
    """The templates of a multipart body, each where a value goes."""
    found: list[Any] = []
    for item in fields.values():
        inner = item.values() if isinstance(item, Mapping) else item
        found += inner if isinstance(inner, list) or isinstance(item, Mapping) else [item]
    return found


def _names(tree: Any) -> frozenset[str]:
    try:
        return placeholders.names(tree)
    except (TypeError, ValueError):
        return frozenset()


def path_problem(path: str) -> str:
    """Why this cannot be the path of an integration, as a sentence; "" if it can."""
    if "//" in path:
        return "may not hold '//': it is joined to the base URL, which names the host."
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", path) or path.startswith("@"):
        return "is joined to the base URL: write it without scheme and host, such as /contacts."
    if "?" in path or "#" in path:
        return "holds a query or a fragment: put its parameters into parameters."
    if "\\" in path or "@" in path.split("/")[0]:
        return "may not hold a backslash, nor '@' before its first slash."
    if has_dot_segment(path):
        return "may not hold '.' or '..' as a part."
    return ""


def _tree_problem(tree: Any, depth: int = 0) -> str:
    """Why this cannot be sent as JSON; YAML and Python know more values than JSON does."""
    if depth > 64:
        return "is nested more than 64 levels deep."
    if isinstance(tree, Mapping):
        if not all(isinstance(key, str) for key in tree):
            return "has a key that is no text; put it in quotes."
        return next(filter(None, (_tree_problem(v, depth + 1) for v in tree.values())), "")
    if isinstance(tree, list):
        return next(filter(None, (_tree_problem(item, depth + 1) for item in tree)), "")
    if tree is None or isinstance(tree, (str, int, bool)):
        return ""
    if isinstance(tree, float) and tree - tree == 0:
        return ""
    return "holds a value that JSON does not know; put it in quotes."
