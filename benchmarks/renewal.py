"""`python -m benchmarks.renewal`: 200 callers in 4 processes meet one expired, rotating token.

The other system takes no refresh token twice, so a second refresh would end the authorization:
what is counted is its token requests, and the callers that got no data.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
import urllib.request
from datetime import timedelta
from typing import Any

from benchmarks import place

MODULE = "benchmarks.renewal"
PROCESSES, CALLERS = 4, 200


def main(asked: argparse.Namespace) -> None:
    runs = 2 if asked.quick else 20
    print(f"\n{asked.on}: {runs} runs of {CALLERS} callers in {PROCESSES} processes")
    found = [_run(asked) for _ in range(runs)]
    once = sum(refreshes == 1 for refreshes, _, _ in found)
    print(f"  runs with exactly 1 token request: {once} of {runs}")
    print(f"  callers that failed: {sum(failed for _, failed, _ in found)} of {runs * CALLERS}")
    print(f"  seconds until the last caller had its data: {max(last for _, _, last in found):.2f}")
    print("  promised: 1 token request, 0 callers that fail", flush=True)
    assert once == runs and not any(failed for _, failed, _ in found)


def _run(asked: argparse.Namespace) -> tuple[int, int, float]:
    """Token requests, callers that failed, seconds until the last one was done."""
    command = [sys.executable, "-m", MODULE, "--on", asked.on, "--postgres", asked.postgres]
    with subprocess.Popen(
        [*command, "--once"], cwd=place.ROOT, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        told = run.stdout.read()
    refreshes, failed, last = json.loads(told)
    return refreshes, failed, last


def once(asked: argparse.Namespace) -> None:
    """One run, in a process of its own, since Django serves one database in its life."""
    with place.new_database(asked) as database, place.other_system() as url:
        place.connected_user(url)
        from django.utils import timezone

        from authlinks.models import Authorization

        Authorization.objects.update(expires_at=timezone.now() - timedelta(hours=1))
        callers = [_caller(database) for _ in range(PROCESSES)]
        for each in callers:
            assert each.stdout is not None and each.stdout.readline().strip() == "ready"
        for each in callers:
            assert each.stdin is not None
            each.stdin.write("go\n")
            each.stdin.flush()
        told = [json.loads(each.communicate()[0]) for each in callers]
        with urllib.request.urlopen(f"{url}/count") as answer:
            refreshes = int(answer.read())
    failed = sum(each["failed"] for each in told)
    print(json.dumps([refreshes, failed, max(each["seconds"] for each in told)]))


def _caller(database: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", MODULE, "--caller", database],
        cwd=place.ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def call(database: str) -> None:
    """One process's share of the callers, all at once; says how many failed, and the seconds."""
    place.set_up(database)
    from django.conf import settings
    from django.contrib.auth import get_user_model
    from django.db import connection

    from integrations import call_integration

    pool = settings.DATABASES["default"].get("OPTIONS", {}).get("pool")
    if pool:
        pool["timeout"] = 60  # fifty threads share its connections
    alice = get_user_model().objects.get(username="alice")
    threads = CALLERS // PROCESSES
    start, succeeded = threading.Barrier(threads + 1), []

    def one() -> None:
        start.wait()
        try:
            succeeded.append(call_integration("list-contacts", alice, limit=20).success)
        finally:
            connection.close()

    callers = [threading.Thread(target=one) for _ in range(threads)]
    for each in callers:
        each.start()
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.perf_counter()
    start.wait()
    for each in callers:
        each.join()
    told: dict[str, Any] = {"failed": threads - sum(succeeded)}
    print(json.dumps({**told, "seconds": time.perf_counter() - began}))


def _own_words() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--caller")
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--on")
    parser.add_argument("--postgres")
    return parser


if __name__ == "__main__":
    own, _ = _own_words().parse_known_args()
    if own.caller:
        call(own.caller)
    elif own.once:
        once(own)
    else:
        place.each_database(MODULE, __doc__ or "", main)
