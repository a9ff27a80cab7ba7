"""The doors of the site as it is served: sizes, passwords, what is kept, and a second arrival."""

from __future__ import annotations

import contextlib
import http.client
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher

from connectedsystems.models import ConnectedSystem
from tests.acme import Visitor
from tests.processes.started import Answer, Site
from tests.processes.test_callbacks import session_of
from tests.thirdparty import ThirdParty

pytestmark = pytest.mark.processes

LOG_IN = "/accounts/login/"
Serves = Callable[..., Site]
Makes = Callable[..., Visitor]
only_on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
# A form with a file, as a browser announces it.
UPLOAD = (
    "POST {path} HTTP/1.1\r\nHost: testserver\r\n{length}\r\n"
    "Content-Type: multipart/form-data; boundary=xyz\r\n{more}\r\n"
)
PART = (
    b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="big"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n"
)


def upload(site: Site, path: str, size: int, *more: str, chunked: bool = False) -> tuple[int, str]:
    """Begin to send a file of so many bytes, until the site says something; status and page."""
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    head = UPLOAD.format(path=path, length=length, more="".join(f"{line}\r\n" for line in more))
    with socket.create_connection(("127.0.0.1", site.port), 30) as client:
        client.sendall(head.encode())
        sent, piece = 0, PART + b"x" * 60_000
        with contextlib.suppress(OSError):  # the site closes while we go on sending
            client.settimeout(0.2)
            while sent < min(size, 5_000_000):
                client.sendall(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
                sent += len(piece)
        client.settimeout(30)
        answer = http.client.HTTPResponse(client)
        answer.begin()
        return answer.status, answer.read().decode()


@only_on_sqlite
@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
@pytest.mark.parametrize("path", [LOG_IN, "/admin/connectedsystems/application/load/", "/no/"])
def test_G11_an_upload_of_150_MB_is_not_read(
    db: None, serve: Serves, tmp_path: Path, path: str, chunked: bool
) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    site = serve(TMPDIR=str(spool))
    began = time.monotonic()
    status, page = upload(site, path, 150_000_000, chunked=chunked)
    assert status == 413
    assert 'data-code="request_too_large"' in page
    assert time.monotonic() - began < 10
    assert [each for each in spool.rglob("*") if each.is_file() and each.stat().st_size] == []
    status, said = upload(site, path, 150_000_000, "Accept: application/json", chunked=chunked)
    assert (status, '"code": "request_too_large"' in said) == (413, True)
    assert site.ask(LOG_IN).status == 200


@only_on_sqlite
def test_G10_many_names_with_one_password(
    acme: ConnectedSystem, visitor: Makes, serve: Serves
) -> None:
    for name in ("alice", "bob"):
        person = visitor(name).person
        # As the site itself would have hashed it; tests hash in a quicker way.
        person.password = PBKDF2PasswordHasher().encode(name, "salt-of-a-test-22-chars")
        person.save()
    site = serve()

    def log_in(name: str, word: str) -> Answer:
        return site.ask(LOG_IN, form={"username": name, "password": word})

    assert log_in("bob", "bob").status == 302
    tried = [log_in(f"name-{number}", "Winter2026").status for number in range(41)]
    assert tried == [*[200] * 40, 429]
    refused = log_in("alice", "alice")
    assert (refused.status, refused.headers["Retry-After"]) == (429, "900")
    assert log_in("bob", "bob").status == 302
    assert site.ask("/admin/login/", form={"username": "alice", "password": "alice"}).status == 302


@only_on_sqlite
def test_G14_pages_of_somebody_who_is_logged_in_are_kept_nowhere(
    acme: ConnectedSystem, visitor: Makes, serve: Serves
) -> None:
    session = session_of(visitor("alice"))
    site = serve()
    for path in ("/", "/integrations/held/", "/references/", "/connections/", "/no/"):
        page = site.ask(path, session)
        assert "no-store" in page.headers["Cache-Control"], path
        assert "camera=()" in page.headers["Permissions-Policy"]
    assert "no-store" not in site.ask("/static/css/app.css", session).headers["Cache-Control"]
    gone = site.ask("/accounts/logout/", session, form={})
    assert gone.headers["Clear-Site-Data"] == '"storage"'
    deleted = [each.partition("=")[0] for each in gone.headers.get_all("Set-Cookie", [])]
    assert {"sessionid", "csrftoken", "messages"} <= set(deleted)
    assert site.ask("/", session).status == 302


def test_A4_a_prefetch_a_posted_query_and_a_second_arrival(
    acme: ConnectedSystem, visitor: Makes, serve: Serves, thirdparty: ThirdParty
) -> None:
    alice = visitor("alice")
    session = session_of(alice)
    callback = alice.approves(alice.sets_out(next_path="/integrations/list-contacts/"))
    site = serve()
    ahead = site.ask(callback, session, headers={"Sec-Purpose": "prefetch"})
    assert (ahead.status, ahead.headers["Cache-Control"]) == (503, "no-store")
    posted = site.ask(callback, form={"code": "stolen"})
    assert (posted.status, posted.headers["Location"]) == (303, callback)
    assert thirdparty.count(path="/oauth/token") == 0
    for _ in range(3):
        arrived = site.ask(posted.headers["Location"], session)
        assert arrived.status == 303
        assert arrived.headers["Location"] == "/integrations/list-contacts/"
    assert thirdparty.count(path="/oauth/token") == 1
    assert b'data-code="state_missing_session"' in site.ask(callback).body
