"""The database hangs up between a token answer and its save: the site as it is served."""

from __future__ import annotations

import contextlib
import json
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import psycopg
import pytest
from django.db import connection

from tests import environment
from tests.acme import NOTE, make_integration, make_system
from tests.faults.room import Guest, said
from tests.otherside import Told, other_side
from tests.processes.started import Answer, Site

pytestmark = pytest.mark.processes

LIST, ADD, ONWARD = "/integrations/list/", "/integrations/add/", "/connections/"
on_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True)
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@dataclass
class Rotating:
    """A system whose refresh token is good once, and whose access token ends with its successor.

    ``meanwhile`` is done once a token answer is decided, and before it is sent.
    """

    number: int = 0
    refreshes: list[str] = field(default_factory=list)
    exchanges: int = 0
    calls: int = 0
    meanwhile: Callable[[], None] | None = None

    def talk(self, told: Told, sock: socket.socket) -> None:
        if not told.target.startswith("/oauth/token"):
            self.calls += 1
            good = told.header("Authorization") == f"Bearer access-{self.number}"
            sock.sendall(said({"contacts": []}) if good else said({}, "401 Unauthorized"))
            return
        given = {name: values[0] for name, values in parse_qs(told.body.decode()).items()}
        if given["grant_type"] == "refresh_token":
            self.refreshes.append(given["refresh_token"])
            if given["refresh_token"] != f"refresh-{self.number}":
                sock.sendall(said({"error": "invalid_grant"}, "400 Bad Request"))
                return
        else:
            self.exchanges += 1
        self.number += 1
        if self.meanwhile is not None:
            self.meanwhile()
        pair = {"access_token": f"access-{self.number}", "refresh_token": f"refresh-{self.number}"}
        sock.sendall(said({**pair, "token_type": "Bearer", "expires_in": 3600}))


@dataclass
class Scene:
    other: Rotating
    guest: Guest
    site: Site
    session: str
    name: str
    own: int

    def calls(self) -> Answer:
        return self.site.ask(LIST, self.session)

    def expires(self) -> None:
        """The access token's time is over."""
        with connection.cursor() as cursor:
            cursor.execute("UPDATE authlinks_authorization SET expires_at = '2020-01-01 00:00:00'")

    def row(self) -> dict[str, Any]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT version, lease_owner, ended_code FROM authlinks_authorization")
            return dict(
                zip(("version", "lease_owner", "ended_code"), cursor.fetchone(), strict=True)
            )

    def hang_up(self) -> None:
        """End every connection of the site's, as a database that restarts does."""
        _administer(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE datname = '{self.name}' AND pid <> {self.own}"
        )

    def go_away(self, seconds: float) -> threading.Thread:
        """Hang up, and let nobody in for so long."""
        _administer(f'ALTER DATABASE "{self.name}" ALLOW_CONNECTIONS false')
        self.hang_up()

        def come_back() -> None:
            time.sleep(seconds)
            _administer(f'ALTER DATABASE "{self.name}" ALLOW_CONNECTIONS true')

        thread = threading.Thread(target=come_back)
        thread.start()
        return thread


def _administer(statement: str) -> None:
    with contextlib.closing(psycopg.connect(environment.POSTGRES_URL, autocommit=True)) as admin:
        admin.execute(statement)


def code_in(answer: Answer) -> str:
    text = answer.body.decode()
    return text.split('data-code="')[1].split('"')[0] if 'data-code="' in text else ""


