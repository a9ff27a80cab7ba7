"""Reads the text of a bundle file, YAML or JSON, into a tree whose ``${NAME}`` are filled in.

Stricter than YAML: no aliases, no key twice, no merge keys; a date stays the text it is written
as. No sentence of an error quotes the file: any line of it may hold a secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from connectedsystems import json
from connectedsystems.bounds import Bounds
from connectedsystems.errors import ConfigurationInvalid
from connectedsystems.written import Errors
from workbench import yamltree

LARGEST: Final = 1_000_000
"""Bytes of a file."""
BOUNDS: Final = Bounds(nodes=100_000, depth=100, text=250_000, characters=LARGEST)
_DIALECT: Final = yamltree.Dialect(BOUNDS, yamltree.older_value)

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
        return yamltree.read(text, _DIALECT)
    except (yamltree.NotYaml, json.NotJson) as mistake:
        raise _invalid(str(mistake)) from None


def _json_or_yaml(text: str) -> Any:
    """A file that begins with a brace is JSON, or else YAML in its flow style."""
    try:
        return json.read(text, BOUNDS)
    except json.NotJson as mistake:
        if not mistake.is_syntax:
            raise
        return yamltree.read(text, _DIALECT)


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


def _invalid(sentence: str) -> ConfigurationInvalid:
    return ConfigurationInvalid({"": [sentence]})
