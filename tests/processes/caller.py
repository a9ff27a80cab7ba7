"""A process of the product that does one thing when it is told to, and can be held at a place.

    python -m tests.processes.caller '{"database": "sqlite:////tmp/x", "do": "call", ...}'

It says what it does in lines of JSON on its standard output: ``{"ready": true}``, then, once a line
came in, ``{"at": "module.function"}`` each time it is held, and at last ``{"done": [...]}``.
"""

from __future__ import annotations

import importlib
import json
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from config import env
from tests.environment import VALUES

_says = threading.Lock()


def say(**words: Any) -> None:
    with _says:
        print(json.dumps(words), flush=True)


def set_up(database: str, values: dict[str, str]) -> None:
    """Django with the tests' settings on this database."""
    env.use({**VALUES, "DATABASE_URL": database, "LOG_LEVEL": "ERROR", **values})
    import django
    from django.conf import settings

    django.setup()
    pool = settings.DATABASES["default"].get("OPTIONS", {}).get("pool")
    if pool:
        # More threads than connections: here they queue for as long as they have to.
        pool["timeout"] = 60


def hold_at(name: str, times: int = 1) -> None:
    """Stop before this function of ours, until a line comes in; only the first ``times`` calls."""
    module_name, _, function = name.rpartition(".")
    module = importlib.import_module(module_name)
    genuine = getattr(module, function)
    left = threading.Semaphore(times)

    def held(*args: Any, **kwargs: Any) -> Any:
        if left.acquire(blocking=False):
            say(at=name)
            sys.stdin.readline()
        return genuine(*args, **kwargs)

    setattr(module, function, held)


def calls(task: dict[str, Any]) -> list[Callable[[], dict[str, Any]]]:
    """One job a thread: calls of an integration as a user."""
    from django.contrib.auth import get_user_model

    from integrations import call_integration

    users = [get_user_model().objects.get(username=name) for name in task["users"]]

    def call(user: Any) -> dict[str, Any]:
        answer = call_integration(task["slug"], user, inputs=task.get("inputs"))
        code = answer.error.code if answer.error else ""
        return {"code": code, "needs_authorization": answer.needs_authorization}

    return [partial(call, user) for user in users * task.get("threads", 1)]


def deliveries(task: dict[str, Any]) -> list[Callable[[], dict[str, Any]]]:
    """One job a thread: deliveries of one held submission."""
    from integrations.call import deliver
    from integrations.models import HeldSubmission

    def one() -> dict[str, Any]:
        held = HeldSubmission.objects.select_related("integration", "user").get(pk=task["held"])
        answer = deliver(held)
        return {"sent": answer is not None, "success": bool(answer and answer.success)}

    return [one] * task.get("threads", 1)


def writes(task: dict[str, Any]) -> list[Callable[[], dict[str, Any]]]:
    """One job a thread: rows that are written one after the other, each as long as it takes."""
    from connectedsystems.models import AuditEvent

    def one() -> dict[str, Any]:
        slowest = 0.0
        for _ in range(task["rows"]):
            began = time.monotonic()
            AuditEvent.objects.record("written")
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(0.02)
        return {"slowest": slowest}

    return [one] * task.get("threads", 1)


def posts(task: dict[str, Any]) -> list[Callable[[], dict[str, Any]]]:
    """One job: a form that somebody posts."""
    from django.contrib.auth import get_user_model
    from django.test import Client

    def one() -> dict[str, Any]:
        client = Client(SERVER_NAME="testserver")
        client.force_login(get_user_model().objects.get(username=task["as"]))
        return {"status": client.post(task["path"], task.get("form", {})).status_code}

    return [one]


def commands(task: dict[str, Any]) -> list[Callable[[], dict[str, Any]]]:
    """One job: a management command."""
    import io

    from django.core.management import call_command

    def one() -> dict[str, Any]:
        said = io.StringIO()
        call_command(task["name"], stdout=said)
        return {"said": said.getvalue()}

    return [one]


_JOBS = {
    "call": calls,
    "deliver": deliveries,
    "write": writes,
    "post": posts,
    "command": commands,
}


def run(jobs: list[Callable[[], dict[str, Any]]]) -> list[dict[str, Any]]:
    """All jobs at once, each in a thread of its own; what a job raises is its result."""
    from django.db import connection

    done: list[dict[str, Any]] = []
    start = threading.Barrier(len(jobs))

    def work(job: Callable[[], dict[str, Any]]) -> None:
        start.wait()
        began = time.monotonic()
        try:
            result = job()
        except Exception as error:
            result = {"raised": f"{type(error).__name__}: {error}"}
        finally:
            connection.close()
        done.append({**result, "seconds": time.monotonic() - began})

    threads = [threading.Thread(target=work, args=(job,), daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done


def main(task: dict[str, Any]) -> None:
    set_up(task["database"], task.get("values", {}))
    for name in task.get("hold_at", []):
        hold_at(name)
    from django.db import connections

    jobs = _JOBS[task["do"]](task)
    connections.close_all()
    say(ready=True)
    if sys.stdin.readline():
        say(done=run(jobs))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
