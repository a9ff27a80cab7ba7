"""Reads an OpenAPI 3 document as integrations' definitions, one for each of its operations.

Nothing is fetched: a reference leads within the document or nowhere. What cannot be said by a
definition is noted by name. Source: OpenAPI Specification 3.0.4 and 3.1.1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from connectedsystems import json
from connectedsystems.bounds import Bounds
from connectedsystems.configuration import BUILT_IN_NAMES
from integrations.inputs import RESERVED_NAMES
from workbench import yamltree
from workbench.curl import is_credential

LARGEST: Final = 10_000_000
"""Bytes of a document."""
BOUNDS: Final = Bounds(nodes=2_000_000, depth=200, text=1_000_000, characters=20_000_000)
MOST_OPERATIONS: Final = 2_000
METHODS: Final = ("get", "head", "post", "put", "patch", "delete")

_MOST_STEPS = 20
_JSON, _FORM = "application/json", "application/x-www-form-urlencoded"
_MULTIPART, _TEXT = "multipart/form-data", "text/plain"
_WRITTEN_ANYWAY = frozenset({"accept", "content-type"})
_IN_BRACES = re.compile(r"\{([^{}]*)\}")
_LONGEST_HELP = 300


class NotADocument(ValueError):
    """What is wrong with a document, in a sentence for who gave it."""


class _LeftOut(Exception):
    """Why an operation cannot be taken over; a sentence."""


@dataclass(frozen=True)
class Operation:
    """One operation: its definition under the bundle's keys, without its system.

    ``notes``: what of it was changed or left out; ``problem``: why there is no definition.
    """

    method: str
    path: str
    definition: Mapping[str, Any] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Document:
    """What a document says, for one system. ``caution``: what is to be known of all of it."""

    title: str
    operations: list[Operation]
    caution: str = ""


def read(
    raw: bytes,
    base_url: str,
    taken: frozenset[str] = frozenset(),
    heard: Callable[[int], None] | None = None,
) -> Document:
    """The document's operations for the system at ``base_url``; ``taken``: names that its
    variables and captures have; ``heard`` is told how many values of YAML were read.

    It may take seconds and a gigabyte: pages have it done by ``workbench.reading``.
    Raises NotADocument.
    """
    tree = _tree(raw, heard)
    version = str(tree.get("openapi") or "")
    if "swagger" in tree and not version:
        raise NotADocument("This is a Swagger 2 document: convert it to OpenAPI 3 first.")
    if not version.startswith("3."):
        raise NotADocument('The document has no "openapi: 3…" at its top: it is no OpenAPI 3.')
    paths = tree.get("paths")
    if not isinstance(paths, Mapping) or not paths:
        raise NotADocument("The document has no paths, so there is nothing to import.")
    reader = _Reader(tree, base_url, taken)
    found = list(reader.operations(paths))
    if not found:
        raise NotADocument("None of the document's paths has an operation.")
    info = tree.get("info")
    title = str(info.get("title") or "") if isinstance(info, Mapping) else ""
    return Document(title[:200], found, reader.caution())


def check_size(raw: bytes) -> None:
    """What can be said of a document before it is read. Raises NotADocument."""
    if len(raw) > LARGEST:
        raise NotADocument(f"The document is larger than {LARGEST // 1_000_000} MB.")
    if not raw.strip():
        raise NotADocument("Choose a file, or paste the document.")


def _tree(raw: bytes, heard: Callable[[int], None] | None) -> Mapping[str, Any]:
    check_size(raw)
    dialect = yamltree.Dialect(BOUNDS, with_aliases=True, heard=heard)
    try:
        tree = _parsed(raw.decode("utf-8-sig"), dialect)
    except UnicodeDecodeError:
        raise NotADocument("The document is not written in UTF-8.") from None
    except (json.NotJson, yamltree.NotYaml) as mistake:
        raise NotADocument(str(mistake)) from None
    if not isinstance(tree, Mapping):
        raise NotADocument("The document is no object with keys, so it is no OpenAPI 3.")
    return tree


def _parsed(text: str, dialect: yamltree.Dialect) -> Any:
    """JSON where it begins with a brace and is JSON; else YAML, whose flow style does so too."""
    if text.lstrip().startswith("{"):
        try:
            return json.read(text, BOUNDS)
        except json.NotJson as mistake:
            if not mistake.is_syntax:
                raise
            said = mistake
        try:
            return yamltree.read(text, dialect)
        except yamltree.NotYaml:
            raise said from None
    return yamltree.read(text, dialect)


class _Reader:
    """One document, read for one system."""

    def __init__(self, tree: Mapping[str, Any], base_url: str, taken: frozenset[str]) -> None:
        self.tree = tree
        self.base = urlsplit(base_url)
        self.taken = taken | RESERVED_NAMES | BUILT_IN_NAMES
        self.slugs: set[str] = set()
        self.other_hosts: set[str] = set()

    def caution(self) -> str:
        if not self.other_hosts:
            return ""
        hosts = ", ".join(sorted(self.other_hosts)[:3])
        return (
            f"The document is written for {hosts}; the calls go to {self.base.netloc}, the base URL"
            " of the connected system."
        )

    def operations(self, paths: Mapping[Any, Any]) -> Iterator[Operation]:
        number = 0
        for path, item in paths.items():
            if not isinstance(path, str) or not path.startswith("/"):
                continue
            try:
                shared = self.object(item)
            except _LeftOut as why:
                yield Operation("", path, problem=str(why))
                continue
            for method in METHODS:
                if not isinstance(shared.get(method), Mapping):
                    continue
                number += 1
                if number > MOST_OPERATIONS:
                    raise NotADocument(f"The document has more than {MOST_OPERATIONS} operations.")
                yield self._operation(method.upper(), path, shared, shared[method])

    def _operation(
        self, method: str, path: str, shared: Mapping[str, Any], said: Mapping[str, Any]
    ) -> Operation:
        try:
            return _Operation(self, method, path, shared, said).made()
        except _LeftOut as why:
            return Operation(method, path, problem=str(why))

    def object(self, node: Any) -> Mapping[str, Any]:
        """The node as an object, its references followed; {} for what is none."""
        steps = 0
        while isinstance(node, Mapping) and "$ref" in node:
            steps += 1
            if steps > _MOST_STEPS:
                raise _LeftOut("A reference in it leads in a circle.")
            node = self._at(node["$ref"])
        return node if isinstance(node, Mapping) else {}

    def _at(self, reference: Any) -> Any:
        if not isinstance(reference, str) or not reference.startswith("#/"):
            raise _LeftOut(
                f"It refers to {str(reference)[:100]}, which is not in this document: bundle the"
                " document into one file first."
            )
        node: Any = self.tree
        for part in reference[2:].split("/"):
            key = part.replace("~1", "/").replace("~0", "~").replace("%7B", "{").replace("%7D", "}")
            node = node.get(key) if isinstance(node, Mapping) else None
        if node is None:
            raise _LeftOut(f"It refers to {reference[:100]}, which is not in this document.")
        return node

    def below_base(self, path: str, *places: Mapping[str, Any]) -> str:
        """The path joined to the system's base URL, where the nearest ``servers`` has it."""
        servers = next((each["servers"] for each in places if each.get("servers")), None)
        server = self.object(servers[0]) if isinstance(servers, list) and servers else {}
        url = str(server.get("url") or "")
        variables = server.get("variables")
        for name in _IN_BRACES.findall(url):
            box = variables.get(name) if isinstance(variables, Mapping) else None
            default = box.get("default") if isinstance(box, Mapping) else ""
            url = url.replace(f"{{{name}}}", str(default or ""))
        try:
            parts = urlsplit(url)
        except ValueError:
            return path
        if parts.netloc and parts.netloc != self.base.netloc:
            self.other_hosts.add(parts.netloc)
        base = self.base.path.rstrip("/")
        whole = parts.path.rstrip("/") + path
        is_below = parts.netloc in ("", self.base.netloc) and whole.startswith(f"{base}/")
        return whole.removeprefix(base) if is_below else path

    def schema(self, node: Any) -> Mapping[str, Any]:
        """A schema with its parts put together, and what its items are."""
        found = self._whole(node)
        if "items" in found:
            return {**found, "items": self._whole(found["items"])}
        return found

    def _whole(self, node: Any) -> Mapping[str, Any]:
        found = dict(self.object(node))
        for _ in range(_MOST_STEPS):
            parts = found.pop("allOf", None)
            if isinstance(parts, list):
                for part in parts:
                    found = _joined(found, self.object(part))
                continue
            chosen = found.pop("oneOf", None) or found.pop("anyOf", None)
            if not isinstance(chosen, list):
                return found
            objects = [self.object(each) for each in chosen]
            real = [each for each in objects if each.get("type") != "null"]
            if len(real) == 1:
                found = _joined(found, real[0])
            elif real:
                return {**found, "type": "anything"}
        return found

    def slug(self, wanted: str) -> str:
        """A slug that no other operation of this document has."""
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", wanted)
        start = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:60].strip("-") or "operation"
        slug, number = start, 2
        while slug in self.slugs:
            slug, number = f"{start}-{number}", number + 1
        self.slugs.add(slug)
        return slug


