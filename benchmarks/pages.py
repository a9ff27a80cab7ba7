"""`python -m benchmarks.pages`: pages as gunicorn serves them, with 100,000 authorizations stored.

An integration answers in JSON beside the same request by a bare requests.Session, in turns: the
difference is what the whole product adds. My connections and the admin's list are for 10,000 users
at 10 systems.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks import find, place

SYSTEMS, USERS = 10, 10_000
BARE = "the same request, bare"
JSON = "an integration's JSON answer"
HOME = "home"
CONNECTIONS = "My connections"
LIST = "the admin's list of authorizations"
PROMISED = {HOME: "1000 at p95", CONNECTIONS: "1000 at p95", LIST: "1000"}


def main(asked: argparse.Namespace) -> None:
    users = USERS // 10 if asked.quick else USERS
    with place.new_database(asked) as database, place.other_system() as url:
        find.fill(SYSTEMS, users, url)
        with _site(database) as address:
            seconds = _taking_turns(_ways(address, url), 50 if asked.quick else 500)
    print(f"\n{asked.on}: {SYSTEMS * users:,} authorizations, {len(seconds[JSON])} requests each")
    print("  milliseconds")
    for name, each in seconds.items():
        p95 = statistics.quantiles(each, n=20)[18]
        promised = f"   promised {PROMISED[name]}" if name in PROMISED else ""
        print(f"  {name:<36} p50 {_ms(statistics.median(each))}   p95 {_ms(p95)}{promised}")
    added = [asked - bare for asked, bare in zip(seconds[JSON], seconds[BARE], strict=True)]
    p95 = statistics.quantiles(added, n=20)[18]
    print(
        f"  {'what the product adds':<36} p50 {_ms(statistics.median(added))}   p95 {_ms(p95)}"
        "   promised 20, and 60 at p95",
        flush=True,
    )


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:7.1f}"


def _ways(address: str, url: str) -> dict[str, Callable[[], int]]:
    """What is asked, by name; each gives the status."""
    import requests
    from django.conf import settings

    def by(who: str, path: str, **headers: str) -> Callable[[], int]:
        session = requests.Session()
        session.trust_env = False
        session.cookies.set(settings.SESSION_COOKIE_NAME, _session_of(who))
        session.headers.update({"Host": "localhost:8000", **headers})
        return lambda: session.get(f"{address}{path}", timeout=30).status_code

    bare = requests.Session()
    bare.trust_env = False
    bare.headers["Authorization"] = f"Bearer {place.TOKEN}"
    return {
        BARE: lambda: bare.get(f"{url}/api/contacts?limit=20", timeout=30).status_code,
        JSON: by("alice", "/integrations/list-contacts/", Accept="application/json"),
        HOME: by("alice", "/"),
        CONNECTIONS: by("alice", "/connections/"),
        LIST: by("admin", "/admin/authlinks/authorization/"),
    }


def _session_of(username: str) -> str:
    """The key of a log-in of this user, made beside the site."""
    from django.contrib.auth import (
        BACKEND_SESSION_KEY,
        HASH_SESSION_KEY,
        SESSION_KEY,
        get_user_model,
    )
    from django.contrib.sessions.backends.db import SessionStore

    people = get_user_model().objects
    user: Any = people.filter(username=username).first() or people.create_superuser(username)
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    assert session.session_key is not None
    return session.session_key


@contextmanager
def _site(database: str) -> Iterator[str]:
    """The product behind gunicorn, as in production; its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}"],
        cwd=place.ROOT,
        env={"PATH": os.environ["PATH"], **place.VALUES, "DATABASE_URL": database},
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < ends:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.1)
    sys.exit("The site did not start.")


def _taking_turns(ways: dict[str, Callable[[], int]], times: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(-10, times):
        for name, ask in ways.items():
            began = time.perf_counter()
            status = ask()
            took = time.perf_counter() - began
            assert status == 200, f"{name}: {status}"
            if turn >= 0:
                seconds[name].append(took)
    return seconds


if __name__ == "__main__":
    place.each_database("benchmarks.pages", __doc__ or "", main)
