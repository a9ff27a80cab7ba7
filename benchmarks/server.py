"""The other system of the benchmarks, in a process of its own: `python -m benchmarks.server`.

It answers every GET with the same 20 contacts, at once, over a connection that stays open.
"""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTACTS = json.dumps(
    {
        "contacts": [
            {"id": number, "name": f"Contact {number}", "email": f"{number}@example.org"}
            for number in range(20)
        ]
    }
).encode()


class Handler(BaseHTTPRequestHandler):
    """Asks for a Bearer token, and looks no further."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # unbuffered, each answer would wait 40 ms for a delayed ACK
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        known = self.headers.get("Authorization", "").startswith("Bearer ")
        body = CONTACTS if known else b"{}"
        self.send_response(200 if known else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def main() -> None:
    """Serve until standard input ends; the port is the first line of standard output."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_port, flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
