"""A list that comes in pages: where the next page is, and the pages joined to one answer.

Sources: RFC 8288 (``Link``), RFC 9110 §4.3.1 (origin), and the three ways of APIs without links:
a cursor in the answer, a page's number, an offset.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import quote, unquote_plus, urljoin, urlsplit

from connectedsystems.errors import CallFailure, OutboundFailure
from connectedsystems.exact import ExactEncoder, exact_number
from connectedsystems.expressions import Budget, NotFound, TooCostly, find, for_call
from connectedsystems.outbound import Headers, Reply
from connectedsystems.written import Box

STYLES: Final = ("link", "cursor", "page", "offset")
MOST_PAGES: Final = 100
DEFAULT_PAGES: Final = 10
MOST_ITEMS: Final = 10_000
KEYS: Final = ("style", "items", "parameter", "next", "first", "size", "max_pages")
_OF_STYLE: Final = {
    "link": {"next"},
    "cursor": {"parameter", "next"},
    "page": {"parameter", "first", "size"},
    "offset": {"parameter", "first", "size"},
}
_PARAMETER: Final = {"cursor": "cursor", "page": "page", "offset": "offset"}
_FIRST: Final = {"page": 1, "offset": 0}

_LINK = re.compile(r'<([^<>]*)>((?:\s*;\s*[\w*!#$&^`|~.+-]+\s*(?:=\s*(?:"[^"]*"|[^",;\s]+))?)*)')
_REL = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^",;\s]+))', re.IGNORECASE)


def check(box: Box, usage: str) -> None:
    """Notes what is wrong with a written ``pagination``."""
    if not box.has("pagination"):
        return
    if usage != "query":
        box.refuse("pagination", "Only what queries data comes in pages; remove it.")
    rule = box.box("pagination")
    rule.only(KEYS)
    style = rule.choice("style", STYLES, "")
    if not style:
        rule.refuse("style", f"must be one of: {', '.join(STYLES)}.")
        return
    for key in ("parameter", "next", "first", "size"):
        if rule.has(key) and key not in _OF_STYLE[style]:
            rule.refuse(key, f"is not read with style: {style}. Remove it.")
    rule.expression("items", required=True)
    rule.expression("next", required=style == "cursor")
    rule.text("parameter", longest=200)
    for key, least, most in (
        ("max_pages", 1, MOST_PAGES),
        ("size", 1, MOST_ITEMS),
        ("first", 0, 1_000_000),
    ):
        number = rule.number(key, least, least, most)
        if isinstance(number, float):
            rule.refuse(key, "must be a whole number.")


@dataclass(frozen=True, slots=True)
class Turn:
    """How the request of a page differs from the first: one parameter, or its whole address."""

    parameter: str = ""
    value: str = field(default="", repr=False)
    url: str = field(default="", repr=False)

    def applied(self, first: str, credential: str = "") -> str:
        """The page's URL; ``first`` is what would be asked without pages.

        ``credential``: the parameter in which who asks is written, kept as it is now.
        """
        if self.url:
            own = [each for each in _query(first) if credential and _named(each, credential)]
            rest = [each for each in _query(self.url) if not own or not _named(each, credential)]
            return _with_query(self.url, [*rest, *own])
        rest = [each for each in _query(first) if not _named(each, self.parameter)]
        pair = f"{quote(self.parameter, safe='')}={quote(self.value, safe='')}"
        return _with_query(first, [*rest, pair])


class Pages:
    """The pages of one call as they come. ``number`` is the page that is asked for now."""

    def __init__(self, rule: Mapping[str, Any], budget: Budget | None = None) -> None:
        self.rule = rule
        self.budget = budget or for_call()
        self.number = 1
        self.size = 0
        self.turn: Turn | None = None
        self.items: list[Any] = []
        self.more = False

    def next_after(self, reply: Reply, shown: Reply | None = None) -> bool:
        """Take a page's items; True where another page is to be asked for.

        ``shown``: the reply without our own secrets, for the items; the next page's address may
        have to hold one.
        Raises CallFailure ``result_rule_failed``; OutboundFailure ``address_refused``.
        """
        self.size += len(reply.body)
        tree = _tree(reply)
        in_sight = shown or reply
        found = self._found("items", tree if in_sight is reply else _tree(in_sight))
        if not isinstance(found, list):
            raise self._unfit("items gives no list")
        self.items += found
        turn = self._turn(reply, tree, found)
        if turn is not None and turn == self.turn:
            raise self._unfit("the next page is this page again")
        full = self.number >= self.rule.get("max_pages", DEFAULT_PAGES)
        full = full or len(self.items) >= MOST_ITEMS
        self.more = len(self.items) > MOST_ITEMS or (turn is not None and full)
        del self.items[MOST_ITEMS:]
        if turn is None or full:
            return False
        self.number, self.turn = self.number + 1, turn
        return True

    def joined(self, reply: Reply) -> Reply:
        """The last reply, with all items as its body."""
        return with_data(reply, self.items)

    def _turn(self, reply: Reply, tree: Any, found: list[Any]) -> Turn | None:
        style = self.rule["style"]
        if style == "link":
            url = self._found("next", tree) if self.rule.get("next") else next_link(reply)
            return Turn(url=self._same_origin(reply, url)) if url else None
        name = self.rule.get("parameter") or _PARAMETER[style]
        if style == "cursor":
            cursor = self._found("next", tree)
            if cursor is None or cursor is False or cursor == "":
                return None
            if not isinstance(cursor, str | int):
                raise self._unfit("next gives no text")
            return Turn(name, str(cursor))
        if len(found) < self.rule.get("size", 1):
            return None
        first = self.rule.get("first", _FIRST[style])
        step = self.number if style == "page" else len(self.items)
        return Turn(name, str(first + step))

    def _found(self, key: str, tree: Any) -> Any:
        try:
            return find(self.rule[key], tree, self.budget)
        except NotFound as reason:
            raise self._unfit(f"{key}: {reason}") from None
        except TooCostly as reason:
            raise self._unfit(f"pagination.{key}: {reason}", too_costly=True) from None

    def _same_origin(self, reply: Reply, url: Any) -> str:
        """The next page's address; a token never leaves for another host."""
        if not isinstance(url, str):
            raise self._unfit("next gives no text")
        try:
            there = urljoin(reply.url, url)
            same = _origin(there) == _origin(reply.url)
        except ValueError:
            same = False
        if not same or re.search(r"[\x00-\x20\x7f\\]", url):
            raise OutboundFailure(
                "address_refused",
                sent=False,
                stage="call",
                field="pagination",
                reason="the next page is at another host",
            )
        return there.partition("#")[0]

    def _unfit(self, reason: str, **facts: Any) -> CallFailure:
        return CallFailure("result_rule_failed", field="pagination", reason=reason, **facts)


