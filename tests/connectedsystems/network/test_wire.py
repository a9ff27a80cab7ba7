"""What comes back over a socket is a whole answer, or a failure with a name."""

from __future__ import annotations

import gzip
import http.client
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from connectedsystems import outbound
from connectedsystems.errors import OutboundFailure
from connectedsystems.network import curl, wire
from tests.otherside import answer

LIMIT = 1_000_000
# Without the time of day: tests are named by these bytes, and have one name in every process.
pack = partial(gzip.compress, mtime=0)


@pytest.fixture(autouse=True)
def allowed(settings: Any) -> Iterator[None]:
    settings.OUTBOUND_ALLOW = ["127.0.0.1"]
    curl.idle.close()
    yield
    curl.idle.close()


class Raw:
    """Says ``data`` to each request, as it is; ``heard`` is all that came in."""

    def __init__(self, data: bytes, pause: float | None, stay: bool, step: int | None) -> None:
        self.data, self.pause, self.stay, self.step = data, pause, stay, step
        self.heard, self.connections = bytearray(), 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        data, step = self.data, self.step or len(self.data) or 1
        try:
            with sock:
                while received := sock.recv(65536):
                    self.heard += received
                    for at in range(0, len(data), step):
                        sock.sendall(data[at : at + step])
                        if self.pause:
                            time.sleep(self.pause)
                    if not self.stay:
                        return
        except OSError:
            pass


@contextmanager
def saying(
    data: bytes, *, pause: float | None = None, stay: bool = False, step: int | None = None
) -> Iterator[Raw]:
    server = Raw(data, pause, stay, step)
    try:
        yield server
    finally:
        server.listener.shutdown(socket.SHUT_RDWR)
        server.listener.close()


def ask(
    url: str,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    body: bytes | None = None,
    *,
    seconds: float = 5.0,
    limit: int = LIMIT,
    repeatable: bool = True,
) -> outbound.Reply:
    limits: dict[str, Any] = {"deadline": time.monotonic() + seconds, "max_bytes": limit}
    return outbound.send(
        outbound.Request(method, url, headers or {}, body, repeatable=repeatable, **limits)
    )


def hear(
    data: bytes, method: str = "GET", *, seconds: float = 5.0, limit: int = LIMIT, **how: Any
) -> outbound.Reply:
    """The reply to a request when the other side says ``data``."""
    with saying(data, **how) as server:
        return ask(server.url, method, seconds=seconds, limit=limit)


def code(data: bytes, method: str = "GET", **how: Any) -> str:
    started = time.monotonic()
    with pytest.raises(OutboundFailure) as caught:
        hear(data, method, **how)
    assert time.monotonic() - started < how.get("seconds", 5.0) + 5
    assert caught.value.sent is True
    return caught.value.code


def kept(data: bytes, method: str = "GET") -> bool:
    """Whether a second request takes the connection of the first."""
    with saying(data, stay=True) as server:
        ask(server.url, method)
        ask(server.url, method)
        return server.connections == 1


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n", headers: bytes = b"") -> bytes:
    parts = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + headers + b"\r\n" + parts + end


# What is written


@pytest.mark.parametrize(
    ("method", "headers", "body"),
    [
        ("GET", {}, None),
        ("HEAD", {}, None),
        ("DELETE", {}, None),
        ("OPTIONS", {"Origin": "x"}, None),
        ("POST", {}, None),
        ("POST", {}, b"a\x00b\r\n"),
        ("POST", {"Content-Type": "application/json"}, b"{}"),
        ("PUT", {"X-Empty": "", "X-Blank": " "}, b"x" * 2_000),
        ("PATCH", {"x-lower": "ü"}, b"1"),
        ("GET", {"Content-Type": "text/plain"}, b"a query with a body"),
        ("DELETE", {}, b"1"),
        ("POST", {"User-Agent": "Mine/2", "accept-encoding": "br", "Referer": "https://a.b/"}, b"1"),
        ("GET", {"Accept": "text/plain", "Authorization": "Basic abc", "Cookie": "a=b"}, None),
        ("POST", {"Expect": "100-continue", "Connection": "close", "Host": "evil"}, b"1"),
    ],
)  # fmt: skip
def test_the_record_shows_what_went_over_the_wire_to_the_byte(method, headers, body):
    data = answer(b"", "200 OK", "X-A: 1")
    with saying(data, stay=True) as server, wire.kept() as record:
        ask(server.url + "a%2Fb/../c?x=<>", method, headers, body)
    (exchange,) = record
    lines = [f"{method} /a%2Fb/../c?x=<> HTTP/1.1"]
    lines += [f"{name}: {value}".rstrip(" ") for name, value in exchange.headers]
    text = "\r\n".join([*lines, "", ""]).encode()
    assert bytes(server.heard) == text + (exchange.request.body or b"")
    assert exchange.reply.headers.pairs == [("Content-Length", "0"), ("X-A", "1")]


