"""What a connected system says of itself, parsed from the keys of the bundle file.

``parse`` checks what somebody wrote; ``read`` takes what was checked and stored. Neither keeps a
secret: ``split`` takes those out first, and they travel beside the configuration.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from connectedsystems.errors import ConfigurationInvalid
from connectedsystems.kept import Kept
from connectedsystems.written import Box, Errors

from .check import SystemCheck
from .discovered import address_of, discover, lacking, still_stands, strange_hosts, written
from .keys import (
    AUTHORIZATION_CODE,
    BUILT_IN_NAMES,
    CLIENT_CREDENTIALS,
    EVERYTHING,
    OAUTH,
)
from .secret import secret_texts, split
from .value import Configuration, read

__all__ = [
    "AUTHORIZATION_CODE",
    "BUILT_IN_NAMES",
    "CLIENT_CREDENTIALS",
    "EVERYTHING",
    "OAUTH",
    "Configuration",
    "address_of",
    "discover",
    "lacking",
    "of_row",
    "parse",
    "parsed",
    "read",
    "secret_texts",
    "split",
    "still_stands",
    "strange_hosts",
    "written",
]

_by_version: Kept[Configuration] = Kept(most=2_000)
_by_content: Kept[tuple[Mapping[str, Any], Configuration]] = Kept(most=2_000)


def parse(
    data: Mapping[str, Any],
    *,
    discovered: Mapping[str, Any] | None = None,
    complete: bool = True,
) -> Configuration:
    """What was written for one system, checked whole; secrets may stand in it or be missing.

    ``discovered``: what its Discovery URL said, as ``discover`` gives it. ``complete``: whether its
    endpoints have to be there, where nothing says how to find them.
    Raises ConfigurationInvalid with a sentence for each key that cannot be used.
    """
    errors = Errors()
    public = data
    try:
        public, _ = split(data)
    except ConfigurationInvalid as invalid:
        errors.take(invalid)
    SystemCheck(Box(public, "", errors), complete=complete).run()
    errors.raise_if_any()
    return read({**public, "discovered": discovered})


def parsed(
    system_id: object, version: int, data: Mapping[str, Any] | Callable[[], Mapping[str, Any]]
) -> Configuration:
    """What a system was saved as under this version, read once per process.

    ``data`` may be a function, asked only where nothing is kept yet. It is just that version as
    it was committed, for what is kept here is what calls are sent by.
    """
    key = (system_id, version)
    return _by_version.get(key, lambda: read(data() if callable(data) else data))


def of_row(system_id: object, data: Mapping[str, Any]) -> Configuration:
    """What a row in memory says; the same content is read once.

    Such a row may hold what nobody has saved (a form puts there what was posted), so it is never
    kept under its version.
    """
    kept = _by_content.get(system_id, lambda: _read_apart(data))
    if kept[0] != data:
        _by_content.forget(system_id)
        kept = _by_content.get(system_id, lambda: _read_apart(data))
    return kept[1] if kept[0] == data else read(data)


def _read_apart(data: Mapping[str, Any]) -> tuple[Mapping[str, Any], Configuration]:
    """A copy, and what it says: whoever holds the row may change its boxes in place."""
    own = copy.deepcopy(dict(data))
    return own, read(own)
