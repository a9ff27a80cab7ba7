"""Seals every stored secret again under the first key of the ring, while requests go on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db import models

from connectedsystems import redact, vault
from connectedsystems.errors import VaultFailure
from connectedsystems.fields import SealedField


def sealed_columns() -> Iterator[tuple[type[models.Model], str]]:
    """Every model and column that holds sealed texts; such a model tells each column's place."""
    for model in apps.get_models():
        for field in model._meta.local_fields:
            if isinstance(field, SealedField):
                yield model, field.attname


def rotate() -> Counter[str]:
    """Counts of ``resealed``, ``under the first key``, ``not opened`` and ``lost`` with their key.

    It can be run again. Each text is replaced only where it still is the one that was read, so a
    token renewed in between stays.
    """
    counts: Counter[str] = Counter()
    for model, column in sealed_columns():
        rows = model._default_manager.filter(**{f"{column}__isnull": False})
        for row in rows.only("pk").values_list("pk", flat=True).iterator(chunk_size=500):
            with redact.scope():
                counts[_reseal(model, column, row)] += 1
    return counts


def _reseal(model: type[models.Model], column: str, pk: Any) -> str:
    row: Any = model._default_manager.filter(pk=pk).first()
    sealed = getattr(row, column, None)
    if sealed is None or sealed.sealed_under_first:
        return "under the first key"
    place = row.place(column)
    try:
        text = sealed.open(place)
    except VaultFailure as failure:
        return "lost" if "lost" in failure.facts else "not opened"
    changed = model._default_manager.filter(pk=pk, **{column: sealed}).update(
        **{column: vault.seal(text, place)}
    )
    return "resealed" if changed else "under the first key"