@pytest.mark.parametrize("name", ["User-Agent", "Referer", "Accept-Encoding"])
def test_A9_a_header_that_is_written_is_sent_as_written(name):
    with saying(answer(b""), stay=True) as server:
        ask(server.url, "POST", {name: "mine"}, b"x")
    assert server.heard.count(f"{name}: ".encode()) == 1
    assert f"{name}: mine\r\n".encode() in server.heard


def test_a_large_body_is_not_announced(monkeypatch):
    with saying(answer(b"ok"), stay=True) as server:
        ask(server.url, "POST", {}, b"x" * 3_000_000)
    assert b"Expect" not in server.heard


def test_every_printable_character_of_a_path_goes_out_as_it_is():
    path = "".join(chr(number) for number in range(33, 127) if chr(number) not in "#?\\")
    with saying(answer(b""), stay=True) as server:
        ask(f"{server.url}{path}?{path}?")
    assert server.heard.startswith(f"GET /{path}?{path}? HTTP/1.1\r\n".encode())


# What is whole


def test_a_body_of_known_length():
    data = answer(b"hello", "201 Made", "X-A: 1", "x-a:  2 ")
    heard = hear(data, stay=True)
    assert (heard.status, heard.reason, heard.body) == (201, "Made", b"hello")
    assert heard.headers.pairs[1:] == [("X-A", "1"), ("x-a", "2")]
    assert kept(data)


@pytest.mark.parametrize("step", [1, 2, 3, 7])
def test_it_does_not_matter_how_the_bytes_are_cut(step):
    assert hear(answer(b"hello", "200 OK", "A: b"), step=step, stay=True).body == b"hello"
    assert hear(chunked(b"ab", b"cde"), step=step, stay=True).body == b"abcde"


def test_chunks_with_extensions_and_trailers():
    data = chunked(end=b"3;a=b\r\nabc\r\n0\r\nX-Trailer: 1\r\n\r\n")
    heard = hear(data, stay=True)
    assert (heard.body, heard.headers.get("X-Trailer")) == (b"abc", None)
    assert kept(data)


def test_a_body_that_ends_with_the_connection_is_heard():
    assert hear(b"HTTP/1.1 200 OK\r\n\r\nhello").body == b"hello"


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_answers_that_have_no_body(status):
    data = f"HTTP/1.1 {status}\r\n\r\n".encode()
    assert hear(data, stay=True).body == b""
    assert kept(data)


def test_the_answer_to_head_has_no_body():
    for length in (500, 10**12):
        assert hear(answer(b"", length=length), "HEAD", stay=True).body == b""


def test_interim_answers_are_passed_over():
    data = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    heard = hear(data + answer(b"hello"), stay=True)
    assert (heard.status, heard.headers.get("Link")) == (200, None)


def test_a_folded_header_is_a_blank():
    """RFC 9112 §5.2."""
    heard = hear(b"HTTP/1.1 204 Fine\r\nX: a\r\n  b\r\n\tc\r\nY: d\r\n\r\n")
    assert heard.headers.pairs == [("X", "a b c"), ("Y", "d")]


@pytest.mark.parametrize(
    "data",
    [
        answer(b"a", "200 OK", "Connection: close"),
        answer(b"a", "200 OK").replace(b"HTTP/1.1", b"HTTP/1.0"),
        answer(b"a") + b"HTTP/1.1 200 OK\r\n\r\n",
        chunked(b"a", headers=b"Content-Length: 1\r\n"),
        b"HTTP/1.1 204 None\r\nContent-Length: 6\r\n\r\npoison",
    ],
)
def test_a_connection_that_is_not_to_be_trusted_is_not_reused(data):
    assert hear(data, stay=True).body in (b"a", b"")
    assert not kept(data)


