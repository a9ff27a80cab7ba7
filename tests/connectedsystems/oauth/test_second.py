"""A second token request after the first."""

from __future__ import annotations

import pytest

from connectedsystems.errors import TokenEndpointFailure
from connectedsystems.oauth import token
from connectedsystems.oauth.second import Unfinished


@pytest.fixture
def box(endpoint):
    return {
        "endpoint": endpoint.url + "second",
        "method": "GET",
        "format": "query",
        "parameters": {"token": "{short}", "secret": "{client_secret}", "kind": "long"},
        "token_response": {"access_token": "long.token"},
        "captures": {"site": "site"},
    }


@pytest.fixture
def made(client, box):
    def make(**different):
        captures = {"token": {"short": "access_token"}}
        return client(captures=captures, second_exchange={**box, **different})

    return make


def test_the_second_answer_is_the_grant(made, soon, endpoint):
    endpoint.says({"access_token": "short-1", "refresh_token": "rt-1", "scope": "read"})
    endpoint.says({"long": {"token": "long-1"}, "expires_in": 60, "site": "eu"})
    answer = token.exchange(made(), "code-1", "verifier-1", soon)
    second = endpoint.asked[-1]
    assert (second.path, second.method) == ("/second", "GET")
    assert second.args.to_dict() == {"token": "short-1", "secret": "s3cret-of-abc", "kind": "long"}
    assert (answer.access_token, answer.expires_in) == ("long-1", 60)
    assert (answer.refresh_token, answer.scope) == ("rt-1", "read")
    assert answer.captures == {"short": "short-1", "site": "eu"}


def test_the_first_access_token_is_known_to_the_second_request(made, soon, endpoint):
    endpoint.says({"access_token": "short-1"})
    endpoint.says({"long": {"token": "long-1"}, "site": "eu"})
    token.exchange(made(parameters={"access_token": "{access_token}"}), "code-1", "v", soon)
    assert endpoint.asked[-1].args["access_token"] == "short-1"


def test_a_failed_second_request_is_a_failure_and_the_code_is_not_sent_again(made, soon, endpoint):
    endpoint.says({"access_token": "short-1"})
    endpoint.says({"error": "invalid_client"}, 401)
    with pytest.raises(TokenEndpointFailure) as caught:
        token.exchange(made(), "code-1", "verifier-1", soon)
    assert caught.value.code == "client_auth_failed"
    assert caught.value.facts["path"] == "/second"
    assert len(endpoint.asked) == 2


def test_a_refresh_repeats_it_only_where_it_is_said(made, soon, endpoint):
    assert token.refresh(made(), "rt-1", soon).access_token == "at-1"
    assert len(endpoint.asked) == 1
    endpoint.says({"access_token": "short-2", "refresh_token": "rt-2"})
    endpoint.says({"long": {"token": "long-2"}})
    answer = token.refresh(made(repeat_on_refresh=True), "rt-1", soon)
    assert (answer.access_token, answer.refresh_token) == ("long-2", "rt-2")


@pytest.mark.parametrize("status", [400, 503])
def test_nothing_rotated_is_lost_when_the_second_of_a_refresh_fails(made, soon, endpoint, status):
    endpoint.says({"access_token": "short-2", "refresh_token": "rt-2"})
    endpoint.says({"error": "invalid_grant"}, status)
    with pytest.raises(Unfinished) as caught:
        token.refresh(made(repeat_on_refresh=True), "rt-1", soon)
    assert caught.value.answer.refresh_token == "rt-2"
    assert "error" not in caught.value.facts