def next_link(reply: Reply) -> str:
    """The target of ``Link: <...>; rel="next"``, "" where there is none."""
    for target, parameters in _LINK.findall(", ".join(reply.headers.get_all("Link"))):
        found = _REL.search(parameters)
        if found and "next" in (found[1] or found[2] or "").lower().split():
            return str(target)
    return ""


def with_data(reply: Reply, data: Any) -> Reply:
    """The same reply, with ``data`` as its body."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, cls=ExactEncoder)
    body = text.encode("utf-8", "replace")
    left_out = ("content-type", "content-length", "content-encoding", "link")
    pairs = [pair for pair in reply.headers.pairs if pair[0].lower() not in left_out]
    return replace(
        reply, body=body, headers=Headers([("Content-Type", "application/json"), *pairs])
    )


def _tree(reply: Reply) -> Any:
    try:
        return json.loads(reply.body, parse_float=exact_number) if reply.body else None
    except (ValueError, RecursionError):
        return None


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise ValueError
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _query(url: str) -> list[str]:
    return [each for each in url.partition("?")[2].split("&") if each]


def _named(pair: str, name: str) -> bool:
    return unquote_plus(pair.partition("=")[0]) == name


def _with_query(url: str, pairs: list[str]) -> str:
    bare = url.partition("?")[0]
    return f"{bare}?{'&'.join(pairs)}" if pairs else bare
