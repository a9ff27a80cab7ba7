"""docs/developers.md works as it is written: its files are written, its tests run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.environment import VALUES

ROOT = Path(__file__).resolve().parent.parent.parent
FILE = re.compile(r"^`(helpdesk/[\w./]+)`:\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.processes
def test_an_app_from_nothing_passes_its_own_tests(tmp_path: Path) -> None:
    written = FILE.findall((ROOT / "docs" / "developers.md").read_text())
    for name, text in written:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    # The settings of the demo, whose site is at localhost.
    settings = {
        **VALUES,
        "PUBLIC_BASE_URL": "http://localhost:8000",
        "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
        "EXTRA_APPS": "demo.pages,helpdesk",
        "DEBUG": "0",
    }
    ran = subprocess.run(
        [sys.executable, "manage.py", "test", "helpdesk"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **settings, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert len(written) == 6
    assert ran.returncode == 0, ran.stderr
    assert "Ran 5 tests" in ran.stderr
