"""G2: a designer who never knew a secret tries to have it sent to a host of their own.

Each road is walked through the product as it is served, and for each kind of secret; the thief's
server answers as the other system would, and keeps every byte that it is told.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import StringIO
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from tests.acme import make_integration, make_system
from tests.otherside import OtherSide, Told, answer, other_side
from tests.processes.started import Answer, Site
from tests.processes.test_saving import session
from tests.workbench.test_known import Filled

pytestmark = [
    pytest.mark.processes,
    pytest.mark.parametrize("database", ["sqlite"], indirect=True),
]

SECRET, NEXT = "stored-client-secret-Wq8", "stored-next-secret-Tp5"
KEY, PASSWORD = "stored-api-key-Lm3", "stored-password-Fd6"
VARIABLE = "stored-variable-Ux9"
ALL = (SECRET, NEXT, KEY, PASSWORD, VARIABLE)
CODE = 'data-code="secret_not_for_host"'
WELL_KNOWN = "/.well-known/openid-configuration"
LIST = "/admin/connectedsystems/connectedsystem/"


@dataclass
class Server:
    """A system that takes every client, and gives tokens and data to whoever asks."""

    refuses: bool = False
    """Whether it refuses clients, as the real one does when its secret is not the right one."""
    document: dict[str, Any] = field(default_factory=dict)
    side: OtherSide = field(init=False, repr=False)

    @property
    def url(self) -> str:
        return self.side.url("").rstrip("/")

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    def talk(self, told: Told, sock: socket.socket) -> None:
        tree: dict[str, Any] = {
            "access_token": "a-token-Zz1",
            "refresh_token": "a-refresh-Zz2",
            "token_type": "Bearer",
            "expires_in": 3600,
        }
        status = "200 OK"
        if told.target.startswith(WELL_KNOWN):
            own = {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
            }
            tree = {**own, **self.document}
        elif self.refuses:
            tree, status = {"error": "invalid_client"}, "401 Unauthorized"
        sock.sendall(answer(json.dumps(tree).encode(), status, "Content-Type: application/json"))

    def heard(self) -> list[str]:
        """The stored secrets among all that it was told, in whatever way they were sent."""
        texts = []
        for told in self.side.told:
            lines = [told.target, *[value for _, value in told.headers]]
            texts += [*lines, told.body.decode("utf-8", "replace")]
            for value in lines:
                if value.startswith("Basic "):
                    texts.append(base64.b64decode(value[6:]).decode("utf-8", "replace"))
        everything = "\n".join(texts)
        return [each for each in ALL if each in everything or quote(each, safe="") in everything]


@contextlib.contextmanager
def server(**more: Any) -> Iterator[Server]:
    made = Server(**more)
    with other_side(made.talk) as side:
        made.side = side
        yield made


@pytest.fixture
def acme() -> Iterator[Server]:
    with server() as made:
        yield made


@pytest.fixture
def thief() -> Iterator[Server]:
    with server() as made:
        yield made
        assert made.heard() == [], "the thief's server has been told a stored secret"


@dataclass
class Desk:
    """Dora, who designs, and was never told a secret."""

    site: Site
    session: str
    system: Any

    @property
    def change(self) -> str:
        return f"{LIST}{self.system.pk}/change/"

    def form(self, **typed: str) -> dict[str, str]:
        """The form of the saved system as a browser would post it, with what is typed over it."""
        values = Filled(self.site.ask(self.change, self.session).body.decode()).values
        values.pop("csrfmiddlewaretoken", None)
        return {**values, **typed}

    def saves(self, **typed: str) -> Answer:
        return self.site.ask(self.change, self.session, form=self.form(**typed))

    def tries(self, road: str, **typed: str) -> Answer:
        """``authorize``, ``check``, ``preview`` or ``done`` of a form that is not saved."""
        return self.site.ask(f"{LIST}draft/{road}/", self.session, form=self.form(**typed))

    def uploads(self, tree: dict[str, Any]) -> Answer:
        """A bundle file on the desk, and the yes to it."""
        path = "/admin/connectedsystems/application/load/"
        first = _multipart(self.site, path, self.session, json.dumps(tree).encode())
        self.site.ask(path, self.session, form={"action": "load"})
        return first


def _multipart(site: Site, path: str, session: str, content: bytes) -> Answer:
    token = "c" * 32
    parts = [
        b'--x\r\nContent-Disposition: form-data; name="csrfmiddlewaretoken"\r\n\r\n'
        + token.encode(),
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="b.json"\r\n'
        b"Content-Type: application/json\r\n\r\n" + content,
        b"--x--\r\n",
    ]
    headers = {
        "Host": "testserver",
        "Origin": "http://testserver",
        "Cookie": f"sessionid={session}; csrftoken={token}",
        "Content-Type": "multipart/form-data; boundary=x",
        "Connection": "close",
    }
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", site.port)) as connection:
        connection.request("POST", path, b"\r\n".join(parts), headers)
        said = connection.getresponse()
        return Answer(said.status, said.headers, said.read())


@pytest.fixture
def desk(user: Callable[..., Any], serve: Callable[..., Site], acme: Server) -> Callable[..., Desk]:
    """Dora at the form of a system that authenticates in a way of one's own choice."""

    def made(authentication: str, **more: Any) -> Desk:
        if authentication.startswith("oauth2"):
            box = {
                "client_secret": SECRET,
                "client_secret_next": NEXT,
                "token_endpoint": f"{acme.url}/token",
                "authorization_endpoint": f"{acme.url}/authorize",
                "revocation_endpoint": f"{acme.url}/revoke",
                "client_authentication": None,
            }
            more["oauth"] = {**box, **more.get("oauth", {})}
        system = make_system(
            acme.url, authentication=authentication, **{"base_url": f"{acme.url}/api", **more}
        )
        make_integration(system, "things", path="/things")
        dora = user("dora", groups=["crm-designers"])
        return Desk(serve(WEB_CONCURRENCY="1"), session(dora), system)

    return made


