"""What those who run it do: restart it, copy its database, move it to older tables and back."""

from __future__ import annotations

import base64
import signal
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import call_command

from authlinks.models import Authorization
from connectedsystems.models import ConnectedSystem
from integrations import call_integration
from tests.acme import Visitor
from tests.processes.started import Answer, Caller, Site, together, wait_for
from tests.processes.test_callbacks import session_of
from tests.thirdparty import ThirdParty

pytestmark = pytest.mark.processes

CONTACTS = "/integrations/list-contacts/"
OTHER_KEY = "other:" + base64.b64encode(bytes(range(32))).decode()
HTTPS = {"PUBLIC_BASE_URL": "https://testserver", "TRUSTED_PROXY": "1"}
NAVIGATION = {
    "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
}
# The tables of the first release to be: every app at its first migrations.
FIRST = (("integrations", "0001"), ("authlinks", "0002"), ("connectedsystems", "0001"))
only_on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def alice(acme: ConnectedSystem, visitor: Callable[..., Visitor]) -> Visitor:
    someone = visitor("alice")
    someone.authorizes()
    return someone


def test_J9_a_restart_lets_a_call_end(
    alice: Visitor, serve: Callable[..., Site], thirdparty: ThirdParty
) -> None:
    site = serve(WEB_CONCURRENCY="1")
    Authorization.objects.update(expires_at=ConnectedSystem.objects.get().created_at)
    before = thirdparty.count(path="/oauth/token")
    thirdparty.control(token={"delay": 1}, api={"delay": 1})
    answers: list[Answer] = []
    asking = threading.Thread(target=lambda: answers.append(site.ask(CONTACTS, session_of(alice))))
    asking.start()
    wait_for(thirdparty, path="/oauth/token", grant_type="refresh_token")
    site.tell(signal.SIGTERM)
    asking.join()
    assert [answer.status for answer in answers] == [200]
    assert b"data-result" in answers[0].body
    assert thirdparty.count(path="/oauth/token") - before == 1
    row = Authorization.objects.get()
    assert (row.lease_owner, row.failure_code) == ("", "")


@only_on_sqlite
def test_J7_a_copy_of_the_database_works_elsewhere(
    alice: Visitor, database: str, caller: Callable[..., Caller], tmp_path: Path
) -> None:
    copy = tmp_path / "copy.sqlite3"
    with closing(sqlite3.connect(database.removeprefix("sqlite:///"))) as source:
        source.execute("VACUUM INTO ?", [str(copy)])
    task = {"slug": "list-contacts", "users": ["alice"], "database": f"sqlite:///{copy}"}
    assert [result["code"] for result in together([caller("call", **task)])] == [""]
    lost = caller("call", **task, values={"VAULT_KEYS": OTHER_KEY})
    assert [result["code"] for result in together([lost])] == ["key_missing"]


def test_J6_tokens_open_after_a_way_back_and_forth(alice: Visitor) -> None:
    for app, name in FIRST:
        call_command("migrate", app, name, verbosity=0)
    call_command("migrate", verbosity=0)
    row = Authorization.objects.get()
    assert row.access_token is not None and row.access_token.open(row.place("access_token"))
    answer = call_integration("list-contacts", alice.person)
    assert answer.success, answer.error


@only_on_sqlite
def test_A26_G10_cookies_keep_to_https_and_to_us(
    alice: Visitor, serve: Callable[..., Site]
) -> None:
    site = serve(**HTTPS)
    secure = {"X-Forwarded-Proto": "https"}
    page = site.ask("/accounts/login/", headers=secure)
    cookies = SimpleCookie(page.headers["Set-Cookie"])
    csrf = cookies["__Host-csrftoken"]
    assert csrf["secure"] is csrf["httponly"] is True
    assert (csrf["samesite"], csrf["path"]) == ("Lax", "/")
    assert not csrf["domain"]
    session = f"__Host-sessionid={session_of(alice)}"
    assert site.ask("/", headers={**secure, "Cookie": session}).status == 200
    bare = f"sessionid={session_of(alice)}"
    assert site.ask("/", headers={**secure, "Cookie": bare}).status == 302
    begun = site.ask(
        "/connections/acme/authorize/?next=/",
        headers={**secure, **NAVIGATION, "Cookie": session},
    )
    assert begun.status == 302
    (redirect_uri,) = parse_qs(urlsplit(begun.headers["Location"]).query)["redirect_uri"]
    assert redirect_uri.startswith("https://testserver/connections/callback/")
    # Without the cookie, as from another host name: it says so.
    back = urlsplit(redirect_uri).path
    lost = site.ask(f"{back}?code=x&state=y", headers=secure)
    assert lost.status == 400
    assert b'data-code="state_missing_session"' in lost.body
    assert b"another address of this site" in lost.body
