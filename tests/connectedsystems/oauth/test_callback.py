"""What a browser brings back: read once, strictly, quickly."""

from __future__ import annotations

import time
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectedsystems import redact
from connectedsystems.errors import FlowFailure
from connectedsystems.oauth import callback
from connectedsystems.oauth.client import Client

CLIENT = Client(client_id="abc", issuer="https://acme.example")


def code_of(act, *args, **more):
    with pytest.raises(FlowFailure) as caught:
        act(*args, **more)
    return caught.value.code


def facts_of(act, *args):
    with pytest.raises(FlowFailure) as caught:
        act(*args)
    return caught.value.facts


def test_a_code_and_its_state_are_read():
    found = callback.read(
        CLIENT, "code=c-1&state=s-1&session_state=x&iss=https%3A%2F%2Facme.example"
    )
    assert (found.code, found.state, found.iss) == ("c-1", "s-1", "https://acme.example")
    assert callback.state_of("code=c-1&state=s-1") == "s-1"
    assert "c-1" not in repr(found)
    assert "s-1" not in repr(found)
    callback.check_error(found)


@pytest.mark.parametrize("query", ["", "code=c", "code=c&state=", "State=s&code=c"])
def test_A8_a_missing_or_empty_state_is_said(query):
    assert code_of(callback.state_of, query) == "state_missing"
    assert code_of(callback.read, CLIENT, query) == "state_missing"


@pytest.mark.parametrize(
    "query",
    ["state=s&state=t&code=c", "state=s&code=c&code=d", "state=s&error=a&error=a",
     "state=s&code=c&iss=a&iss=b", "state=s&code=c&state="],
)  # fmt: skip
def test_A9_a_parameter_given_twice_is_refused(query):
    assert code_of(callback.read, CLIENT, query) == "bad_callback"


def test_A9_a_parameter_that_nobody_reads_may_come_twice():
    assert callback.read(CLIENT, "state=s&code=c&x=1&x=2").code == "c"


def test_A10_an_error_wins_over_a_code():
    found = callback.read(CLIENT, "state=s&code=c&error=access_denied")
    assert (found.code, found.error) == ("", "access_denied")


@pytest.mark.parametrize("query", ["state=s", "state=s&code=", "state=s&error=&code="])
def test_A10_neither_code_nor_error_is_said(query):
    assert code_of(callback.read, CLIENT, query) == "code_missing"


@pytest.mark.parametrize("query", ["state=s&access_token=t&token_type=bearer", "state=s#code=c"])
def test_A24_a_token_in_the_callback_is_not_read(query):
    assert code_of(callback.read, CLIENT, query) in ("code_missing", "state_unknown")


def test_the_code_may_have_another_name():
    client = Client(client_id="abc", code_parameter="spapi_oauth_code")
    assert callback.read(client, "state=s&spapi_oauth_code=c").code == "c"
    assert code_of(callback.read, client, "state=s&code=c") == "code_missing"
    twice = "state=s&spapi_oauth_code=c&spapi_oauth_code=d"
    assert code_of(callback.read, client, twice) == "bad_callback"


@pytest.mark.parametrize(
    "query",
    ["state=s%00&code=c", "state=s&code=c%00", "state=s&code=c&x=%00", "state=s&code=a%0d%0ab",
     "state=s&code=%ff", "state=a%20b&code=c", "state=s&code=" + "x" * 70_000,
     "state=s&code=c&" + "&".join(f"p{n}=1" for n in range(5000)),
     "state=s&code=c&" + "%" * 60_000],
)  # fmt: skip
def test_F8_odd_input_is_refused_quickly(query):
    started = time.perf_counter()
    assert code_of(callback.read, CLIENT, query) == "bad_callback"
    assert time.perf_counter() - started < 0.05


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text())
def test_F8_any_query_is_read_or_refused(text):
    for query in (text, "state=s&code=c&" + text, "state=" + quote(text)):
        try:
            callback.check_error(callback.read(CLIENT, query))
        except FlowFailure as failure:
            assert failure.code in (
                "bad_callback", "state_missing", "code_missing", "provider_error",
                "access_denied", "scope_refused",
            )  # fmt: skip


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("access_denied", "access_denied"),
        ("user_cancelled_login", "access_denied"),
        ("invalid_scope", "scope_refused"),
        ("server_error", "provider_error"),
        ("what-is-this", "provider_error"),
    ],
)
def test_A20_A21_each_error_has_its_failure(error, code):
    found = callback.read(CLIENT, f"state=s&error={error}&error_description=Sorry+now")
    assert code_of(callback.check_error, found) == code
    assert facts_of(callback.check_error, found)["error"] == error
    assert facts_of(callback.check_error, found)["quote"] == "Sorry now"