API_KEY = {"api_key": {"name": "X-Key", "value": KEY}}
BASIC = {"basic": {"username": "me", "password": PASSWORD}}
HEADER = {
    "variables": {"key": {"secret": True, "value": VARIABLE}},
    "request_headers": {"X-Key": "{key}"},
}
CODE_GRANT, ITSELF = "oauth2_authorization_code", "oauth2_client_credentials"

SAVES = [
    (CODE_GRANT, {}, "token_endpoint", "client_secret"),
    (CODE_GRANT, {}, "refresh_endpoint", "client_secret"),
    (CODE_GRANT, {}, "revocation_endpoint", "client_secret"),
    (ITSELF, {"oauth": {"authorization_endpoint": None}}, "token_endpoint", "client_secret"),
    ("api_key", API_KEY, "base_url", "api_key_value"),
    ("basic", BASIC, "base_url", "basic_password"),
    ("none", HEADER, "base_url", "variables"),
    (CODE_GRANT, HEADER, "base_url", "variables"),
]


@pytest.mark.parametrize(("authentication", "more", "key", "named"), SAVES)
def test_G2_another_host_asks_for_the_secret_again(
    desk: Callable[..., Desk],
    acme: Server,
    thief: Server,
    authentication: str,
    more: dict[str, Any],
    key: str,
    named: str,
) -> None:
    dora = desk(authentication, **more)
    said = dora.saves(**{key: f"{thief.url}/x", "end_authorizations": "on"})
    page = said.body.decode()
    assert said.status == 200 and CODE in page, page[:2000]
    box = page.split(CODE)[1].split("</section>")[0]
    assert f'href="#id_{named}"' in box
    assert acme.host in box and thief.host in box
    dora.site.ask("/integrations/things/", dora.session)
    for road in ("authorize", "check", "preview", "done"):
        dora.tries(road, **{key: f"{thief.url}/x"})
    # The honest walk: nothing is asked for where the hosts stay.
    kept = dora.saves(
        description="Other words", **({"scope": "less"} if "oauth" in authentication else {})
    )
    assert kept.status == 302, kept.body.decode()[:3000]
    if key != "refresh_endpoint":
        assert (
            dora.saves(**{key: f"{acme.url}/other/path", "end_authorizations": "on"}).status == 302
        )


