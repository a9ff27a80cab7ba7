"""`manage.py demo` as a process: it comes up, tells what to try, and leaves nothing behind."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from demo.first_env import write
from tests.thirdparty import ROOT, Browser

pytestmark = pytest.mark.processes


def free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return int(chosen.getsockname()[1])


class Demo:
    """The demo on free ports, with `.env`'s values, a database and a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.acme_port = folder, free_port(), free_port()
        write(folder / ".env")
        lines = (folder / ".env").read_text().splitlines()
        given = dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")
        self.environment = {**os.environ, **given, "WEB_CONCURRENCY": "1"}
        self.environment.pop("DJANGO_SETTINGS_MODULE", None)
        self.environment["DATABASE_URL"] = f"sqlite:///{folder / 'demo.sqlite3'}"

    def command(self, *more: str) -> list[str]:
        ports = ["--port", str(self.port), "--thirdparty-port", str(self.acme_port)]
        return [sys.executable, "manage.py", "demo", "--acme-data", str(self.folder), *ports, *more]

    @contextmanager
    def running(self) -> "Iterator[subprocess.Popen[str]]":
        process = subprocess.Popen(
            self.command(),
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=30)


def read_until(process: "subprocess.Popen[str]", words: str) -> str:
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if words in line:
            return said
    raise AssertionError(f"The demo ended ({process.wait()}) having said: {said}")


@contextmanager
def connections_of_a_browser(*ports: int) -> Iterator[None]:
    """Connections as browsers keep them: one that was used, one half-way, one in reserve."""
    with ExitStack() as open_ones:
        for port in ports:
            used = b"GET /api/status HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % port
            for said in (used, b"GET / HT", b""):
                kept = socket.create_connection(("127.0.0.1", port))
                open_ones.callback(kept.close)
                kept.sendall(said)
                if said == used:
                    assert kept.recv(1)
        yield


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_runs_twice_and_stops_cleanly(tmp_path: Path, ending: signal.Signals) -> None:
    demo = Demo(tmp_path)
    told = []
    for _ in range(2):
        with demo.running() as process:
            said = read_until(process, "Ctrl-C")
            told.append(re.findall(r"^ +(alice|bob|dora|admin) +(\S+)", said, re.MULTILINE))
            children = psutil.Process(process.pid).children(recursive=True)
            assert len(children) >= 3
            _log_in(demo, *told[-1][0])
            acme = Browser().get(f"http://localhost:{demo.acme_port}/api/status")
            assert acme.status == 200
            with connections_of_a_browser(demo.port, demo.acme_port):
                process.send_signal(ending)
                rest, _ = process.communicate(timeout=20)
        assert process.returncode == 0, rest
        assert "Both servers are stopped" in rest
        assert "Traceback" not in said + rest
        _, alive = psutil.wait_procs(children, timeout=5)
        assert not alive
    assert told[0] == told[1]
    assert [name for name, _ in told[0]] == ["alice", "bob", "dora", "admin"]


def _log_in(demo: Demo, username: str, password: str) -> None:
    browser = Browser()
    page = browser.get(f"http://localhost:{demo.port}/accounts/login/")
    entered = browser.fill(page, "password", username=username, password=password)
    assert entered.status == 302
    assert browser.get(f"http://localhost:{demo.port}/").status == 200


def test_it_says_which_port_is_taken(tmp_path: Path) -> None:
    demo = Demo(tmp_path)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", demo.acme_port))
        holder.listen()
        ended = subprocess.run(
            demo.command(),
            cwd=ROOT,
            env=demo.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert ended.returncode == 1
    assert f"Port {demo.acme_port} of this machine is taken" in ended.stderr
    assert f"--thirdparty-port {demo.acme_port + 1}" in ended.stderr
    assert not (tmp_path / "demo.sqlite3").exists()


def test_it_ends_when_one_server_does(tmp_path: Path) -> None:
    demo = Demo(tmp_path)
    with demo.running() as process:
        read_until(process, "Ctrl-C")
        children = psutil.Process(process.pid).children(recursive=True)
        acme = next(child for child in children if "demo.thirdparty" in child.cmdline())
        acme.kill()
        rest, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "Acme CRM ended by itself" in rest
    _, alive = psutil.wait_procs(children, timeout=5)
    assert not alive
