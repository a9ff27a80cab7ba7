"""`python -m tests`: all tests on SQLite, then those that touch the database on PostgreSQL."""

import subprocess
import sys

from tests import environment

NOTHING_TO_RUN = 5  # pytest's exit status where no test was chosen


def main(arguments: list[str]) -> int:
    """Run pytest once for each database there is; the first exit status that is a failure."""
    failed = _pytest(arguments)
    if "postgresql" in environment.left_out():
        return failed
    status = _pytest(["--ds", "tests.settings_postgresql", *arguments])
    return failed or (0 if status == NOTHING_TO_RUN else status)


def _pytest(arguments: list[str]) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", "-q", *arguments]).returncode


sys.exit(main(sys.argv[1:]))
