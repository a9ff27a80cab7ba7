"""A form that modifies data is sent once: a reload or a double click sends nothing."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import IntegrityError, transaction

from integrations.models import SentForm

PREFIX = "send-"


def new_action() -> str:
    """The value of a form's ``action`` field: a number that is good for one submission."""
    return f"{PREFIX}{uuid.uuid4()}"


def take(action: str, user: Any) -> tuple[SentForm | None, bool]:
    """(the form, whether this is its first submission); (None, True) for a form without number."""
    if not action.startswith(PREFIX):
        return None, True
    try:
        number = uuid.UUID(action.removeprefix(PREFIX))
    except ValueError:
        return None, True
    try:
        with transaction.atomic():
            return SentForm.objects.create(pk=number, user=user), True
    except IntegrityError:
        return SentForm.objects.filter(pk=number, user=user).first(), False


def release(form: SentForm | None) -> None:
    """Nothing was sent after all: the form may be submitted again."""
    if form is not None:
        form.delete()


def note(form: SentForm | None, reference: str) -> None:
    """Remember the call that a form led to."""
    if form is not None:
        SentForm.objects.filter(pk=form.pk).update(reference=reference)
