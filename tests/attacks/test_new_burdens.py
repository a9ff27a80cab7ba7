"""Burdens and slips that an attacker with the source thought of: each comes to nothing."""

from __future__ import annotations

import codecs
import encodings
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.test import Client

from authlinks.models import Authorization
from config import charsets
from connectedsystems.expressions import NotFound, TooCostly, find, for_authorizing
from connectedsystems.models import ConnectedSystem
from integrations.response import _charset
from tests.acme import NOTE, make_integration
from tests.faults.room import (  # noqa: F401
    ACCESS,
    Guest,
    Room,
    code_of,
    expire,
    granted,
    guest,
    room,
    said,
)
from tests.otherside import answer

# What another system answers


pytestmark = pytest.mark.once

ABSURD_DATES = [
    "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
    "Mon, 01 Jan 2026 99999999999999999999:00:00 GMT",
    "Mon, 01 Jan 2026 00:00:00 +99999999999999999999",
    "Mon, 01 Jan 0001 00:00:00 +2359",
    "Mon, 01 Jan 2026 00:00:00 -",
    "9" * 4400,
]


def test_G7_an_absurd_date_beside_fresh_tokens_loses_none(
    room: Room,  # noqa: F811
    guest: Guest,  # noqa: F811
) -> None:
    """The pair of before is worth nothing any more once such an answer is on its way."""
    guest.connects()
    for number, waits in enumerate(ABSURD_DATES):
        fresh = granted(access_token=f"planted-access-{number}")
        room.token = fresh.replace(b"\r\n", f"\r\nRetry-After: {waits}\r\n".encode(), 1)
        expire()
        assert guest.lists_as_json().status_code == 200
        sent = room.asked("/api")[-1].header("Authorization")
        assert sent == f"Bearer planted-access-{number}", waits
        row = Authorization.objects.get()
        assert (row.lease_owner, row.failure_code) == ("", "")


# What a request may say of itself


@pytest.fixture
def few_names() -> Iterator[None]:
    """Python asks for charsets as it does in a process of the web site."""
    charsets.forget_unknown_names()
    yield
    codecs.unregister(charsets._found)
    codecs.register(encodings.search_function)


def form_in(charset: str, value: bytes) -> dict[str, Any]:
    head = b'--b\r\nContent-Disposition: form-data; name="username"\r\n\r\n'
    kind = f"multipart/form-data; boundary=b; charset={charset}"
    return {"data": head + value + b"\r\n--b--\r\n", "content_type": kind}


@pytest.mark.parametrize(
    ("charset", "value"),
    [
        ("punycode", b"a" * 30_000 + b"-" + b"a" * 30_000),
        ("PunyCode", b"-" + b"99999" * 10_000),
        ("utf-7", b"+2AA-"),
        ("unicode_escape", rb"\ud800"),
        ("idna", b"xn--"),
        ("undefined", b"a"),
        ("zlib_codec", b"a"),
        ("rot13", b"a"),
    ],
)
def test_G4_no_form_is_read_in_an_odd_charset(charset: str, value: bytes, alice: Any) -> None:
    """Of punycode, 5 MB would take an hour; the others raise, or give half a letter."""
    visitor = Client()
    visitor.force_login(alice)
    for client in (Client(raise_request_exception=False), visitor):
        for path in ("/accounts/login/", "/admin/login/", "/connections/", "/nowhere/"):
            answered = client.generic("POST", path, **form_in(charset, value))
            assert answered.status_code == 400
            assert b'data-code="bad_request"' in answered.content
    good = form_in("UTF-8", "Zoë".encode())
    assert Client().generic("POST", "/accounts/login/", **good).status_code == 200


