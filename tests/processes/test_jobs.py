"""Commands that go through many rows in one process."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from authlinks.models import Authorization
from connectedsystems import vault
from tests.acme import make_system
from tests.environment import VALUES
from tests.faults.room import granted
from tests.otherside import other_side
from tests.thirdparty import ROOT

pytestmark = pytest.mark.processes

ROWS = 5_000
WARM = 1_000
MOST_GROWTH = 12_000
"""Kilobytes. Each renewal remembers three secrets in some twenty forms of up to 100 characters: not
forgotten, four thousand of them would be more than 20 MB."""


@pytest.fixture
def in_memory() -> Iterator[Path]:
    """A folder where 15,000 transactions wait for no disk, if this machine has one."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        yield Path(folder)


def _copy(database: str, folder: Path) -> str:
    with closing(sqlite3.connect(database.removeprefix("sqlite:///"))) as source:
        source.execute("VACUUM INTO ?", [str(folder / "copy.sqlite3")])
    return f"sqlite:///{folder / 'copy.sqlite3'}"


def _resident(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in text.splitlines() if line.startswith("VmRSS")).split()[1])


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_G18_five_thousand_renewals_take_no_more_memory(
    database: str, db: None, in_memory: Path
) -> None:
    told: list[Any] = []

    def answers(request: Any, sock: Any) -> None:
        told.append(1)
        name = f"planted-token-{len(told):06}-of-some-length-Qw3"
        sock.sendall(granted(access_token=name, refresh_token=f"{name}-again"))

    with other_side(answers) as server:
        system = make_system(server.url(""))
        users = get_user_model().objects.bulk_create(
            get_user_model()(username=f"user-{number}") for number in range(ROWS)
        )
        members = system.application.members.get()
        through = get_user_model().groups.through
        through.objects.bulk_create(through(user=user, group=members) for user in users)
        rows = [_due(system, user) for user in users]
        Authorization.objects.bulk_create(rows, batch_size=500)
        job_database = _copy(database, in_memory)
        bare = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        env = {**bare, **VALUES, "DATABASE_URL": job_database, "LOG_LEVEL": "ERROR"}
        job = subprocess.Popen(
            [sys.executable, "manage.py", "refresh_tokens"],
            cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        warm = last = 0
        while job.poll() is None:
            if len(told) >= WARM and not warm:
                warm = _resident(job.pid)
            elif len(told) < ROWS - 100 and warm:
                last = _resident(job.pid)
            time.sleep(0.05)
        assert job.stdout is not None
        with job.stdout as out:
            assert out.read() == f"renewed: {ROWS}, not renewed: 0\n"
    print(f"resident after {WARM} renewals: {warm} KB, before the last: {last} KB")
    assert warm and last and last - warm < MOST_GROWTH


def _due(system: Any, user: Any) -> Authorization:
    row = Authorization(
        system=system,
        user=user,
        fingerprint=system.parsed().fingerprint(),
        authorized_at=timezone.now(),
        expires_at=timezone.now(),
    )
    row.access_token = vault.seal("an access token", row.place("access_token"))
    row.refresh_token = vault.seal("a refresh token", row.place("refresh_token"))
    return row
