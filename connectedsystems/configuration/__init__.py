"""What a connected system says of itself, parsed from the keys of the bundle file.

``parse`` checks what somebody wrote; ``read`` takes what was checked and stored. Neither keeps a
secret: ``split`` takes those out first, and they travel beside the configuration.
"""

from __future__ import annotations

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
    "parse",
    "parsed",
    "read",
    "secret_texts",
    "split",
    "still_stands",
    "strange_hosts",
    "written",
]

_kept: Kept[Configuration] = Kept(most=2_000)


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
    """A stored system's configuration, read once per process and version.

    ``data`` may be a function, which is asked only where nothing is kept yet.
    """
    return _kept.get((system_id, version), lambda: read(data() if callable(data) else data))
