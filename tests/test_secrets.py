"""No secret is found anywhere: database, logs, pages, dumps, reprs, the error page with DEBUG on."""

from __future__ import annotations

import base64
import io
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from django.core.management import call_command
from django.db import connection

from authlinks.models import Authorization, AuthorizationAttempt
from authlinks.tokens import Token, party_of
from connectedsystems.models import ConnectedSystem
from connectedsystems.oauth.answer import TokenAnswer
from integrations import call_integration
from integrations.models import HeldSubmission, Integration
from tests.acme import CLIENT_SECRET, OWN_CLICK, Visitor
from tests.addresses import addresses
from tests.planted import Search, forms
from tests.processes.databases import database, db, templates, transactional_db  # noqa: F401
from tests.processes.started import Answer, Site, serve  # noqa: F401
from tests.thirdparty import ThirdParty

pytestmark = pytest.mark.processes

HELD_TEXT = "What alice wrote into her note / and nobody else reads"
NAVIGATION = {
    name.removeprefix("HTTP_").replace("_", "-").title(): value for name, value in OWN_CLICK.items()
}


def test_the_search_finds_what_is_planted(tmp_path: Path) -> None:
    value = "pl4nted/va+lue~of some & length"
    search = Search({"value": value, "another": "never-written-anywhere"})
    assert search("nothing of the kind") == set()
    for form in forms(value):
        file = tmp_path / "file"
        file.write_bytes(b"before" + form + b"after")
        assert search(file.read_bytes()) == {"value"}
    for user in ("", "a", "ab", "abc", "client-id:"):
        assert search(base64.b64encode(f"{user}{value}".encode())) == {"value"}
        assert search(base64.urlsafe_b64encode(f"{user}{quote(value, safe='')}!".encode()))


@dataclass(frozen=True)
class Scene:
    """A site on which much has happened, and what must be found nowhere on it."""

    site: Site
    planted: dict[str, str]
    sessions: dict[str, str]
    pages: dict[str, Answer]
    """What the walk and the calls were answered, by a name."""


@pytest.fixture
def scene(
    acme: ConnectedSystem,
    visitor: Callable[..., Visitor],
    user: Callable[..., Any],
    serve: Callable[..., Site],  # noqa: F811
    thirdparty: ThirdParty,
) -> Scene:
    """Alice's note was held; she has walked, called, been renewed, and met every kind of trouble."""
    people = {
        "alice": visitor("alice"),
        "bob": visitor("bob"),
        **{
            person.username: Visitor(person, thirdparty)
            for person in (
                user("dora", groups=["crm-designers"]),
                user("otto", groups=["other-designers"]),
                user("admin", is_superuser=True, is_staff=True),
            )
        },
    }
    sessions = {name: who.client.cookies["sessionid"].value for name, who in people.items()}
    site = serve(DEBUG="1", EXTRA_APPS="demo.pages,tests.breaking")
    alice = sessions["alice"]
    pages: dict[str, Answer] = {}
    planted = {"client secret": CLIENT_SECRET, "held text": HELD_TEXT}

    form = {"text": HELD_TEXT}
    pages["held"] = site.ask("/integrations/add-note/", alice, form=form)
    assert HeldSubmission.objects.count() == 1
    planted |= _walk(site, people["alice"], alice, pages, "first walk")
    row = Authorization.objects.get()
    planted |= _tokens(row, "first")
    # The other system repeats what it was told, in every way it can.
    told = planted["first access token"]
    for status in (200, 400, 500):
        said = told if status == 200 else f"{told} {CLIENT_SECRET} {quote(CLIENT_SECRET, safe='')}"
        body = f'{{"message": "You said {said}"}}'
        thirdparty.control(api={"status": status, "content_type": "application/json", "body": body})
        pages[f"echo {status}"] = site.ask("/integrations/list-contacts/", alice)
        pages[f"echo {status} as JSON"] = site.ask(
            "/integrations/list-contacts/", alice, headers={"Accept": "application/json"}
        )
    thirdparty.control(api=None, expire=True)
    pages["renewed"] = site.ask("/pages/pages/contacts/", alice)
    planted |= _tokens(Authorization.objects.get(), "second")
    said = f"{planted['second refresh token']} {CLIENT_SECRET}"
    thirdparty.control(
        expire=True,
        token={"status": 400, "body": f'{{"error": "x", "error_description": "{said}"}}'},
    )
    pages["not renewed"] = site.ask("/integrations/list-notes/", alice)
    thirdparty.control(token={"status": 200, "body": f"<p>{said}</p>"})
    planted |= _walk(site, people["alice"], alice, pages, "failed walk")
    thirdparty.reset()
    planted |= _walk(site, people["alice"], alice, pages, "last walk")
    planted |= _tokens(Authorization.objects.get(), "last")
    pages["broken"] = site.ask("/pages/breaking/", alice)
    assert pages["broken"].status == 500
    assert b"Traceback" in pages["broken"].body
    assert pages["last walk"].status == 303
    # One that is still under way, its verifier in the row.
    site.ask("/connections/acme/authorize/", sessions["bob"], headers=NAVIGATION)
    attempt = AuthorizationAttempt.objects.get(user__username="bob")
    assert attempt.verifier is not None
    planted["open verifier"] = attempt.verifier.open(attempt.place("verifier"))
    return Scene(site, planted, sessions, pages)


