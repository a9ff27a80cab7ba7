"""Filters of the desk's lists that Django's own do not say well."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.admin import AllValuesFieldListFilter


class CodeFilter(AllValuesFieldListFilter):
    """Failure codes that occur in the person's own rows; an empty one is a row without failure."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        for choice in super().choices(changelist):
            yield {**choice, "display": choice["display"] or "no failure"}
