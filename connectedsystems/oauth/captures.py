"""Values picked out of an answer by JMESPath: the fields of a token answer, and what is kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult

LONGEST = 2000
"""Characters of a captured text."""


@lru_cache(maxsize=512)
def _compiled(path: str) -> ParsedResult:
    return jmespath.compile(path)


def pick(path: str, tree: Any) -> Any:
    """What ``path`` finds, or None: a path that does not fit this answer finds nothing."""
    try:
        return _compiled(path).search(tree)
    except (JMESPathError, TypeError, ValueError, RecursionError):
        return None


def kept(
    paths: Mapping[str, str], patterns: Mapping[str, str], tree: Any
) -> tuple[dict[str, Any], str | None]:
    """The captured values by name, and the name of one that is not of its form, if any."""
    values = {name: pick(path, tree) for name, path in paths.items()}
    found = {name: value for name, value in values.items() if value not in (None, "")}
    for name, value in found.items():
        if not fits(value, patterns.get(name)):
            return {}, name
    return found, None


def fits(value: Any, pattern: str | None) -> bool:
    """Whether a value may be kept: a pattern has to match it from end to end, as text."""
    if isinstance(value, str) and len(value) > LONGEST:
        return False
    return not pattern or (
        isinstance(value, str | int)
        and not isinstance(value, bool)
        and re.fullmatch(pattern, str(value)) is not None
    )
