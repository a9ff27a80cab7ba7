"""The search for known vulnerabilities: it fails for one, and never for want of a source."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / ".ci/advisories.py"
_spec = importlib.util.spec_from_file_location("advisories", SCRIPT)
assert _spec and _spec.loader
advisories = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(advisories)

FINE = {"name": "fine", "version": "1", "vulns": []}
BAD = {"name": "bad", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["2.1"]}]}
UNKNOWN = {"name": "odd", "skip_reason": "Dependency not found"}


@pytest.mark.parametrize(
    ("packages", "status", "words"),
    [
        ([FINE], 0, "0 known vulnerabilities in 1 packages."),
        ([FINE, BAD], 1, "bad 2: CVE-1, mended in 2.1"),
        ([FINE, UNKNOWN], 0, "nothing is known there of 1 more"),
        ([UNKNOWN], 0, "No source of advisories answers"),
        ([], 0, "No source of advisories answers"),
    ],
)
def test_what_a_report_comes_to(packages: list[Any], status: int, words: str) -> None:
    ended, said = advisories.judge({"dependencies": packages})
    assert ended == status
    assert words in "\n".join(said)


@pytest.mark.processes
def test_without_a_source_it_says_so_and_ends_well(tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9"
    bare = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, SCRIPT],
        cwd=SCRIPT.parent.parent,
        env={**bare, "HTTPS_PROXY": nowhere, "HTTP_PROXY": nowhere},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("No source of advisories answers")
