"""What ``make install-production`` leaves: enough to serve the product in an empty folder, and no more."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.environment import VALUES
from tests.thirdparty import ROOT

pytestmark = pytest.mark.processes

# Tools of tests and checks, and the demo's other system.
NOT_NEEDED = "pytest mypy ruff djlint playwright responses oauth2_provider pip_audit"
PLAIN = {"SECRET_KEY", "VAULT_KEYS"}


def bare_environment() -> dict[str, str]:
    """As of a shell that knows nothing of this checkout."""
    return {name: value for name, value in os.environ.items() if name not in _OURS}


_OURS = {"VIRTUAL_ENV", "PYTHONPATH", "DJANGO_SETTINGS_MODULE", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree as it is committed, in a folder of its own, installed for production."""
    if not shutil.which("make") or not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("left out here: make install-production (no make, no git, or no repository)")
    folder = tmp_path_factory.mktemp("production")
    tree = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True)
    subprocess.run(["tar", "-x"], cwd=folder, input=tree.stdout, check=True)
    made = subprocess.run(
        ["make", "install-production"],
        cwd=folder,
        env={**bare_environment(), "PIP_DEFAULT_TIMEOUT": "15", "PIP_RETRIES": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    if made.returncode and _looks_offline(made.stderr):
        pytest.skip("left out here: make install-production (no package index answers)")
    assert made.returncode == 0, made.stderr
    return folder


def _looks_offline(said: str) -> bool:
    words = ("No matching distribution", "NewConnectionError", "dns error", "client error")
    return any(
        word in said for word in (*words, "ConnectTimeout", "Max retries", "Failed to fetch")
    )


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    given = {name: VALUES[name] for name in PLAIN}
    return subprocess.run(
        [folder / ".venv/bin/python", *command],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **given, "PUBLIC_BASE_URL": "http://localhost"},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_it_holds_what_running_needs_and_nothing_else(folder: Path) -> None:
    script = f"from importlib.util import find_spec as f; print([n for n in {NOT_NEEDED.split()} if f(n)])"
    assert run(folder, "-c", script).stdout.strip() == "[]"
    for command in ("check", "migrate", "collectstatic --no-input", "prune", "refresh_tokens"):
        ended = run(folder, "manage.py", *command.split())
        assert ended.returncode == 0, ended.stderr


def test_gunicorn_serves_from_it(folder: Path) -> None:
    for command in ("migrate", "collectstatic --no-input"):
        assert run(folder, "manage.py", *command.split()).returncode == 0
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    given = {name: VALUES[name] for name in PLAIN}
    serve = [folder / ".venv/bin/gunicorn", "--bind", f"127.0.0.1:{port}", "config.wsgi"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            serve,
            cwd=folder,
            env={**given, "PUBLIC_BASE_URL": f"http://localhost:{port}", "WEB_CONCURRENCY": "1"},
            stdout=log,
            stderr=log,
        )
    try:
        assert _asked(port, "/healthz", process, folder / "log")[0] == 200
        assert _asked(port, "/readyz", process, folder / "log")[0] == 200
        status, page = _asked(port, "/accounts/login/", process, folder / "log")
        assert status == 200
        assert 'href="/static/css/app.' in page  # the collected name, which holds a digest
    finally:
        process.terminate()
        process.wait(timeout=30)


def _asked(port: int, path: str, process: subprocess.Popen[bytes], log: Path) -> tuple[int, str]:
    ends = time.monotonic() + 60
    while True:
        try:
            with closing(http.client.HTTPConnection("localhost", port, timeout=30)) as connection:
                connection.request("GET", path)
                answer = connection.getresponse()
                return answer.status, answer.read().decode()
        except OSError:
            assert process.poll() is None and time.monotonic() < ends, log.read_text()
            time.sleep(0.2)