@pytest.fixture
def scene(
    database: str, member: Callable[[str], Any], serve: Callable[..., Site]
) -> Iterator[Callable[..., Scene]]:
    with contextlib.ExitStack() as stack:

        def make(**values: str) -> Scene:
            other = Rotating()
            server = stack.enter_context(other_side(other.talk))
            system = make_system(server.url("").rstrip("/"), "odd")
            make_integration(system, "list")
            make_integration(system, "add", **NOTE)
            guest = Guest(member("alice"), None)  # type: ignore[arg-type]
            assert guest.authorizes().status_code == 303
            site = serve(**{"WEB_CONCURRENCY": "2", **values})
            session = guest.client.cookies["sessionid"].value
            own = 0 if connection.vendor == "sqlite" else connection.connection.info.backend_pid
            made = Scene(other, guest, site, session, database.rpartition("/")[2], own)
            assert [made.calls().status for _ in range(4)] == [200] * 4
            return made

        yield make


def goes_on(here: Scene) -> None:
    """The new token is there, for both processes, and nothing was renewed for it."""
    asked = len(here.other.refreshes)
    # A pool that was hung up on again and again pauses for seconds before it connects once more.
    ends = time.monotonic() + 60
    while [here.calls().status for _ in range(4)] != [200] * 4:
        assert time.monotonic() < ends
    assert len(here.other.refreshes) == asked


@on_postgresql
def test_G7_hung_up_on_when_a_renewal_is_answered(scene: Callable[..., Scene]) -> None:
    here = scene()
    here.other.meanwhile = here.hang_up
    for round_ in range(1, 4):
        here.expires()
        assert here.calls().status == 200
        assert len(here.other.refreshes) == round_
        assert here.row() == {"version": round_ + 1, "lease_owner": "", "ended_code": ""}
    here.other.meanwhile = None
    goes_on(here)


@on_postgresql
def test_G7_hung_up_on_when_a_code_is_exchanged(scene: Callable[..., Scene]) -> None:
    here = scene()
    here.other.meanwhile = here.hang_up
    state = here.guest.sets_out()
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM connectedsystems_connectedsystem")
        public_id = cursor.fetchone()[0]
    back = here.site.ask(f"/connections/callback/{public_id}/?code=x&state={state}", here.session)
    assert (back.status, here.other.exchanges) == (303, 2)
    here.other.meanwhile = None
    goes_on(here)
    assert here.other.refreshes == []


@on_postgresql
def test_G7_away_for_two_seconds_when_a_renewal_is_answered(scene: Callable[..., Scene]) -> None:
    here = scene()
    away: list[threading.Thread] = []
    here.other.meanwhile = lambda: away.append(here.go_away(2))
    here.expires()
    answer = here.calls()
    away[0].join()
    assert (answer.status, len(here.other.refreshes)) == (200, 1)
    here.other.meanwhile = None
    goes_on(here)


@on_postgresql
def test_G7_away_for_too_long_is_said_and_nothing_is_pretended(
    scene: Callable[..., Scene],
) -> None:
    here = scene()
    away: list[threading.Thread] = []
    here.other.meanwhile = lambda: away.append(here.go_away(25))
    here.expires()
    answer = here.calls()
    assert away[0].is_alive(), "it was given up in time"
    assert answer.status == 503
    assert code_in(answer) in ("refresh_outcome_unknown", "database_unavailable")
    assert b"Traceback" not in answer.body
    away[0].join()
    here.other.meanwhile = None
    assert "refresh_outcome_unknown" in here.site.stderr.read_text()
    assert here.row()["lease_owner"] != ""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE authlinks_authorization SET lease_ends = '2020-01-01 00:00:00'")
    last = until_answered(here)
    # The old refresh token is tried once more; this server refuses it, and that is told as it was.
    assert here.other.refreshes == ["refresh-1", "refresh-1"]
    assert (last.status, code_in(last)) == (200, "needs_authorization")
    assert here.row()["ended_code"] == "refresh_outcome_unknown"
    assert "was lost on the way" in here.site.ask(ONWARD, here.session).body.decode()
    for _ in range(3):
        here.calls()
    assert len(here.other.refreshes) == 2


