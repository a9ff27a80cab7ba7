"""A wrong environment ends manage.py, gunicorn and WSGI alike: one sentence, no traceback, no value."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from config import env
from tests.environment import VALUES

pytestmark = pytest.mark.processes

PYTHON = [sys.executable]
STARTS = {
    "manage.py": [*PYTHON, "manage.py", "check"],
    "gunicorn": [*PYTHON, "-m", "gunicorn", "--check-config"],
    "gunicorn serving": [*PYTHON, "-m", "gunicorn", "--bind", "127.0.0.1:0"],
    "wsgi": [*PYTHON, "-c", "import config.wsgi"],
}


def start(command: list[str], **values: str) -> subprocess.CompletedProcess[str]:
    given = {name: value for name, value in VALUES.items() if name != "EXTRA_APPS"}
    return subprocess.run(
        command,
        cwd=env.BASE_DIR,
        # Empty values: also silent where somebody has a .env.
        env={"PATH": os.environ["PATH"], **given, **values},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("command", STARTS.values(), ids=STARTS)
@pytest.mark.parametrize(
    ("name", "value"),
    [("SECRET_KEY", "Zq81x"), ("VAULT_KEYS", "k1:Zq81x"), ("TIME_LIMITS", "Zq81x")],
)
def test_C5_a_wrong_value_stops_every_start(command: list[str], name: str, value: str) -> None:
    ended = start(command, **{name: value})
    assert ended.returncode == 1
    assert ended.stderr.startswith(name)
    assert ended.stderr.count("\n") == 1
    assert "Zq81x" not in ended.stderr + ended.stdout


@pytest.mark.parametrize("command", [STARTS["manage.py"], STARTS["wsgi"]])
def test_an_extra_app_that_is_not_there_is_named(command: list[str]) -> None:
    ended = start(command, EXTRA_APPS="no_such_app")
    assert ended.returncode == 1
    assert ended.stderr == (
        "EXTRA_APPS names no_such_app, which cannot be imported: No module named 'no_such_app'.\n"
    )


@pytest.mark.parametrize("source", ["import no_such_thing", "1 / 0", "urlpatterns = [1]"])
def test_an_extra_app_with_broken_urls_is_named(tmp_path: Path, source: str) -> None:
    (tmp_path / "acme_pages").mkdir()
    (tmp_path / "acme_pages" / "__init__.py").touch()
    (tmp_path / "acme_pages" / "urls.py").write_text(source)
    ended = start(STARTS["wsgi"], EXTRA_APPS="acme_pages", PYTHONPATH=str(tmp_path))
    assert ended.returncode == 1
    assert ended.stderr.startswith("EXTRA_APPS names acme_pages, whose urls")
    assert "Traceback" not in ended.stderr


def test_an_extra_app_is_mounted_under_its_label(tmp_path: Path) -> None:
    (tmp_path / "acme_pages").mkdir()
    (tmp_path / "acme_pages" / "__init__.py").touch()
    (tmp_path / "acme_pages" / "urls.py").write_text(
        "from django.http import HttpResponse\n"
        "from django.urls import path\n"
        "urlpatterns = [path('hello/', lambda request: HttpResponse('hello'))]\n"
    )
    ended = start(
        [
            *PYTHON,
            "-c",
            "import config.wsgi\n"
            "from django.test import Client\n"
            "print(Client().get('/pages/acme_pages/hello/').text)",
        ],
        EXTRA_APPS="acme_pages",
        PYTHONPATH=str(tmp_path),
    )
    assert (ended.returncode, ended.stdout) == (0, "hello\n")


def test_deploy_checks_find_nothing_where_all_is_well() -> None:
    ended = start(
        [*STARTS["manage.py"], "--deploy", "--fail-level", "WARNING"],
        SECRET_KEY=VALUES["SECRET_KEY"] + "-and-some-more-characters",
        PUBLIC_BASE_URL="https://connect.example.org",
        CACHE_URL="redis://localhost:6379/0",
        TRUSTED_PROXY="1",
    )
    assert ended.returncode == 0
    # What cannot be known is said (H16); nothing else is.
    assert re.findall(r"connectedsystems\.\w+", ended.stderr) == ["connectedsystems.I016"]
    assert "WARNINGS" not in ended.stderr


def test_H16_https_without_a_known_proxy_is_unwise() -> None:
    given = {"PUBLIC_BASE_URL": "https://connect.example.org"}
    ended = start([*STARTS["manage.py"], "--deploy"], **given)
    assert "connectedsystems.W016" in ended.stderr
    assert "TRUSTED_PROXY" in ended.stderr
    assert "deploy/nginx.conf" in ended.stderr
    said = start(STARTS["wsgi"], **given)
    assert said.returncode == 0
    assert "connectedsystems.W016" in said.stderr
    silent = start(STARTS["wsgi"], PUBLIC_BASE_URL="http://localhost:8000")
    assert silent.returncode == 0
    assert "start_up_check" not in silent.stderr
