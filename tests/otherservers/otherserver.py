"""node's oidc-provider as a real process on a free port, steered and read from here."""

from __future__ import annotations

import base64
import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.environment import OTHER_SERVER
from tests.thirdparty import Browser, Page

PROGRAM = Path(__file__).with_name("server.mjs")
SCOPE = "openid notes"


@dataclass(frozen=True)
class OtherServer:
    """The running server. ``url``, its issuer, has no slash at the end.

    Endpoints: ``/auth``, ``/token``, ``/token/revocation``; API under ``/api``: GET ``/me``, and POST
    ``/notes`` for who has the scope ``notes``.
    """

    url: str

    def log(self) -> list[dict[str, Any]]:
        """The requests since the last reset: method, path, status, grant_type, client_id, error, note."""
        said: list[dict[str, Any]] = self.control()["log"]
        return said

    def count(self, **wanted: Any) -> int:
        """How many requests since the last reset have these members."""
        return sum(wanted.items() <= entry.items() for entry in self.log())

    def control(self, **switches: Any) -> dict[str, Any]:
        """``lifetime`` of access tokens in seconds, a ``client`` that is made or replaced, ``reset``."""
        request = urllib.request.Request(f"{self.url}/control/", json.dumps(switches).encode())
        with _open.open(request, timeout=30) as answer:
            said: dict[str, Any] = json.load(answer)
        return said

    def register(
        self, client_id: str, client_secret: str, redirect_uris: list[str], **more: Any
    ) -> None:
        """Make or replace a client."""
        known = {"client_id": client_id, "client_secret": client_secret}
        grants = {"grant_types": ["authorization_code", "refresh_token"]}
        self.control(client={**known, **grants, "redirect_uris": redirect_uris, **more})

    def accepts(self, access_token: str) -> bool:
        """Whether its API does."""
        headers = {"Authorization": f"Bearer {access_token}"}
        return (
            Browser()._send(urllib.request.Request(f"{self.url}/api/me", None, headers)).status
            == 200
        )

    def refresh(self, client_id: str, client_secret: str, refresh_token: str) -> Page:
        """What the token endpoint says to somebody who has this refresh token."""
        given = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
        fields = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        request = urllib.request.Request(
            f"{self.url}/token",
            urllib.parse.urlencode(fields).encode(),
            {"Authorization": f"Basic {given}"},
        )
        return Browser()._send(request)

    def visit(self, authorization_url: str, user: str = "ada", *, allow: bool = True) -> Page:
        """Log in and decide; the page where it ended, or the redirect to another host."""
        browser = Browser()
        page = browser.get(authorization_url)
        for _ in range(8):
            if page.location and not page.location.startswith(f"{self.url}/"):
                break
            if page.location:
                page = browser.get(page.location)
            elif "Be ada" in page.text:
                page = browser.post(page.url, {"login": user})
            elif "Cancel" in page.text:
                page = browser.post(page.url, {"allow": "yes" if allow else ""})
            else:
                break
        return page

    def approve(self, authorization_url: str, user: str = "ada", *, allow: bool = True) -> str:
        """Walk there; the callback's URL, which nobody has opened yet."""
        page = self.visit(authorization_url, user, allow=allow)
        assert page.location, f"it kept {user}: {page.status} {page.text[:2000]}"
        return page.location


@contextmanager
def running(folder: Path) -> Iterator[OtherServer]:
    """Start it; it ends with the block, or with this process."""
    with (folder / "otherserver.log").open("wb") as complaints:
        process = subprocess.Popen(
            ["node", str(PROGRAM), str(OTHER_SERVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
        )
    assert process.stdout is not None
    said = process.stdout.readline().split()
    assert said, (folder / "otherserver.log").read_text()[-2000:]
    try:
        yield OtherServer(said[-1])
    finally:
        process.communicate(timeout=20)


_open = urllib.request.build_opener(urllib.request.ProxyHandler({}))
