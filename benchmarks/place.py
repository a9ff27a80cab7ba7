"""Where a benchmark runs: a new database, the product's own settings, another system, a user.

One process serves one database, since Django's settings hold for a process's life: a benchmark of
both starts itself again for each (``each_database``).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from config import env

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_POSTGRES = "postgres://postgres@127.0.0.1:5432/postgres"
VENDORS = ("sqlite", "postgresql")
TOKEN = "at-0123456789abcdefghijklmnopqrstuvwxyz"
LIMIT = 20

VALUES = {
    "SECRET_KEY": "benchmarks-only-8f0e1d2c3b4a5968778695a4b3c2d1e0",
    "VAULT_KEYS": "benchmarks:MTIzNDU2Nzg5MGFiY2RlZmdoaWprbG1ub3BxcnN0dXY=",
    "PUBLIC_BASE_URL": "http://localhost:8000",
    "OUTBOUND_ALLOW": "127.0.0.1",
    "RATE_LIMITS": "off",
    "LOG_LEVEL": "WARNING",
}


def each_database(module: str, description: str, run: Callable[[argparse.Namespace], None]) -> None:
    """Parse the command line and run on SQLite and on PostgreSQL, or on the one that is named."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("--on", choices=VENDORS, help="only on this database")
    parser.add_argument(
        "--postgres",
        default=DEFAULT_POSTGRES,
        help="a PostgreSQL in which databases may be made; default %(default)s",
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    asked = parser.parse_args()
    if asked.on:
        run(asked)
        return
    for vendor in VENDORS:
        command = [sys.executable, "-m", module, *sys.argv[1:], "--on", vendor]
        if subprocess.run(command, cwd=ROOT).returncode:
            print(f"{vendor}: left out, see above", flush=True)


@contextmanager
def new_database(asked: argparse.Namespace, **values: str) -> Iterator[str]:
    """Django, set up on a database that is made now and gone afterwards; its URL."""
    with created(asked) as url:
        set_up(url, **values)
        from django.core.management import call_command
        from django.db import connection

        call_command("migrate", verbosity=0)
        try:
            yield url
        finally:
            connection.close()
            if connection.vendor == "postgresql":
                connection.close_pool()  # type: ignore[attr-defined]


def set_up(url: str, **values: str) -> None:
    """Django with the product's own settings, on the database at ``url``."""
    env.use({**VALUES, **values, "DATABASE_URL": url})
    env.choose_settings()
    import django

    django.setup()


@contextmanager
def created(asked: argparse.Namespace) -> Iterator[str]:
    """The URL of an empty database that is gone afterwards."""
    if asked.on == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield f"sqlite:///{folder}/benchmark.sqlite3"
        return
    import psycopg

    name = f"connected_systems_benchmark_{uuid.uuid4().hex}"

    def administer(statement: str) -> None:
        with closing(psycopg.connect(asked.postgres, autocommit=True)) as connection:
            connection.execute(statement)

    administer(f'CREATE DATABASE "{name}"')
    try:
        yield f"{asked.postgres.rpartition('/')[0]}/{name}"
    finally:
        administer(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def other_system() -> Iterator[str]:
    """The address of a server in another process."""
    command = [sys.executable, "-m", "benchmarks.server"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdin is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.stdin.close()


def connected_user(url: str) -> Any:
    """Alice, member of an application, whose token for ``list-contacts`` at ``url`` is good."""
    from django.contrib.auth import get_user_model
    from django.contrib.auth.models import Group

    from connectedsystems import configuration
    from connectedsystems.models import Application, ConnectedSystem
    from integrations.models import Integration

    application = Application.objects.create(slug="crm", name="CRM", open_to_everyone=False)
    members = Group.objects.create(name="crm-users")
    application.members.add(members)
    alice = get_user_model().objects.create(username="alice")
    alice.groups.add(members)
    public, secrets = configuration.split(
        {
            "oauth": {
                "client_id": "benchmarks",
                "client_secret": "benchmarks-secret",
                "authorization_endpoint": f"{url}/oauth/authorize",
                "token_endpoint": f"{url}/oauth/token",
                "scope": "contacts.read",
            }
        }
    )
    system = ConnectedSystem(
        application=application,
        slug="acme",
        name="Acme CRM",
        base_url=f"{url}/api",
        authentication="oauth2_authorization_code",
        configuration=public,
    )
    system.seal_secrets(secrets)
    system.save()
    Integration.objects.create(
        connected_system=system,
        slug="list-contacts",
        name="List contacts",
        definition={
            "method": "GET",
            "path": "/contacts",
            "parameters": {"limit": "{limit}"},
            "inputs": [{"name": "limit", "type": "integer", "default": LIMIT}],
        },
    )
    authorize(system, alice)
    return alice


def authorize(system: Any, user: Any) -> Any:
    """A stored authorization, as after a walk, an hour before its end."""
    from django.utils import timezone

    from authlinks.models import Authorization, place_of
    from connectedsystems import vault

    def sealed(column: str, text: str) -> vault.Sealed:
        return vault.seal(text, place_of(column, system.pk, user.pk))

    return Authorization.objects.create(
        system=system,
        user=user,
        access_token=sealed("access_token", TOKEN),
        refresh_token=sealed("refresh_token", f"rt-{TOKEN}"),
        scope="contacts.read",
        fingerprint=system.parsed().fingerprint(),
        lifetime=3600,
        expires_at=timezone.now() + timedelta(hours=1),
        authorized_at=timezone.now(),
        last_used=timezone.now(),
    )
