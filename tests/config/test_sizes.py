"""How large a request may be, by who sends it and where to: 413 before anything is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as configured
from django.test import Client

from config.sizes import ANONYMOUS, LARGEST, LOGGED_IN, WITH_FILES, limit_in_words

pytestmark = pytest.mark.django_db

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
IMPORT = "/admin/connectedsystems/application/load/"
FORM = "application/x-www-form-urlencoded"


class Unread(BytesIO):
    """A body that nobody may look at."""

    def read(self, *_: Any) -> bytes:
        raise AssertionError("the body was read")


def post(client: Client, path: str, size: int, **more: Any) -> Any:
    """A form that is announced as so large, and whose body must not be looked at."""
    more = {"CONTENT_TYPE": FORM, **more}
    return client.generic(
        "POST", path, b"", **{"wsgi.input": Unread(), "CONTENT_LENGTH": str(size), **more}
    )


def is_refused(answer: Any, limit: str) -> bool:
    page = answer.content.decode()
    return (
        answer.status_code == 413
        and 'data-code="request_too_large"' in page
        and f"more than {limit}" in page
        and answer["Cache-Control"] == "no-store"
        and "default-src 'none'" in answer["Content-Security-Policy"]
    )


@pytest.mark.parametrize("path", ["/accounts/login/", "/", IMPORT, "/no/", "/admin/login/"])
def test_G11_a_request_of_nobodys_may_hold_little(path: str) -> None:
    assert is_refused(post(Client(), path, ANONYMOUS + 1), "64 KB")
    with pytest.raises(AssertionError, match="was read"):
        post(Client(), "/accounts/login/", ANONYMOUS)


def test_G11_a_made_up_session_is_nobodys(alice: Any, as_user: Callable[..., Client]) -> None:
    client = Client()
    client.cookies[configured.SESSION_COOKIE_NAME] = "x" * 32
    assert is_refused(post(client, IMPORT, ANONYMOUS + 1), "64 KB")
    client = as_user(alice)
    alice.is_active = False
    alice.save()
    assert is_refused(post(client, IMPORT, ANONYMOUS + 1), "64 KB")


def test_G11_somebody_who_is_logged_in_may_send_files_where_files_are_meant(
    admin: Any, as_user: Callable[..., Client]
) -> None:
    client = as_user(admin)
    assert is_refused(post(client, "/connections/acme/disconnect/", LOGGED_IN + 1), "5 MB")
    assert is_refused(post(client, IMPORT, LARGEST + 1), "12 MB")
    for path, size in [(IMPORT, LARGEST), ("/accounts/logout/", LOGGED_IN)]:
        with pytest.raises(AssertionError, match="was read"):
            post(client, path, size)


def test_G11_as_json() -> None:
    answer = post(Client(), "/integrations/add-note/", 150_000_000, HTTP_ACCEPT="application/json")
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "request_too_large"
    assert "64 KB" in answer.json()["error"]["message"]


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_G11_whatever_the_method(method: str) -> None:
    answer = Client().generic(method, "/", b"", CONTENT_LENGTH=str(ANONYMOUS + 1))
    assert is_refused(answer, "64 KB")


def chunked(client: Client, path: str, pieces: Iterator[bytes], **more: Any) -> Any:
    class Pieces(BytesIO):
        def read(self, *_: Any) -> bytes:
            return next(pieces, b"")

    given = {"wsgi.input": Pieces(), "wsgi.input_terminated": True, "CONTENT_LENGTH": ""}
    return client.generic(
        "POST", path, b"", HTTP_TRANSFER_ENCODING="chunked", CONTENT_TYPE=FORM, **{**given, **more}
    )


def test_G11_what_comes_in_chunks_is_counted() -> None:
    asked = 0

    def endless() -> Iterator[bytes]:
        nonlocal asked
        while True:
            asked += 1
            yield b"x" * 1000

    assert is_refused(chunked(Client(), "/accounts/login/", endless()), "64 KB")
    assert asked == ANONYMOUS // 1000 + 1


def test_what_comes_in_chunks_arrives(alice: Any) -> None:
    pieces = iter([b"username=al", b"ice&password=", b"alice"])
    answer = chunked(Client(), "/accounts/login/", pieces)
    assert (answer.status_code, answer["Location"]) == (302, "/")


def test_chunks_that_end_early_are_no_request() -> None:
    def cut() -> Iterator[bytes]:
        yield b"username=alice"
        raise OSError("gone")

    assert chunked(Client(), "/accounts/login/", cut()).status_code == 400


def test_every_form_with_files_may_hold_files() -> None:
    """The pages whose forms send files, and the addresses those forms are sent to."""
    sending = {
        path.relative_to(TEMPLATES).as_posix()
        for path in TEMPLATES.rglob("*.html")
        if re.search(r"multipart/form-data|form\.is_multipart", path.read_text())
    }
    assert sending == {
        "workbench/promotion.html",
        "workbench/from_openapi.html",
        "integrations/held.html",
        "integrations/_inputs.html",
    }
    for path in (
        IMPORT,
        "/admin/integrations/integration/from-openapi/",
        "/admin/connectedsystems/connectedsystem/add/",  # the logo
        "/admin/connectedsystems/connectedsystem/draft/check/",
        "/admin/integrations/integration/test/",
        "/integrations/held/7d1c0000-0000-4000-8000-000000000000/",
        "/integrations/add-note/",
        "/pages/pages/note/",
    ):
        assert WITH_FILES.match(path), path
    for path in ("/", "/accounts/login/", "/connections/callback/x/", "/admin/auth/user/add/"):
        assert not WITH_FILES.match(path), path


def test_Django_takes_no_less() -> None:
    assert configured.DATA_UPLOAD_MAX_MEMORY_SIZE == LARGEST
    assert [limit_in_words(size) for size in (ANONYMOUS, LOGGED_IN, LARGEST)] == [
        "64 KB",
        "5 MB",
        "12 MB",
    ]
