"""A threaded HTTP/1.1 server for one WSGI application, with keep-alive and a way to hang up."""

import contextlib
import socket
import sys
from typing import Any

from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler


class Server(ThreadedWSGIServer):
    """Listens from the moment it is made; a thread for each connection."""

    request_queue_size = 256

    def __init__(self, host: str, port: int) -> None:
        super().__init__((host, port), Handler)

    def server_bind(self) -> None:
        # The inherited one looks up this machine's name, which may take seconds.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "localhost", int(self.server_address[1])
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that hangs up, or is hung up on by a switch, is no news.
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Handler(WSGIRequestHandler):
    """Serves one connection's requests."""

    wbufsize = -1  # one write an answer; unbuffered, the second write waits 40 ms for an ACK
    timeout = 60

    def get_environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environ()
        environ["acme.cut"] = self._cut
        return environ

    def _cut(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: requests.log has it, without the query."""
