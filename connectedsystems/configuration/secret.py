"""The secrets of a system: taken out of what was written, they travel beside it, sealed."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from connectedsystems import redact
from connectedsystems.written import Errors

_LONGEST_SECRET = 20_000
_ORIGINS = "origins"
"""Beside the secrets in the sealed object, so that neither can be changed without the other."""


class Secrets(dict[str, Any]):
    """Opened secrets in the form that ``split`` gives, each with the origins it belongs to.

    ``origins`` holds templates (see ``origins.carried``) by key: ``client_secret``,
    ``variables.key``. A secret without an entry was just typed, and belongs to nothing yet.
    """

    def __init__(
        self, values: Mapping[str, Any], origins: Mapping[str, Iterable[str]] | None = None
    ) -> None:
        super().__init__(values)
        self.origins = {key: frozenset(kept) for key, kept in (origins or {}).items()}

    def __repr__(self) -> str:
        return "<Secrets>"

    @classmethod
    def from_text(
        cls, text: str, beside: Callable[[], Mapping[str, Iterable[str]]] = dict
    ) -> Secrets:
        """What ``text`` wrote. A text without origins asks ``beside`` for them.

        A secret of which neither knows an origin belongs to none.
        """
        values: dict[str, Any] = json.loads(text)
        origins = values.pop(_ORIGINS, None)
        if origins is None:
            origins = beside()
        return cls(values, {key: origins.get(key, ()) for key in by_key(values)})

    def text(self) -> str:
        """The secrets and their origins as one JSON object, to be sealed."""
        origins = {key: sorted(kept) for key, kept in self.origins.items()}
        return json.dumps({**self, _ORIGINS: origins}, separators=(",", ":"), sort_keys=True)

    def replaced_by(self, typed: Mapping[str, Any]) -> Secrets:
        """With what somebody typed over it; None takes one away. What was typed is bound anew."""
        variables = {**(self.get("variables") or {}), **(typed.get("variables") or {})}
        merged = {**self, **typed, "variables": {k: v for k, v in variables.items() if v}}
        values = {key: value for key, value in merged.items() if value}
        stay = by_key(values).keys() - by_key(typed).keys()
        return Secrets(values, {k: kept for k, kept in self.origins.items() if k in stay})

    def only(self, names: Collection[str], variables: Collection[str]) -> Secrets:
        """Those of these names, and the variables of these."""
        values = {name: value for name, value in self.items() if name in names}
        named = {k: v for k, v in (self.get("variables") or {}).items() if k in variables}
        if named:
            values["variables"] = named
        return Secrets(values, {k: o for k, o in self.origins.items() if k in by_key(values)})


def by_key(secrets: Mapping[str, Any]) -> dict[str, Any]:
    """Secrets by one key each: ``client_secret``, ``variables.key``."""
    variables = secrets.get("variables") or {}
    own = {name: value for name, value in secrets.items() if name != "variables"}
    return {**own, **{f"variables.{name}": value for name, value in variables.items()}}


def split(
    data: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was written for one system without its secrets, and the secrets.

    The secrets: ``client_secret``, ``client_secret_next``, ``api_key``, ``password`` and
    ``variables`` (by name), only those that were written; None says that one shall go.
    Raises ConfigurationInvalid for a secret that is no text.
    """
    errors = Errors()
    public = dict(data)
    secrets: dict[str, Any] = {}
    for box_name, key, secret_name in _SECRET_KEYS:
        box = public.get(box_name)
        if isinstance(box, Mapping) and key in box:
            secrets[secret_name] = _secret(box[key], f"{box_name}.{key}", errors)
            public[box_name] = {name: value for name, value in box.items() if name != key}
    variables = public.get("variables")
    if isinstance(variables, Mapping):
        kept, sealed = _split_variables(variables, errors)
        public["variables"] = kept
        if sealed:
            secrets["variables"] = sealed
    redact.remember(*secret_texts(secrets))
    errors.raise_if_any()
    return public, secrets


_SECRET_KEYS = (
    ("oauth", "client_secret", "client_secret"),
    ("oauth", "client_secret_next", "client_secret_next"),
    ("api_key", "value", "api_key"),
    ("basic", "password", "password"),
)


def secret_texts(secrets: Mapping[str, Any]) -> list[str]:
    """Every secret in a dict of the form that ``split`` gives."""
    own = [value for key, value in secrets.items() if key != "variables" and value]
    return [*own, *[value for value in (secrets.get("variables") or {}).values() if value]]


def _split_variables(
    variables: Mapping[str, Any], errors: Errors
) -> tuple[dict[str, Any], dict[str, Any]]:
    kept: dict[str, Any] = {}
    sealed: dict[str, Any] = {}
    for name, value in variables.items():
        kept[name] = value
        if not isinstance(value, Mapping) or value.get("secret") is not True:
            continue
        kept[name] = {key: item for key, item in value.items() if key != "value"}
        if "value" in value:
            sealed[name] = _secret(value["value"], f"variables.{name}.value", errors)
    return kept, sealed


def _secret(value: object, path: str, errors: Errors) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        errors.add(path, "must be text; put it in quotes.")
    elif len(value) > _LONGEST_SECRET:
        errors.add(path, f"is longer than {_LONGEST_SECRET} characters.")
    elif "\x00" in value:
        errors.add(path, "holds a NUL character; remove it.")
    else:
        return value
    return None
