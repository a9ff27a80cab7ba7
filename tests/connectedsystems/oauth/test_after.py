"""One call with the fresh token, and what is kept of its answer."""

from __future__ import annotations

import json

import pytest

from connectedsystems import redact
from connectedsystems.errors import FlowFailure, OutboundFailure
from connectedsystems.oauth import after

SITES = [{"id": "1", "name": "One", "url": "https://one"}, {"id": "2", "name": "Two"}]


@pytest.fixture
def learn(client, endpoint, soon):
    def act(keys=None, **box):
        box = {"path": "/me", "captures": {"account": "email"}, **box}
        keys = {"base_url": endpoint.url, **(keys or {})}
        return after.learn(client(after_authorization=box, **keys), "at-secret", soon)

    return act


def code_of(act, **more):
    with pytest.raises(FlowFailure) as caught:
        act(**more)
    return caught.value.code


def test_without_one_nothing_is_asked(client, endpoint, soon):
    assert after.learn(client(), "at-1", soon) == after.Learned({})
    assert not endpoint.asked


def test_values_of_the_answer_are_kept(learn, endpoint):
    endpoint.says({"email": "ada@acme.example", "more": 1})
    assert learn().captures == {"account": "ada@acme.example"}
    assert endpoint.asked[-1].method == "GET"
    assert endpoint.headers["Authorization"] == "Bearer at-secret"
    assert redact.redact("at-secret") == "[redacted]"


def test_the_token_stands_where_the_system_wants_it(learn, endpoint):
    learn({"token_placement": {"query": "oauth_token"}})
    assert endpoint.asked[-1].args["oauth_token"] == "at-secret"
    assert "Authorization" not in endpoint.headers
    learn({"token_placement": {"header": "X-Token", "scheme": ""}})
    assert endpoint.headers["X-Token"] == "at-secret"


def test_the_whole_call_may_be_written(learn, endpoint):
    learn(
        {"values": {"tenant": "t/1"}},
        url=endpoint.url + "me?v=1",
        method="POST",
        headers={"X-Client": "{client_id}", "Authorization": None},
        parameters={"tenant": "{tenant}", "none": "{nothing}"},
        body={"token": "{access_token}", "n": 1},
    )
    asked = endpoint.asked[-1]
    assert (asked.method, asked.args.to_dict()) == ("POST", {"v": "1", "tenant": "t/1"})
    assert json.loads(asked.get_data()) == {"token": "at-secret", "n": 1}
    assert endpoint.headers["X-Client"] == "abc"
    assert "Authorization" not in endpoint.headers


def test_a_body_may_be_a_form(learn, endpoint):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    learn(method="POST", headers=headers, body={"a": "{client_id}"})
    assert endpoint.form == {"a": "abc"}


def test_the_user_picks_one_of_several(learn, endpoint):
    endpoint.says({"sites": SITES})
    choose = {"list": "sites", "value": "id", "label": "name"}
    found = learn(choose=choose, captures={"site": "id", "url": "url"})
    assert found.captures == {}
    assert [(choice.value, choice.label) for choice in found.choices] == [
        ("1", "One"),
        ("2", "Two"),
    ]
    assert found.choices[0].captures == {"site": "1", "url": "https://one"}


def test_the_only_one_is_picked_already(learn, endpoint):
    endpoint.says(SITES[:1])
    choose = {"list": "@", "value": "id", "label": "name"}
    assert learn(choose=choose, captures={"site": "id"}).captures == {"site": "1"}


@pytest.mark.parametrize("body", [[], {}, "x"])
def test_nothing_to_pick_from_is_said(learn, endpoint, body):
    endpoint.says(json.dumps(body))
    assert code_of(learn, choose={"list": "@", "value": "id", "label": "name"}) == "capture_missing"


@pytest.mark.parametrize(("body", "status"), [("", 500), ("{}", 404), ("<p>", 200), ("NaN", 200)])
def test_a_call_that_tells_nothing_is_said(learn, endpoint, body, status):
    endpoint.says(body, status)
    assert code_of(learn) == "call_failed"


def test_a_value_that_is_not_of_its_form_is_not_kept(learn, endpoint):
    endpoint.says({"email": "evil.example/"})
    keys = {"capture_patterns": {"account": r"[a-z]+"}}
    assert code_of(learn, keys=keys) == "capture_missing"


def test_an_address_that_needs_what_is_not_known_is_said(learn, endpoint):
    assert code_of(learn, url="https://{site}.example/me") == "capture_missing"


def test_a_redirect_is_not_followed(learn, endpoint):
    endpoint.says("", 302, Location=endpoint.url + "token")
    with pytest.raises(OutboundFailure):
        learn()
    assert len(endpoint.asked) == 1
