"""What a bundle file says of a system, over what is stored of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectedsystems import configuration
from connectedsystems.configuration import OAUTH

_MERGED = ("oauth", "api_key", "basic", "variables")
"""Boxes of which an absent key stays, too; any other value is written as a whole."""


def merged(stored: Mapping[str, Any], written: Mapping[str, Any]) -> dict[str, Any]:
    """What was stored, with what was written over it; a null takes a key away.

    What was found at a Discovery URL is no part of it: that is looked up again.
    """
    data = configuration.written(stored)
    changed = written.get("authentication", data.get("authentication"))
    for box, kinds in (("oauth", OAUTH), ("api_key", {"api_key"}), ("basic", {"basic"})):
        if changed not in kinds:
            data.pop(box, None)
    for key, value in written.items():
        if key in ("application", "public_id"):
            continue
        old = data.get(key)
        if key in _MERGED and isinstance(old, Mapping) and isinstance(value, Mapping):
            data[key] = _merged_box(old, value, deep=key == "variables")
        else:
            data[key] = value
    return {key: value for key, value in data.items() if value is not None}


def _merged_box(
    old: Mapping[str, Any], new: Mapping[str, Any], *, deep: bool = False
) -> dict[str, Any]:
    merged = dict(old)
    for key, value in new.items():
        kept = merged.get(key)
        if deep and isinstance(value, Mapping):
            inner = kept if isinstance(kept, Mapping) else {} if kept is None else {"value": kept}
            # A variable that turns secret leaves no copy in clear.
            if value.get("secret") is True:
                inner = {name: item for name, item in inner.items() if name != "value"}
            merged[key] = {**inner, **value}
        else:
            merged[key] = value
    return {key: value for key, value in merged.items() if value is not None}
