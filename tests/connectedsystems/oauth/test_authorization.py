"""Where the user is sent: every parameter, and what a designer may and may not change."""

from __future__ import annotations

import base64
import hashlib
import re
from urllib.parse import parse_qsl, urlsplit

import pytest

from connectedsystems.errors import ConfigurationInvalid, FlowFailure, OutboundFailure
from connectedsystems.oauth import authorization
from connectedsystems.oauth.client import Client


def begin(**different):
    keys = {
        "client_id": "abc",
        "redirect_uri": "https://here.example/cb/",
        "authorization_endpoint": "https://acme.example/authorize",
        "scope": "contacts.read contacts.write",
    }
    return authorization.begin(Client(**{**keys, **different}))


def sent(walk):
    found = parse_qsl(urlsplit(walk.url).query, keep_blank_values=True, strict_parsing=True)
    assert len(dict(found)) == len(found), "a parameter was sent twice"
    return dict(found)


def test_the_request_has_all_that_the_rfc_asks_for():
    walk = begin()
    parameters = sent(walk)
    assert walk.url.startswith("https://acme.example/authorize?")
    assert parameters.pop("state") == walk.state
    assert parameters.pop("code_challenge")
    assert parameters == {
        "response_type": "code",
        "client_id": "abc",
        "redirect_uri": "https://here.example/cb/",
        "scope": "contacts.read contacts.write",
        "code_challenge_method": "S256",
    }


def test_A16_the_challenge_is_always_s256_of_a_fresh_verifier():
    walk = begin()
    assert re.fullmatch(r"[A-Za-z0-9._~-]{43,128}", walk.verifier)
    digest = hashlib.sha256(walk.verifier.encode()).digest()
    assert sent(walk)["code_challenge"] == base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert walk.verifier not in walk.url
    assert walk.verifier != begin().verifier


def test_A17_pkce_is_off_only_where_it_is_switched_off():
    walk = begin(pkce="off")
    assert walk.verifier == ""
    assert not {"code_challenge", "code_challenge_method"} & set(sent(walk))


def test_the_state_is_random_and_short():
    assert len({begin().state for _ in range(20)}) == 20
    assert len(begin().state) <= 64


def test_a_walk_shows_no_secret():
    walk = begin()
    assert walk.state not in repr(walk)
    assert walk.verifier not in repr(walk)


@pytest.mark.parametrize(("scope", "there"), [("openid email", True), ("email openidx", False)])
def test_a_nonce_goes_with_openid(scope, there):
    assert ("nonce" in sent(begin(scope=scope))) is there


def test_A29_an_own_query_is_kept_as_it_is_written_and_ours_wins():
    walk = begin(
        authorization_endpoint="https://acme.example/a?scope2=public+read&client_id=old&x=%7e"
    )
    assert "?scope2=public+read&x=%7e&response_type=code" in walk.url
    assert sent(walk)["client_id"] == "abc"


def test_a_scope_in_the_own_query_stands_where_none_is_set():
    walk = begin(authorization_endpoint="https://a.example/a?scope=public+read", scope="")
    assert "scope=public+read&" in walk.url


def test_the_query_may_have_another_place():
    walk = begin(authorization_endpoint="https://acme.example/app?a=1#/oauth/{query}&b=2")
    before, _, fragment = walk.url.partition("#")
    assert before == "https://acme.example/app?a=1"
    assert fragment.startswith("/oauth/response_type=code&client_id=abc&")
    assert fragment.endswith("&b=2")


def test_variables_stand_in_the_address():
    walk = begin(
        authorization_endpoint="https://{sub}.acme.example/{tenant}/authorize",
        values={"sub": "eu", "tenant": "a/b"},
    )
    assert walk.url.startswith("https://eu.acme.example/a%2Fb/authorize?")


def test_an_address_that_needs_what_is_not_yet_known_is_named():
    with pytest.raises(FlowFailure) as caught:
        begin(authorization_endpoint="https://{sub}.acme.example/a")
    assert caught.value.code == "capture_missing"
    assert caught.value.facts["name"] == "sub"


def test_a_value_cannot_leave_its_place_in_the_host():
    with pytest.raises(ConfigurationInvalid):
        begin(authorization_endpoint="https://{x}.acme.example/a", values={"x": "evil.example/"})


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", "file:///etc"])
def test_A29_nobody_is_sent_to_another_scheme(address):
    with pytest.raises(OutboundFailure) as caught:
        begin(authorization_endpoint=address)
    assert caught.value.code == "address_refused"


def test_parameters_are_added_overridden_and_removed():
    parameters = sent(
        begin(
            authorization_parameters={
                "access_type": "offline",
                "scope": "other",
                "response_type": None,
                "login_hint": "{account}",
                "empty": "",
                "fresh": "{uuid}",
                "app_id": "{client_id}",
                "client_id": None,
                "resource": "{sub}-1",
                "claims": {"id_token": {"email": None}},
            },
            values={"sub": "eu"},
        )
    )
    assert parameters["access_type"] == "offline"
    assert parameters["scope"] == "other"
    assert parameters["app_id"] == "abc"
    assert parameters["resource"] == "eu-1"
    assert parameters["claims"] == '{"id_token":{"email":null}}'
    assert len(parameters["fresh"]) == 36
    assert not {"response_type", "client_id", "login_hint", "empty"} & set(parameters)


def test_a_list_repeats_its_parameter():
    walk = begin(authorization_parameters={"resource": ["a", "b"]})
    assert walk.url.endswith("&resource=a&resource=b")


@pytest.mark.parametrize("name", ["state", "redirect_uri", "code_challenge"])
def test_what_protects_the_user_may_be_renamed(name):
    plain = sent(begin(authorization_parameters={"other": f"{{{name}}}", name: None}))
    assert name not in plain
    assert plain["other"]


@pytest.mark.parametrize("name", ["state", "redirect_uri", "code_challenge"])
@pytest.mark.parametrize("value", [None, "", "fixed", "x{state}", "{uuid}", "{nothing}"])
def test_what_protects_the_user_is_neither_changed_nor_left_out(name, value):
    with pytest.raises(ConfigurationInvalid) as caught:
        begin(authorization_parameters={name: value})
    assert name in caught.value.errors["oauth.authorization_parameters"][0]


@pytest.mark.parametrize("name", ["state", "redirect_uri"])
def test_a_changed_one_is_refused_beside_a_renamed_one(name):
    with pytest.raises(ConfigurationInvalid):
        begin(authorization_parameters={"other": f"{{{name}}}", name: "fixed"})
