"""What the database can say of a sealed token without opening it."""

from __future__ import annotations

from django.db.models import TextField, Value
from django.db.models.functions import Cast, StrIndex, Substr


def key_prefix() -> Substr:
    """The part of an authorization's sealed access token that names its key.

    A sealed text reads ``1:<key>:<the rest>``; of a damaged one some first letters come.
    """
    sealed = Cast("access_token", TextField())
    return Substr(sealed, 1, StrIndex(Substr(sealed, 3), Value(":")) + 2)