def _walk(
    site: Site, who: Visitor, session: str, pages: dict[str, Answer], name: str
) -> dict[str, str]:
    """There and back through the site; the verifier and the code of this walk."""
    begun = site.ask("/connections/acme/authorize/?next=/", session, headers=NAVIGATION)
    attempt = AuthorizationAttempt.objects.filter(user=who.person).latest("begun_at")
    assert attempt.verifier is not None
    verifier = attempt.verifier.open(attempt.place("verifier"))
    callback = who.approves(str(begun.headers["Location"]))
    code = parse_qs(urlsplit(callback).query)["code"][0]
    pages[f"{name} begun"] = begun
    pages[name] = site.ask(callback, session)
    # A reload: the code comes in once more, as it does by somebody else and by nobody.
    pages[f"{name} again"] = site.ask(callback, session)
    pages[f"{name} by nobody"] = site.ask(callback)
    return {f"verifier of the {name}": verifier, f"code of the {name}": code}


def _tokens(row: Authorization, which: str) -> dict[str, str]:
    found = {}
    for column in ("access_token", "refresh_token"):
        found[f"{which} {column.replace('_', ' ')}"] = getattr(row, column).open(row.place(column))
    return found


def test_C1_I1_nothing_secret_is_found_anywhere(scene: Scene, request: Any) -> None:
    assert len(scene.planted) >= 13
    everywhere: dict[str, bytes] = {}
    everywhere.update(_database(request.getfixturevalue("database")))
    everywhere.update(_dumps())
    everywhere.update(_values())
    everywhere["log"] = scene.site.stderr.read_bytes()
    assert b"callback" in everywhere["log"] and b'"level": "debug"' in everywhere["log"]
    search = Search(scene.planted)
    found = {place: names for place, what in everywhere.items() if (names := search(what))}
    assert not found
    # Alice reads what she wrote; everything else is on no page of anybody.
    search = Search({name: v for name, v in scene.planted.items() if name != "held text"})
    shown = {place: _whole(answer) for place, answer in scene.pages.items()}
    assert not {place: names for place, what in shown.items() if (names := search(what))}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # a page is the same on both
def test_C1_nothing_secret_is_on_any_page(scene: Scene) -> None:
    held = Search({"held text": HELD_TEXT})
    secrets = Search({name: v for name, v in scene.planted.items() if name != "held text"})
    asked = addresses()
    assert len(asked) > 60
    statuses: dict[int, int] = {}
    for role, session in {"anonymous": "", **scene.sessions}.items():
        for path in asked:
            answer = scene.site.ask(path, session)
            statuses[answer.status] = statuses.get(answer.status, 0) + 1
            assert not secrets(_whole(answer)), (role, path)
            if role != "alice":
                assert not held(_whole(answer)), (role, path)
            assert answer.status != 500 or "breaking" in path, (role, path)
    assert statuses[200] > 100 and statuses[404] > 20
    assert not Search(scene.planted)(scene.site.stderr.read_bytes())


def _whole(answer: Answer) -> bytes:
    return str(answer.headers).encode() + answer.body


def _database(url: str) -> Iterator[tuple[str, bytes]]:
    """The files of SQLite with what is not yet written back; each table of PostgreSQL as text."""
    if url.startswith("sqlite"):
        files = sorted(Path(url.removeprefix("sqlite:///")).parent.glob("own.sqlite3*"))
        assert any(file.name.endswith("-wal") and file.stat().st_size for file in files)
        yield from ((file.name, file.read_bytes()) for file in files)
        return
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT t::text FROM "{table}" t')
            yield table, "\n".join(row[0] for row in cursor.fetchall()).encode()


def _dumps() -> Iterator[tuple[str, bytes]]:
    for command in ("dumpdata", "dump_bundle"):
        written = io.StringIO()
        call_command(command, stdout=written)
        assert written.getvalue().count("acme")
        yield command, written.getvalue().encode()


def _values() -> Iterator[tuple[str, bytes]]:
    """Models and values as they show themselves, and what is left of them in a pickle."""
    from django.contrib.auth import get_user_model

    alice = get_user_model().objects.get(username="alice")
    system = ConnectedSystem.objects.get()
    target = Integration.objects.for_call("list-contacts", alice)
    answer = call_integration("list-contacts", alice)
    assert answer.success and target is not None and target.row is not None
    kept = [
        *Authorization.objects.all(),
        *AuthorizationAttempt.objects.all(),
        *HeldSubmission.objects.all(),
        system,
        system.parsed(),
        target,
        target.row,
        answer,
    ]
    for value in kept:
        shown = f"{value!r} {value} {vars(value) if hasattr(value, '__dict__') else ''}"
        yield f"{type(value).__name__} shown", shown.encode()
        yield f"{type(value).__name__} pickled", pickle.dumps(value)
    # These hold what they hold, and say nothing of it.
    client = system.client()
    row = Authorization.objects.get()
    token = row.access_token.open(row.place("access_token")) if row.access_token else ""
    passing = [
        client,
        Token(value=token, version=1, fresh=True, row=target.row),
        TokenAnswer(access_token=token, refresh_token=token),
        party_of(system, alice.pk),
    ]
    for passed in passing:
        yield f"{type(passed).__name__} shown", f"{passed!r} {passed}".encode()