def test_G4_no_charset_that_strangers_make_up_is_kept(few_names: None, rf: Any) -> None:
    """Python keeps each name that it did not find, and a header has 8 KB for one."""
    before = len(encodings._cache)  # type: ignore[attr-defined]
    for number in range(100):
        for name in (f"{number}" + "x" * 8000, f"utf{'-!' * number}8", f"x{number}"):
            rf.generic("GET", "/", CONTENT_TYPE=f"text/plain; charset={name}")
            with suppress(ValueError):  # of Django's own
                rf.generic("GET", "/", CONTENT_TYPE=f"text/plain; a*={name}''b")
            assert _charset(f"text/plain; charset={name}") == "utf-8"
    assert len(encodings._cache) - before < 5  # type: ignore[attr-defined]
    assert "é".encode("latin-1").decode("ISO-8859-1") == "é"


# What is shown


SLASHED = "planted/access/9Lm4=="
ECHOED = json.dumps({"message": [SLASHED]})


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (ECHOED.replace("/", "\\/").encode(), "application/json"),
        (ECHOED.replace("l", "\\u006c").encode(), "application/json"),
        (f'{{"{SLASHED}": 1}}'.replace("4", "\\u0034").encode(), "text/plain"),
        (ECHOED.encode("utf-16"), "application/json; charset=utf-16"),
        (ECHOED.encode("cp037"), "application/json; charset=cp037"),
        (SLASHED.encode("utf-32"), "text/plain; charset=utf-32"),
    ],
    ids=["slashes", "letters", "a key", "utf-16", "ebcdic", "text in utf-32"],
)
def test_G18_an_echo_in_another_spelling_is_on_no_page(
    body: bytes,
    kind: str,
    room: Room,  # noqa: F811
    guest: Guest,  # noqa: F811
) -> None:
    room.token = granted(access_token=SLASHED)
    guest.connects()
    for status in ("200 OK", "400 Bad"):
        room.api = answer(body, status, f"Content-Type: {kind}")
        page, data = guest.lists(), guest.lists_as_json()
        assert room.asked("/api")[-1].header("Authorization") == f"Bearer {SLASHED}"
        assert SLASHED not in page.content.decode() + str(data.json())


def test_what_is_no_secret_keeps_its_spelling(
    room: Room,  # noqa: F811
    guest: Guest,  # noqa: F811
) -> None:
    guest.connects()
    room.api = answer(
        b'{"path": "a\\/b", "name": "Zo\\u00eb"}', "200 OK", "Content-Type: text/plain"
    )
    assert guest.lists_as_json().json()["result"]["data"] == {"path": "a/b", "name": "Zoë"}


def test_G14_no_odd_request_gets_a_page_to_keep(
    room: Room,  # noqa: F811
    guest: Guest,  # noqa: F811
) -> None:
    guest.connects()
    long = "9" * 4400
    for method, path, headers in (
        ("HEAD", "/connections/", {}),
        ("GET", "/connections/", {"HTTP_IF_NONE_MATCH": '"x"'}),
        ("GET", "/connections/", {"HTTP_RANGE": "bytes=0-1"}),
        ("GET", "/connections/", {"HTTP_ACCEPT": f"text/html;q={long}"}),
        ("GET", f"/connections/?page={long}", {}),
        ("GET", f"/connections/?q={'%F0%9F%98%80' * 600}", {}),
        ("GET", f"/integrations/list/?page={long}", {}),
        ("GET", f"/references/{long}/", {}),
        ("GET", f"/?{'a&' * 2500}", {}),
        ("GET", "/", {"HTTP_HOST": "evil.example"}),
        ("TRACE", "/connections/", {}),
        ("PUT", "/integrations/list/", {}),
        ("PATCH", "/connections/odd/disconnect/", {}),
        ("GET", "/nowhere", {}),
    ):
        answered = guest.client.generic(method, path, **headers)
        assert "no-store" in answered["Cache-Control"], (method, path[:40])
        assert answered.status_code < 500


# What another system grants