@pytest.mark.parametrize(
    "scheme", ["token_parameters", "authorization_parameters", "authorization_endpoint"]
)
def test_G2_a_secret_variable_is_led_to_no_new_place(
    desk: Callable[..., Desk], thief: Server, scheme: str
) -> None:
    dora = desk(CODE_GRANT, variables=HEADER["variables"])
    typed = {scheme: '{"q": "{key}"}'}
    if scheme == "authorization_endpoint":
        typed = {scheme: f"{thief.url}/a?q={{key}}"}
    elif scheme == "token_parameters":
        typed |= {"token_endpoint": f"{thief.url}/token", "client_secret": "typed-by-dora-1"}
        typed["client_secret_next_remove"] = "on"
    began = dora.tries("authorize", **typed)
    assert VARIABLE not in began.body.decode() + str(began.headers)
    assert CODE in began.body.decode()
    saved = dora.saves(**typed)
    assert saved.status == 200 and CODE in saved.body.decode()


def test_G2_the_secret_is_typed_again_and_belongs_to_the_new_host_then(
    desk: Callable[..., Desk], acme: Server
) -> None:
    dora = desk("api_key", **API_KEY)
    with server() as moved:
        typed = {"base_url": f"{moved.url}/v2", "api_key_value": "typed-again-Qq1"}
        assert dora.saves(**typed).status == 302
        assert dora.site.ask("/integrations/things/", dora.session).status == 200
        assert moved.side.told[-1].header("X-Key") == "typed-again-Qq1"
        # What was typed for one host is not taken back to the other either.
        assert CODE in dora.saves(base_url=f"{acme.url}/api").body.decode()
    assert not acme.side.told


def test_G2_a_restored_version_takes_no_secret_along(
    desk: Callable[..., Desk], acme: Server, thief: Server
) -> None:
    dora = desk("api_key", **{**API_KEY, "base_url": f"{thief.url}/api"})
    typed = {"base_url": f"{acme.url}/api", "api_key_value": KEY}
    dora.system.seal_secrets({"api_key": "the-thief-knew-this-one"})
    dora.system.save()
    assert dora.saves(**typed).status == 302
    oldest = dora.system.versions.last()
    path = f"{LIST}{dora.system.pk}/versions/{oldest.pk}/restore/"
    shown = dora.site.ask(path, dora.session).body.decode()
    assert CODE in shown and acme.host in shown and thief.host in shown
    assert (
        CODE in dora.site.ask(path, dora.session, form={"end_authorizations": "on"}).body.decode()
    )
    assert dora.site.ask("/integrations/things/", dora.session).status == 200
    assert acme.heard() == [KEY]


@pytest.mark.parametrize(("authentication", "more", "key", "named"), SAVES)
def test_G2_a_loaded_file_moves_no_secret(
    desk: Callable[..., Desk],
    thief: Server,
    authentication: str,
    more: dict[str, Any],
    key: str,
    named: str,
) -> None:
    dora = desk(authentication, **more)
    moved: dict[str, Any] = (
        {key: f"{thief.url}/x"} if key == "base_url" else {"oauth": {key: f"{thief.url}/x"}}
    )
    said = dora.uploads({"connected_systems": [{"slug": "acme", **moved}]})
    assert said.status == 400, said.body.decode()[:2000]
    assert b"secret_not_for_host" in said.body
    dora.system.refresh_from_db()
    assert thief.url not in json.dumps(dora.system.as_data())


def test_G2_metadata_that_moves_asks_for_the_secret_again(
    desk: Callable[..., Desk], acme: Server, thief: Server
) -> None:
    nothing = {"token_endpoint": None, "authorization_endpoint": None, "revocation_endpoint": None}
    found = {**nothing, "client_secret_next": None, "discovery_url": f"{acme.url}{WELL_KNOWN}"}
    dora = desk(CODE_GRANT, oauth=found)
    assert dora.saves(description="once").status == 200  # bound to no host yet
    assert dora.saves(client_secret=SECRET).status == 302
    acme.document = {"token_endpoint": f"{thief.url}/token"}
    for road in ("check", "authorize", "done"):
        dora.tries(road)
    said = dora.saves(description="twice")
    assert said.status == 200 and CODE in said.body.decode()
    assert thief.host in said.body.decode()
    from django.core.management import CommandError, call_command

    out = StringIO()
    with contextlib.suppress(CommandError):
        call_command("check_system", "acme", stdout=out)
    assert SECRET not in out.getvalue()
    # Another document, of the thief's own, leads nowhere either.
    other = {"discovery_url": f"{thief.url}{WELL_KNOWN}"}
    assert CODE in dora.tries("authorize", **other).body.decode()
    dora.tries("check", **other)
    assert CODE in dora.saves(**other).body.decode()


