"""Which domain a host belongs to, and which domain a pattern or a template cannot leave.

A *registrable domain* is what somebody can own: ``example.com``, ``example.co.uk``. Where the
public suffixes end is said by the Public Suffix List. Of the list only the part of the registries
counts: ``myshopify.com`` is one company's domain here, however many shops it holds.
"""

from __future__ import annotations

import re
from functools import lru_cache

from publicsuffixlist import PublicSuffixList

_LITERAL_END = re.compile(r"(?:[A-Za-z0-9_-]|\\[.-]|\[\.\])+\Z")
_LABELS = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)+")
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]")


@lru_cache(maxsize=1)
def _public_suffixes() -> PublicSuffixList:
    # 9,000 rules: read when the first one is asked for, not at the start of every process.
    return PublicSuffixList(only_icann=True)


@lru_cache(maxsize=1024)
def registrable(host: str) -> str:
    """The registrable domain of a host name; "" for an address, a public suffix, or no name.

    >>> registrable("eu1.api.example.co.uk")
    'example.co.uk'
    >>> registrable("co.uk")
    ''
    """
    name = host.strip(".").lower()
    if not name or ":" in name or name.replace(".", "").isdigit():
        return ""
    return _public_suffixes().privatesuffix(name) or ""


def belongs_to(host: str, domain: str) -> bool:
    """Whether a host is the domain or lies below it, label by label."""
    name = host.strip(".").lower()
    return bool(domain) and (name == domain or name.endswith(f".{domain}"))


def tail_of_pattern(pattern: str) -> str:
    """The domain in which every value that a pattern matches ends; "" where it names none.

    The pattern has to end in literal labels that hold a registrable domain. A tail that is found
    is a promise to be kept, and no proof: whoever relies on it looks at the host itself, too.

    >>> tail_of_pattern(r"https://[a-z0-9-]+\\.my\\.salesforce\\.com")
    'my.salesforce.com'
    >>> tail_of_pattern(r"[a-z.]+\\.com")
    ''
    """
    text = pattern.removesuffix("$")
    # Outside groups and classes, "|" lets a value end in something else; (?x) reads no blanks.
    if "(?x" in text or "\\Q" in text or "|" in _outermost(text):
        return ""
    found = _LITERAL_END.search(text)
    if not found or text.endswith("\\"):
        return ""
    whole = found.start() == 0
    literal = found[0].replace("[.]", ".").replace("\\", "")
    return _tail(literal, whole=whole)


def tail_of_text(text: str) -> str:
    """The same of what a template writes behind its last placeholder: ``.example.com:8443``."""
    return _tail(re.sub(r":[0-9]*\Z", "", text), whole=False)


def _tail(literal: str, *, whole: bool) -> str:
    """The whole labels at the end of a literal; what stands before its first dot may go on."""
    labels = literal if whole else literal.partition(".")[2]
    domain = labels.strip(".").lower()
    return domain if _LABELS.fullmatch(domain) and registrable(domain) else ""


def _outermost(pattern: str) -> str:
    """A pattern without its classes, its escapes and what stands in its groups."""
    text = _CLASS.sub("", re.sub(r"\\.", "", pattern))
    while True:
        shorter = re.sub(r"\([^()]*\)", "", text)
        if shorter == text:
            return text
        text = shorter
