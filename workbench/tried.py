"""What a designer typed into the last test of an integration: kept, offered again, forgotten."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db import IntegrityError, transaction

from connectedsystems import redact, vault
from connectedsystems.errors import VaultFailure
from integrations.models import Integration, TriedInputs

LARGEST: Final = 100_000
"""Characters of all inputs together; what is longer is not kept."""


@dataclass(frozen=True)
class Tried:
    """The texts of the last test by the names of its inputs, and when that was."""

    texts: Mapping[str, str] = field(repr=False)
    at: datetime


def keep(integration: Integration, user: Any, texts: Mapping[str, str]) -> None:
    """Keep these instead of what was kept before."""
    written = json.dumps(dict(texts))
    if not texts or len(written) > LARGEST:
        forget(integration, user)
        return
    row = _row(integration, user) or TriedInputs(integration=integration, user=user)
    with redact.scope():  # inputs are no secrets that logs are searched for
        row.texts = vault.seal(written, row.place("texts"))
    with suppress(IntegrityError), transaction.atomic():  # two tests at once: one is kept
        row.save()


def last(integration: Integration, user: Any) -> Tried | None:
    """What this person tried last; None where nothing is kept, or it does not open."""
    row = _row(integration, user)
    if row is None:
        return None
    try:
        with redact.scope():
            return Tried(json.loads(row.texts.open(row.place("texts"))), row.at)
    except VaultFailure:
        return None


def forget(integration: Integration, user: Any) -> None:
    """Keep nothing any more."""
    TriedInputs.objects.filter(integration=integration, user=user).delete()


def _row(integration: Integration, user: Any) -> TriedInputs | None:
    return TriedInputs.objects.filter(integration=integration, user=user).first()
