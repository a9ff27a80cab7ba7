"""What a connected system says of itself, parsed from the keys of the bundle file.

``parse`` checks what somebody wrote; ``read`` takes what was checked and stored. Neither keeps a
secret: ``split`` takes those out first, and they travel beside the configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from connectedsystems.errors import ConfigurationInvalid
from connectedsystems.kept import Kept
from connectedsystems.written import Box, Errors

from .check import SystemCheck
from .keys import (
    AUTHORIZATION_CODE,
    BUILT_IN_NAMES,
    CLIENT_CREDENTIALS,
    EVERYTHING,
    OAUTH,
    SUPPORTED,
)
from .secret import secret_texts, split
from .value import Configuration, read

__all__ = [
    "AUTHORIZATION_CODE",
    "BUILT_IN_NAMES",
    "CLIENT_CREDENTIALS",
    "EVERYTHING",
    "OAUTH",
    "SUPPORTED",
    "Configuration",
    "parse",
    "parsed",
    "read",
    "secret_texts",
    "split",
]

_kept: Kept[Configuration] = Kept(most=2_000)


def parse(
    data: Mapping[str, Any], *, supported: Mapping[str, Collection[str]] = SUPPORTED
) -> Configuration:
    """What was written for one system, checked whole; secrets may stand in it or be missing.

    Raises ConfigurationInvalid with a sentence for each key that cannot be used.
    """
    errors = Errors()
    public = data
    try:
        public, _ = split(data, supported=supported)
    except ConfigurationInvalid as invalid:
        errors.take(invalid)
    SystemCheck(Box(public, "", errors), supported).run()
    errors.raise_if_any()
    return read(public)


def parsed(
    system_id: object, version: int, data: Mapping[str, Any] | Callable[[], Mapping[str, Any]]
) -> Configuration:
    """A stored system's configuration, read once per process and version.

    ``data`` may be a function, which is asked only where nothing is kept yet.
    """
    return _kept.get((system_id, version), lambda: read(data() if callable(data) else data))