def test_an_answer_that_comes_unasked_poisons_nothing():
    """At once after the first: libcurl itself looks only where a connection was idle for a second."""
    poison = answer(b"poison")
    with saying(answer(b"fine"), stay=True) as server:
        serve = server._serve

        def speak_twice(sock: socket.socket) -> None:
            with sock:
                server.heard += sock.recv(65536)
                sock.sendall(server.data)
                time.sleep(0.05)
                sock.sendall(poison)
                sock.recv(1)

        server._serve = speak_twice  # type: ignore[method-assign]
        assert ask(server.url).body == b"fine"
        time.sleep(0.3)
        server._serve = serve  # type: ignore[method-assign]
        assert ask(server.url).body == b"fine"
        assert server.connections == 2


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", pack(b"hello" * 1000)),
        ("GZip", pack(b"hello" * 1000)),
        ("x-gzip", pack(b"hello" * 500) + pack(b"hello" * 500)),
        ("gzip", pack(b"hello" * 1000) + b"\0\0\0"),
        ("deflate", zlib.compress(b"hello" * 1000)),
        ("deflate", zlib.compress(b"hello" * 1000, wbits=-15)),
        ("identity", b"hello" * 1000),
    ],
)
@pytest.mark.parametrize("step", [None, 1])
def test_packed_bodies_are_unpacked(encoding, packed, step):
    data = answer(packed, "200 OK", f"Content-Encoding: {encoding}")
    assert hear(data, step=step).body == b"hello" * 1000


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 200_000])
def test_packed_bodies_of_any_size_are_whole(size):
    for wbits in (31, 15, -15):
        name = "gzip" if wbits == 31 else "deflate"
        packed = zlib.compress(b"x" * size, wbits=wbits)
        assert hear(answer(packed, "200 OK", f"Content-Encoding: {name}")).body == b"x" * size


