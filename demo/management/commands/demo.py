"""`manage.py demo`: loads the demo, starts both servers, and says what to open."""

import os
import signal
import sys
import time
from argparse import ArgumentParser
from contextlib import ExitStack
from io import StringIO
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from connectedsystems.models import ConnectedSystem
from demo import people
from demo.servers import HOST, DidNotStart, Server, is_taken

THIRDPARTY_PORT = 9400


class Command(BaseCommand):
    """Runs until Ctrl-C or SIGTERM; what it makes is kept, so it can be run again."""

    help = "Run the product with Acme CRM, another system, beside it, on this machine alone."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--port", type=int, help="the product's port (default: PUBLIC_BASE_URL's)"
        )
        parser.add_argument(
            "--thirdparty-port", type=int, help=f"Acme CRM's port (default: {THIRDPARTY_PORT})"
        )

        parser.add_argument(
            "--acme-data",
            type=Path,
            default=settings.BASE_DIR / "var" / "acme",
            help="folder for Acme CRM's database and requests.log (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        port = options["port"] or _own_port()
        acme_port = options["thirdparty_port"] or THIRDPARTY_PORT
        for taken, option in ((port, "--port"), (acme_port, "--thirdparty-port")):
            if is_taken(taken):
                raise CommandError(
                    f"Port {taken} of this machine is taken by another program. End that, or "
                    f'choose another port: make demo ARGS="{option} {taken + 1}"'
                )
        if not _told_in_environment(port, acme_port):
            _run_again_with(port, acme_port, options["acme_data"])
        self._run(port, acme_port, options["acme_data"])

    def _run(self, port: int, acme_port: int, acme_data: Path) -> None:
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            with ExitStack() as running:
                self._start(port, acme_port, acme_data, running)
        except KeyboardInterrupt:
            self.stdout.write("Both servers are stopped. Run make demo again at any time.")
        except DidNotStart as failure:
            raise CommandError(str(failure)) from None

    def _start(self, port: int, acme_port: int, acme_data: Path, running: ExitStack) -> None:
        self._say("1/5 Database")
        call_command("migrate", verbosity=0, interactive=False)
        self._say("2/5 Connected systems and integrations of demo/bundle.yaml")
        # Other ports than last time are another system: then people authorize again.
        call_command(
            "load_bundle",
            str(settings.BASE_DIR / "demo" / "bundle.yaml"),
            accept_reauthorization=True,
            stdout=StringIO(),
        )
        self._say("3/5 Users and groups")
        known = people.settle()
        registration = _registration()
        connections.close_all()
        self._say(f"4/5 Acme CRM, the other system, on port {acme_port}")
        acme = Server(
            "Acme CRM",
            _acme_command(acme_port, acme_data, registration),
            f"http://localhost:{acme_port}/api/status",
            settings.BASE_DIR,
        )
        running.callback(acme.stop)
        acme.wait_until_it_answers()
        self._say(f"5/5 Connected Systems on port {port}")
        product = Server(
            "Connected Systems",
            _product_command(port),
            f"{settings.PUBLIC_BASE_URL}/healthz",
            settings.BASE_DIR,
        )
        running.callback(product.stop)
        product.wait_until_it_answers()
        self._say(_what_to_try(known, acme_port))
        # A second Ctrl-C must not leave one of them running.
        running.callback(_be_deaf)
        # Both end at the same time: nobody waits at the terminal for one after the other.
        running.callback(acme.ask_to_stop)
        running.callback(product.ask_to_stop)
        _watch(acme, product)

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _own_port() -> int:
    return urlsplit(settings.PUBLIC_BASE_URL).port or 80


def _told_in_environment(port: int, acme_port: int) -> bool:
    return port == _own_port() and f"localhost:{acme_port}" in settings.OUTBOUND_ALLOW


def _run_again_with(port: int, acme_port: int, acme_data: Path) -> None:
    """Replace this process by one whose environment names the chosen ports."""
    os.execvp(
        "env",
        [
            "env",
            f"PUBLIC_BASE_URL=http://localhost:{port}",
            f"OUTBOUND_ALLOW=localhost:{acme_port}",
            f"BUNDLE_ACME_URL=http://localhost:{acme_port}",
            sys.executable,
            str(settings.BASE_DIR / "manage.py"),
            "demo",
            "--port",
            str(port),
            "--thirdparty-port",
            str(acme_port),
            "--acme-data",
            str(acme_data),
        ],
    )


def _registration() -> str:
    client = ConnectedSystem.objects.get(slug="acme").client()
    return f"{client.client_id}:{client.client_secret}:{client.redirect_uri}"


def _acme_command(port: int, data: Path, registration: str) -> list[str]:
    command = [sys.executable, "-m", "demo.thirdparty", "--port", str(port), "--data", str(data)]
    public = f"http://localhost:{port}"
    return [*command, "--public", public, "--register", registration, "--exit-with-stdin"]


def _product_command(port: int) -> list[str]:
    return [sys.executable, "-m", "gunicorn", "--bind", f"{HOST}:{port}", "config.wsgi:application"]


def _what_to_try(known: list[people.Person], acme_port: int) -> str:
    base, acme = settings.PUBLIC_BASE_URL, f"http://localhost:{acme_port}"
    users = "\n".join(
        f"    {person.name:<6}  {person.password:<16}  {person.role}" for person in known
    )
    return f"""
Both servers answer. Open {base}/ and log in:

{users}

What to try:
    1. As alice open {base}/pages/pages/contacts/ : Acme's contacts want your permission.
       Follow the link, log in to Acme as ada, allow: you are back, and the contacts are there.
    2. As alice open {base}/integrations/add-note/ and write one; then look at {acme}/ .
    3. As bob, in another browser or a private window, the same pages: bob is asked, too, and never
       sees what alice sees. Let bob be ben at Acme.
    4. As alice open {base}/connections/ : what is connected, until when, and Disconnect.
    5. As admin open {base}/admin/ : who is connected to what; nobody's token.
    6. At {acme}/control/ make Acme expire tokens, refuse or fail; then reload alice's page.

Acme CRM is at {acme}/ ; the passwords of ada and ben stand on its log-in page.
Ctrl-C stops both servers.
"""


def _watch(*servers: Server) -> None:
    while True:
        time.sleep(0.5)
        for server in servers:
            if server.has_ended():
                raise DidNotStart(f"{server.name} ended by itself; its last words stand above.")


def _be_deaf() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
