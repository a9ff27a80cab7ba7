"""Reads the text of a bundle file, YAML or JSON, into a tree whose ``${NAME}`` are filled in.

Stricter than YAML: no aliases, no key twice, no merge keys; a date stays the text it is written
as. No sentence of an error quotes the file: any line of it may hold a secret.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

import yaml

from connectedsystems.errors import ConfigurationInvalid
from connectedsystems.written import Errors

LARGEST: Final = 1_000_000
"""Bytes of a file."""

_NAME = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
# YAML cannot hold ${NAME} unquoted within {…}: while it is parsed, these stand for the braces.
_OPEN, _CLOSE = "\ue000", "\ue001"
_MARKED = re.compile(f"{_OPEN}([A-Za-z_][A-Za-z0-9_]*){_CLOSE}")
_ENVIRONMENT_NAME = re.compile(r"[A-Z][A-Z0-9_]*")


def read(raw: bytes, values: Mapping[str, str]) -> Any:
    """The file's tree. ``values``: what may be filled in, by name.

    Raises ConfigurationInvalid; the path "" stands for the file as a whole.
    """
    if len(raw) > LARGEST:
        raise _invalid(f"The file is larger than {LARGEST // 1_000_000} MB.")
    text = _text(raw)
    marked = _NAME.sub(lambda found: _marked(found, values), text)
    errors = Errors()
    tree = _fill(_tree(marked), values, "", errors)
    errors.raise_if_any()
    return tree


def plain(raw: bytes) -> Any:
    """The tree of a file in which nothing is filled in. Raises ConfigurationInvalid."""
    return _tree(_text(raw))


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _invalid("The file is not written in UTF-8.") from None


def _marked(found: re.Match[str], values: Mapping[str, str]) -> str:
    """Only what looks like the name of an environment variable is one: ``${amount}`` is text."""
    name = found.group(1)
    is_one = name in values or _ENVIRONMENT_NAME.fullmatch(name)
    return f"{_OPEN}{name}{_CLOSE}" if is_one else found.group()


def _tree(text: str) -> Any:
    try:
        if text.lstrip().startswith("{"):
            return _json_or_yaml(text)
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        raise _invalid(_where(error)) from None
    except yaml.YAMLError:
        raise _invalid("The file holds characters that YAML does not allow.") from None
    except RecursionError:
        raise _invalid("The file is nested too deeply.") from None


def _json_or_yaml(text: str) -> Any:
    """A file that begins with a brace is JSON, or else YAML in its flow style."""
    try:
        return json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        if len(text) > LARGEST:
            raise _invalid(f"Line {error.lineno}, column {error.colno}: this is no JSON.") from None
        return yaml.load(text, Loader=_Loader)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _invalid(f"The key {key} stands there twice in one place.")
        found[key] = value
    return found


def _no_constant(name: str) -> Any:
    raise _invalid(f"{name} is no JSON.")


def _where(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark
    place = f"Line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    words = ", ".join(filter(None, (error.context, error.problem))) or "this is no YAML"
    return f"{place}{words}."


def _fill(tree: Any, values: Mapping[str, str], path: str, errors: Errors) -> Any:
    if isinstance(tree, str):
        return _MARKED.sub(lambda found: _value(found.group(1), values, path, errors), tree)
    if isinstance(tree, list):
        return [_fill(item, values, f"{path}[{i}]", errors) for i, item in enumerate(tree)]
    if isinstance(tree, dict):
        return {
            _unmarked(key): _fill(item, values, _below(path, _unmarked(key)), errors)
            for key, item in tree.items()
        }
    return tree


def _below(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)


def _unmarked(key: Any) -> Any:
    """A key as it was written: only values are filled in."""
    return _MARKED.sub(r"${\1}", key) if isinstance(key, str) else key


def _value(name: str, values: Mapping[str, str], path: str, errors: Errors) -> str:
    if name in values:
        return values[name]
    if name.startswith("BUNDLE_"):
        errors.add(path, f"{name} is not set: set this environment variable for the command.")
    else:
        errors.add(
            path,
            f"${{{name}}} is not filled in: name the variable BUNDLE_{name}, "
            f"or put {name} into BUNDLE_ENV_ALLOW.",
        )
    return ""


class _Loader(yaml.SafeLoader):
    """``safe_load`` without aliases, merge keys, repeated keys, dates."""

    yaml_implicit_resolvers = {
        first: [(tag, rule) for tag, rule in rules if not tag.endswith((":timestamp", ":merge"))]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(
                problem="an alias (*name) is not allowed: write the value out", problem_mark=mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(
                    problem="a key is a single text", problem_mark=key_node.start_mark
                )
            if key_node.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key_node.value} stands there twice",
                    problem_mark=key_node.start_mark,
                )
            seen.add(key_node.value)
        found: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return found


def _invalid(sentence: str) -> ConfigurationInvalid:
    return ConfigurationInvalid({"": [sentence]})
