"""Scheme, host and port of a URL, also of one that still holds placeholders."""

from __future__ import annotations

import re
from typing import Final

_WRITTEN: Final = re.compile(r"(?i)(https?)://([^/?#]*)")
_AUTHORITY: Final = re.compile(r"(?:[^/?#]*//)?[^/?#]*")
_NAME: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_STANDARD: Final = {"https": ":443", "http": ":80"}


def origin_of(url: str) -> str:
    """``https://acme.example`` of a URL; placeholders stay as they are written.

    A standard port is left out, and the case of letters too, where no placeholder stands in it.
    What begins with a placeholder is told as far as the host reaches.
    """
    found = _WRITTEN.match(url)
    if not found:
        authority = _AUTHORITY.match(url)
        return authority.group() if authority else ""
    scheme, authority_text = found.group(1).lower(), found.group(2)
    if "{" not in authority_text:
        authority_text = authority_text.lower()
    return f"{scheme}://{authority_text.removesuffix(_STANDARD[scheme])}"


def names_in(origin: str) -> frozenset[str]:
    """The placeholders that stand in an origin."""
    return frozenset(_NAME.findall(origin))
