"""A part of a list that may be long: what holds a word, a page of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Page, Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest

PAGE = 48
SEARCHED_FROM = 12
"""A list that is no longer is seen at a glance, and has no box to search it."""
LONGEST = 100


@dataclass(frozen=True)
class Part:
    """``searchable``: whether the whole list is long enough for a box; ``q``: the word in it."""

    page: Page[Any]
    q: str
    searchable: bool

    @property
    def before(self) -> str:
        """The query of the page before; "" where there is none."""
        return self._query(self.page.number - 1) if self.page.has_previous() else ""

    @property
    def after(self) -> str:
        """The query of the page after; "" where there is none."""
        return self._query(self.page.number + 1) if self.page.has_next() else ""

    def _query(self, number: int) -> str:
        return "?" + urlencode({**({"q": self.q} if self.q else {}), "page": number})


def word_of(request: HttpRequest) -> str:
    """What was typed into the box."""
    return request.GET.get("q", "").replace("\x00", "").strip()[:LONGEST]


def part_of(request: HttpRequest, rows: QuerySet[Any], *fields: str) -> Part:
    """The page of ``rows`` that is asked for, of those whose ``fields`` hold the word."""
    q = word_of(request)
    holds = Q()
    for name in fields if q else ():
        holds |= Q(**{f"{name}__icontains": q})
    page = Paginator(rows.filter(holds), PAGE).get_page(request.GET.get("page"))
    return Part(page, q, searchable=bool(q) or page.paginator.count > SEARCHED_FROM)
