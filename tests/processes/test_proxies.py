"""The files of deploy/, each started: slow clients end at the proxy, and what it says is believed."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import pytest
from axes.models import AccessFailureLog

from tests import environment
from tests.processes.started import Site
from tests.thirdparty import ROOT

pytestmark = [
    pytest.mark.processes,
    pytest.mark.parametrize("database", ["sqlite"], indirect=True),
]

SLOW = 40
LOG_IN = "/accounts/login/"
# One process with few threads: whatever holds a thread is noticed at once.
SMALL = {"WEB_CONCURRENCY": "1", "WEB_THREADS": "4", "TRUSTED_PROXY": "1"}
# An ordinary user's page: promised within a second, on a machine that does nothing else.
PATIENCE = 5.0


def _nginx(folder: Path, port: int, product: int) -> list[str]:
    """The shipped servers, the second without TLS, within a main file of this test's own."""
    site = (ROOT / "deploy/nginx.conf").read_text()
    second = site.index("server {", site.index("server {") + 1)
    site = site[second:]
    for written, here in [
        ("listen 443 ssl http2;", f"listen 127.0.0.1:{port};"),
        ("http://127.0.0.1:8000;", f"http://127.0.0.1:{product};"),
    ]:
        assert written in site
        site = site.replace(written, here)
    site = re.sub(r"(?m)^\s+(listen \[::\]|ssl_).*\n", "", site)
    (folder / "site.conf").write_text(site)
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        ("user root;\n" if os.geteuid() == 0 else "")
        + f"daemon off;\npid {folder}/pid;\nevents {{}}\n"
        + f"http {{\naccess_log off;\n{temporary}include {folder}/site.conf;\n}}\n"
    )
    return ["-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]


def _caddy(folder: Path, port: int, product: int) -> list[str]:
    """The shipped file, without TLS and without Caddy's own port for administration."""
    site = (ROOT / "deploy/Caddyfile").read_text()
    for written, here in [
        ("connect.example.org {", f"http://:{port} {{"),
        ("127.0.0.1:8000", f"127.0.0.1:{product}"),
        ("{\n\tservers {", "{\n\tadmin off\n\tservers {"),
    ]:
        assert written in site
        site = site.replace(written, here, 1)
    (folder / "Caddyfile").write_text(site)
    return ["run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


COMMANDS = {"nginx": _nginx, "caddy": _caddy}


@pytest.fixture(params=COMMANDS)
def behind(
    request: pytest.FixtureRequest, serve: Callable[..., Site], tmp_path: Path
) -> Iterator[tuple[Site, Site]]:
    """The product itself, and as it is reached through a proxy."""
    name: str = request.param
    path = environment.PROXIES[name]
    if path is None:
        pytest.skip(f"left out: {environment.left_out()[name]}")
    product = serve(**SMALL)
    folder = tmp_path / name
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [path, *COMMANDS[name](folder, port, product.port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, env={"PATH": os.environ["PATH"], "HOME": str(folder)}, stdout=log, stderr=log
        )
    through = replace(product, port=port)
    ends = time.monotonic() + 30
    try:
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if through.ask("/healthz").status == 200:
                    break
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < ends, (folder / "log").read_text()
            time.sleep(0.1)
        yield product, through
    finally:
        process.terminate()
        process.wait(timeout=20)


@contextlib.contextmanager
def slow(port: int, beginning: bytes) -> Iterator[None]:
    """Forty clients that have begun a request and do not go on."""
    with contextlib.ExitStack() as stack:
        for _ in range(SLOW):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port), 10))
            client.sendall(beginning)
        time.sleep(0.5)
        yield


@pytest.mark.parametrize(
    "beginning",
    [
        b"GET /accounts/login/ HTTP/1.1\r\nHost: testserver\r\nX-Slow: ",
        b"POST /accounts/login/ HTTP/1.1\r\nHost: testserver\r\nContent-Length: 60000\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n\r\nusername=al",
        b"POST /accounts/login/ HTTP/1.1\r\nHost: testserver\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n\r\nb\r\nusername=al\r\n",
    ],
    ids=["headers", "body", "chunks"],
)
def test_G11_slow_clients_end_at_the_proxy(behind: tuple[Site, Site], beginning: bytes) -> None:
    product, through = behind
    with slow(through.port, beginning):
        for site in (through, product):
            began = time.monotonic()
            page = site.ask(LOG_IN)
            took = time.monotonic() - began
            assert page.status == 200
            assert took < PATIENCE
            print(f"{'through' if site is through else 'beside'} it: {took:.3f} s")


def test_G11_the_proxy_says_who_asks_and_that_it_buffers(behind: tuple[Site, Site]) -> None:
    product, through = behind
    lies = {"X-Forwarded-For": "198.51.100.1", "X-Forwarded-Proto": "https"}
    answer = through.ask(LOG_IN, form={"username": "a", "password": "b"}, headers=lies)
    assert answer.status == 200
    assert [row.ip_address for row in AccessFailureLog.objects.all()] == ["127.0.0.1"]
    assert "proxy_may_not_buffer" not in product.stderr.read_text()


def test_G11_what_is_too_large_is_said_in_our_words(behind: tuple[Site, Site]) -> None:
    _, through = behind
    answer = through.ask(LOG_IN, form={"username": "a" * 1_000_000, "password": "b"})
    assert answer.status == 413
    assert b'data-code="request_too_large"' in answer.body


def test_what_comes_in_chunks_gets_through(behind: tuple[Site, Site]) -> None:
    _, through = behind
    form = urlencode({"csrfmiddlewaretoken": "c" * 32, "username": "a", "password": "b"}).encode()
    pieces = [form[at : at + 7] for at in range(0, len(form), 7)]
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    with socket.create_connection(("127.0.0.1", through.port), 30) as client:
        client.sendall(
            b"POST /accounts/login/ HTTP/1.1\r\nHost: testserver\r\nTransfer-Encoding: chunked\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\nOrigin: http://testserver\r\n"
            b"Cookie: csrftoken=" + b"c" * 32 + b"\r\nConnection: close\r\n\r\n" + body
        )
        answer = http.client.HTTPResponse(client)
        answer.begin()
        page = answer.read().decode()
    # The form has been read: the name and the password are wrong, and nothing is missing.
    assert answer.status == 200
    assert "correct username and password" in page


@pytest.mark.parametrize("seen", [True, False])
def test_H16_a_proxy_that_says_nothing_of_buffering_is_noted_once(
    serve: Callable[..., Site], seen: bool
) -> None:
    site = serve(**SMALL)
    headers = {"X-Forwarded-Proto": "http", **({"X-Buffered-By": "nginx"} if seen else {})}
    for _ in range(3):
        site.ask(LOG_IN, headers=headers)
    assert site.stderr.read_text().count("proxy_may_not_buffer") == (0 if seen else 1)