def test_G2_a_row_that_was_written_behind_our_back_sends_nothing(
    desk: Callable[..., Desk], acme: Server, thief: Server
) -> None:
    """Whatever stands in the row: calls, code, renewal, second exchange, revocation, doctor."""
    from authlinks.models import Authorization
    from connectedsystems.models import ConnectedSystem

    dora = desk(CODE_GRANT, oauth={"second_exchange": None})

    def moves(**keys: Any) -> None:
        row = ConnectedSystem.objects.get()
        box = {**dora.system.configuration["oauth"], **keys}
        ConnectedSystem.objects.update(
            configuration={**row.configuration, "oauth": box}, version=row.version + 1
        )

    def authorizes() -> Answer:
        begun = dora.site.ask(
            "/connections/acme/authorize/?next=/",
            dora.session,
            headers={
                "Sec-Fetch-Site": "same-origin",
                "Sec-Fetch-Mode": "navigate",
                "Sec-Fetch-Dest": "document",
            },
        )
        if begun.status != 302:
            return begun
        state = parse_qs(urlsplit(begun.headers["Location"]).query)["state"][0]
        back = urlsplit(dora.system.redirect_uri).path
        return dora.site.ask(f"{back}?code=c-1&state={state}", dora.session)

    assert authorizes().status == 303
    second = {"endpoint": f"{thief.url}/long", "client_authentication": "client_secret_post"}
    for keys in (
        {"token_endpoint": f"{thief.url}/token"},
        {"refresh_endpoint": f"{thief.url}/token"},
        {"second_exchange": second},
        {"second_exchange": {"endpoint": f"{thief.url}/l", "parameters": {"s": "{client_secret}"}}},
        {"revocation_endpoint": f"{thief.url}/revoke"},
    ):
        moves(**keys)
        assert CODE in authorizes().body.decode(), keys
        # The authorization is made to fit, so that only the secret's own origin is in the way.
        row = ConnectedSystem.objects.get()
        Authorization.objects.update(
            fingerprint=row.parsed().fingerprint(), expires_at=row.created_at, ended_code=""
        )
        said = dora.site.ask(
            "/integrations/things/", dora.session, headers={"Accept": "application/json"}
        )
        assert json.loads(said.body)["error"]["code"] == "secret_not_for_host", keys
        assert said.status == 503
        from django.core.management import CommandError, call_command

        out = StringIO()
        with contextlib.suppress(CommandError):
            call_command("check_system", "acme", stdout=out)
        assert "secret_not_for_host" in out.getvalue()
    gone = dora.site.ask("/connections/acme/disconnect/", dora.session, form={"next": "/"})
    assert gone.status == 303
    assert not Authorization.objects.exists()


@pytest.mark.parametrize(
    ("method", "heard"),
    [(None, []), ("none", []), ("client_secret_post", [SECRET])],
)
def test_G2_a_second_exchange_gets_the_client_only_where_it_says_so(
    desk: Callable[..., Desk], method: str | None, heard: list[str]
) -> None:
    with server() as other:
        box = {"endpoint": f"{other.url}/long", "parameters": {"t": "{access_token}"}}
        more = {"client_authentication": method} if method else {}
        dora = desk(CODE_GRANT, oauth={"second_exchange": {**box, **more}})
        began = dora.tries("authorize")
        assert began.status == 302
        state = parse_qs(urlsplit(began.headers["Location"]).query)["state"][0]
        dora.site.ask(
            f"{urlsplit(dora.system.redirect_uri).path}?code=c-1&state={state}", dora.session
        )
        told = other.side.told[-1]
        assert b"t=a-token-Zz1" in told.body
        assert other.heard() == heard
        assert (b"client_id" in told.body) == bool(heard)
        assert told.header("Authorization") is None
