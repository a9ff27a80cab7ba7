"""Keys that an admin has declared lost: what they sealed opens never again, in any process.

An unknown key may only be missing here, as in the middle of a rotation, so nobody is asked to
authorize again for it. That changes by one word of an admin's, ``rotate_vault_keys --lost``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from django.db import Error, connection
from django.db.transaction import TransactionManagementError

from connectedsystems import person, vault
from connectedsystems.models import LostKey
from connectedsystems.rotation import sealed_columns
from connectedsystems.vault import Sealed

MOST_PREFIXES = 100

_KEPT = "lost keys"


def names() -> frozenset[str]:
    """The lost keys, as sealed texts name them; what the database cannot say is not lost.

    Read only where a text's key is unknown, so a call that works asks nothing, and once a request,
    so a page that lists a hundred such rows asks once and the next page knows what was declared.
    """
    kept = person.kept()
    if _KEPT not in kept:
        try:
            kept[_KEPT] = frozenset(LostKey.objects.values_list("name", flat=True))
        except (Error, TransactionManagementError):
            return frozenset()
    known: frozenset[str] = kept[_KEPT]
    return known


def _tables() -> Iterator[tuple[str, str]]:
    for model, attname in sealed_columns():
        for field in model._meta.local_fields:
            if field.attname == attname:
                yield model._meta.db_table, str(field.column)


def unknown_names() -> frozenset[str]:
    """Keys that stored texts need, that are not in the ring, and that nobody has declared lost."""
    found = {name for table, column in _tables() for name in _unknown(table, column)}
    return frozenset(found) - names()


def told(unknown: frozenset[str]) -> str:
    """What to do about keys that stored secrets need and the ring lacks: one sentence a way out."""
    ids = sorted({name.partition(".")[0] for name in unknown})
    return (
        "Put the missing keys at the end of VAULT_KEYS; where one is lost for ever, run manage.py"
        f" rotate_vault_keys --lost {ids[0]}."
        f" VAULT_KEYS lacks keys that stored secrets need: {', '.join(ids)}."
    )


def declare(key_id: str) -> Counter[str]:
    """Declare lost every key of this id that stored texts need and the ring lacks.

    Gives how many texts of each table it sealed; nothing of them is changed or deleted.
    """
    counts: Counter[str] = Counter()
    for name in names_of(key_id):
        counts += sealed_under(name)
        LostKey.objects.get_or_create(name=name)
    return counts


def names_of(key_id: str) -> list[str]:
    """The missing keys of this id: more than one where an id was used twice."""
    return sorted(name for name in unknown_names() if name.partition(".")[0] == key_id)


def take_back() -> list[str]:
    """A lost key that is in the ring again is lost no more; gives the ids of those."""
    again = LostKey.objects.filter(name__in=vault.ring_names())
    ids = sorted({name.partition(".")[0] for name in again.values_list("name", flat=True)})
    again.delete()
    return ids


def sealed_under(name: str) -> Counter[str]:
    """How many texts of each table were sealed under this key."""
    counts: Counter[str] = Counter()
    start = f"{vault.VERSION}:{name}:"
    quote = connection.ops.quote_name
    for table, column in _tables():
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT count(*) FROM {quote(table)} WHERE substr({quote(column)}, 1, %s) = %s",
                [len(start), start],
            )
            counts[table] += cursor.fetchone()[0]
    return +counts


def _unknown(table: str, column: str) -> Iterator[str]:
    """Keys in use in this column that are not in the ring.

    Sealed texts begin with their key's prefix: each query asks for one not seen yet.
    """
    quote = connection.ops.quote_name
    seen: list[str] = []
    while len(seen) < MOST_PREFIXES:
        others = " ".join([f"AND substr({quote(column)}, 1, %s) <> %s"] * len(seen))
        values = [part for prefix in seen for part in (len(prefix), prefix)]
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {quote(column)} FROM {quote(table)} "
                f"WHERE {quote(column)} LIKE '1:%%:_%%' {others} LIMIT 1",
                values,
            )
            row = cursor.fetchone()
        if row is None:
            return
        sealed = Sealed.from_stored(row[0])
        seen.append(row[0][: row[0].rfind(":") + 1])
        # A damaged text is its owner's trouble and no sign of a missing key.
        if sealed.well_formed and not sealed.key_known:
            yield sealed.key_name
