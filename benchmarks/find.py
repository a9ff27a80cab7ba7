"""`python -m benchmarks.find`: finding a user's token among a thousand, and among a million.

Two databases of the same kind, asked in turns: the one query of a call, each time for another user
and another system.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks import place

PROMISED = 1.10
SIZES = {"a thousand": (10, 100), "a million": (1000, 1000)}
QUICK = {"a thousand": (10, 100), "ten thousand": (10, 1000)}


def main(asked: argparse.Namespace) -> None:
    sizes = QUICK if asked.quick else SIZES
    few, many = sizes
    with place.new_database(asked), place.created(asked) as other:
        from django.db import connections

        databases = {few: connections["default"], many: _opened(other)}
        picks = {}
        for name, (systems, users) in sizes.items():
            with _default(databases[name]):
                picks[name] = fill(systems, users)
        seconds = _taking_turns(databases, picks, 500 if asked.quick else 5000)
        databases[many].close()
    p50 = {name: statistics.median(each) for name, each in seconds.items()}
    print(f"\n{asked.on}: {len(seconds[few])} finds each, microseconds")
    for name, each in seconds.items():
        stored = sizes[name][0] * sizes[name][1]
        p95 = statistics.quantiles(each, n=20)[18]
        print(f"  among {stored:>9,}   p50 {p50[name] * 1e6:7.1f}   p95 {p95 * 1e6:7.1f}")
    print(f"  ratio at p50: {p50[many] / p50[few]:.2f}   promised: {PROMISED:.2f}", flush=True)


def _opened(url: str) -> Any:
    """A connection to the second database, with the settings of the first, and its tables."""
    import environ
    from django.core.management import call_command
    from django.db import connections
    from django.db.utils import ConnectionHandler

    settings = {**connections.settings["default"], "NAME": environ.Env.db_url_config(url)["NAME"]}
    options = settings["OPTIONS"]
    settings["OPTIONS"] = {name: options[name] for name in options if name != "pool"}  # one a name
    connection = ConnectionHandler({"default": settings})["default"]
    with _default(connection):
        call_command("migrate", verbosity=0)
    return connection


@contextmanager
def _default(connection: Any) -> Iterator[None]:
    """What this thread asks of the database goes to this one."""
    from django.db import connections

    before = connections["default"]
    connections["default"] = connection
    try:
        yield
    finally:
        connections["default"] = before


def fill(systems: int, users: int, url: str = "http://127.0.0.1:1") -> list[tuple[str, int]]:
    """Every user authorized at every system; gives slugs of integrations with ids of users."""
    from django.contrib.auth import get_user_model
    from django.contrib.auth.models import Group
    from django.db import connection

    from authlinks.models import Authorization
    from connectedsystems.models import ConnectedSystem
    from integrations.models import Integration

    alice = place.connected_user(url)
    system, integration = ConnectedSystem.objects.get(), Integration.objects.get()
    people = get_user_model().objects.bulk_create(
        get_user_model()(username=f"user-{number}") for number in range(users - 1)
    )
    Group.objects.get(name="crm-users").user_set.add(*people)
    slugs = [integration.slug]
    copies, calls = [], []
    for number in range(systems - 1):
        values = {field.attname: getattr(system, field.attname) for field in system._meta.fields}
        values |= {"id": uuid.uuid4(), "slug": f"system-{number}"}
        copies.append(ConnectedSystem(**values))
        slugs.append(f"call-{number}")
        calls.append(
            Integration(
                connected_system=copies[-1],
                slug=slugs[-1],
                name=slugs[-1],
                definition=integration.definition,
            )
        )
    ConnectedSystem.objects.bulk_create(copies, batch_size=500)
    Integration.objects.bulk_create(calls, batch_size=500)

    # One statement makes the million, from Alice's authorization: what it opens is not asked here.
    quote = connection.ops.quote_name
    columns = [str(field.column) for field in Authorization._meta.concrete_fields]
    new = {
        "id": "gen_random_uuid()"
        if connection.vendor == "postgresql"
        else "lower(hex(randomblob(16)))",
        "system_id": "s.id",
        "user_id": "u.id",
    }
    chosen = ", ".join(new.get(column, f"z.{quote(column)}") for column in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO authlinks_authorization ({', '.join(map(quote, columns))})"  # noqa: S608
            f" SELECT {chosen} FROM authlinks_authorization z"
            " CROSS JOIN connectedsystems_connectedsystem s CROSS JOIN auth_user u"
            " WHERE NOT (s.id = z.system_id AND u.id = z.user_id)"
        )
        cursor.execute("ANALYZE")
    assert Authorization.objects.count() == systems * users
    ids = [alice.pk, *(person.pk for person in people)]
    choice = random.Random(1)
    return [(choice.choice(slugs), choice.choice(ids)) for _ in range(1000)]


def _taking_turns(
    databases: dict[str, Any], picks: dict[str, list[tuple[str, int]]], times: int
) -> dict[str, list[float]]:
    """Seconds of each find, by database; who goes first changes."""
    from integrations import lookup

    seconds: dict[str, list[float]] = {name: [] for name in databases}
    names = list(databases)
    for turn in range(-100, times):
        for name in names if turn % 2 else names[::-1]:
            slug, user_id = picks[name][turn % len(picks[name])]
            with _default(databases[name]):
                began = time.perf_counter()
                found = lookup.find(slug, user_id)
                took = time.perf_counter() - began
            assert found is not None and found.allowed and found.row is not None
            if turn >= 0:
                seconds[name].append(took)
    return seconds


if __name__ == "__main__":
    place.each_database("benchmarks.find", __doc__ or "", main)
