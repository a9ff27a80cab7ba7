"""The names of charsets, asked for without Python keeping each that strangers make up.

``codecs.lookup`` remembers every name that it does not find, for ever: eight kilobytes a request.
"""

from __future__ import annotations

import encodings
from encodings.aliases import aliases
from pkgutil import iter_modules
from typing import Final

_LONGEST: Final = 40
_NAMES: Final = frozenset(
    {*aliases, *aliases.values(), *(module.name for module in iter_modules(encodings.__path__))}
)


def known_name(name: str) -> str:
    """One spelling of the endless ones of a name (utf-8, utf--8, utf!8); "" where there is none.

    >>> known_name("ISO-8859-1"), known_name("nonsense")
    ('iso_8859_1', '')
    """
    if len(name) > _LONGEST:
        return ""
    spelt = encodings.normalize_encoding(name.lower())
    return spelt if spelt in _NAMES else ""
