"""`python -m demo.thirdparty`: run Acme CRM until Ctrl-C, SIGTERM or the end of its input."""

import argparse
import contextlib
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

import django
from django.conf import settings

from demo.thirdparty.settings import TOKEN_SECONDS, build


def main(argv: list[str]) -> None:
    """Listen first, then prepare: who connects early waits a moment instead of being refused."""
    asked = _arguments().parse_args(argv)
    from demo.thirdparty.server import Server

    try:
        server = Server(asked.host, asked.port)
    except OSError as error:
        sys.exit(f"Acme CRM cannot listen on {asked.host}:{asked.port}: {error.strerror}.")
    public = asked.public or f"http://{asked.host}:{server.server_port}"
    asked.data.mkdir(parents=True, exist_ok=True)
    settings.configure(**build(public.rstrip("/"), asked.data.resolve(), asked.token_seconds))
    django.setup()
    _prepare(asked.register)

    from django.core.wsgi import get_wsgi_application

    server.set_app(get_wsgi_application())
    _serve(server, public, asked.exit_with_stdin)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m demo.thirdparty", description=__doc__)
    parser.add_argument("--port", type=int, default=9400, help="0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument(
        "--data", type=Path, required=True, help="folder for database and requests.log"
    )
    parser.add_argument(
        "--public", default="", help="address that people use; default http://HOST:PORT"
    )
    parser.add_argument(
        "--token-seconds", type=int, default=TOKEN_SECONDS, help="life of an access token"
    )
    parser.add_argument(
        "--register",
        action="append",
        default=[],
        type=_registration,
        metavar="CLIENT_ID:CLIENT_SECRET:REDIRECT_URI[,REDIRECT_URI]",
        help="a client that may ask for tokens; repeatable",
    )
    parser.add_argument(
        "--exit-with-stdin",
        action="store_true",
        help="stop when standard input ends: no orphan is left",
    )
    return parser


def _registration(text: str) -> dict[str, Any]:
    client_id, _, rest = text.partition(":")
    client_secret, _, redirect_uris = rest.partition(":")
    if not client_id or not redirect_uris:
        raise argparse.ArgumentTypeError("give CLIENT_ID:CLIENT_SECRET:REDIRECT_URI")
    return {
        "client_id": client_id,
        "client_secret": client_secret,
        "redirect_uris": redirect_uris.split(","),
    }


def _prepare(registrations: list[dict[str, Any]]) -> None:
    from django.core.management import call_command

    from demo.thirdparty import control, people

    call_command("migrate", verbosity=0, interactive=False)
    people.settle()
    for asked in registrations:
        control.apply({"register": asked})


def _serve(server: Any, public: str, exit_with_stdin: bool) -> None:
    with server, contextlib.suppress(KeyboardInterrupt):
        signal.signal(signal.SIGTERM, _stop)
        if exit_with_stdin:
            threading.Thread(target=_watch_stdin, daemon=True).start()
        print(f"Acme CRM is at {public} (its misbehaviour at {public}/control/).", flush=True)
        server.serve_forever(poll_interval=0.2)


def _stop(*_: Any) -> NoReturn:
    raise KeyboardInterrupt


def _watch_stdin() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 1024):
            pass
    os.kill(os.getpid(), signal.SIGTERM)


main(sys.argv[1:])