NINES = "9" * 4400
ODD_GRANTS = [
    *(f'"expires_in": {life}' for life in (NINES, f'"{NINES}"', "1e999", "-1e999", "true", "[1]")),
    *(
        f'"expires_in": {life}'
        for life in ('"\\u0661"', '" +5 "', '"1e5"', '"\\u0000"', "-5", "{}")
    ),
    f'"scope": {NINES}',
    f'"scope": [{", ".join(["1"] * 30_000)}]',
    f'"scope": {"[" * 60}{"]" * 60}',
    f'"scope": {"[" * 5000}',
    f'"token_type": {NINES}',
    '"token_type": "\\ud800\\u0000"',
    f'"error": {{"code": {NINES}}}',
    f'"error": "{"x" * 100_000}"',
    '"refresh_token": "\\ud800"',
    '"access_token": "a"',
]


def test_G4_no_odd_grant_is_a_fault_of_ours(
    room: Room,  # noqa: F811
    guest: Guest,  # noqa: F811
) -> None:
    for number, member in enumerate(ODD_GRANTS):
        body = f'{{"access_token": "planted-access-{number}", {member}}}'
        room.token = answer(body.encode(), "200 OK", "Content-Type: application/json")
        back = guest.authorizes()
        if "expires_in" in member:
            assert back.status_code == 303, member[:60]
        else:
            assert code_of(back) in {"token_malformed", "token_not_json", "token_refused"} | {
                "token_type_unsupported"
            }, member[:60]


# What a member types


def test_G4_no_number_is_too_large_to_be_refused(
    room: Room,  # noqa: F811
    guest: Guest,  # noqa: F811
) -> None:
    kinds = ("number", "integer", "list", "json", "datetime", "text", "date", "boolean")
    inputs = [{"name": kind, "type": kind} for kind in kinds]
    body = {kind: f"{{{kind}}}" for kind in kinds}
    make_integration(
        ConnectedSystem.objects.get(),
        "many",
        **{**NOTE, "inputs": inputs, "body": body},
    )
    guest.connects()
    large = f"1{'0' * 400}"
    for value in (large, f"-{large}", NINES, "1e999", "-0.0", "5e-324", f'"{large}"', "[[]]"):
        for kind in kinds:
            answered = guest.client.post(
                "/integrations/many/",
                f'{{"{kind}": {value}}}',
                content_type="application/json",
                HTTP_ACCEPT="application/json",
            )
            assert answered.status_code in (200, 400), (kind, value[:20])


# Log-in


def wrong_passwords(address: str, *names: str) -> list[int]:
    return [
        Client(REMOTE_ADDR=address)
        .post("/accounts/login/", {"username": name, "password": "wrong"})
        .status_code
        for name in names
    ]


def test_G10_no_spelling_of_a_name_is_another_name(alice: Any) -> None:
    """Full width letters, blanks and a second field: all of them are the name that is tried."""
    wrong_passwords("203.0.113.5", *["ａｌｉｃｅ", " alice", "alice\u00a0", "ａlice"] * 2)
    assert wrong_passwords("203.0.113.5", "alice", "ａｌｉｃｅ", "alice\t") == [429] * 3
    tried = Client(REMOTE_ADDR="203.0.113.5").post(
        "/accounts/login/", {"username": ["somebody", "alice"], "password": "wrong"}
    )
    assert tried.status_code == 429
    # A colleague at the same address goes on, and the name at another one.
    assert wrong_passwords("203.0.113.5", "bob") == [200]
    assert wrong_passwords("203.0.113.6", "alice") == [200]


@pytest.mark.parametrize(
    "form",
    [
        "::ffff:203.0.113.{}",
        "2001:db8:1:2::{:x}",
        "64:ff9b:1::{:x}",
        "fe80::1%eth{}",
        "2002:cb00:7109:{:x}::1",
    ],
)
def test_G10_no_form_of_an_address_is_another_address(form: str, alice: Any) -> None:
    fixed = form.startswith("::ffff")
    for number in range(9):
        last = wrong_passwords(form.format(9 if fixed else number), "alice")
    assert last == [429]