def until_answered(here: Scene, seconds: float = 30) -> Answer:
    """The first answer that is not about the database, which every one before says with a code."""
    ends = time.monotonic() + seconds
    while True:
        answer = here.calls()
        if code_in(answer) != "database_unavailable":
            return answer
        assert answer.status == 503
        assert time.monotonic() < ends
        time.sleep(0.3)


@on_postgresql
def test_G7_away_for_too_long_when_a_code_is_exchanged(scene: Callable[..., Scene]) -> None:
    here = scene()
    away: list[threading.Thread] = []
    # Longer than the answer is tried to be saved, and shorter than its page is tried to be made.
    here.other.meanwhile = lambda: away.append(here.go_away(8))
    state = here.guest.sets_out()
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM connectedsystems_connectedsystem")
        public_id = cursor.fetchone()[0]
    back = here.site.ask(f"/connections/callback/{public_id}/?code=x&state={state}", here.session)
    away[0].join()
    assert (back.status, code_in(back)) == (503, "authorization_not_saved")
    assert b"data-authorize" in back.body
    here.other.meanwhile = None
    until_answered(here)
    assert here.guest.authorizes().status_code == 303
    goes_on(here)


@on_postgresql
@pytest.mark.parametrize("statement", ["lease", "save"])
def test_G7_hung_up_on_within_a_statement(scene: Callable[..., Scene], statement: str) -> None:
    here = scene()
    with connection.cursor() as cursor:
        cursor.execute("CREATE SEQUENCE hang_up_once")
        taken = "NEW.lease_owner <> '' AND OLD.lease_owner = ''"
        which = taken if statement == "lease" else "NEW.version <> OLD.version"
        cursor.execute(
            "CREATE FUNCTION hang_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF {which} AND nextval('hang_up_once') = 1 THEN"
            " PERFORM pg_terminate_backend(pg_backend_pid()); END IF; RETURN NEW; END $$"
        )
        cursor.execute(
            "CREATE TRIGGER hangs_up BEFORE UPDATE ON authlinks_authorization"
            " FOR EACH ROW EXECUTE FUNCTION hang_up()"
        )
    here.expires()
    answer = here.calls()
    if statement == "lease":
        assert (answer.status, code_in(answer)) in [(503, "database_unavailable"), (200, "")]
        answer = here.calls()
    assert answer.status == 200
    assert here.other.refreshes == ["refresh-1"]
    goes_on(here)


@on_postgresql
def test_G7_hung_up_on_while_nobody_asks(scene: Callable[..., Scene]) -> None:
    here = scene()
    here.hang_up()
    # A connection of the pool is asked whether it lives before somebody's page depends on it.
    assert [here.calls().status for _ in range(8)] == [200] * 8
    away = here.go_away(30)
    answer = here.calls()
    assert (answer.status, code_in(answer)) == (503, "database_unavailable")
    told = here.site.ask(LIST, here.session, headers={"Accept": "application/json"})
    assert told.status == 503
    assert json.loads(told.body)["error"]["code"] == "database_unavailable"
    assert b"Traceback" not in answer.body + told.body
    away.join()
    assert until_answered(here).status == 200
    goes_on(here)


@on_sqlite
def test_G7_a_file_that_is_locked_for_longer_than_anybody_waits(
    scene: Callable[..., Scene], database: str
) -> None:
    here = scene()
    held: list[threading.Thread] = []

    def lock() -> None:
        locked = threading.Event()

        def hold() -> None:
            with contextlib.closing(sqlite3.connect(database.removeprefix("sqlite:///"))) as file:
                file.isolation_level = None
                file.execute("BEGIN IMMEDIATE")
                locked.set()
                time.sleep(22)
                file.execute("ROLLBACK")

        held.append(threading.Thread(target=hold))
        held[0].start()
        locked.wait()

    here.other.meanwhile = lock
    here.expires()
    answer = here.calls()
    held[0].join()
    assert (answer.status, len(here.other.refreshes)) == (200, 1)
    here.other.meanwhile = None
    goes_on(here)
