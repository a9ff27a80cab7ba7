"""A scene for attacks: an honest other system, a host of the attacker's, a user who has authorized."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.acme import OWN_CLICK
from tests.planted import Search

SECRET = "planted-client-secret-Wq81"
NEXT_SECRET = "planted-client-secret-next-Ty62"
SECRET_VARIABLE = "planted-secret-variable-Kx33"
ACCESS = "planted-access-token-{}-{}-Zt94"
REFRESH = "planted-refresh-token-{}-{}-Uv05"
FIRST = 10


def as_bytes(request: Request) -> bytes:
    """All that a server was sent."""
    head = "\n".join(f"{name}: {value}" for name, value in request.headers.items())
    return f"{request.method} {request.url}\n{head}\n\n".encode() + request.get_data()


@dataclass
class Host:
    """A server that writes down what it is sent; its tokens have a number each, from 10 on."""

    server: HTTPServer
    heard: list[bytes] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)
    leading: dict[str, str] = field(default_factory=dict)
    """Paths that redirect, and where to."""
    written: Callable[[Any], str] = json.dumps
    status: int = 200
    """Of what is no token answer."""
    issued: int = FIRST - 1
    owner: str = "honest"

    @property
    def url(self) -> str:
        return f"http://{self.netloc}"

    @property
    def netloc(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    def answer(self, request: Request) -> Response:
        self.heard.append(as_bytes(request))
        self.paths.append(request.path)
        if "token" in request.path or "exchange" in request.path:
            self.issued += 1
            tree = {
                "access_token": ACCESS.format(self.owner, self.issued),
                "refresh_token": REFRESH.format(self.owner, self.issued),
                "token_type": "Bearer",
                # Over at once: each call renews first.
                "expires_in": 0,
                **self.extra,
            }
        else:
            tree = {"things": [{"id": 1}], **self.extra}
        if request.path.startswith(tuple(self.leading)):
            return Response("", 302, {"Location": self.leading[request.path]})
        status = 200 if "token" in request.path else self.status
        return Response(self.written(tree), status, content_type="application/json")


@contextmanager
def running_host(owner: str) -> Iterator[Host]:
    """A host on a port of its own."""
    with HTTPServer("127.0.0.1", 0) as server:
        host = Host(server, owner=owner)
        server.expect_request(re.compile(".*")).respond_with_handler(host.answer)
        yield host


def working(url: str, oauth: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A working system at this host, as a configuration file writes it."""
    return {
        "slug": "goal",
        "name": "Goal",
        "application": "tests",
        "base_url": f"{url}/api",
        "authentication": "oauth2_authorization_code",
        "oauth": {
            "client_id": "goal",
            "client_secret": SECRET,
            "client_authentication": "client_secret_post",
            "authorization_endpoint": f"{url}/authorize",
            "token_endpoint": f"{url}/token",
            "revocation_endpoint": f"{url}/revoke",
            "scope": "things",
            **(oauth or {}),
        },
        **more,
    }


@dataclass
class Scene:
    """The two hosts, the designer's configuration file and the user at the browser."""

    honest: Host
    attacker: Host
    person: Any
    folder: Path
    client: Client = field(default_factory=Client)

    def __post_init__(self) -> None:
        self.client.force_login(self.person)

    def load(self, system: Mapping[str, Any], **integration: Any) -> str:
        """Save it with every question answered yes; the refusal, or "" where it was taken.

        ``integration``: keys of its one integration.
        """
        plain = {"slug": "things", "name": "Things", "connected_system": "goal", "path": "/things"}
        bundle = {
            "applications": [{"slug": "tests", "name": "Tests"}],
            "connected_systems": [system],
            "integrations": [{**plain, **integration}],
        }
        path = self.folder / "bundle.json"
        path.write_text(json.dumps(bundle))
        try:
            call_command("load_bundle", str(path), "--accept-reauthorization", verbosity=0)
        except CommandError as refused:
            return str(refused)
        return ""

    def sets_out(self) -> dict[str, str]:
        """Click the link; the parameters of the authorization request."""
        answer = self.client.get("/connections/goal/authorize/", {"next": "/"}, **OWN_CLICK)
        assert answer.status_code == 302, answer.content.decode()
        return dict(parse_qsl(urlsplit(answer["Location"]).query))

    def authorizes(self, **brought: str) -> Any:
        """The whole walk; the callback's answer."""
        asked = self.sets_out()
        back = {"state": asked["state"], "code": "planted-code-123456", **brought}
        return self.client.get(urlsplit(asked["redirect_uri"]).path, back)

    def calls(self) -> dict[str, Any]:
        """Open the integration's page as JSON."""
        answer = self.client.get("/integrations/things/", HTTP_ACCEPT="application/json")
        return dict(answer.json())

    def disconnects(self) -> Any:
        return self.client.post("/connections/goal/disconnect/", {"next": "/"})

    def status(self) -> tuple[str, str]:
        """State and code of the user's standing."""
        told = self.client.get("/connections/goal/status/").json()
        return told["state"], told["code"]

    def admin(self) -> Client:
        """Somebody who may see every page."""
        root = get_user_model().objects.filter(username="root").first()
        admin = Client()
        admin.force_login(root or get_user_model().objects.create_superuser("root"))
        return admin

    def forgets(self) -> None:
        """The system is deleted, on the desk, by an admin."""
        admin = self.admin()
        for model in ("integrations/integration", "connectedsystems/connectedsystem"):
            listed = admin.get(f"/admin/{model}/").content.decode()
            for path in set(re.findall(f'/admin/{model}/[^/"]+/change/', listed)):
                answer = admin.post(path.replace("/change/", "/delete/"), {"post": "yes"})
                assert answer.status_code == 302, answer.content.decode()

    def newest(self, what: str) -> str:
        """The honest side's last token of this kind."""
        form = REFRESH if what.startswith("refresh") else ACCESS
        return form.format("honest", self.honest.issued)

    def attacker_holds(self) -> set[str]:
        """The planted values of the honest side that reached the attacker."""
        planted = {"client secret": SECRET, "next secret": NEXT_SECRET}
        planted["secret variable"] = SECRET_VARIABLE
        for number in range(FIRST, self.honest.issued + 1):
            planted[f"access token {number}"] = ACCESS.format("honest", number)
            planted[f"refresh token {number}"] = REFRESH.format("honest", number)
        search = Search(planted)
        return {name for heard in self.attacker.heard for name in search(heard)}
