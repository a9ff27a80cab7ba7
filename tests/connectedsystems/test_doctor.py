"""The doctor names the field that is wrong, before any user suffers."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from connectedsystems.models import ConnectedSystem
from tests.acme import CLIENT_SECRET, make_system
from tests.otherside import Authority, Told, answer, other_side, says
from tests.thirdparty import ThirdParty


def steps(system: ConnectedSystem) -> dict[str, dict[str, Any]]:
    out = StringIO()
    with suppress(CommandError):
        call_command("check_system", system.slug, "--json", stdout=out)
    return {step["name"]: step for step in json.loads(out.getvalue())}


def change(system: ConnectedSystem, **oauth: Any) -> ConnectedSystem:
    system.configuration["oauth"].update(oauth)
    system.version += 1
    system.save()
    return system


def test_it_is_content_with_a_good_system(acme: ConnectedSystem) -> None:
    out = StringIO()
    call_command("check_system", "acme", stdout=out)
    assert "fail" not in out.getvalue()
    found = steps(acme)
    assert found["client ID and secret"]["outcome"] == "ok"
    assert found["authorization page"]["outcome"] == "ok"


def test_it_names_a_wrong_secret(acme: ConnectedSystem) -> None:
    acme.seal_secrets({"client_secret": "not-the-secret-at-all"})
    acme.save()
    step = steps(acme)["client ID and secret"]
    assert (step["outcome"], step["code"]) == ("fail", "client_auth_failed")
    assert step["look_at"] == "client_secret"


@pytest.mark.parametrize(
    ("first", "following", "outcomes"),
    [
        ("refused-secret-1", CLIENT_SECRET, ("fail", "ok")),
        (CLIENT_SECRET, "refused-secret-2", ("ok", "warn")),
    ],
)
def test_it_says_which_of_two_secrets_works(
    acme: ConnectedSystem, first: str, following: str, outcomes: tuple[str, str]
) -> None:
    acme.seal_secrets({"client_secret": first, "client_secret_next": following})
    acme.save()
    found = steps(acme)
    names = ("client ID and secret", "next client secret")
    assert tuple(found[name]["outcome"] for name in names) == outcomes


def test_it_names_a_wrong_token_endpoint(acme: ConnectedSystem, thirdparty: ThirdParty) -> None:
    change(acme, token_endpoint=f"{thirdparty.url}/nowhere")
    step = steps(acme)["token endpoint"]
    assert (step["outcome"], step["code"]) == ("fail", "token_http_error")
    assert step["look_at"] == "token_endpoint"


def test_it_names_a_wrong_authorization_endpoint(
    acme: ConnectedSystem, thirdparty: ThirdParty
) -> None:
    change(acme, authorization_endpoint=f"{thirdparty.url}/nowhere")
    step = steps(acme)["authorization page"]
    assert (step["outcome"], step["look_at"]) == ("fail", "authorization_endpoint")


@pytest.mark.parametrize(
    ("page", "field", "cause"),
    [
        ("invalid_client", "client_id", "It does not know this Client ID."),
        ("redirect_uri_mismatch", "redirect_uri", "The redirect URI is not registered"),
        ("invalid_redirect_uri", "redirect_uri", "The redirect URI is not registered"),
        ("invalid_client or redirect_uri_mismatch", "redirect_uri", "One of them is not"),
        ("Oops", "redirect_uri", "One of them is not"),
    ],
)
def test_it_names_what_an_error_page_names(
    acme: ConnectedSystem, page: str, field: str, cause: str
) -> None:
    with other_side(says(answer(f"<h1>{page}</h1>".encode(), "400 Bad Request"))) as server:
        change(acme, authorization_endpoint=server.url("/authorize"))
        step = steps(acme)["authorization page"]
    assert (step["outcome"], step["code"]) == ("fail", "attempt_not_finished")
    assert step["look_at"] == field
    assert step["cause"].startswith(cause)


def test_it_blames_nobody_for_a_log_in_page_that_wants_cookies(acme: ConnectedSystem) -> None:
    def talk(told: Told, sock: socket.socket) -> None:
        if told.target.startswith("/authorize"):
            sock.sendall(answer(b"", "303 See Other", "Location: /interaction/1"))
        else:
            sock.sendall(answer(b"session not found", "400 Bad Request"))

    with other_side(talk) as server:
        change(acme, authorization_endpoint=server.url("/authorize"))
        step = steps(acme)["authorization page"]
    assert (step["outcome"], step["code"]) == ("unknown", "")
    assert step["look_at"] == "authorization_endpoint"


def test_it_names_a_host_that_does_not_answer(transactional_db: None) -> None:
    system = make_system("http://127.0.0.1:9")
    step = steps(system)["reach 127.0.0.1"]
    assert (step["outcome"], step["code"]) == ("fail", "connection_failed")


def test_it_spends_no_token(acme: ConnectedSystem, thirdparty: ThirdParty) -> None:
    steps(acme)
    assert thirdparty.count(grant_type="refresh_token") == 0
    assert thirdparty.count(path="/oauth/token") == 1


@pytest.mark.django_db
def test_it_names_the_systems_there_are() -> None:
    with pytest.raises(CommandError, match="no connected system nosuch"):
        call_command("check_system", "nosuch")


# Metadata and TLS


def publishes(**said: Any) -> Any:
    """Answers for metadata with this document, where ``{url}`` is the server's own address."""

    def talk(told: Told, sock: socket.socket) -> None:
        url = f"http://{told.header('Host')}"
        if told.target != "/tenant/.well-known/openid-configuration":
            sock.sendall(answer(b"<h1>none</h1>", "404 Not Found"))
            return
        document = {
            "issuer": f"{url}/tenant",
            "authorization_endpoint": f"{url}/authorize",
            "token_endpoint": f"{url}/token",
            **said,
        }
        sock.sendall(answer(json.dumps(document).encode(), "200 OK"))

    return talk


