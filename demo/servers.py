"""The demo's two servers as child processes: started, waited for, and ended together."""

import http.client
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

HOST = "127.0.0.1"
STOP_SECONDS = 1.5


class DidNotStart(Exception):
    """A server ended, or did not answer in time; the words are for the person at the terminal."""


class Server:
    """A child process that answers GET at `url` with 200 once it is ready."""

    def __init__(self, name: str, command: list[str], url: str, folder: Path) -> None:
        self.name, self.url = name, url
        # A session of its own: Ctrl-C reaches the command alone, which then ends both in order.
        # The pipe to its standard input closes with this process, however that ends.
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def wait_until_it_answers(self, seconds: float = 60) -> None:
        """Return at the first answer; DidNotStart otherwise."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.has_ended():
                raise DidNotStart(f"{self.name} did not start; its message stands above.")
            if _answers(self.url):
                return
            time.sleep(0.1)
        raise DidNotStart(f"{self.name} did not answer within {seconds:.0f} seconds.")

    def has_ended(self) -> bool:
        """Whether the process is gone."""
        return self._process.poll() is not None

    def ask_to_stop(self) -> None:
        """Tell it to end, and do not wait for that."""
        # SIGINT, to gunicorn, is: do not wait for connections that browsers keep open.
        self._process.send_signal(signal.SIGINT)

    def stop(self) -> None:
        """End it, gently first."""
        if self.has_ended():
            return
        self.ask_to_stop()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            # A thread that waits for the rest of a request holds its worker; nobody here waits on.
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def is_taken(port: int) -> bool:
    """Whether another program listens on this machine's port."""
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((HOST, port))
        except OSError:
            return True
    return False


def _answers(url: str) -> bool:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=5)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
