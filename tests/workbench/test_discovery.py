"""A Discovery URL: read where somebody saves or tries, never in a user's request, never unseen."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import connection

from connectedsystems.configuration import discovered
from connectedsystems.models import Application, AuditEvent, ConfigurationVersion, ConnectedSystem
from connectedsystems.oauth import discovery
from tests.acme import OWN_CLICK
from tests.desk import House, make_authorization
from tests.otherside import Authority, OtherSide, Told, answer, other_side
from tests.workbench.test_known import Filled
from workbench import bundle

LIST = "/admin/connectedsystems/connectedsystem/"
DRAFT = f"{LIST}draft/"
JSON = {"HTTP_ACCEPT": "application/json"}
WELL_KNOWN = "/.well-known/openid-configuration"
SECRET = "discovery-client-secret-Kd2"


@dataclass
class Issuer:
    """Another system that publishes metadata: ``says`` is put over what it would say."""

    server: OtherSide
    says: dict[str, Any] = field(default_factory=dict)
    status: str = "200 OK"

    @property
    def url(self) -> str:
        return self.server.url("").rstrip("/")

    @property
    def discovery_url(self) -> str:
        return f"{self.url}{WELL_KNOWN}"

    @property
    def document(self) -> dict[str, Any]:
        own = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
        }
        return {key: value for key, value in {**own, **self.says}.items() if value is not None}

    def asked(self) -> int:
        """How often its metadata was asked for."""
        return sum(told.target == WELL_KNOWN for told in self.server.told)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    held: list[Issuer] = []

    def talk(told: Told, sock: socket.socket) -> None:
        if told.target == WELL_KNOWN:
            sock.sendall(answer(json.dumps(held[0].document).encode(), held[0].status))
        else:
            sock.sendall(answer(b"<h1>none</h1>", "404 Not Found"))

    with other_side(talk) as server:
        held.append(Issuer(server))
        yield held[0]


# A bundle


@dataclass
class Files:
    """Bundle files of one system that leaves its endpoints out."""

    folder: Path
    issuer: Issuer

    def tree(self, oauth: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        box = {
            "client_id": "a",
            "client_secret": SECRET,
            "discovery_url": self.issuer.discovery_url,
        }
        system = {
            "slug": "found",
            "name": "Found",
            "application": "tests",
            "base_url": "https://api.acme.example",
            "authentication": "oauth2_authorization_code",
            "oauth": {**box, **(oauth or {})},
            **more,
        }
        tests = {"slug": "tests", "name": "Tests"}
        return {"applications": [tests], "connected_systems": [system]}

    def load(self, oauth: dict[str, Any] | None = None, *flags: str, **more: Any) -> str:
        path = self.folder / "bundle.json"
        path.write_text(json.dumps(self.tree(oauth, **more)))
        out = StringIO()
        call_command("load_bundle", str(path), *flags, stdout=out, stderr=out)
        return out.getvalue()

    @property
    def system(self) -> ConnectedSystem:
        return ConnectedSystem.objects.get(slug="found")

    def endpoint(self, name: str = "token_endpoint") -> str:
        return str(self.system.parsed().oauth.get(name))


@pytest.fixture
def files(db: None, tmp_path: Path, issuer: Issuer) -> Files:
    return Files(tmp_path, issuer)


def test_a_bundle_may_leave_its_endpoints_out(files: Files) -> None:
    files.load()
    assert files.endpoint() == f"{files.issuer.url}/token"
    assert files.endpoint("issuer") == files.issuer.url
    [dumped] = bundle.dump([Application.objects.get(slug="tests")])["connected_systems"]
    assert dumped["oauth"] == {"client_id": "a", "discovery_url": files.issuer.discovery_url}
    assert "discovered" not in dumped


def test_loading_again_changes_nothing_unless_the_document_did(files: Files) -> None:
    files.load()
    assert json.loads(files.load(None, "--json"))["connected_systems"][0]["change"] == "unchanged"
    files.issuer.says = {"token_endpoint": f"{files.issuer.url}/token2"}
    assert json.loads(files.load(None, "--json"))["connected_systems"][0]["change"] == "updated"
    assert files.endpoint() == f"{files.issuer.url}/token2"


def test_a_document_that_changed_ends_authorizations_only_with_a_yes(
    files: Files, alice: Any
) -> None:
    files.load()
    make_authorization(files.system, alice)
    files.issuer.says = {"token_endpoint": f"{files.issuer.url}/token2"}
    with pytest.raises(CommandError, match="This change ends 1 authorization"):
        files.load()
    assert files.endpoint() == f"{files.issuer.url}/token"
    files.load(None, "--accept-reauthorization")
    assert files.endpoint() == f"{files.issuer.url}/token2"


def test_a_document_never_moves_a_loaded_secret_to_another_host(files: Files) -> None:
    files.load()
    files.issuer.says = {"token_endpoint": "https://thief.example/token"}
    with pytest.raises(CommandError, match=r"discovery_mismatch: .*thief\.example"):
        files.load(None, "--accept-reauthorization")
    assert files.endpoint() == f"{files.issuer.url}/token"


@pytest.mark.parametrize(
    ("says", "code", "words"),
    [
        ({"issuer": "https://else.example"}, "discovery_mismatch", "https://else.example"),
        ({"token_endpoint": None}, "discovery_failed", "it has no token_endpoint"),
        ({"token_endpoint": "https://10.0.0.1/t"}, "discovery_failed", "token_endpoint cannot be"),
    ],
)
def test_a_bundle_fails_whole_with_what_is_wrong_there(
    files: Files, says: dict[str, Any], code: str, words: str
) -> None:
    files.issuer.says = says
    with pytest.raises(CommandError) as caught:
        files.load()
    told = str(caught.value)
    assert f"connected_systems[0].oauth.discovery_url: {code}: " in told
    assert words in told
    assert SECRET not in told
    assert not Application.objects.filter(slug="tests").exists()


def test_what_is_entered_is_enough(files: Files) -> None:
    files.issuer.says = {"token_endpoint": None}
    files.load({"token_endpoint": "https://acme.example/token"})
    assert files.endpoint() == "https://acme.example/token"
    assert files.endpoint("authorization_endpoint") == f"{files.issuer.url}/authorize"


def test_a_variable_that_is_filled_in_later_waits_with_the_metadata(files: Files) -> None:
    address = {"discovery_url": f"{{where}}{WELL_KNOWN}"}
    told = files.load(address, variables={"where": {"environment": True}})
    assert "still without a value: variables.where" in told
    assert files.issuer.asked() == 0
    files.load(address, variables={"where": {"environment": True, "value": files.issuer.url}})
    assert files.endpoint() == f"{files.issuer.url}/token"


@pytest.mark.parametrize(
    "kept",
    [
        {"variables": {"who": {"secret": True, "value": "x"}}},
        {"oauth": {"captures": {"token": {"who": "who"}}, "capture_patterns": {"who": "[a-z]+"}}},
    ],
    ids=["secret", "capture"],
)
def test_neither_a_secret_nor_a_users_value_stands_in_its_address(
    files: Files, kept: dict[str, Any]
) -> None:
    own = {"discovery_url": "https://acme.example/{who}/x", **kept.pop("oauth", {})}
    with pytest.raises(CommandError, match=r"oauth\.discovery_url: \{who\} is not declared"):
        files.load(own, **kept)


def test_nobody_writes_down_what_was_found(files: Files) -> None:
    with pytest.raises(CommandError, match="unknown key: discovered"):
        files.load(discovered={"settings": {"token_endpoint": "https://thief.example/"}})


def test_a_users_request_never_asks_for_metadata(files: Files, client: Any, alice: Any) -> None:
    files.load()
    before = files.issuer.asked()
    client.force_login(alice)
    said = client.get("/connections/found/authorize/", {"next": "/"}, **OWN_CLICK)
    assert said["Location"].startswith(f"{files.issuer.url}/authorize?")
    assert files.issuer.asked() == before


def test_the_doctor_tells_a_document_that_changed_and_changes_nothing(files: Files) -> None:
    files.load()
    files.issuer.says = {"token_endpoint": f"{files.issuer.url}/token2"}
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("check_system", "found", "--json", stdout=out)
    steps = {step["name"]: step for step in json.loads(out.getvalue())}
    step = steps["metadata and Token Request Endpoint"]
    assert (step["outcome"], step["code"]) == ("warn", "discovery_mismatch")
    assert step["look_at"] == "discovery_url"
    assert f"Endpoint is {files.issuer.url}/token2; in use is" in step["sentence"]
    assert "save the system on the desk" in step["fix"]
    assert files.endpoint() == f"{files.issuer.url}/token"


def test_a_file_of_many_slow_ones_comes_to_an_end(files: Files, settings: Any) -> None:
    settings.TIME_LIMITS = 0
    with pytest.raises(CommandError, match="no time was left to ask: load fewer systems"):
        files.load()
    assert files.issuer.asked() == 0


# The desk


@dataclass
class Form:
    """A designer at the form of a system that leaves its endpoints out."""

    client: Any
    house: House
    issuer: Issuer
    path: str = f"{LIST}add/"

    def __post_init__(self) -> None:
        self.client.force_login(self.house.crm.designer)
        self.typed = {
            "application": str(self.house.crm.application.pk),
            "name": "Found",
            "slug": "found",
            "base_url": "https://api.acme.example",
            "authentication": "oauth2_authorization_code",
            "client_id": "a",
            "client_secret": SECRET,
            "discovery_url": self.issuer.discovery_url,
        }

    def page(self) -> str:
        return str(self.client.get(self.path).content.decode())

    def whole(self, **more: Any) -> dict[str, Any]:
        hidden = re.search(r'name="public_id" value="([^"]+)"', self.page())
        assert hidden
        return {**self.typed, "public_id": hidden[1], **more}

    def saves(self, **more: Any) -> Any:
        return self.client.post(self.path, self.whole(**more))

    def asks(self, what: str, **more: Any) -> dict[str, Any]:
        said: dict[str, Any] = self.client.post(
            f"{DRAFT}{what}/", self.whole(**more), **JSON
        ).json()
        return said

    def creates(self) -> ConnectedSystem:
        assert self.saves().status_code == 302
        system = ConnectedSystem.objects.get(slug="found")
        self.path = f"{LIST}{system.pk}/change/"
        return system


@pytest.fixture
def form(house: House, client: Any, issuer: Issuer) -> Form:
    return Form(client, house, issuer)


def token_endpoint() -> str:
    system = ConnectedSystem.objects.get(slug="found")
    return str(system.parsed().oauth.get("token_endpoint"))


def test_a_save_fetches_and_the_form_shows_what_it_found(form: Form) -> None:
    form.creates()
    assert token_endpoint() == f"{form.issuer.url}/token"
    page = form.page()
    assert f'placeholder="{form.issuer.url}/token"' in page
    assert f"Left empty, it is as the metadata says: {form.issuer.url}/authorize" in page


def test_no_transaction_is_open_while_it_fetches(
    form: Form, tmp_path: Path, monkeypatch: Any
) -> None:
    blocks: list[bool] = []
    real = discovery.fetch

    def watched(*args: Any, **named: Any) -> Any:
        blocks.append(all(getattr(b, "_from_testcase", False) for b in connection.atomic_blocks))
        return real(*args, **named)

    monkeypatch.setattr(discovered.discovery, "fetch", watched)
    form.creates()
    form.saves(description="changed")
    tree = Files(tmp_path, form.issuer).tree(application="crm")
    tree.pop("applications")
    text = yaml.safe_dump(tree).encode()
    load = "/admin/connectedsystems/application/load/"
    page = form.client.post(load, {"file": SimpleUploadedFile("b.yaml", text)})
    assert page.status_code == 200
    form.client.post(load, {"action": "load"})
    assert len(blocks) == 4
    assert all(blocks)


def test_a_fetch_that_fails_is_said_at_its_field_and_nothing_is_lost(form: Form) -> None:
    form.issuer.status = "503 Service Unavailable"
    said = form.saves(description="kept as typed")
    assert said.status_code == 200
    page = said.content.decode()
    assert 'data-code="discovery_failed"' in page
    assert [*said.context["adminform"].form.errors] == ["discovery_url"]
    assert "kept as typed" in page
    assert SECRET not in page
    assert not ConnectedSystem.objects.filter(slug="found").exists()
    form.issuer.status = "200 OK"
    again = re.search(r'name="public_id" value="([^"]+)"', page)
    assert again
    typed = {**form.typed, "public_id": again[1], "client_secret": ""}
    assert form.client.post(form.path, typed).status_code == 302
    assert ConnectedSystem.objects.get(slug="found").opened_secrets() == {"client_secret": SECRET}


def test_a_silent_document_keeps_nobody_from_saving_the_rest(form: Form) -> None:
    form.creates()
    form.issuer.status = "503 Service Unavailable"
    said = form.saves(description="Another one", client_secret="")
    assert said.status_code == 302
    shown = form.page()
    assert "what it said before stays" in shown and "discovery_failed" in shown
    assert token_endpoint() == f"{form.issuer.url}/token"
    assert ConnectedSystem.objects.get(slug="found").description == "Another one"
    # Another address was never heard, and is asked for as at the first save.
    other = form.saves(discovery_url=f"{form.issuer.discovery_url}?x=1", client_secret="")
    assert other.status_code == 200
    assert 'data-code="discovery_failed"' in other.content.decode()


def test_a_host_that_nobody_saw_is_asked_about_first(form: Form) -> None:
    form.issuer.says = {"token_endpoint": "https://tokens.example/token"}
    said = form.saves()
    assert said.status_code == 200
    page = said.content.decode()
    assert "The metadata leads to tokens.example" in page
    assert "https://tokens.example/token" in page
    assert not ConnectedSystem.objects.filter(slug="found").exists()
    agreed = {"accept_hosts": "tokens.example"}
    asked = re.search(r'<input[^>]*name="accept_hosts"[^>]*>', page)
    assert asked
    assert 'value="tokens.example"' in asked[0]
    form.issuer.says = {"token_endpoint": "https://thief.example/token"}
    assert "The metadata leads to thief.example" in form.saves(**agreed).content.decode()
    form.issuer.says = {"token_endpoint": "https://tokens.example/token"}
    assert form.saves(**agreed).status_code == 302
    form.path = f"{LIST}{ConnectedSystem.objects.get(slug='found').pk}/change/"
    assert form.saves(description="the same hosts are asked about once").status_code == 302


def test_a_document_that_changed_is_taken_over_with_who_is_affected(
    form: Form, house: House
) -> None:
    system = form.creates()
    make_authorization(system, house.crm.member)
    form.issuer.says = {"token_endpoint": "https://tokens.example/token"}
    said = form.saves()
    assert "The metadata leads to tokens.example" in said.content.decode()
    assert token_endpoint() == f"{form.issuer.url}/token"
    said = form.saves(accept_hosts="tokens.example")
    page = said.content.decode()
    assert "This change ends 1 authorization" in page
    assert '<input type="hidden" name="accept_hosts" value="tokens.example">' in page
    assert form.saves(accept_hosts="tokens.example", end_authorizations="on").status_code == 302
    assert token_endpoint() == "https://tokens.example/token"
    event = AuditEvent.objects.filter(action="system_changed").latest("at")
    assert "metadata" in event.facts["fields"]
    assert event.facts["ended"] == 1


def test_authorize_asks_for_what_is_not_saved(form: Form) -> None:
    said = form.asks("authorize")
    assert said["url"].startswith(f"{form.issuer.url}/authorize?")
    assert f"the token is asked for at {form.issuer.url}/token" in said["html"]
    assert not ConnectedSystem.objects.filter(slug="found").exists()


def test_authorize_says_what_is_wrong_there(form: Form) -> None:
    form.issuer.says = {"issuer": "https://else.example"}
    said = form.asks("authorize")
    assert (said["code"], said["url"]) == ("discovery_mismatch", "")


def test_a_preview_asks_nobody_and_shows_what_was_found(form: Form) -> None:
    assert "which Authorize and Save ask" in form.asks("preview")["html"]
    assert form.issuer.asked() == 0
    form.creates()
    before = form.issuer.asked()
    assert f"{form.issuer.url}/authorize" in form.asks("preview")["html"]
    assert form.issuer.asked() == before


def test_who_is_affected_is_said_of_what_is_used(form: Form, house: House) -> None:
    system = form.creates()
    make_authorization(system, house.crm.member)
    assert "nobody" in form.asks("affected")["html"]
    said = form.asks("affected", token_endpoint=f"{form.issuer.url}/other")
    assert "Saving this ends 1 authorization" in said["html"]


@pytest.mark.parametrize("from_where", ["discovery_url", "issuer"])
def test_check_goes_on_with_what_it_finds(form: Form, from_where: str) -> None:
    form.typed.pop("discovery_url")
    given = {"discovery_url": form.issuer.discovery_url, "issuer": form.issuer.url}[from_where]
    said = form.client.post(f"{DRAFT}check/", form.whole(**{from_where: given}), **JSON)
    steps = b"".join(said.streaming_content).decode()
    assert f'data-fill="id_token_endpoint" data-value="{form.issuer.url}/token"' in steps
    # The endpoints that were found are asked, too: this one has no page.
    assert {"/authorize", "/token"} <= {t.target.split("?")[0] for t in form.issuer.server.told}


def test_check_says_what_neither_form_nor_metadata_has(form: Form) -> None:
    form.issuer.status = "404 Not Found"
    said = form.client.post(f"{DRAFT}check/", form.whole(), **JSON)
    steps = b"".join(said.streaming_content).decode()
    assert "Token Request Endpoint is not entered, and nothing was found" in steps


def test_a_version_comes_back_with_what_was_found_then(form: Form) -> None:
    system = form.creates()
    form.issuer.says = {"token_endpoint": f"{form.issuer.url}/token2"}
    assert form.saves().status_code == 302
    assert token_endpoint() == f"{form.issuer.url}/token2"
    first = ConfigurationVersion.objects.filter(system_id=system.pk).order_by("pk")[0]
    before = form.issuer.asked()
    path = f"{LIST}{system.pk}/versions/{first.pk}/restore/"
    assert "Token Request Endpoint (metadata)" in form.client.get(path).content.decode()
    assert form.client.post(path).status_code == 302
    assert token_endpoint() == f"{form.issuer.url}/token"
    assert form.issuer.asked() == before


def test_a_preset_finds_the_endpoints_of_the_server_that_is_named(
    house: House, client: Any, tmp_path: Path, settings: Any
) -> None:
    def talk(told: Told, sock: socket.socket) -> None:
        url = f"https://{told.header('Host')}"
        document = {
            "issuer": url,
            "authorization_endpoint": f"{url}/a",
            "token_endpoint": f"{url}/t",
        }
        is_there = told.target == "/.well-known/oauth-authorization-server"
        sock.sendall(answer(json.dumps(document).encode(), "200 OK" if is_there else "404 No"))

    authority = Authority(tmp_path)
    settings.OUTBOUND_CA_FILE = str(authority.file)
    with other_side(talk, tls=authority.context("localhost")) as server:
        host = f"localhost:{server.port}"
        form = Form(client, house, Issuer(server), path=f"{LIST}add/?preset=mcp-generic")
        form.typed = {
            **Filled(form.page()).values,
            "client_id": "a",
            "client_secret": SECRET,
            "variables": json.dumps({"mcp_server_url": host}),
            "application": str(house.crm.application.pk),
        }
        assert form.saves(slug="mcp").status_code == 302
    oauth = ConnectedSystem.objects.get(slug="mcp").parsed().oauth
    assert oauth["token_endpoint"] == f"https://{host}/t"
