"""The process that reads one OpenAPI document: ``python -m workbench.openapichild ROOT TASK``.

It may use 30 s of processor time and 1.5 GB, and ends with the process that began it. It knows no
secret: it is given an environment without any, and opens no database.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import resource
import signal
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Final

PROCESSOR_SECONDS: Final = 30
SECONDS: Final = 90
"""By the clock, once it is this document's turn."""
MEMORY: Final = 1_500_000_000
MOST_AT_ONCE: Final = 2
"""Documents that are read at one time on this machine; others wait for their turn."""
LARGEST_RESULT: Final = 20_000_000
WAITING_SECONDS: Final = 120

OUT_OF_MEMORY: Final = (
    "Reading the document takes more than 1.5 GB of memory: divide it, or remove what is not"
    " about the operations you want."
)
NO_TURN: Final = "Other people's documents are being read: try again in a few minutes."
TOO_MUCH: Final = "Its operations are more than can be kept: divide the document."
TOO_DEEP: Final = "The document is nested too deeply."


def main() -> None:
    """Read the document of a task, and leave a result or a problem beside it."""
    root, task = Path(sys.argv[1]), Path(sys.argv[2])
    _limit()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if not _turn(root):
        leave(task, "problem", NO_TURN)
        return
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    leave(task, "progress", "0")
    try:
        kind, text = _read(task)
    except MemoryError:
        kind, text = "problem", OUT_OF_MEMORY
    except RecursionError:
        kind, text = "problem", TOO_DEEP
    leave(task, kind, text)


def _limit() -> None:
    """Limits that the kernel keeps, whatever this process is busy with."""
    os.nice(10)
    # Should the machine run out of memory before that, this is the process to end.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_SECONDS, PROCESSOR_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _end_with_parent() -> None:
    """The parent holds the other end of our standard input: when it is gone, so are we."""
    while os.read(0, 1):
        pass
    os._exit(1)


def _turn(root: Path) -> bool:
    """Wait until fewer than ``MOST_AT_ONCE`` are read. The kernel gives the place back."""
    slots = [os.open(root / f"slot{n}", os.O_RDWR | os.O_CREAT, 0o600) for n in range(MOST_AT_ONCE)]
    ends = time.monotonic() + WAITING_SECONDS
    while time.monotonic() < ends:
        for slot in slots:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
        time.sleep(0.1)
    return False


def _read(task: Path) -> tuple[str, str]:
    # Imported here: only now do the limits hold, and waiting for a turn needs none of it.
    from workbench import openapi

    asked = json.loads(task.with_suffix(".task").read_text())
    try:
        document = openapi.read(
            task.with_suffix(".document").read_bytes(),
            asked["base_url"],
            frozenset(asked["taken"]),
            lambda values: leave(task, "progress", str(values)),
        )
    except openapi.NotADocument as mistake:
        return "problem", str(mistake)
    text = json.dumps(asdict(document))
    return ("problem", TOO_MUCH) if len(text) > LARGEST_RESULT else ("result", text)


def leave(task: Path, kind: str, text: str) -> None:
    """A file that is there whole or not at all."""
    writing = task.with_suffix(f".{kind}-now")
    writing.write_text(text)
    writing.rename(task.with_suffix(f".{kind}"))


if __name__ == "__main__":
    main()