def test_G15_strangers_behind_one_proxy_use_up_nobody_elses_callbacks(
    room: Room,  # noqa: F811
    guest: Guest,  # noqa: F811
    settings: Any,
) -> None:
    settings.TRUSTED_PROXY = True
    settings.RATE_LIMITS = {"callback": (3, 3600)}
    path = f"/connections/callback/{ConnectedSystem.objects.get().pk}/?code=a&state=b"

    def comes_back(address: str) -> str | None:
        proxied = {"HTTP_X_FORWARDED_FOR": address, "HTTP_X_FORWARDED_PROTO": "http"}
        return code_of(Client().get(path, **proxied))

    assert [comes_back("203.0.113.5") for _ in range(4)][-1] == "too_many_requests"
    assert comes_back("203.0.113.6") != "too_many_requests"
    # What the visitor writes before the proxy's own word makes nobody of them.
    assert comes_back("198.51.100.1, 203.0.113.5") == "too_many_requests"


# What a designer writes, and what a form may hold


WIDE = {"n": [10**4000] * 2000, "t": ["a" * 5000] * 400, "d": "1" * 4000, "f": [1e308] * 1000}


@pytest.mark.parametrize(
    "expression",
    [
        "sum(n)",
        "avg(n)",
        "max(n) | to_string(@)",
        "f | sum(@)",
        "to_number(d)",
        "sort_by(t, &join('', [@, @, @, @]))",
        "t[?contains(join('', t), @)]",
        "t[*].[contains(@, 'aaab'), ends_with(@, 'b'), reverse(@)]",
        "merge(" + ", ".join(["@"] * 400) + ")",
        "n[::0]",
        "n[99999999999999999999:]",
        "!" * 1900 + "a",
        "(" * 900 + "a" + ")" * 900,
        "`" + "[" * 900 + "]" * 900 + "`",
        "a" + "." * 3 + "b",
        "*" + ".*" * 90,
        "t[].{" + ",".join(f"k{n}:@" for n in range(200)) + "}",
        "map(&map(&to_string(@), @), [t,t,t,t,t,t,t,t])",
    ],
    ids=lambda text: text[:20],
)
def test_G4_no_odd_expression_is_long_at_work(expression: str) -> None:
    began = time.thread_time()
    with suppress(NotFound, TooCostly):
        find(expression, WIDE, for_authorizing())
    assert time.thread_time() - began < 5


@pytest.mark.parametrize(
    "body",
    [
        b"--b\r\n\r\n" * 600_000,
        b"--b\r\nContent-Disposition: x\r\n\r\n\r\n" * 130_000,
        b'--b\r\nContent-Disposition: form-data; name=""; filename=""\r\n\r\n\r\n' * 80_000,
        (b"--b\r\n" + b"a:b\r\n" * 150 + b"\r\n\r\n") * 1900,
        b"--b\r\nContent-Disposition: form-data; name=x\r\n\r\n" + b"\r\n--" * 1_200_000,
        b"--b\r\nContent-Disposition: form-data; name=x; filename=y\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + b" " * 5_000_000,
    ],
    ids=["no head", "no name", "empty files", "heads", "nearly ends", "blanks"],
)
def test_G11_no_form_in_parts_is_long_at_work(body: bytes, alice: Any) -> None:
    visitor = Client(raise_request_exception=False, enforce_csrf_checks=True)
    visitor.force_login(alice)
    visitor.cookies["csrftoken"] = "c" * 32
    began = time.thread_time()
    kind = "multipart/form-data; boundary=b"
    answered = visitor.generic("POST", "/connections/", body + b"--b--\r\n", content_type=kind)
    assert answered.status_code in (400, 403)
    assert time.thread_time() - began < 5


@pytest.mark.parametrize("kind", ["a/b; x*=nonsense''y", "a/b; charset*=idna''%ff"])
def test_G4_no_nonsense_in_a_content_type_is_a_fault_of_ours(kind: str, db: None, rf: Any) -> None:
    """Django reads it before any middleware is asked, and would raise."""
    handler = WSGIHandler()
    handler.request_class = charsets.Request
    heard: list[str] = []
    environ = {**rf.get("/").environ, "CONTENT_TYPE": kind}
    handler(environ, lambda status, headers: heard.append(status))
    assert heard == ["400 Bad Request"]
