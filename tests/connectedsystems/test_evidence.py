"""What is kept of the wire: secrets replaced, bodies cut, nothing that only looks harmless."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from connectedsystems import evidence, redact, vault
from connectedsystems.errors import VaultFailure
from connectedsystems.network.wire import Exchange, Headers, Reply, Request

SECRET = "planted-evidence-secret-8Kq2"
PLACE = vault.place("a_table", "a_column", 1)


def exchanged(
    method: str, url: str, headers: dict[str, str], body: bytes, of_call: bool
) -> Exchange:
    pool = "a" if of_call else ""
    request = Request(method, url, headers, body, deadline=0.0, max_bytes=1, pool=pool)
    return Exchange(request, list(headers.items()), time.time(), 0.0)


def step(
    body: bytes = b"",
    answer: bytes = b"",
    *,
    of_call: bool = False,
    url: str = "https://acme.example/token",
    headers: dict[str, str] | None = None,
    known: tuple[str, ...] = (),
    bodies: bool = True,
) -> evidence.Step:
    exchange = exchanged("POST", url, headers or {}, body, of_call)
    pairs = [("Content-Type", "text/plain"), ("Set-Cookie", SECRET), ("X-Own", "1")]
    exchange = replace(exchange, reply=Reply(200, "OK", Headers(pairs), answer, url))
    with redact.scope():
        redact.remember(*known)
        (made,) = evidence.steps_of([exchange], bodies=bodies)
    return made


@pytest.mark.parametrize(
    "answer",
    [
        json.dumps({"access_token": SECRET, "scope": "a", "expires_in": 5}),
        json.dumps({"data": {"deep": [{"token": SECRET}]}, "error": "x"}),
        f"access_token={SECRET}&scope=a",
        f'{{"access_token": "{SECRET}", "cut',
        f"<html>Your token is {SECRET}</html>",
        json.dumps({"error_description": "fine", SECRET[:12]: SECRET}),
        json.dumps([SECRET]),
        f"{SECRET}",
    ],
    ids=range(8),
)
def test_an_answer_of_the_protocol_shows_what_is_harmless(answer: str) -> None:
    made = step(answer=answer.encode())
    assert SECRET not in repr(made) + str(vars_of(made))
    assert made.size == len(answer)


def vars_of(made: evidence.Step) -> dict[str, object]:
    return {name: getattr(made, name) for name in evidence.Step.__dataclass_fields__}


def test_members_that_say_why_stay_readable() -> None:
    tree = {"error": "invalid_client", "error_description": "Who are you?", "id_token": SECRET}
    made = step(answer=json.dumps(tree).encode())
    assert json.loads(made.answer_body) == {**tree, "id_token": "[redacted]"}
    made = step(b"grant_type=refresh_token&refresh_token=abc&scope=a%20b")
    assert json.loads(made.body) == {
        "grant_type": "refresh_token",
        "refresh_token": "[redacted]",
        "scope": "a b",
    }
    assert step(answer=b"<h1>Not Found</h1>").answer_body == "<h1>Not Found</h1>"


def test_a_call_is_redacted_by_value_and_cut() -> None:
    text = f"before {SECRET} after " + "x" * 5_000
    headers = {"Authorization": "Bearer abc", "X-Mine": SECRET, "Accept": "*/*"}
    url = f"https://acme.example/x?key={SECRET}&q=1"
    made = step(
        text.encode(), text.encode(), of_call=True, headers=headers, url=url, known=(SECRET,)
    )
    assert made.url == "https://acme.example/x?key=[redacted]&q=1"
    assert made.headers == [
        ["Authorization", "[redacted]"],
        ["X-Mine", "[redacted]"],
        ["Accept", "*/*"],
    ]
    assert made.answer_body.startswith("before [redacted] after xxx")
    assert len(made.answer_body) < 2_100 and made.size == len(text)
    assert ["Set-Cookie", "[redacted]"] in made.answer_headers


def test_a_success_keeps_no_body() -> None:
    made = step(b"words", b"words", of_call=True, bodies=False)
    assert (made.body, made.answer_body, made.size) == ("", "", 5)


def test_a_secret_at_the_cut_is_replaced_whole() -> None:
    text = "x" * 1_990 + SECRET
    made = step(answer=text.encode(), of_call=True, known=(SECRET,))
    assert SECRET[:6] not in made.answer_body


def test_bytes_are_counted() -> None:
    made = step(answer=bytes(range(256)), of_call=True)
    assert made.answer_body == "(256 bytes that are no text)"
    utf16 = json.dumps({"token": SECRET}).encode("utf-16-le")
    assert step(answer=utf16).answer_body == f"({len(utf16)} bytes that are no text)"


def test_what_the_browser_carries_shows_what_is_harmless() -> None:
    url = f"https://acme.example/a?client_id=me&state={SECRET}&nonce={SECRET}&scope=x"
    assert evidence.leaving(url).url == (
        "https://acme.example/a?client_id=me&state=[redacted]&nonce=[redacted]&scope=x"
    )
    back = evidence.returning(f"code={SECRET}&access_token={SECRET}&iss=https://acme.example")
    assert back.body == "code=[redacted]&access_token=[redacted]&iss=https://acme.example"


def test_it_is_kept_sealed_and_read_again() -> None:
    made = [step(answer=b"fine", of_call=True)]
    kept = evidence.sealed(made, PLACE)
    assert "fine" not in kept.stored
    assert evidence.opened(kept, PLACE) == made
    assert evidence.opened(None, PLACE) is None
    with pytest.raises(VaultFailure):
        evidence.opened(kept, vault.place("a_table", "a_column", 2))


def test_another_releases_steps_are_read() -> None:
    text = json.dumps([{"kind": "call", "at": "2026-01-01T00:00:00+00:00", "later": 1}])
    (read,) = evidence.opened(vault.seal(text, PLACE), PLACE) or []
    assert (read.kind, read.status) == ("call", 0)


def test_a_long_story_keeps_its_ends() -> None:
    exchanges = [exchanged("GET", f"https://acme.example/{n}", {}, b"", True) for n in range(50)]
    made = evidence.steps_of(exchanges, bodies=True)
    assert [each.url.rpartition("/")[2] for each in made] == [
        *map(str, range(10)),
        *map(str, range(40, 50)),
    ]
