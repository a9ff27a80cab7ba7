"""Requests with files, as a browser sends them to the product's own server."""

from __future__ import annotations

import http.client
import re
import uuid
from contextlib import closing
from dataclasses import dataclass, field
from urllib.parse import urlencode

ORIGIN = "http://testserver"
TOKEN = "c" * 32


@dataclass
class Person:
    """Somebody who is at the site on this port; it believes that it is ``http://testserver``."""

    port: int
    session: str = ""
    last: dict[str, str] = field(default_factory=dict)

    def logs_in(self, name: str) -> int:
        """Log in with the name as the password; the status of the answer, 302 for a success."""
        status, _ = self.posts("/accounts/login/", {"username": name, "password": name})
        found = re.search(r"sessionid=([a-z0-9]+)", self.last.get("set-cookie", ""))
        self.session = found[1] if found else ""
        return status

    def posts(
        self, path: str, form: dict[str, str], *, file: bytes | None = None, name: str = "file"
    ) -> tuple[int, str]:
        """Status and page. With a file the form is multipart."""
        kind, body = "application/x-www-form-urlencoded", b""
        fields = {"csrfmiddlewaretoken": TOKEN, **form}
        if file is None:
            body = urlencode(fields).encode()
        else:
            mark = uuid.uuid4().hex
            kind = f"multipart/form-data; boundary={mark}"
            for key, value in fields.items():
                head = f'--{mark}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n'
                body += head.encode() + value.encode() + b"\r\n"
            head = (
                f'--{mark}\r\nContent-Disposition: form-data; name="{name}"; filename="f"\r\n\r\n'
            )
            body += head.encode() + file + f"\r\n--{mark}--\r\n".encode()
        return self._sent("POST", path, body, {"Content-Type": kind})

    def gets(self, path: str, **headers: str) -> tuple[int, str]:
        return self._sent("GET", path, None, headers)

    def _sent(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, str]:
        cookies = f"csrftoken={TOKEN}" + (f"; sessionid={self.session}" if self.session else "")
        sent = {"Host": "testserver", "Origin": ORIGIN, "Cookie": cookies, "Connection": "close"}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)) as connection:
            connection.request(method, path, body, sent | headers)
            answer = connection.getresponse()
            self.last = {key.lower(): value for key, value in answer.getheaders()}
            return answer.status, answer.read().decode()
