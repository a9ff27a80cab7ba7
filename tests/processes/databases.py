"""Databases that other processes can open: one for each test, on SQLite and on PostgreSQL."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import environ
import psycopg
import pytest
from django.core.management import call_command
from django.db import connections
from django.db.utils import ConnectionHandler

from tests import environment

VENDORS = ("sqlite", "postgresql")


def _options(vendor: str) -> dict[str, Any]:
    if vendor == "postgresql":
        return {}
    return {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL",
    }


@contextmanager
def _in_use(url: str) -> Iterator[None]:
    """This thread's connection leads to the database at ``url``."""
    settings = {**environ.Env.db_url_config(url), "CONN_MAX_AGE": None}
    settings["OPTIONS"] = _options("sqlite" if url.startswith("sqlite") else "postgresql")
    before = connections["default"]
    connections["default"] = ConnectionHandler({"default": settings})["default"]
    try:
        yield
    finally:
        connections["default"].close()
        connections["default"] = before


def _administer(statement: str) -> None:
    with closing(psycopg.connect(environment.POSTGRES_URL, autocommit=True)) as connection:
        connection.execute(statement)


def _new_name() -> str:
    return f"connected_systems_tests_{uuid.uuid4().hex}"


def _postgres_url(name: str) -> str:
    return f"{environment.POSTGRES_URL.rpartition('/')[0]}/{name}"


@dataclass(frozen=True)
class Template:
    """A migrated database that nobody uses, to be copied: a file, or a name in PostgreSQL."""

    vendor: str
    source: str

    @contextmanager
    def copy(self, folder: Path) -> Iterator[str]:
        """A database of one's own; gives its URL."""
        if self.vendor == "sqlite":
            shutil.copy(self.source, folder / "own.sqlite3")
            yield f"sqlite:///{folder / 'own.sqlite3'}"
            return
        name = _new_name()
        _administer(f'CREATE DATABASE "{name}" TEMPLATE "{self.source}"')
        try:
            yield _postgres_url(name)
        finally:
            _administer(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def templates(
    tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any
) -> Iterator[Callable[[str], Template]]:
    """The migrated databases, each made when it is first asked for."""
    made: dict[str, Template] = {}

    def template(vendor: str) -> Template:
        if vendor not in made:
            source = str(tmp_path_factory.mktemp("template") / "template.sqlite3")
            url = f"sqlite:///{source}"
            if vendor == "postgresql":
                source = _new_name()
                _administer(f'CREATE DATABASE "{source}"')
                url = _postgres_url(source)
            made[vendor] = Template(vendor, source)
            with django_db_blocker.unblock(), _in_use(url):
                call_command("migrate", verbosity=0)
        return made[vendor]

    yield template
    if "postgresql" in made:
        _administer(f'DROP DATABASE "{made["postgresql"].source}" WITH (FORCE)')


@pytest.fixture(params=VENDORS)
def database(
    request: pytest.FixtureRequest,
    templates: Callable[[str], Template],
    tmp_path: Path,
    django_db_blocker: Any,
) -> Iterator[str]:
    """The URL of this test's own database, which the test itself uses too."""
    if request.param in (missing := environment.left_out()):
        pytest.skip(f"left out: {missing[request.param]}")
    with (
        templates(request.param).copy(tmp_path) as url,
        django_db_blocker.unblock(),
        _in_use(url),
    ):
        yield url


@pytest.fixture
def db(database: str) -> None:
    """In this folder every test has a database of its own."""


@pytest.fixture
def transactional_db(database: str) -> None:
    """In this folder every test has a database of its own."""