def test_it_offers_what_the_metadata_has_beside_what_is_entered(acme: ConnectedSystem) -> None:
    with other_side(
        publishes(
            revocation_endpoint="https://acme.example/revoke",
            token_endpoint_auth_methods_supported=["client_secret_post", "odd"],
        )
    ) as server:
        found = steps(change(acme, issuer=server.url("/tenant"), revocation_endpoint=None))
    assert found["metadata"]["outcome"] == "ok"
    assert found["empty endpoints"]["offers"] == {
        "revocation_endpoint": "https://acme.example/revoke"
    }
    differs = found["metadata and Token Request Endpoint"]
    assert (differs["outcome"], differs["look_at"]) == ("warn", "token_endpoint")
    assert differs["offers"] == {"token_endpoint": server.url("/token")}
    method = found["metadata and Client authentication"]
    assert method["offers"] == {"client_authentication": "client_secret_post"}


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        ({"issuer": "https://else.example"}, "discovery_mismatch", "https://else.example"),
        ({"issuer": None}, "discovery_failed", "it names no issuer"),
        ({"token_endpoint": 7}, "discovery_failed", "its token_endpoint is no address"),
        ({"token_endpoint": "https://a/{x}"}, "discovery_failed", "is no address"),
        ({"token_endpoint": "http://far.example/t"}, "discovery_failed", "cannot be used"),
        ({"scopes_supported": "read"}, "discovery_failed", "is no list"),
        ({"padding": "x" * 1_000_001}, "too_large", "1000000"),
    ],
    ids=["issuer", "no issuer", "type", "braces", "http", "list", "size"],
)
def test_it_believes_no_odd_metadata(
    acme: ConnectedSystem, said: dict[str, Any], code: str, words: str
) -> None:
    with other_side(publishes(**said)) as server:
        step = steps(change(acme, issuer=server.url("/tenant")))["metadata"]
    assert step["outcome"] in ("fail", "unknown")
    assert step["code"] == code
    assert words in step["sentence"]
    assert not step["offers"]


def test_an_issuer_without_metadata_is_no_mistake(acme: ConnectedSystem) -> None:
    with other_side(says(answer(b"<h1>none</h1>", "404 Not Found"))) as server:
        step = steps(change(acme, issuer=server.url()))["metadata"]
    assert (step["outcome"], step["code"]) == ("unknown", "discovery_failed")


@pytest.mark.parametrize(
    ("context", "reason"),
    [
        (lambda one: one.context("localhost", days_from=-9, days_to=-1), "has expired"),
        (lambda one: one.context("other.example"), "is for another name"),
        (lambda one: one.self_signed("localhost"), "self-signed"),
    ],
    ids=["expired", "another name", "self-signed"],
)
def test_it_says_what_is_wrong_with_a_certificate(
    transactional_db: None, tmp_path: Path, settings: Any, context: Any, reason: str
) -> None:
    authority = Authority(tmp_path)
    settings.OUTBOUND_CA_FILE = str(authority.file)
    with other_side(says(answer()), tls=context(authority)) as server:
        found = steps(make_system(server.url("", host="localhost")))
    assert found["reach localhost"]["outcome"] == "ok"
    step = found["TLS of localhost"]
    assert (step["outcome"], step["code"]) == ("fail", "tls_error")
    assert reason in step["sentence"]


def test_it_says_that_a_name_is_not_there(transactional_db: None) -> None:
    step = steps(make_system("https://no-such-host.invalid"))["name of no-such-host.invalid"]
    assert step["outcome"] == "fail"
    # A resolver that cannot be reached lets the lookup run into its time limit.
    assert step["code"] in ("connection_failed", "timeout")


def test_it_tells_a_refused_request_by_its_error(acme: ConnectedSystem) -> None:
    def talk(told: Told, sock: socket.socket) -> None:
        back = f"Location: {acme.redirect_uri}?error=invalid_request&state=x"
        sock.sendall(answer(b"", "302 Found", back))

    with other_side(talk) as server:
        url = server.url("/authorize")
        step = steps(change(acme, authorization_endpoint=url, pkce="off"))["authorization page"]
    assert (step["outcome"], step["look_at"]) == ("fail", "pkce")


def test_an_ambiguous_answer_is_not_known(acme: ConnectedSystem) -> None:
    said = answer(b'{"error": "invalid_request"}', "400 Bad Request")
    with other_side(says(said)) as server:
        change(acme, token_endpoint=server.url("/token"))
        acme.seal_secrets({"client_secret": "entered-for-this-host-too-Gh6"})
        acme.save()
        step = steps(acme)["client ID and secret"]
    assert step["outcome"] == "unknown"
    assert "before they look at the client" in step["cause"]
