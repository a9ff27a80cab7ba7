"""Compares the lock files with known vulnerabilities, where a source of advisories answers.

Ends with 1 for a vulnerability alone. pip-audit takes a source that does not know a package for
one that knows nothing against it; here both are told apart.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

LOCKS = ("requirements.txt", "requirements-dev.txt")
SOCKET_SECONDS = 5
ALL_SECONDS = 90


def ask() -> dict[str, Any] | None:
    """pip-audit's report; None where it came to none."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [str(Path(sys.executable).with_name("pip-audit")), "--disable-pip"]
        command += ["--timeout", str(SOCKET_SECONDS), "--progress-spinner", "off"]
        command += ["--format", "json", "--output", str(report)]
        for lock in LOCKS:
            command += ["--requirement", lock]
        try:
            subprocess.run(command, capture_output=True, timeout=ALL_SECONDS, check=False)
            found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
        except (OSError, ValueError, subprocess.TimeoutExpired):
            return None
    return found


def judge(report: dict[str, Any] | None) -> tuple[int, list[str]]:
    """The exit status, and what to say."""
    packages = report["dependencies"] if report else []
    compared = [each for each in packages if "vulns" in each]
    if not compared:
        return 0, ["No source of advisories answers: known vulnerabilities were not looked for."]
    said = [
        f"{each['name']} {each['version']}: {found['id']},"
        f" mended in {', '.join(found['fix_versions']) or 'no release yet'}"
        for each in compared
        for found in each["vulns"]
    ]
    silent = len(packages) - len(compared)
    unknown = f"; nothing is known there of {silent} more" if silent else ""
    summary = f"{len(said)} known vulnerabilities in {len(compared)} packages{unknown}."
    return (1 if said else 0), [*said, summary]


if __name__ == "__main__":
    status, lines = judge(ask())
    print("\n".join(lines))
    raise SystemExit(status)
