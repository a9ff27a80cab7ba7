"""Takes the secrets out of what was written for a system: they travel beside it, sealed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectedsystems import redact
from connectedsystems.written import Errors

_LONGEST_SECRET = 20_000


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