@pytest.mark.parametrize("error", ["server_error", "temporarily_unavailable"])
def test_A21_a_passing_error_says_so(error):
    found = callback.read(CLIENT, f"state=s&error={error}")
    assert facts_of(callback.check_error, found)["temporarily"] is True


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://acme.example/why?x=1", "https://acme.example/why?x=1"),
        ("javascript:alert(1)", ""),
        ("//acme.example", ""),
        ("https://", ""),
        ("https://acme.example/\u202ex", ""),
        ("http://[", ""),
    ],
)
def test_F1_an_error_uri_is_an_http_address_or_nothing(address, shown):
    query = urlencode({"state": "s", "error": "x", "error_uri": address})
    assert facts_of(callback.check_error, callback.read(CLIENT, query))["error_uri"] == shown


def test_B16_their_words_are_short_escaped_and_without_our_secrets():
    redact.remember("s3cret-of-abc")
    text = "bad s3cret-of-abc\r\n\x1b[31m\u202e" + "x" * 3000
    query = urlencode({"state": "s", "error": "e" * 900, "error_description": text})
    facts = facts_of(callback.check_error, callback.read(CLIENT, query))
    assert facts["quote"].startswith(r"bad [redacted]\r\n\x1b[31m\u202exxx")
    assert len(facts["quote"]) == 500
    assert len(facts["error"]) == 100


@pytest.mark.parametrize("is_error", [True, False])
@pytest.mark.parametrize(
    "iss", ["https://evil.example", "https://acme.example/", "https://ACME.example", ""]
)
def test_A11_A15_another_issuer_is_refused_byte_for_byte(iss, is_error):
    with pytest.raises(FlowFailure) as caught:
        callback.check_issuer(CLIENT, iss, is_error)
    assert caught.value.code == "issuer_mismatch"
    assert caught.value.facts == {"expected": "https://acme.example", "received": iss}


def test_a_missing_issuer_is_refused_on_codes_alone_and_where_required():
    required = Client(client_id="abc", issuer="https://acme.example", issuer_in_response="required")
    assert code_of(callback.check_issuer, required, None, False) == "issuer_mismatch"
    callback.check_issuer(required, None, True)
    callback.check_issuer(CLIENT, None, False)
    callback.check_issuer(CLIENT, "https://acme.example", False)
    callback.check_issuer(Client(client_id="abc"), "https://anyone.example", False)


def test_parameters_are_captured_in_their_form():
    client = Client(
        client_id="abc",
        captures={"callback": {"realm": "realmId", "site": "domain"}},
        capture_patterns={"site": "[a-z]+"},
    )
    assert callback.read(client, "state=s&code=c&realmId=12&domain=eu").captures == {
        "realm": "12",
        "site": "eu",
    }
    assert callback.read(client, "state=s&code=c&realmId=").captures == {}
    assert code_of(callback.read, client, "state=s&code=c&domain=eu.evil") == "bad_callback"
    assert code_of(callback.read, client, "state=s&code=c&domain=eu%0a") == "bad_callback"
    assert code_of(callback.read, client, "state=s&code=c&realmId=1&realmId=2") == "bad_callback"
