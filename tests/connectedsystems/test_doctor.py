"""The doctor names the field that is wrong, before any user suffers."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from connectedsystems.models import ConnectedSystem
from tests.acme import CLIENT_SECRET, make_system
from tests.otherside import Told, answer, other_side
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
