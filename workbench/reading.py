"""OpenAPI documents on their way from a page through a process of their own and back to a page.

A large document takes seconds of processor time and hundreds of megabytes, which no thread of the
web site gives: a child reads it (``workbench.openapichild``), one at a time for each person. What
came of it lies in files of a private folder, where every process of the site on this machine finds
it: the page may be asked of another one than began it, and the built-in cache is each process's
own. Nothing of it is secret, and it is not kept: the next document takes its place. Where the site
runs on several machines, the page asks for the document again unless requests stay on one.

Locks of files say whether a child is at work: the kernel lets go of them however it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog
from django.conf import settings

from workbench import openapichild
from workbench.openapi import LARGEST, Document, NotADocument, Operation, check_size

KEPT_SECONDS: Final = 3600
_LONGEST: Final = openapichild.WAITING_SECONDS + openapichild.SECONDS + 5
TOO_LONG: Final = (
    f"Reading the document takes longer than {openapichild.PROCESSOR_SECONDS} seconds: divide it,"
    " or give it as JSON."
)
CRASHED: Final = "Reading the document ended by a fault of the reader: try it as JSON."
STOPPED: Final = "Reading the document was stopped when the site was restarted: choose it again."
_log = structlog.get_logger(__name__)


class Busy(Exception):
    """A document of this person's is being read. ``token``: whose page shows it; "" for none."""

    def __init__(self, token: str) -> None:
        super().__init__("one at a time")
        self.token = token


@dataclass(frozen=True)
class Reading:
    """One document of one person: where its files are, and what they say now."""

    token: str
    task: Path
    system: str
    """The slug of the connected system that it is read for."""
    only: str

    @property
    def is_under_way(self) -> bool:
        return not self._has_ended() and _is_locked(self.task.parent) and not self._has_ended()

    def _has_ended(self) -> bool:
        return any(self.task.with_suffix(f".{kind}").exists() for kind in ("result", "problem"))

    @property
    def seconds(self) -> int:
        """Since it began."""
        return max(0, int(time.time() - self.task.with_suffix(".task").stat().st_mtime))

    @property
    def values(self) -> int | None:
        """How many values of it were read so far; None while it waits for its turn."""
        text = _text(self.task.with_suffix(".progress"))
        return int(text) if text else None

    def document(self) -> Document:
        """What was read. Raises NotADocument with the reason why there is nothing."""
        problem = _text(self.task.with_suffix(".problem"))
        if problem:
            raise NotADocument(problem)
        text = _text(self.task.with_suffix(".result"))
        if not text:
            raise NotADocument(STOPPED)
        box = json.loads(text)
        operations = [
            Operation(**{**each, "notes": tuple(each["notes"])}) for each in box["operations"]
        ]
        return Document(box["title"], operations, box["caution"])

    def wait(self, seconds: float) -> None:
        """Until it has ended, at most so long."""
        ends = time.monotonic() + seconds
        while self.is_under_way and time.monotonic() < ends:
            time.sleep(0.05)


def begin(
    user: Any,
    chunks: Iterable[bytes],
    *,
    system: str,
    base_url: str,
    taken: Iterable[str],
    only: str,
) -> Reading:
    """Have a document read. Raises NotADocument for one that is too large or empty, and Busy."""
    folder = _folder(user)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _taken(lock):
            raise Busy(next(_tokens(folder), ""))
        _clear(folder)
        raw = _whole(chunks)
        check_size(raw)
        task = folder / secrets.token_urlsafe(16)
        _write(task.with_suffix(".document"), raw)
        asked = {"system": system, "base_url": base_url, "taken": sorted(taken), "only": only}
        _write(task.with_suffix(".task"), json.dumps(asked).encode())
        child = _started(folder.parent, task, lock)
    except BaseException:
        os.close(lock)
        raise
    threading.Thread(target=_look_after, args=(child, task, lock), daemon=True).start()
    return Reading(task.name, task, system, only)


def find(user: Any, token: str) -> Reading | None:
    """This person's document under this token; None where another took its place, or it is old."""
    folder = _folder(user)
    if token not in set(_tokens(folder)):
        return None
    task = folder / token
    asked = json.loads(_text(task.with_suffix(".task")) or "{}")
    found = Reading(token, task, asked.get("system", ""), asked.get("only", ""))
    return found if asked and found.seconds < KEPT_SECONDS else None


def _taken(lock: int) -> bool:
    """Whether the lock is ours now. Who merely looks at it has it for a moment, too."""
    for _ in range(10):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(0.02)
    return False


def _clear(folder: Path) -> None:
    """Forget this person's last document, and those of others that are old."""
    old = time.time() - KEPT_SECONDS
    for path in folder.parent.glob("user-*/*.*"):
        with contextlib.suppress(FileNotFoundError):
            if path.parent == folder or path.stat().st_mtime < old:
                path.unlink()


def _tokens(folder: Path) -> Iterator[str]:
    return (each.stem for each in folder.glob("*.task"))


def _whole(chunks: Iterable[bytes]) -> bytes:
    """The document, no more of it than shows that it is too large."""
    pieces: list[bytes] = []
    size = 0
    for piece in chunks:
        pieces.append(piece)
        size += len(piece)
        if size > LARGEST:
            break
    return b"".join(pieces)


def _folder(user: Any) -> Path:
    """The person's own folder. Raises OSError where the folder above is somebody else's."""
    whose = hashlib.sha256(settings.SECRET_KEY.encode()).hexdigest()[:12]
    root = Path(tempfile.gettempdir()) / f"connected-systems-{os.geteuid()}-{whose}"
    root.mkdir(mode=0o700, exist_ok=True)
    found = root.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        # Anybody may make this name in a folder for all; nothing is written into theirs.
        raise PermissionError(f"{root} is not a private folder of this user: remove it")
    folder = root / f"user-{user.pk}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _started(root: Path, task: Path, lock: int) -> subprocess.Popen[bytes]:
    # No environment: it holds the product's keys, and the child has no use for any of it.
    path = os.pathsep.join(each for each in [str(settings.BASE_DIR), *sys.path] if each)
    return subprocess.Popen(
        [sys.executable, "-m", "workbench.openapichild", str(root), str(task)],
        cwd=settings.BASE_DIR,
        env={"PYTHONPATH": path, "PYTHONUTF8": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[lock],
    )


def _look_after(child: subprocess.Popen[bytes], task: Path, lock: int) -> None:
    """Wait for the child, and say how it ended where it could not itself."""
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_LONGEST)
        timed_out = child.returncode is None
        if timed_out:
            child.kill()
            child.wait()
        if child.stdin is not None:
            child.stdin.close()
        task.with_suffix(".document").unlink(missing_ok=True)
        if not Reading("", task, "", "")._has_ended():
            problem = TOO_LONG if timed_out else _problem_of(child.returncode)
            _log.warning("openapi_reading_ended", status=child.returncode, problem=problem)
            openapichild.leave(task, "problem", problem)
    finally:
        # Last: whoever finds the lock open finds the outcome as well.
        os.close(lock)


def _problem_of(status: int) -> str:
    """What it means that the child ended so."""
    if -status in (signal.SIGXCPU, signal.SIGALRM):
        return TOO_LONG
    return openapichild.OUT_OF_MEMORY if -status == signal.SIGKILL else CRASHED


def _is_locked(folder: Path) -> bool:
    try:
        lock = os.open(folder / "lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def _write(path: Path, raw: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
        opened.write(raw)
