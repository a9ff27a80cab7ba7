"""Each benchmark runs to its end; its figures are looked at by people."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = ROOT / "benchmarks/README.md"


@pytest.mark.parametrize("name", ["call", "find", "pages", "renewal"])
def test_it_runs(name: str) -> None:
    command = [sys.executable, "-m", f"benchmarks.{name}", "--quick", "--on", "sqlite"]
    bare = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    done = subprocess.run(command, cwd=ROOT, env=bare, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "promised" in done.stdout
    assert f"python -m benchmarks.{name}" in README.read_text()
