"""What token endpoints have been seen to answer, or may: one line each."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from typing import Any

from tests.faults import room as wires
from tests.faults.room import Room, Wire, cut, dripping, flooding, granted, html, said
from tests.otherside import answer


@dataclass(frozen=True)
class Odd:
    """An answer, our code for it at a code exchange and at a refresh.

    ``quick``: played with short deadlines; ``words``: what the page of the walk says too.
    """

    row: str
    wire: Wire
    exchange: str
    refresh: str
    quick: bool = False
    words: str = ""

    def __str__(self) -> str:
        return self.row


def plain(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    return answer(body, status, "Content-Type: application/json", *headers)


def refused(error: Any, status: str = "400 Bad Request", **more: Any) -> bytes:
    return said({"error": error, **more}, status)


def to(status: str, path: str = "/", *, outside: bool = True) -> Wire:
    """A redirect, to another host unless told otherwise."""

    def talk(room: Room, told: Any, sock: Any) -> None:
        target = room.elsewhere.url(path) if outside else path
        sock.sendall(answer(b"", status, f"Location: {target}"))

    return talk


def packed(body: bytes, coding: str = "gzip") -> bytes:
    return plain(body, "200 OK", f"Content-Encoding: {coding}")


GOOD = json.dumps({"access_token": wires.ACCESS, "token_type": "Bearer"}).encode()
BOMB = gzip.compress(b"\0" * 60_000_000)
HTTP, JSON, MISSING = "token_http_error", "token_not_json", "token_missing"
MALFORMED, TYPE, REFUSED = "token_malformed", "token_type_unsupported", "token_refused"
AUTH, URI, SCOPE = "client_auth_failed", "redirect_uri_mismatch", "scope_refused"
FAILED, UNKNOWN, BUSY = "refresh_failed", "refresh_outcome_unknown", "temporarily_unavailable"
ENDED = "needs_authorization"

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

ODD = [
    # B1: a page, an error of a server, an address that is no token endpoint
    Odd("B1 a page with 200", html(), JSON, JSON),
    Odd("B1 a page with 500", html("500 Internal Server Error"), HTTP, BUSY),
    Odd("B1 a page with 501", html("501 Not Implemented"), HTTP, BUSY),
    Odd("B1 a page with 502", html("502 Bad Gateway"), HTTP, BUSY),
    Odd("B1 a page with 504", html("504 Gateway Timeout"), HTTP, BUSY),
    Odd("B1 a page with 404", html("404 Not Found"), HTTP, HTTP),
    Odd("B1 a page with 403", html("403 Forbidden"), HTTP, HTTP),
    Odd("B1 a page with 405", html("405 Method Not Allowed"), HTTP, HTTP),
    Odd("B1 404 without a word", plain(b"", "404 Not Found"), HTTP, HTTP),
    Odd("B1 404 in JSON words", refused("Not Found", "404 Not Found"), HTTP, HTTP),
    Odd("B1 401 with a number", refused(401, "401 Unauthorized"), HTTP, HTTP),
    Odd("B1 400 without a word", plain(b"", "400 Bad Request"), HTTP, HTTP),
    Odd("B1 410", html("410 Gone"), HTTP, HTTP),
    Odd("B1 418 in JSON", said({"message": "no"}, "418 Teapot"), HTTP, HTTP),
    Odd("B1 status 999", html("999 Request Denied"), HTTP, BUSY),
    Odd("B1 204", b"HTTP/1.1 204 No Content\r\n\r\n", JSON, JSON),
    Odd("B1 201 with a page", html("201 Created"), JSON, JSON),
    # B2: no object
    Odd("B2 a list", plain(b"[]"), JSON, JSON),
    Odd("B2 a list with a token", plain(b"[" + GOOD + b"]"), JSON, JSON),
    Odd("B2 a text", plain(b'"token"'), JSON, JSON),
    Odd("B2 a number", plain(b"1"), JSON, JSON),
    Odd("B2 null", plain(b"null"), JSON, JSON),
    Odd("B2 true", plain(b"true"), JSON, JSON),
    Odd("B2 nothing", plain(b""), JSON, JSON),
    Odd("B2 blanks", plain(b"  \r\n"), JSON, JSON),
    Odd("B2 half an object", plain(GOOD[:-1]), JSON, JSON),
    Odd("B2 two objects", plain(GOOD + GOOD), JSON, JSON),
    Odd("B2 NaN", plain(GOOD[:-1] + b', "expires_in": NaN}'), JSON, JSON),
    Odd("B2 Infinity", plain(GOOD[:-1] + b', "x": -Infinity}'), JSON, JSON),
    Odd("B2 deep", plain(b'{"a":' * 100_000 + b"1" + b"}" * 100_000), JSON, JSON),
    Odd("B2 deep lists", plain(b"[" * 400_000), JSON, JSON),
    Odd("B2 not UTF-8", plain(b'{"access_token": "\xff\xfe"}'), JSON, JSON),
    Odd("B2 UTF-16", plain(GOOD.decode().encode("utf-16")), JSON, JSON),
    Odd("B2 a member twice", plain(GOOD[:-1] + b', "access_token": "other"}'), JSON, JSON),
    Odd("B2 XML", plain(b"<access_token>x</access_token>"), JSON, JSON),
    Odd("B2 a script", plain(b"callback(" + GOOD + b")"), JSON, JSON),
    # B4: an object without a token
    Odd("B4 an empty object", said({}), MISSING, MISSING),
    Odd("B4 null", said({"access_token": None}), MISSING, MISSING),
    Odd("B4 empty", granted(access_token=""), MISSING, MISSING),
    Odd("B4 a false", granted(access_token=False), MALFORMED, MALFORMED),
    Odd("B4 a zero", granted(access_token=0), MALFORMED, MALFORMED),
    Odd("B4 a list", granted(access_token=["a"]), MALFORMED, MALFORMED),
    Odd("B4 an object", granted(access_token={"value": "a"}), MALFORMED, MALFORMED),
    Odd("B4 another name", said({"accessToken": "abc"}), MISSING, MISSING),
    Odd("B4 only a refresh token", granted(access_token=None), MISSING, MISSING),
    Odd("B4 400 with an object", said({}, "400 Bad Request"), HTTP, HTTP),
    Odd("B4 429 with an object", said({}, "429 Too Many Requests"), BUSY, BUSY),
    Odd("B4 a line break in it", granted(access_token="a\r\nX-Evil: 1"), MALFORMED, MALFORMED),
    Odd("B4 a NUL in it", granted(access_token="a\0b"), MALFORMED, MALFORMED),
    Odd("B4 a blank in it", granted(access_token="a b"), MALFORMED, MALFORMED),
    Odd("B4 beyond Latin-1", granted(access_token="żółw"), MALFORMED, MALFORMED),
    Odd("B4 half a letter", granted(access_token="\ud800"), MALFORMED, MALFORMED),
    Odd("B4 longer than 64 KB", granted(access_token="a" * 65_537), MALFORMED, MALFORMED),
    Odd("B4 a number to refresh with", granted(refresh_token=7), MALFORMED, MALFORMED),
    Odd("B4 a NUL to refresh with", granted(refresh_token="r\0"), MALFORMED, MALFORMED),
    Odd("B4 a scope of numbers", granted(scope=[1, 2]), MALFORMED, MALFORMED),
    Odd("B4 a NUL in the scope", granted(scope="a\0b"), MALFORMED, MALFORMED),
    # B5: an error inside a 200, and errors as servers write them
    Odd("B5 GitHub's", granted(error="bad_verification_code"), REFUSED, FAILED),
    Odd("B5 Slack's", said({"ok": False, "error": "invalid_code"}), REFUSED, FAILED),
    Odd("B5 nested", said({"error": {"code": "x", "message": "No"}}), REFUSED, FAILED, words="No"),
    Odd("B5 as a form", answer(b"error=bad_verification_code&a=b"), REFUSED, FAILED),
    Odd("B5 GitHub's secret", said({"error": "incorrect_client_credentials"}), AUTH, AUTH),
    Odd("B5 a number", granted(error=17), REFUSED, FAILED),
    Odd("B5 true", granted(error=True), REFUSED, FAILED),
    Odd("A9 invalid_request", refused("invalid_request"), REFUSED, FAILED),
    Odd("D5 invalid_grant", refused("invalid_grant"), REFUSED, ENDED),
    Odd("D5 invalid_grant as HTML", refused("invalid_grant")[:-1] + b"}", REFUSED, ENDED),
    Odd("D5 invalid_grant with 401", refused("invalid_grant", "401 No"), REFUSED, ENDED),
    Odd("D5 invalid_grant with 403", refused("invalid_grant", "403 No"), REFUSED, ENDED),
    Odd("D7 invalid_client", refused("invalid_client", "401 Unauthorized"), AUTH, AUTH),
    Odd("D7 invalid_client with 400", refused("invalid_client"), AUTH, AUTH),
    Odd("D7 unauthorized_client", refused("unauthorized_client", "403 Forbidden"), AUTH, AUTH),
    Odd("unsupported_grant_type", refused("unsupported_grant_type"), REFUSED, FAILED),
    Odd("invalid_scope", refused("invalid_scope"), SCOPE, FAILED),
    Odd(
        "B14 the redirect URI",
        refused("invalid_grant", error_description="redirect_uri does not match"),
        URI,
        ENDED,
    ),
    # B9: what is no Bearer token
    Odd("B9 mac", granted(token_type="mac"), TYPE, TYPE),
    Odd("B9 DPoP", granted(token_type="DPoP"), TYPE, TYPE),
    Odd("B9 injected", granted(token_type="Bearer\r\nX-Evil: 1"), TYPE, TYPE),
    Odd("B9 a list", granted(token_type=["Bearer"]), TYPE, TYPE),
    # B16: their words
    Odd("B16 long", refused("invalid_grant", error_description="x" * 90_000), REFUSED, ENDED),
    Odd(
        "B16 control characters",
        refused("invalid_request", error_description="a\r\nb\x1b[31m\0c\u202e"),
        REFUSED,
        FAILED,
        words="a\\r\\nb\\x1b[31m\\x00c\\u202e",
    ),
    Odd(
        "B16 half a letter", refused("invalid_request", error_description="\ud800"), REFUSED, FAILED
    ),
    Odd(
        "F1 script",
        refused("invalid_request", error_description="<script>alert(1)</script>{{7*7}}"),
        REFUSED,
        FAILED,
        words="&lt;script&gt;alert(1)&lt;/script&gt;{{7*7}}",
    ),
    Odd(
        "I1 our secret, echoed",
        refused("invalid_request", error_description=f"no {wires.CLIENT_SECRET}"),
        REFUSED,
        FAILED,
        words="[redacted]",
    ),
    # B18: too much for them
    Odd("B18 429", plain(b"", "429 Too Many", "Retry-After: 7"), BUSY, BUSY, words="7 seconds"),
    Odd("B18 503", html("503 Unavailable", "Retry-After: 9999999999"), BUSY, BUSY),
    Odd(
        "B18 503 until a day",
        html("503 No", "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT"),
        BUSY,
        BUSY,
    ),
    Odd("B18 503 until nonsense", html("503 No", "Retry-After: soon"), BUSY, BUSY),
    Odd("B18 429 before now", html("429 No", "Retry-After: -5"), BUSY, BUSY),
    Odd("B18 429 with invalid_grant", refused("invalid_grant", "429 No"), BUSY, BUSY),
    # B19: redirects, of which none is followed
    Odd("B19 301", to("301 Moved"), "redirect_refused", "redirect_refused"),
    Odd("B19 302", to("302 Found"), "redirect_refused", "redirect_refused"),
    Odd("B19 303", to("303 See Other"), "redirect_refused", "redirect_refused"),
    Odd("B19 307", to("307 Temporary Redirect"), "redirect_refused", "redirect_refused"),
    Odd("B19 308", to("308 Permanent Redirect"), "redirect_refused", "redirect_refused"),
    Odd(
        "B19 here",
        to("307 Here", "/oauth/token", outside=False),
        "redirect_refused",
        "redirect_refused",
    ),
    Odd(
        "B19 to a broken address",
        answer(b"", "302 Found", "Location: http://[::1"),
        "redirect_refused",
        "redirect_refused",
    ),
    Odd("B19 nowhere", answer(b"", "302 Found"), HTTP, HTTP),
    # E15: slow
    Odd("E15 silence", wires.hanging, "timeout", BUSY, quick=True),
    Odd(
        "E15 slow headers",
        dripping(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 60),
        "timeout",
        BUSY,
        quick=True,
    ),
    Odd("E15 a slow body", dripping(granted()), "timeout", BUSY, quick=True),
    Odd(
        "E15 only 100 Continue",
        flooding(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        "bad_response",
        UNKNOWN,
    ),
    # E16: too much
    Odd("E16 2 MB", plain(b'{"a": "' + b"a" * 2_000_000 + b'"}'), "too_large", UNKNOWN),
    Odd("E16 a bomb", packed(BOMB), "too_large", UNKNOWN),
    Odd(
        "E16 without end",
        flooding(CHUNKED, b"ffff\r\n" + b"a" * 0xFFFF + b"\r\n"),
        "too_large",
        UNKNOWN,
    ),
    Odd("E16 a lie about 1 TB", answer(GOOD, length=10**12), "too_large", UNKNOWN),
    # E17, E18: broken
    Odd(
        "E17 a long header",
        answer(GOOD, "200 OK", "X-Long: " + "a" * 200_000),
        "bad_response",
        UNKNOWN,
    ),
    Odd(
        "E17 many headers",
        answer(GOOD, "200 OK", *[f"X-{n}: 1" for n in range(2000)]),
        "bad_response",
        UNKNOWN,
    ),
    Odd("E18 cut short", cut(answer(GOOD, length=len(GOOD) + 1)), "bad_response", UNKNOWN),
    Odd("E18 a chunk cut short", cut(CHUNKED + b"ff\r\n" + GOOD), "bad_response", UNKNOWN),
    Odd(
        "E18 no last chunk",
        cut(CHUNKED + b"%x\r\n" % len(GOOD) + GOOD + b"\r\n"),
        "bad_response",
        UNKNOWN,
    ),
    Odd("E18 a bad chunk size", cut(CHUNKED + b"zz\r\n" + GOOD), "bad_response", UNKNOWN),
    Odd("E18 bad gzip", packed(b"not gzip"), "bad_response", UNKNOWN),
    Odd("E18 half gzip", packed(gzip.compress(GOOD)[:-9]), "bad_response", UNKNOWN),
    Odd("E18 no HTTP", cut(b"220 mail ready\r\n\r\n"), "bad_response", UNKNOWN),
    Odd("E18 noise", cut(b"\x16\x03\x01\x00\xff\xfe\r\n\r\n"), "bad_response", UNKNOWN),
    Odd("E18 two lengths", answer(GOOD, "200 OK", "Content-Length: 5"), "bad_response", UNKNOWN),
    Odd(
        "E18 a length of words",
        b"HTTP/1.1 200 OK\r\nContent-Length: all\r\n\r\n" + GOOD,
        "bad_response",
        UNKNOWN,
    ),
    Odd("B17 the answer is lost", cut(b""), "connection_failed", UNKNOWN),
    Odd("B17 reset", wires.reset, "connection_failed", UNKNOWN),
]
