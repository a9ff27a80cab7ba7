"""The other system of the benchmarks, in a process of its own: `python -m benchmarks.server`.

It answers every GET of a caller with a token with the same 20 contacts, at once, over a connection
that stays open. Its token endpoint changes the refresh token each time and takes none twice, as
RFC 9700 section 4.14.2 asks; `/count` says how often it was asked.
"""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

CONTACTS = json.dumps(
    {
        "contacts": [
            {"id": number, "name": f"Contact {number}", "email": f"{number}@example.org"}
            for number in range(20)
        ]
    }
).encode()


class Tokens:
    """The one pair that is good, and how many token requests came in."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.asked = 0
        self.refresh_token = ""

    def renewed(self, refresh_token: str) -> dict[str, object] | None:
        """A new pair, or None for a refresh token that was taken before; any may be the first."""
        with self.lock:
            self.asked += 1
            if self.refresh_token and refresh_token != self.refresh_token:
                return None
            self.refresh_token = f"rt-{self.asked}"
            return {
                "access_token": f"at-{self.asked}",
                "refresh_token": self.refresh_token,
                "token_type": "Bearer",
                "expires_in": 3600,
            }


TOKENS = Tokens()


class Handler(BaseHTTPRequestHandler):
    """Asks for a Bearer token, and looks no further."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # unbuffered, each answer would wait 40 ms for a delayed ACK
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if self.path == "/count":
            self._answer(200, str(TOKENS.asked).encode())
            return
        known = self.headers.get("Authorization", "").startswith("Bearer ")
        self._answer(200 if known else 401, CONTACTS if known else b"{}")

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        pair = TOKENS.renewed(parse_qs(sent).get("refresh_token", [""])[0])
        self._answer(*((200, pair) if pair else (400, {"error": "invalid_grant"})))

    def _answer(self, status: int, content: bytes | dict[str, object]) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """Two hundred callers may knock at once."""

    request_queue_size = 512
    daemon_threads = True


def main() -> None:
    """Serve until standard input ends; the port is the first line of standard output."""
    server = Server(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