@pytest.mark.parametrize("coding", ["utf-8", "br", "zstd", "none", "gzip, gzip", "aws-chunked"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_coding_that_was_not_offered_leaves_the_body_as_it_came(coding, method):
    data = answer(b'{"a": 1}', "200 OK", f"Content-Encoding: {coding}")
    assert hear(data, method).body == b'{"a": 1}'


# What is not


@pytest.mark.parametrize(
    "data",
    [
        answer(b"hello", length=6),
        chunked(b"hello", end=b""),
        chunked(b"hello", end=b"5\r\nhe"),
        chunked(b"hello", end=b"0\r\n"),
        answer(pack(b"hello" * 100)[:-4], "200 OK", "Content-Encoding: gzip"),
        answer(pack(b"hello" * 100)[:5], "200 OK", "Content-Encoding: gzip"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
        b"HTTP/1.1 200 OK\r\nX: 1\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + pack(b"hello")[:-1],
    ],
)
def test_E18_a_cut_answer_never_counts_as_whole(data):
    assert code(data) == "bad_response"


@pytest.mark.parametrize(
    "data",
    [
        b"garbage\r\n\r\n", b"\x15\x03\x03\x00\x02\x02F", b"SSH-2.0-OpenSSH_9.6\r\n", b"220 smtp ready\r\n",
        b"HTTP/2 200\r\n\r\n", b"HTTP/3 200\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 99 x\r\n\r\n", b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", b"HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n folded\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\x01b\r\n\r\n", b"HTTP/1.1 200 OK\r\nX\x7f: a\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n", b"HTTP/1.1 200 OK\r\n: y\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nab", b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        chunked(end=b"zz\r\n"), chunked(end=b"-1\r\n"), chunked(end=b"2\r\nabc\r\n0\r\n\r\n"),
        chunked(end=b"f" * 17 + b"\r\n"),
        answer(b"not packed", "200 OK", "Content-Encoding: gzip"),
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    ],
)  # fmt: skip
def test_E18_broken_http_is_bad_response(data):
    assert code(data) == "bad_response"


@pytest.mark.parametrize(
    "headers",
    [
        b"X: " + b"a" * 100_000 + b"\r\n",
        b"X: " + b"a" * 70_000 + b"\r\n",
        b"".join(b"X-%d: 1\r\n" % n for n in range(500)),
        b"".join(b"X-%d: 1\r\n" % n for n in range(101)),
        b"X: a\r\n" * 50_000,
    ],
)
def test_E17_header_bombs_are_bad_response(headers):
    assert code(b"HTTP/1.1 200 OK\r\n" + headers + b"\r\n") == "bad_response"


def test_E17_a_value_full_of_blanks_is_read_at_once():
    started = time.process_time()
    assert hear(answer(b"", "200 OK", "X: a" + " " * 60_000 + "b"), stay=True).status == 200
    assert time.process_time() - started < 0.5


def test_E17_a_header_without_end_is_bad_response():
    assert code(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 500_000, stay=True) == "bad_response"
    assert code(chunked(end=b"0\r\n" + b"X: a\r\n" * 5000), stay=True) == "bad_response"
    # Of a chunk's extension libcurl keeps nothing, and looks for its end until the deadline.
    endless = chunked(end=b"1;" + b"a" * 500_000)
    assert code(endless, stay=True, seconds=0.5) in ("bad_response", "timeout")


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200"])
def test_E18_a_connection_closed_at_once_says_that_it_was_sent(data):
    assert code(data) == "connection_failed"


# Time


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1000,
        answer(b"a" * 1000),
        chunked(*[b"a"] * 200),
        b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 1000,
    ],
)
def test_E15_one_byte_at_a_time_ends_at_the_deadline(data):
    assert code(data, step=1, pause=0.02, stay=True, seconds=0.4) == "timeout"


def test_E15_silence_ends_at_the_deadline():
    assert code(b"", stay=True, seconds=0.3) == "timeout"
    assert code(b"HTTP/1.1 200 OK\r\n", stay=True, seconds=0.3) == "timeout"


@pytest.mark.parametrize(("pause", "codes"), [(0.01, "timeout"), (None, "timeout bad_response")])
def test_E15_a_flood_of_100_continue_ends(pause, codes):
    flood = b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000
    step = 25 if pause else 65_525
    assert code(flood, step=step, pause=pause, stay=True, seconds=0.4) in codes.split()


def test_E15_a_server_that_does_not_read_ends_at_the_deadline():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(OutboundFailure) as caught:
            ask(url, "POST", {}, b"x" * 10_000_000, seconds=0.3)
    assert (caught.value.code, caught.value.sent) == ("timeout", True)


def test_a_deadline_that_is_over_sends_nothing():
    with saying(answer(b"")) as server, pytest.raises(OutboundFailure) as caught:
        ask(server.url, seconds=-1)
    assert (caught.value.code, caught.value.sent) == ("timeout", False)
    assert not server.heard


# Size


def bomb(size: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    step = b"\0" * 1_000_000
    return b"".join(packer.compress(step) for _ in range(size // len(step))) + packer.flush()


@pytest.mark.parametrize(
    "data",
    [
        answer(b"", length=LIMIT + 1),
        answer(b"a" * (LIMIT + 1)),
        chunked(b"a" * LIMIT, b"a"),
        b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * (LIMIT + 1),
        answer(bomb(200_000_000), "200 OK", "Content-Encoding: gzip"),
        answer(zlib.compress(b"\0" * (LIMIT + 1)), "200 OK", "Content-Encoding: deflate"),
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + pack(b"") * 60_000,
        answer(pack(b"") * 40_000, "200 OK", "Content-Encoding: gzip"),
    ],
    ids=range(8),
)
def test_E16_an_answer_over_the_limit_is_too_large(data):
    assert code(data, stay=True) == "too_large"


def test_E16_exactly_the_limit_passes():
    assert len(hear(answer(b"a" * LIMIT)).body) == LIMIT
    packed = pack(b"\0" * LIMIT)
    assert len(hear(answer(packed, "200 OK", "Content-Encoding: gzip")).body) == LIMIT


def test_E16_a_bomb_takes_little_memory():
    import tracemalloc

    data = answer(bomb(500_000_000), "200 OK", "Content-Encoding: gzip")
    tracemalloc.start()
    try:
        assert code(data, stay=True) == "too_large"
        assert tracemalloc.get_traced_memory()[1] < LIMIT + 8_000_000
    finally:
        tracemalloc.stop()


# Anything at all


@hypothesis_settings(max_examples=80, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_an_answer_or_a_named_failure(data, begins_well):
    try:
        hear(b"HTTP/1.1 200 OK\r\n" + data if begins_well else data)
    except OutboundFailure as failure:
        assert failure.code in {"bad_response", "connection_failed", "too_large"}


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    st.integers(200, 599).filter(lambda status: status not in (204, 304)),
    st.lists(
        st.tuples(
            st.from_regex(r"X-[a-z]{1,8}", fullmatch=True),
            st.from_regex(r"[!-~]([ -~]{0,20}[!-~])?", fullmatch=True),
        ),
        max_size=6,
    ),
    st.lists(st.binary(min_size=1, max_size=50), max_size=4),
    st.booleans(),
)
def test_what_is_well_formed_reads_as_the_standard_library_reads_it(
    status, headers, pieces, in_chunks
):
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers).encode()
    body = b"".join(pieces)
    framing = b"Transfer-Encoding: chunked" if in_chunks else b"Content-Length: %d" % len(body)
    if in_chunks:
        body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    data = b"HTTP/1.1 %d Fine\r\n%b%b\r\n\r\n%b" % (status, lines, framing, body)
    expected = _as_the_standard_library(data)
    heard = hear(data)
    assert (heard.status, heard.reason, heard.headers.pairs, heard.body) == expected


def _as_the_standard_library(data: bytes) -> tuple[Any, ...]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)
        response = http.client.HTTPResponse(ours)
        response.begin()
        return response.status, response.reason, response.getheaders(), response.read()
