"""Each key by which a system differs from the RFC, seen at the endpoint."""

from __future__ import annotations

import json

import pytest

from connectedsystems.errors import ConfigurationInvalid
from connectedsystems.oauth import token


@pytest.fixture
def exchange(client, soon):
    def act(**different):
        return token.exchange(client(**different), "code-1", "verifier-1", soon, state="state-1")

    return act


@pytest.fixture
def refresh(client, soon):
    def act(**different):
        return token.refresh(client(**different), "rt-1", soon)

    return act


def query(endpoint):
    return endpoint.asked[-1].args.to_dict()


def test_parameters_are_added_overridden_and_removed(exchange, endpoint):
    exchange(
        client_authentication="client_secret_post",
        token_parameters={
            "audience": "https://{sub}.example",
            "grant_type": "special",
            "redirect_uri": None,
            "client_key": "{client_id}",
            "client_id": None,
            "again": "{code}-{state}",
            "absent": "{nothing}",
            "fresh": "{random}",
            "resource": ["a"],
        },
        values={"sub": "eu", "code": "not-this"},
    )
    form = endpoint.form
    assert len(form.pop("fresh")) == 32
    assert form == {
        "grant_type": "special",
        "code": "code-1",
        "code_verifier": "verifier-1",
        "client_secret": "s3cret-of-abc",
        "client_key": "abc",
        "audience": "https://eu.example",
        "again": "code-1-state-1",
        "resource": "a",
    }


def test_parameters_travel_as_json(exchange, endpoint):
    exchange(
        client_authentication="client_secret_post",
        token_request={"format": "json"},
        token_parameters={"long": True, "claims": {"a": [1]}},
    )
    assert endpoint.headers["Content-Type"] == "application/json"
    body = json.loads(endpoint.asked[-1].get_data())
    assert body["long"] is True
    assert body["claims"] == {"a": [1]}
    assert (body["client_id"], body["client_secret"]) == ("abc", "s3cret-of-abc")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_parameters_travel_in_the_query(exchange, endpoint, method):
    exchange(
        client_authentication="client_secret_post",
        token_request={"format": "query", "method": method},
        token_endpoint=endpoint.url + "token?v=1",
    )
    assert endpoint.asked[-1].method == method
    assert query(endpoint)["v"] == "1"
    assert query(endpoint)["code"] == "code-1"
    assert query(endpoint)["client_secret"] == "s3cret-of-abc"
    assert endpoint.asked[-1].get_data() == b""


def test_a_get_has_its_parameters_in_the_query_in_any_format(exchange, endpoint):
    exchange(token_request={"method": "GET"})
    assert query(endpoint)["code"] == "code-1"


def test_another_method_is_used(exchange, endpoint, httpserver):
    exchange(token_request={"method": "PUT"})
    assert endpoint.asked[-1].method == "PUT"
    assert endpoint.form["code"] == "code-1"


def test_headers_are_added_overridden_and_removed(exchange, endpoint):
    exchange(
        token_headers={
            "X-Api-Key": "{key}-{client_id}",
            "accept": "application/vnd.acme+json",
            "AUTHORIZATION": None,
            "content-type": "application/x-www-form-urlencoded; charset=utf-8",
            "X-Absent": "{nothing}",
        },
        values={"key": "k1"},
    )
    assert endpoint.headers["X-Api-Key"] == "k1-abc"
    assert endpoint.headers["Accept"] == "application/vnd.acme+json"
    assert endpoint.headers["Content-Type"] == "application/x-www-form-urlencoded; charset=utf-8"
    assert not {"Authorization", "X-Absent"} & set(endpoint.headers)


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\x00", "ключ", " a"])
def test_F7_a_value_that_no_header_can_hold_is_said(exchange, endpoint, value):
    with pytest.raises(ConfigurationInvalid) as caught:
        exchange(token_headers={"X-Key": "{key}"}, values={"key": value})
    assert list(caught.value.errors) == ["oauth.token_headers"]
    assert not endpoint.asked


def test_E29_no_more_is_said_about_us_than_the_name(exchange, endpoint):
    exchange()
    assert "requests" not in endpoint.headers["User-Agent"].lower()
    assert not {"Referer", "Cookie", "X-Forwarded-For"} & set(endpoint.headers)


def test_token_parameters_go_with_a_refresh_but_those_of_the_grant(refresh, endpoint):
    refresh(
        token_parameters={
            "audience": "x",
            "grant_type": "special",
            "scope": "more",
            "redirect_uri": "https://other.example",
            "code_verifier": None,
            "again": "{code}",
        },
        token_headers={"X-Key": "k"},
    )
    assert endpoint.form == {
        "grant_type": "refresh_token",
        "refresh_token": "rt-1",
        "audience": "x",
    }
    assert endpoint.headers["X-Key"] == "k"


def test_a_refresh_differs_where_it_is_said(refresh, endpoint):
    refresh(
        refresh_endpoint=endpoint.url + "refresh",
        token_request={"format": "json"},
        token_headers={"X-Key": "k", "X-Gone": "g"},
        token_parameters={"audience": "x", "kept": "1"},
        refresh={
            "parameters": {
                "audience": None,
                "scope": "{scope}",
                "grant_type": None,
                "token": "{refresh_token}",
            },
            "headers": {"X-Gone": None, "X-New": "n"},
            "client_authentication": "client_secret_post",
            "format": "query",
            "method": "GET",
        },
    )
    assert endpoint.asked[-1].path == "/refresh"
    assert endpoint.asked[-1].method == "GET"
    assert query(endpoint) == {
        "refresh_token": "rt-1",
        "client_id": "abc",
        "client_secret": "s3cret-of-abc",
        "kept": "1",
        "scope": "read write",
        "token": "rt-1",
    }
    assert (endpoint.headers["X-Key"], endpoint.headers["X-New"]) == ("k", "n")
    assert "X-Gone" not in endpoint.headers


def test_a_refresh_may_do_without_the_client(refresh, endpoint):
    refresh(refresh={"client_authentication": "none"})
    assert endpoint.form["client_id"] == "abc"
    assert "Authorization" not in endpoint.headers


def test_captured_values_stand_in_endpoints(client, soon, endpoint):
    made = client(token_endpoint="{base}/{path}", values={"path": "token"})
    token.exchange(made.knowing({"base": endpoint.url.rstrip("/")}), "c", "v", soon)
    assert endpoint.asked[-1].path == "/token"