def _joined(one: dict[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    both = {**other, **one}
    for key in ("properties", "required"):
        mine, theirs = one.get(key), other.get(key)
        if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
            both[key] = {**theirs, **mine}
        elif isinstance(mine, list) and isinstance(theirs, list):
            both[key] = [*theirs, *mine]
    return both


class _Operation:
    """One operation on its way to a definition."""

    def __init__(
        self,
        reader: _Reader,
        method: str,
        path: str,
        shared: Mapping[str, Any],
        said: Mapping[str, Any],
    ) -> None:
        self.reader, self.method, self.path = reader, method, path
        self.shared, self.said = shared, said
        self.inputs: list[dict[str, Any]] = []
        self.names: dict[tuple[str, str], str] = {}
        self.notes: list[str] = []

    def made(self) -> Operation:
        said = self.said
        named = str(said.get("operationId") or f"{self.method} {self.path}")
        summary = " ".join(str(said.get("summary") or said.get("operationId") or "").split())
        parameters: dict[str, Any] = {}
        headers: dict[str, str] = {}
        for parameter in self._parameters():
            self._take(parameter, parameters, headers)
        written: dict[str, Any] = {
            "slug": self.reader.slug(named),
            "name": (summary or f"{self.method} {self.path}")[:100],
            "usage": "query" if self.method in ("GET", "HEAD") else "modify",
            "method": self.method,
            "path": self._path(),
            "parameters": parameters,
            "headers": headers,
            **self._body(),
            "inputs": self.inputs,
        }
        if said.get("deprecated") is True:
            self.notes.append("The document calls it deprecated.")
        kept = {key: value for key, value in written.items() if value not in ({}, [], None)}
        return Operation(self.method, self.path, kept, tuple(self.notes))

    def _parameters(self) -> list[Mapping[str, Any]]:
        """Those of the path and of the operation, which stands above."""
        found: dict[tuple[str, str], Mapping[str, Any]] = {}
        for place in (self.shared, self.said):
            listed = place.get("parameters")
            for node in listed if isinstance(listed, list) else []:
                parameter = self.reader.object(node)
                key = str(parameter.get("in")), str(parameter.get("name") or "")
                if key[1]:
                    found[key] = parameter
        return list(found.values())

    def _take(
        self, parameter: Mapping[str, Any], parameters: dict[str, Any], headers: dict[str, str]
    ) -> None:
        name, place = str(parameter["name"]), str(parameter.get("in"))
        schema = self.reader.schema(_schema_of(parameter))
        needed = parameter.get("required") is True
        help_text = parameter.get("description") or schema.get("description")
        if place in ("query", "header") and is_credential(name):
            self.notes.append(f"{name} is left to the connected system.")
        elif place == "path":
            self._input(name, schema, place, help_text, required=True)
        elif place == "query":
            kind = _kind(schema)
            if kind == "json" and "content" not in parameter:
                self.notes.append(f"The parameter {name} is an object, and is left out.")
                return
            is_joined = kind == "list" and parameter.get("explode") is False
            if is_joined:
                schema = {"type": "string"}
                help_text = f"Several with commas between. {help_text or ''}".strip()
            given = self._input(name, schema, place, help_text, required=needed)
            parameters[name] = f"{{{given}}}"
        elif place == "header" and name.lower() not in _WRITTEN_ANYWAY:
            given = self._input(name, schema, place, help_text, required=needed)
            headers[name] = f"{{{given}}}"
        elif place == "cookie":
            self.notes.append(f"The cookie {name} is left out: no cookies are sent.")

    def _path(self) -> str:
        path = self.reader.below_base(self.path, self.said, self.shared, self.reader.tree)

        def filled(found: re.Match[str]) -> str:
            name = self.names.get((found[1], "path"))
            return f"{{{name or self._input(found[1], {'type': 'string'}, 'path', '', True)}}}"

        return _IN_BRACES.sub(filled, path)

    def _body(self) -> dict[str, Any]:
        asked = self.reader.object(self.said.get("requestBody"))
        content = asked.get("content")
        if not isinstance(content, Mapping) or not content or self.method in ("GET", "HEAD"):
            return {}
        kind, media = _medium(content)
        if not kind:
            types = ", ".join(str(each)[:60] for each in list(content)[:3])
            raise _LeftOut(f"Its body is {types}, which cannot be sent.")
        schema = self.reader.schema(self.reader.object(media).get("schema"))
        needed = asked.get("required") is True
        properties = schema.get("properties")
        if kind == _TEXT or not isinstance(properties, Mapping) or not properties:
            return self._whole_body(kind, schema, needed)
        listed = schema.get("required")
        required = set(map(str, listed)) if isinstance(listed, list) else set()
        body: dict[str, Any] = {}
        for name, node in properties.items():
            inner = self.reader.schema(node)
            if inner.get("readOnly") is not True:
                body[str(name)] = self._member(str(name), inner, kind, needed and name in required)
        return {"content_type": kind, "body": body}

    def _whole_body(self, kind: str, schema: Mapping[str, Any], needed: bool) -> dict[str, Any]:
        if kind in (_FORM, _MULTIPART):
            raise _LeftOut("Its body is a form whose fields the document does not name.")
        whole = {"type": "string" if kind == _TEXT else "anything"}
        given = self._input("body", whole, "body", schema.get("description"), required=needed)
        return {"content_type": kind, "body": f"{{{given}}}"}

    def _member(self, name: str, schema: Mapping[str, Any], kind: str, required: bool) -> Any:
        if kind == _MULTIPART and (schema.get("format") == "binary" or _is_file(schema)):
            schema = {**schema, "type": "file", "format": ""}
        if kind != _JSON and _kind(schema) == "json":
            self.notes.append(f"The field {name} is sent as JSON.")
        given = self._input(name, schema, "body", schema.get("description"), required)
        return f"{{{given}}}"

    def _input(
        self, wire: str, schema: Mapping[str, Any], place: str, help_text: Any, required: bool
    ) -> str:
        """Add an input; its name, which is the wire's as far as names can say it."""
        start = re.sub(r"[^A-Za-z0-9_]+", "_", wire).strip("_")[:50] or "value"
        start = f"_{start}" if start[0].isdigit() else start
        taken = self.reader.taken | {each["name"] for each in self.inputs}
        name, number = start, 2
        if name in taken:
            name = f"{place}_{start}"
        while name in taken:
            name, number = f"{place}_{start}_{number}", number + 1
        self.names[wire, place] = name
        kind = _kind(schema)
        box: dict[str, Any] = {
            "name": name,
            "type": kind,
            "required": required,
            "label": wire[:200],
        }
        if choices := _choices(schema):
            box["choices"] = choices
        if words := " ".join(str(help_text or "").split()):
            box["help"] = words[:_LONGEST_HELP]
        default = schema.get("default")
        if isinstance(default, str | int | float | bool) and kind not in ("list", "json"):
            box["default"] = default
        self.inputs.append(box)
        return name


def _schema_of(parameter: Mapping[str, Any]) -> Any:
    content = parameter.get("content")
    if isinstance(content, Mapping) and content:
        return {"type": "anything"}
    return parameter.get("schema")


def _medium(content: Mapping[str, Any]) -> tuple[str, Any]:
    """The first media type that can be sent, and what is said of it."""
    rules: tuple[tuple[str, Callable[[str], bool]], ...] = (
        (_JSON, lambda name: name == _JSON or name == "*/*"),
        (_JSON, lambda name: name.endswith("+json")),
        (_FORM, lambda name: name == _FORM),
        (_MULTIPART, lambda name: name == _MULTIPART),
        (_TEXT, lambda name: name == _TEXT),
    )
    for kind, fits in rules:
        for name, media in content.items():
            essence = str(name).partition(";")[0].strip().lower()
            if fits(essence):
                return (essence if essence.endswith("+json") else kind), media
    return "", None


def _type(schema: Mapping[str, Any]) -> str:
    """One type; 3.1 writes several, of which one may be null."""
    written = schema.get("type")
    if isinstance(written, list):
        written = next((each for each in written if each != "null"), "")
    if not written and isinstance(schema.get("properties"), Mapping):
        return "object"
    return str(written or "")


def _kind(schema: Mapping[str, Any]) -> str:
    """The input's type for a schema."""
    if _choices(schema):
        return "list" if _type(schema) == "array" else "choice"
    match _type(schema), schema.get("format"):
        case "integer", _:
            return "integer"
        case "number", _:
            return "number"
        case ("boolean" | "file") as kind, _:
            return kind
        case "string", "date":
            return "date"
        case "string", "date-time":
            return "datetime"
        case "array", _ if _has_plain_items(schema):
            return "list"
        case (("array" | "object" | "anything"), _):
            return "json"
    return "text"


def _has_plain_items(schema: Mapping[str, Any]) -> bool:
    items = schema.get("items")
    if not isinstance(items, Mapping):
        return False
    return _type(items) == "string"


def _is_file(schema: Mapping[str, Any]) -> bool:
    return "contentMediaType" in schema and "contentEncoding" not in schema


def _choices(schema: Mapping[str, Any]) -> list[Any]:
    """The values of an enumeration, of one value or of a list's; [] where there is none."""
    items = schema.get("items")
    if _type(schema) == "array":
        listed = items.get("enum") if isinstance(items, Mapping) else None
    else:
        listed = [schema["const"]] if "const" in schema else schema.get("enum")
    if not isinstance(listed, list):
        return []
    values = [each for each in listed if isinstance(each, str | int | float) and each != ""]
    return list(dict.fromkeys(values))[:200]
