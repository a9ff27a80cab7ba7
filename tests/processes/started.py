"""Processes that tests start: callers, which do what they are told, and the site as it is served."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.environment import VALUES
from tests.thirdparty import ROOT, ThirdParty


@dataclass
class Caller:
    """A running ``tests.processes.caller``."""

    process: subprocess.Popen[str]
    _heard: dict[str, Any] = field(default_factory=dict)

    def hear(self, word: str) -> Any:
        """What it says under this word; its other words are passed over."""
        assert self.process.stdout is not None
        while word not in self._heard:
            line = self.process.stdout.readline()
            if not line:
                raise AssertionError(f"It ended without {word}: exit {self.process.wait()}")
            self._heard.update(json.loads(line))
        return self._heard.pop(word)

    def go(self) -> None:
        """Let it begin, or let it go on from where it is held."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def go_until(self, place: str) -> None:
        """Let it begin, and wait until it is held at this place."""
        self.hear("ready")
        self.go()
        assert self.hear("at") == place

    def results(self) -> list[dict[str, Any]]:
        """What its threads came to; each with the ``seconds`` it took."""
        done: list[dict[str, Any]] = self.hear("done")
        self.process.wait(timeout=20)
        return done

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(timeout=20)


@pytest.fixture
def caller(database: str) -> Iterator[Callable[..., Caller]]:
    """Starts a process that is ready to do something: ``caller("call", slug=..., users=[...])``."""
    started: list[Caller] = []

    def start(do: str = "call", **task: Any) -> Caller:
        command = [sys.executable, "-m", "tests.processes.caller"]
        process = subprocess.Popen(
            [*command, json.dumps({"database": database, "do": do, **task})],
            cwd=ROOT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(Caller(process))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.kill()
        for pipe in (each.process.stdin, each.process.stdout):
            if pipe is not None:
                pipe.close()


def together(callers: list[Caller]) -> list[dict[str, Any]]:
    """Let them all begin at once; the results of all their threads."""
    for each in callers:
        each.hear("ready")
    for each in callers:
        each.go()
    return [result for each in callers for result in each.results()]


def mark(thirdparty: ThirdParty) -> None:
    """Forget the requests so far, and leave every switch as it is."""
    thirdparty._read = (thirdparty.data / "requests.log").stat().st_size


def wait_for(thirdparty: ThirdParty, **wanted: Any) -> None:
    """Until such a request is in the log: Acme goes on with what nobody waits for any more."""
    ends = time.monotonic() + 20
    while not thirdparty.count(**wanted):
        assert time.monotonic() < ends, f"never in Acme's log: {wanted}"
        time.sleep(0.02)


@dataclass(frozen=True)
class Answer:
    """What the site answered."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


@dataclass(frozen=True)
class Site:
    """The product as gunicorn serves it; it believes that people know it as ``http://testserver``."""

    port: int
    stderr: Path
    process: subprocess.Popen[bytes] = field(repr=False)

    def tell(self, signal: int) -> None:
        """A signal to the process that looks after the others."""
        self.process.send_signal(signal)

    def ask(
        self,
        path: str,
        session: str = "",
        *,
        form: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """One request on a connection of its own: GET, or with a form POST."""
        sent = {"Host": "testserver", "Connection": "close", **(headers or {})}
        body = None
        if session:
            sent["Cookie"] = f"sessionid={session}"
        if form is not None:
            token = "c" * 32
            sent["Cookie"] = f"{sent.get('Cookie', '')}; csrftoken={token}".lstrip("; ")
            sent["Origin"] = "http://testserver"
            sent["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode({"csrfmiddlewaretoken": token, **form})
        with contextlib.closing(
            http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        ) as connection:
            connection.request("GET" if form is None else "POST", path, body, sent)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())


@pytest.fixture
def serve(database: str, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Starts the site on this test's database: ``serve(DEBUG="1")``."""
    started: list[subprocess.Popen[bytes]] = []

    def start(**values: str) -> Site:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        stderr = tmp_path / f"site-{port}.log"
        given = {**VALUES, "DATABASE_URL": database, "ALLOWED_HOSTS": "127.0.0.1", **values}
        bare = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}"]
        with stderr.open("wb") as log:
            started.append(
                subprocess.Popen(command, cwd=ROOT, env={**bare, **given}, stderr=log, stdout=log)
            )
        site = Site(port, stderr, started[-1])
        _wait_until_it_answers(site, started[-1])
        return site

    yield start
    for process in started:
        process.terminate()
    for process in started:
        process.wait(timeout=30)


def _wait_until_it_answers(site: Site, process: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < ends:
        try:
            if site.ask("/healthz").status == 200:
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"The site did not start: {site.stderr.read_text()[-2000:]}")
