"""Token answers without their tokens: what a designer's expressions may look at.

An expression chooses what of an answer is kept, and a good part of that is shown: a scope, an
error, a token type. On the whole answer one could put a token there, turned round or not, or ask
for it letter by letter. So all but the tokens themselves is looked for in a copy without them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import Any, Final

MOST: Final = 50
"""Tokens that are looked for in other texts; what has a token's name is left out anyway."""
_SHORTEST: Final = 8
"""Characters of a token that is looked for within other texts; a shorter one is a text alone."""

_NAME = re.compile(r"(?i)token|secret|password|passwd|jwt|api_?key")
_OTHER_NAME = re.compile(r"(?i)type|expir|ur[il]\b|endpoint|scope|error")


def is_token_name(name: str) -> bool:
    """Whether a member of this name holds a token: ``refresh_token``, but not ``token_type``."""
    return bool(_NAME.search(name)) and not _OTHER_NAME.search(name)


def tokens_of(tree: Any, known: Collection[str]) -> frozenset[str]:
    """The tokens of an answer: the ``known`` ones, and what stands under a token's name."""
    return frozenset([*known, *islice(_named(tree), MOST)])


def without(tree: Any, tokens: Collection[str], *, named: bool = True) -> Any:
    """A copy in which nothing holds one of these tokens.

    ``named``: nor does a member that has a token's name hold anything.
    """
    if isinstance(tree, Mapping):
        return {
            name: None
            if named and is_token_name(name) and _is_bare(item)
            else without(item, tokens, named=named)
            for name, item in tree.items()
            if not _holds(name, tokens)
        }
    if isinstance(tree, list):
        return [without(item, tokens, named=named) for item in tree]
    return None if isinstance(tree, str) and _holds(tree, tokens) else tree


def _holds(text: str, tokens: Collection[str]) -> bool:
    return text in tokens or any(len(each) >= _SHORTEST and each in text for each in tokens)


def _is_bare(item: Any) -> bool:
    """A text, a number, or a list: what lies in an object has names of its own."""
    return not isinstance(item, Mapping) and not isinstance(item, bool)


def _named(tree: Any) -> Iterator[str]:
    if isinstance(tree, Mapping):
        for name, item in tree.items():
            if isinstance(item, str) and item and is_token_name(name):
                yield item
            else:
                yield from _named(item)
    elif isinstance(tree, list):
        for item in tree:
            yield from _named(item)
