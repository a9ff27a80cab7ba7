"""Whatever the API answers: a code of ours, few requests, a page that renders, nothing leaked."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from authlinks.models import Authorization
from connectedsystems.models import ConnectedSystem
from integrations.models import CallRecord
from tests.acme import CLIENT_SECRET
from tests.faults import room as wires
from tests.faults.room import (
    ACCESS,
    Guest,
    Room,
    Wire,
    alert_of,
    code_of,
    cut,
    dripping,
    flooding,
    granted,
    html,
    leaks,
    said,
)
from tests.faults.token_answers import BOMB, CHUNKED, packed, plain, to
from tests.otherside import Authority, answer, other_side, says


@dataclass(frozen=True)
class Odd:
    """An answer to every call; our code, requests of a query and of a write.

    ``renews``: whether one renewal is tried; ``words``: what the page says too.
    """

    row: str
    wire: Wire
    code: str
    asked: int = 1
    written: int = 1
    renews: bool = False
    quick: bool = False
    words: str = ""

    def __str__(self) -> str:
        return self.row


def challenge(value: str, status: str = "401 Unauthorized", body: bytes = b"") -> bytes:
    return answer(body, status, f"WWW-Authenticate: {value}")


NEEDS, REFUSED, FAILED = "needs_authorization", "call_refused", "call_failed"
SCOPE, LIMITED, BAD = "insufficient_scope", "rate_limited", "bad_response"
LACKS = 'Bearer error="insufficient_scope", scope="contacts.admin"'

ODD = [
    Odd("D12 401 for ever", plain(b"{}", "401 No"), NEEDS, 2, 2, renews=True),
    Odd("D12 401 without a word", answer(b"", "401 No"), NEEDS, 2, 2, renews=True),
    Odd("D12 invalid_token", challenge('Bearer error="invalid_token"'), NEEDS, 2, 2, renews=True),
    Odd("D12 a challenge without a scheme", challenge("no"), NEEDS, 2, 2, renews=True),
    Odd(
        "D12 400 invalid_token",
        challenge("Bearer error=invalid_token", "400 No"),
        NEEDS,
        2,
        2,
        renews=True,
    ),
    Odd(
        "D12 403 invalid_token",
        challenge('Bearer error="invalid_token"', "403 No"),
        NEEDS,
        2,
        2,
        renews=True,
    ),
    Odd("E23 403 without a word", answer(b"", "403 Forbidden"), REFUSED, 2, 2, renews=True),
    Odd(
        "E23 403 in words",
        said({"message": "Not yours"}, "403 No"),
        REFUSED,
        2,
        2,
        renews=True,
        words="Not yours",
    ),
    Odd("E23 a scope is missing", challenge(LACKS, "403 No"), SCOPE, words="contacts.admin"),
    Odd("E23 a scope is missing, 401", challenge(LACKS), SCOPE, words="contacts.admin"),
    Odd("E23 a scope is missing, in JSON", said({"error": "insufficient_scope"}, "403 No"), SCOPE),
    Odd(
        "E23 403 with Retry-After", answer(b"", "403 No", "Retry-After: 9"), LIMITED, words="9 sec"
    ),
    Odd("E23 403 with a limit", answer(b"", "403 No", "X-RateLimit-Remaining: 0"), LIMITED),
    Odd("429", answer(b"", "429 Busy"), LIMITED),
    Odd("E22 429 for ever", answer(b"", "429 Busy", "Retry-After: " + "9" * 400), LIMITED),
    Odd(
        "E22 429 until the year 9999",
        answer(b"", "429 B", "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT"),
        LIMITED,
    ),
    Odd(
        "E22 429 until no date",
        answer(b"", "429 B", "Retry-After: Fri, 99 Foo 99999 99:99:99"),
        LIMITED,
    ),
    Odd("E22 429 with superscripts", answer(b"", "429 B", "Retry-After: \xb2"), LIMITED),
    Odd("404", html("404 Not Found"), "call_not_found"),
    Odd("400", said({"errors": [{"detail": "Too short"}]}, "400 No"), FAILED, words="Too short"),
    Odd("409", said({"error": {"message": "Twice"}}, "409 Conflict"), FAILED, words="Twice"),
    Odd("422 in HTML", html("422 No"), FAILED),
    Odd("500", html("500 Broken"), FAILED),
    Odd("501", html("501 Broken"), FAILED),
    Odd("E21 502", html("502 Broken"), FAILED, 3),
    Odd("E21 503", html("503 Broken"), FAILED, 3),
    Odd("E22 503 for an hour", answer(b"", "503 No", "Retry-After: 3600"), FAILED),
    Odd("E22 503 for ever", answer(b"", "503 No", "Retry-After: " + "9" * 400), FAILED),
    Odd("status 999", html("999 No"), FAILED),
    Odd("304", b"HTTP/1.1 304 Not Modified\r\n\r\n", FAILED),
    Odd(
        "F3 markup in their words",
        said({"message": "<script>alert(1)</script>{{7*7}}"}, "400 No"),
        FAILED,
        words="&lt;script&gt;alert(1)&lt;/script&gt;{{7*7}}",
    ),
    Odd("F3 markup in the reason", answer(b"", "400 <script>alert(1)</script>"), FAILED),
    Odd("their words, half a letter", plain(b'{"message": "a\\ud800b"}', "400 No"), FAILED),
    Odd("their words, a NUL", plain(b'{"message": "a\\u0000b"}', "400 No"), FAILED),
    Odd("their words, directions", plain(b'{"message": "a\\u202eb"}', "400 No"), FAILED),
    Odd("their words, long", said({"message": "x" * 90_000}, "400 No"), FAILED),
    Odd("their words, deep", plain(b'{"error":' * 50_000, "400 No"), FAILED),
    Odd(
        "a scope with a NUL",
        challenge('Bearer error="insufficient_scope", scope="a\0b"', "403 No"),
        BAD,
        3,
    ),
    Odd(
        "a scope in Latin-1",
        challenge('Bearer error="insufficient_scope", scope="\xe9\x85"', "403 N"),
        SCOPE,
    ),
    Odd(
        "H3 our token, echoed",
        said({"message": f"no {ACCESS}"}, "400 No"),
        FAILED,
        words="[redacted]",
    ),
    Odd(
        "H3 our token, echoed in a header", answer(b"", "400 No", f"X-You: Bearer {ACCESS}"), FAILED
    ),
    Odd("E6 301 to elsewhere", to("301 Moved"), "redirect_refused"),
    Odd("E6 302 to elsewhere", to("302 Found"), "redirect_refused"),
    Odd("E6 303 to elsewhere", to("303 See Other"), "redirect_refused"),
    Odd("E6 307 to elsewhere", to("307 Temporary"), "redirect_refused"),
    Odd("E6 308 to elsewhere", to("308 Permanent"), "redirect_refused"),
    Odd(
        "E7 302 to metadata",
        answer(b"", "302 F", "Location: http://169.254.169.254/"),
        "redirect_refused",
    ),
    Odd(
        "E7 302 to a file", answer(b"", "302 F", "Location: file:///etc/passwd"), "redirect_refused"
    ),
    Odd("E7 302 to //evil", answer(b"", "302 F", "Location: //evil.example/"), "redirect_refused"),
    Odd(
        "E7 302 to a broken address",
        answer(b"", "302 F", "Location: http://[::1"),
        "redirect_refused",
    ),
    Odd("E9 302 to itself", to("302 Found", "/api/contacts", outside=False), "redirect_refused", 6),
    Odd("E15 silence", wires.hanging, "timeout", quick=True),
    Odd("E15 slow headers", dripping(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 90), "timeout", quick=True),
    Odd("E15 a slow body", dripping(said({"contacts": "a" * 90})), "timeout", quick=True),
    Odd(
        "E15 only 100 Continue",
        flooding(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        BAD,
        3,
    ),
    Odd("E16 12 MB", plain(b'"' + b"a" * 12_000_000 + b'"'), "too_large"),
    Odd("E16 a bomb", packed(BOMB), "too_large"),
    Odd("E16 without end", flooding(CHUNKED, b"ffff\r\n" + b"a" * 0xFFFF + b"\r\n"), "too_large"),
    Odd("E16 a lie about 1 TB", answer(b"a", length=10**12), "too_large"),
    Odd("E17 a long header", answer(b"{}", "200 OK", "X-Long: " + "a" * 200_000), BAD, 3),
    Odd("E17 many headers", answer(b"{}", "200 OK", *[f"X-{n}: 1" for n in range(2000)]), BAD, 3),
    Odd("E18 cut short", cut(answer(b"{}", length=9)), BAD, 3),
    Odd("E18 no last chunk", cut(CHUNKED + b"2\r\n{}\r\n"), BAD, 3),
    Odd("E18 bad gzip", packed(b"not gzip"), BAD, 3),
    Odd("E18 half gzip", packed(gzip.compress(b"{}")[:-9]), BAD, 3),
    Odd("E18 no HTTP", cut(b"220 mail ready\r\n\r\n"), BAD, 3),
    Odd("E18 the end at once", cut(b""), "connection_failed", 3),
    Odd("E18 reset", wires.reset, "connection_failed", 3),
]

STATUS = {"timeout": 504, NEEDS: 200, SCOPE: 200}


def judge(odd: Odd, room: Room, page: Any, asked: int) -> None:
    """What holds for a query and for a write."""
    link = odd.code in (NEEDS, SCOPE)
    assert (code_of(page), page.status_code) == (odd.code, STATUS.get(odd.code, 502))
    assert (b"data-authorize" in page.content) is link
    assert b"data-result" not in page.content
    assert (b'role="alert"' in page.content) is not link
    assert room.calls == asked
    assert room.exchanges == odd.renews
    assert room.elsewhere.told == []
    text = page.content.decode()
    assert odd.words in text
    assert leaks(text) == []
    assert "\u202e" not in text
    assert len(page.content) < 30_000
    (record,) = CallRecord.objects.all()
    assert (record.code, record.success) == (odd.code, False)
    assert leaks(str(record.facts)) == []
    assert Authorization.objects.get().refresh_token is not None


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_a_query_meets_an_odd_answer(
    odd: Odd,
    room: Room,
    guest: Guest,
    settings: Any,
    log_lines: Callable[[], list[dict[str, Any]]],
) -> None:
    guest.connects()
    if odd.quick:
        settings.TIME_LIMITS = 0.02
    room.api = odd.wire
    page = guest.lists()
    judge(odd, room, page, odd.asked)
    assert leaks(str(log_lines())) == []
    record = CallRecord.objects.get()
    reference = guest.client.get(f"/references/{record.reference}/")
    assert reference.status_code == 200
    assert leaks(reference.content.decode()) == []
    read = guest.lists_as_json()
    assert read.status_code == STATUS.get(odd.code, 502)
    json.loads(read.content, parse_constant=lambda word: pytest.fail(word))
    assert leaks(read.content.decode()) == []
    assert read.json()["error"]["code"] == odd.code
    assert guest.client.get("/connections/").status_code == 200


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_E20_a_write_meets_an_odd_answer(odd: Odd, room: Room, guest: Guest, settings: Any) -> None:
    guest.connects()
    if odd.quick:
        settings.TIME_LIMITS = 0.02
    room.api = odd.wire
    page = guest.adds()
    judge(odd, room, page, odd.written)
    assert b"Kept words" in page.content or guest.client.get("/integrations/held/").content
    if odd.code in ("timeout", "too_large", BAD, "connection_failed"):
        assert b"not known whether the other system took it" in page.content


# row, answer, what is read as data
GOOD: list[tuple[str, bytes, Any]] = [
    ("nothing", answer(b""), None),
    ("204", b"HTTP/1.1 204 No Content\r\n\r\n", None),
    ("JSON null", plain(b"null"), None),
    ("false", plain(b"false"), False),
    ("a list", plain(b"[1, 2]"), [1, 2]),
    ("an empty list", plain(b"[]"), []),
    ("a byte order mark", plain(b"\xef\xbb\xbf{}"), {}),
    (
        "UTF-16",
        answer(
            '{"a": "é"}'.encode("utf-16"),
            "200 OK",
            "Content-Type: application/json; charset=utf-16",
        ),
        {"a": "é"},
    ),
    (
        "Latin-1",
        answer(
            '{"a": "é"}'.encode("latin-1"),
            "200 OK",
            "Content-Type: application/json; charset=latin-1",
        ),
        {"a": "é"},
    ),
    ("not UTF-8", plain(b'{"a": "\xff"}'), None),
    ("NaN", plain(b'{"a": NaN}'), None),
    ("beyond floats", plain(b'{"a": 1e999}'), None),
    ("a number of 5000 digits", plain(b"9" * 5000), None),
    ("half a letter", plain(b'{"a": "x\\ud800y", "\\udfff": 1}'), {"a": "x\ufffdy", "\ufffd": 1}),
    ("a NUL", plain(b'{"a": "x\\u0000y"}'), {"a": "x\0y"}),
    ("deep", plain(b"[" * 100_000 + b"]" * 100_000), None),
    ("markup", plain(b'{"a": "<script>alert(1)</script>"}'), {"a": "<script>alert(1)</script>"}),
    ("a page", html(), None),
    ("a script", answer(b"alert(1)", "200 OK", "Content-Type: text/javascript"), None),
    ("no type", answer(b'{"a": 1}'), {"a": 1}),
    ("an empty type", answer(b'{"a": 1}', "200 OK", "Content-Type: "), {"a": 1}),
    ("an odd type", answer(b'{"a": 1}', "200 OK", "Content-Type: ;;=;"), ...),
    ("an unknown charset", answer(b"a", "200 OK", "Content-Type: text/plain; charset=nope"), None),
    ("charset idna", answer(b"a\xff", "200 OK", "Content-Type: text/plain; charset=idna"), None),
    (
        "charset undefined",
        answer(b"a", "200 OK", "Content-Type: text/plain; charset=undefined"),
        None,
    ),
    ("charset rot13", answer(b"a", "200 OK", "Content-Type: text/plain; charset=rot13"), None),
    (
        "charset punycode",
        answer(b"\xff-\x00", "200 OK", "Content-Type: text/plain; charset=punycode"),
        None,
    ),
    (
        "charset unicode_escape",
        answer(b"\\ud800\\", "200 OK", "Content-Type: text/plain; charset=unicode_escape"),
        None,
    ),
    (
        "charset utf-7",
        answer(b"+2AA-", "200 OK", "Content-Type: application/json; charset=utf-7"),
        ...,
    ),
    ("bytes", answer(bytes(range(256)), "200 OK", "Content-Type: image/png"), None),
    ("a cookie", answer(b"{}", "200 OK", "Set-Cookie: a=b"), {}),
    ("a header in Latin-1", answer(b"[]", "200 OK", "X-Name: Jos\xe9"), []),
    ("our token, echoed", plain(json.dumps({"you": ACCESS}).encode()), {"you": "[redacted]"}),
    ("H3 our token in a header", answer(b"[]", "200 OK", f"X-You: {ACCESS}"), []),
    ("many rows", plain(json.dumps([{"a": n} for n in range(5000)]).encode()), ...),
    ("rows of odd shapes", plain(b'[{"a": 1}, 2, null, [3], {"b": {"c": [[]]}}]'), ...),
    ("empty names", plain(b'[{"": 1, " ": 2}]'), [{"": 1, " ": 2}]),
]


@pytest.mark.parametrize(("wire", "data"), [row[1:] for row in GOOD], ids=[row[0] for row in GOOD])
def test_F3_any_success_renders(wire: bytes, data: Any, room: Room, guest: Guest) -> None:
    guest.connects()
    room.api = wire
    page = guest.lists()
    assert page.status_code == 200
    assert code_of(page) is None
    text = page.content.decode()
    assert text.count("data-result") == 1
    assert "<script>alert" not in text
    assert leaks(text) == []
    assert page["Content-Type"].startswith("text/html")
    assert "a" not in page.cookies
    read = guest.lists_as_json()
    assert read.status_code == 200
    tree = json.loads(read.content, parse_constant=lambda word: pytest.fail(word))
    assert leaks(read.content.decode()) == []
    if data is not ...:
        assert tree["result"]["data"] == data
    assert read["Content-Type"] == "application/json"


@pytest.mark.parametrize("depth", range(100, 1000, 60))
def test_F3_deep_data_renders(depth: int, room: Room, guest: Guest) -> None:
    guest.connects()
    for body in (b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth):
        room.api = plain(body)
        assert guest.lists().status_code == 200
        assert guest.lists_as_json().status_code == 200


def test_E8_a_redirect_on_the_same_origin_is_followed(room: Room, guest: Guest) -> None:
    guest.connects()

    def moved(room: Room, told: Any, sock: Any) -> None:
        there = told.target == "/api/there"
        sock.sendall(said([1]) if there else answer(b"", "302 F", "Location: /api/there"))

    room.api = moved
    assert code_of(guest.lists()) is None
    assert room.calls == 2


def test_E21_a_service_that_flaps(room: Room, guest: Guest) -> None:
    guest.connects()

    def flapping(room: Room, told: Any, sock: Any) -> None:
        sock.sendall(html("503 Busy") if room.calls < 2 else said([1]))

    room.api = flapping
    assert code_of(guest.lists()) is None
    assert room.calls == 2


def test_D11_a_rejected_token_is_renewed_for_a_write(room: Room, guest: Guest) -> None:
    guest.connects()
    room.token = granted(access_token="planted-newer-2")

    def strict(room: Room, told: Any, sock: Any) -> None:
        newer = told.header("Authorization") == "Bearer planted-newer-2"
        sock.sendall(said({}, "201 Created") if newer else answer(b"", "401 No"))

    room.api = strict
    assert code_of(guest.adds()) is None
    assert (room.calls, room.exchanges) == (2, 1)


def test_D12_no_renewal_on_each_call(room: Room, guest: Guest) -> None:
    guest.connects()
    room.api = answer(b"", "401 No")
    for _ in range(5):
        assert code_of(guest.lists()) == "needs_authorization"
    assert (room.calls, room.exchanges) == (2, 1)


def test_D7_401_and_then_no_token_to_be_had(room: Room, guest: Guest) -> None:
    guest.connects()
    room.api = answer(b"", "401 No")
    room.token = said({"error": "invalid_client"}, "401 No")
    page = guest.lists()
    assert (code_of(page), page.status_code) == ("client_auth_failed", 502)
    assert b"data-authorize" not in page.content


def test_E23_without_a_refresh_token_the_link_comes_second(room: Room, guest: Guest) -> None:
    room.token = granted(refresh_token=None, expires_in=None)
    guest.connects()
    room.api = answer(b"", "403 No")
    page = guest.lists()
    assert (code_of(page), page.status_code) == ("call_refused", 502)
    text = page.content.decode()
    assert text.index('role="alert"') < text.index("data-authorize")
    assert guest.adds().status_code == 502
    assert b"data-state" not in guest.client.get("/integrations/held/").content
    assert room.calls == 2


def test_E20_a_write_is_sent_once_for_two_clicks(room: Room, guest: Guest) -> None:
    import re

    guest.connects()
    page = guest.client.get("/integrations/add/").content.decode()
    number = re.findall(r'name="action" value="([^"]+)"', page)
    assert number
    for _ in range(2):
        guest.client.post("/integrations/add/", {"text": "once", "action": number[0]})
    assert room.calls == 1


@pytest.fixture
def tls_port(tmp_path: Path) -> Iterator[int]:
    """Where somebody answers whose certificate nobody else has signed."""
    tls = Authority(tmp_path).self_signed("127.0.0.1")
    with other_side(says(said([1])), tls) as server:
        yield server.port


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"base_url": "http://10.0.0.1/api"}, "address_refused"),
        ({"base_url": "http://[::1]:9/api"}, "address_refused"),
        ({"base_url": "https://127.0.0.1:{tls}/api"}, "tls_error"),
        ({"base_url": "http://127.0.0.1:1/api"}, "connection_failed"),
        ({"base_url": "https://nowhere.invalid/api"}, "connection_failed"),
    ],
)
def test_E1_addresses_that_lead_nowhere(
    room: Room, member: Any, tls_port: int, more: dict[str, Any], code: str
) -> None:
    room.make()
    guest = Guest(member("alice"), room)
    address = more["base_url"].replace("{tls}", str(tls_port))
    ConnectedSystem.objects.update(base_url=address, version=2)
    assert guest.authorizes().status_code == 303
    page = guest.lists()
    assert (page.status_code, alert_of(page)["code"]) == (502, code)
    assert room.calls == 0
    write = guest.adds()
    assert (write.status_code, alert_of(write)["code"]) == (502, code)
    assert b"not known whether" not in write.content


@pytest.mark.parametrize(
    ("endpoint", "code"),
    [
        ("http://10.0.0.1/token", "address_refused"),
        ("https://127.0.0.1:{tls}/token", "tls_error"),
        ("http://127.0.0.1:1/token", "connection_failed"),
        ("https://nowhere.invalid/token", "connection_failed"),
    ],
)
def test_E1_token_endpoints_that_lead_nowhere(
    room: Room, member: Any, tls_port: int, endpoint: str, code: str
) -> None:
    system = room.make()
    system.configuration["oauth"]["token_endpoint"] = endpoint.replace("{tls}", str(tls_port))
    system.version = 2
    system.seal_secrets({"client_secret": CLIENT_SECRET})  # entered beside the new address
    ConnectedSystem.objects.update(
        configuration=system.configuration, version=2, secrets=system.secrets
    )
    page = Guest(member("alice"), room).authorizes()
    assert (page.status_code, alert_of(page)["code"]) == (502, code)
    assert not Authorization.objects.exists()
