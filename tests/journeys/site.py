"""The product as people meet it: gunicorn on a free port, its own SQLite file, Acme CRM beside it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.environment import VALUES
from tests.thirdparty import ROOT, ThirdParty

BUNDLES = ("demo/bundle.yaml", "tests/journeys/bundle.yaml")
FORGOTTEN = (
    "connectedsystems_circuit",
    "authlinks_authorizationattempt",
    "authlinks_authorization",
    "integrations_heldsubmission",
    "integrations_sentform",
    "integrations_callrecord",
    "django_session",
)


@dataclass
class Site:
    """A running product. ``url`` has no slash at the end; ``passwords`` are by user name."""

    url: str
    folder: Path
    passwords: dict[str, str] = field(repr=False)
    registrations: list[list[str]] = field(repr=False)

    def forget(self) -> None:
        """Nobody is connected, logged in, or has anything held; systems and people stay."""
        with closing(self._database()) as database, database:
            for table in FORGOTTEN:
                database.execute(f"DELETE FROM {table}")

    def execute(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        """One statement in the product's database; its rows."""
        with closing(self._database()) as database, database:
            return list(database.execute(statement, values))

    def register_at(self, acme: ThirdParty) -> None:
        """Tell Acme CRM of the clients that this product's systems are."""
        for client_id, client_secret, redirect_uri in self.registrations:
            name = "Connected Systems demo"
            acme.register(client_id, client_secret, [redirect_uri], name=name)

    def _database(self) -> sqlite3.Connection:
        return sqlite3.connect(self.folder / "product.sqlite3", timeout=30)


@contextmanager
def running(
    acme_url: str, folder: Path, door_url: str = "", bundles: tuple[str, ...] = BUNDLES
) -> Iterator[Site]:
    """Prepare and start the product; it ends with the block."""
    port = _free_port()
    environment = _environment(acme_url, folder, port, door_url or acme_url)
    prepared = subprocess.run(
        [sys.executable, "-m", "tests.journeys.prepare", *bundles],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    said = json.loads(prepared.stdout.splitlines()[-1])
    site = Site(f"http://localhost:{port}", folder, said["passwords"], said["registrations"])
    with (folder / "product.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}"],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        _wait_until_it_answers(site, port, process)
        yield site
    finally:
        _end(process)


def _environment(acme_url: str, folder: Path, port: int, door_url: str) -> dict[str, str]:
    bare = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {
        **bare,
        **VALUES,
        "PUBLIC_BASE_URL": f"http://localhost:{port}",
        "DATABASE_URL": f"sqlite:///{folder / 'product.sqlite3'}",
        "DEMO": "1",
        "LOG_LEVEL": "INFO",
        "WEB_CONCURRENCY": "2",
        "WEB_THREADS": "8",
        "BUNDLE_ACME_URL": acme_url,
        "BUNDLE_ACME_SECRET": "journeys-only-secret-q7Yz",
        "BUNDLE_DOOR_URL": door_url,
    }


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _wait_until_it_answers(site: Site, port: int, process: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < ends:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("localhost", port, timeout=10)
            with closing(connection):
                connection.request("GET", "/healthz")
                if connection.getresponse().status == 200:
                    return
        time.sleep(0.1)
    raise AssertionError((site.folder / "product.log").read_text()[-2000:])


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(2)  # as Ctrl-C: connections that a browser keeps open are not waited for
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
