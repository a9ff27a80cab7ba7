"""What the database can say of a sealed token without opening it."""

from __future__ import annotations

from django.db.models import TextField, Value
from django.db.models.functions import Cast, StrIndex, Substr

from authlinks.models import State
from connectedsystems.vault import Sealed


def shut_by_key(prefix: str) -> State | None:
    """The state that the key of a sealed text brings with it; None where the ring has the key."""
    # A whole text is made of the prefix, so that the vault answers as for any other.
    sealed = Sealed.from_stored(f"{prefix}-")
    if sealed.key_known:
        return None
    return State.KEY_MISSING if sealed.key_missing else State.CANNOT_BE_OPENED


def key_prefix(column: str = "access_token") -> Substr:
    """The part of an authorization's sealed token that names its key.

    A sealed text reads ``1:<key>:<the rest>``; of a damaged one some first letters come.
    """
    sealed = Cast(column, TextField())
    return Substr(sealed, 1, StrIndex(Substr(sealed, 3), Value(":")) + 2)
