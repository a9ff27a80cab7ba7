"""The token requests as they travel, and what each kind of answer is."""

from __future__ import annotations

import json

import pytest
from werkzeug import Response

from connectedsystems import redact
from connectedsystems.errors import ConfigurationInvalid, OutboundFailure, TokenEndpointFailure
from connectedsystems.oauth import token


@pytest.fixture
def exchange(client, soon):
    def act(**different):
        return token.exchange(client(**different), "code-1", "verifier-1", soon)

    return act


@pytest.fixture
def refresh(client, soon):
    def act(**different):
        return token.refresh(client(**different), "rt-1", soon)

    return act


def failure_of(act, **different):
    with pytest.raises(TokenEndpointFailure) as caught:
        act(**different)
    json.dumps(caught.value.facts)
    return caught.value


def test_a_code_is_exchanged(exchange, endpoint):
    answer = exchange()
    assert endpoint.form == {
        "grant_type": "authorization_code",
        "code": "code-1",
        "redirect_uri": "https://here.example/connections/callback/7d1c/",
        "code_verifier": "verifier-1",
    }
    assert endpoint.asked[-1].method == "POST"
    assert endpoint.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert endpoint.basic == "abc:s3cret-of-abc"
    assert (answer.access_token, answer.token_type, answer.expires_in) == ("at-1", "Bearer", 3600)
    assert (answer.refresh_token, answer.scope) == (None, "read")


def test_B6_json_is_asked_for_and_a_form_is_read(exchange, endpoint):
    endpoint.says("access_token=at-2&expires_in=60&token_type=bearer&scope=a%20b")
    answer = exchange()
    assert endpoint.headers["Accept"] == "application/json"
    assert (answer.access_token, answer.expires_in, answer.scope) == ("at-2", 60, "a b")


def test_no_verifier_is_sent_where_pkce_is_off(client, soon, endpoint):
    token.exchange(client(pkce="off"), "code-1", "", soon)
    assert "code_verifier" not in endpoint.form


def test_a_refresh_sends_no_scope(refresh, endpoint):
    endpoint.says({"access_token": "at-2"})
    answer = refresh()
    assert endpoint.form == {"grant_type": "refresh_token", "refresh_token": "rt-1"}
    assert answer.refresh_token is None


def test_client_credentials_send_the_scope(client, soon, endpoint):
    assert token.client_credentials(client(), soon).access_token == "at-1"
    assert endpoint.form == {"grant_type": "client_credentials", "scope": "read write"}
    token.client_credentials(client(scope=""), soon)
    assert endpoint.form == {"grant_type": "client_credentials"}


def test_secrets_sent_and_received_are_redacted_at_once(exchange, refresh, endpoint):
    endpoint.says({"access_token": "at-long", "refresh_token": "rt-long", "id_token": "id-long"})
    exchange()
    refresh()
    text = "s3cret-of-abc code-1 verifier-1 at-long rt-long id-long rt-1"
    assert redact.redact(text) == " ".join(["[redacted]"] * 7)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 500, 502])
@pytest.mark.parametrize("body", ["<h1>No</h1>", "", {"error": "No such route"}, {"error": 404}])
def test_B1_what_is_not_the_token_endpoint_is_named(exchange, endpoint, status, body):
    endpoint.says(body, status)
    failure = failure_of(exchange)
    assert failure.code == "token_http_error"
    assert failure.facts["status"] == status
    assert failure.facts["host"] == "127.0.0.1"
    assert failure.facts["path"] == "/token"
    assert failure.facts["readable"] is False


def test_B1_admins_see_how_a_page_begins_and_no_secret(exchange, endpoint):
    endpoint.says("<h1>\x1b s3cret-of-abc</h1>" + "x" * 900, 502)
    excerpt = failure_of(exchange).facts["excerpt"]
    assert excerpt.startswith(r"<h1>\x1b [redacted]</h1>xxx")
    assert len(excerpt) == 200


def test_B1_what_may_hold_a_token_is_not_shown_at_all(exchange, endpoint):
    endpoint.says('{"access_token": "at-secret", }')
    assert "at-secret" not in str(failure_of(exchange).facts)


@pytest.mark.parametrize(
    "body",
    ["[]", '"x"', "5", "null", "", "<html>", "a=b", '{"access_token": NaN}', '{"a": Infinity}',
     '{"access_token": "a", "access_token": "b"}', b'{"access_token": "\xff"}', "[" * 100_000,
     '{"a":' * 100_000, "access_token=a&access_token=b", "access_token=%ff"],
)  # fmt: skip
def test_B2_what_is_no_object_is_no_answer(exchange, endpoint, body):
    endpoint.says(body)
    assert failure_of(exchange).code == "token_not_json"


@pytest.mark.parametrize("body", [{}, {"token_type": "Bearer"}, {"access_token": None}])
def test_B4_an_answer_without_a_token_is_none(exchange, endpoint, body):
    endpoint.says(body)
    assert failure_of(exchange).code == "token_missing"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("bad_verification_code", "token_refused"),
        ("invalid_grant", "token_refused"),
        ("incorrect_client_credentials", "client_auth_failed"),
        ("redirect_uri_mismatch", "redirect_uri_mismatch"),
        ({"message": "no"}, "token_refused"),
        (17, "token_refused"),
    ],
)
def test_B5_an_error_in_a_success_is_an_error(exchange, endpoint, error, code):
    endpoint.says({"error": error, "access_token": "at-of-an-error"})
    failure = failure_of(exchange)
    assert failure.code == code
    assert failure.facts["readable"] is True
    assert redact.redact("at-of-an-error") == "[redacted]"


@pytest.mark.parametrize("error", [None, False, "", 0])
def test_B5_an_error_that_is_none_is_none(exchange, endpoint, error):
    endpoint.says({"error": error, "access_token": "at-1"})
    assert exchange().access_token == "at-1"


@pytest.mark.parametrize(
    ("status", "error", "description", "code"),
    [
        (401, "invalid_client", "", "client_auth_failed"),
        (400, "invalid_client", "redirect_uri", "client_auth_failed"),
        (403, "unauthorized_client", "", "client_auth_failed"),
        (403, "unauthorized_client", "wrong redirect_uri", "redirect_uri_mismatch"),
        (400, "invalid_grant", "", "token_refused"),
        (400, "invalid_grant", "redirect_uri does not match", "redirect_uri_mismatch"),
        (400, "invalid_grant", "does not match the redirection URI used", "token_refused"),
        (400, "invalid_request", "Callback URL mismatch", "redirect_uri_mismatch"),
        (400, "invalid_request", "", "token_refused"),
        (400, "invalid_scope", "", "scope_refused"),
        (400, "unsupported_grant_type", "", "token_refused"),
        (400, "something_else", "", "token_http_error"),
        (500, "invalid_grant", "", "token_refused"),
    ],
)
def test_a_readable_error_is_the_endpoint_speaking(
    exchange, endpoint, status, error, description, code
):
    endpoint.says({"error": error, "error_description": description}, status)
    failure = failure_of(exchange)
    assert failure.code == code
    assert failure.facts["error"] == error
    assert failure.facts["status"] == status
    assert failure.facts.get("quote", "") == description
    assert failure.facts["readable"] is (code != "token_http_error")


def test_a_redirect_uri_is_no_matter_of_a_refresh(refresh, endpoint):
    endpoint.says({"error": "invalid_grant", "error_description": "redirect_uri"}, 400)
    failure = failure_of(refresh)
    assert (failure.code, failure.facts["error"]) == ("token_refused", "invalid_grant")


def test_a_refresh_met_by_an_empty_400_is_not_readable(refresh, endpoint):
    endpoint.says("", 400)
    failure = failure_of(refresh)
    assert (failure.code, failure.facts["readable"]) == ("token_http_error", False)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_D6_a_refresh_met_by_trouble_is_a_passing_one(refresh, endpoint, status):
    endpoint.says({"error": "invalid_grant"}, status, Retry_After="120")
    failure = failure_of(refresh)
    assert (failure.code, failure.facts["retry_after"]) == ("temporarily_unavailable", 120)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("5", 5), ("999999999999", 3600), ("Wed, 21 Oct 2015 07:28:00 GMT", 0), ("soon", None),
     ("-5", None), ("9" * 5000, None)],
)  # fmt: skip
@pytest.mark.parametrize("status", [429, 503])
def test_B18_busy_at_the_exchange(exchange, endpoint, status, value, seconds):
    endpoint.says("busy", status, Retry_After=value)
    failure = failure_of(exchange)
    assert failure.code == "temporarily_unavailable"
    assert failure.facts.get("retry_after") == seconds
    assert len(endpoint.asked) == 1


@pytest.mark.parametrize(
    ("body", "error", "quote"),
    [
        ({"error": {"code": 190, "message": "Expired", "type": "X"}}, "190", "Expired"),
        ({"error": {"errors": [{"message": "Deep"}]}}, "", "Deep"),
        ({"error": "e\r\n\x1b[1m", "error_description": "x" * 900}, r"e\r\n\x1b[1m", "x" * 499),
        ({"error": ["a", "b"]}, "", ""),
        ({"error": "x", "message": "s3cret-of-abc wrong"}, "x", "[redacted] wrong"),
        ({"error": "\ud800"}, r"\ud800", ""),
    ],
)
def test_B16_an_odd_error_is_quoted_short_and_escaped(exchange, endpoint, body, error, quote):
    endpoint.says(body)
    facts = failure_of(exchange).facts
    assert facts.get("error", "") == error
    assert facts.get("quote", "").startswith(quote)
    assert len(facts.get("quote", "")) <= 500


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_B19_a_redirect_is_not_followed(exchange, endpoint, httpserver, status):
    evil = f"http://localhost:{httpserver.port}/me"
    endpoint.says("", status, Location=evil)
    with pytest.raises(OutboundFailure) as caught:
        exchange()
    assert caught.value.code == "redirect_refused"
    assert caught.value.facts["target_host"] == "localhost"
    assert len(endpoint.asked) == 1


@pytest.mark.parametrize("body", ["", {"error": "invalid_grant"}, {"access_token": ""}])
def test_B17_a_code_is_sent_once(exchange, endpoint, body):
    endpoint.says(body, 400)
    failure_of(exchange)
    assert len(endpoint.asked) == 1


def test_the_next_secret_is_tried_once_after_invalid_client(exchange, endpoint):
    endpoint.says({"error": "invalid_client"}, 401)
    assert exchange(client_secret_next="the-next").access_token == "at-1"
    assert endpoint.basic == "abc:the-next"
    assert len(endpoint.asked) == 2
    endpoint.says({"error": "invalid_client"}, 401)
    endpoint.says({"error": "invalid_client"}, 401)
    assert failure_of(exchange, client_secret_next="the-next").code == "client_auth_failed"
    assert len(endpoint.asked) == 4
    assert redact.redact("the-next") == "[redacted]"


@pytest.mark.parametrize("error", ["invalid_grant", "unauthorized_client", "no_such"])
def test_the_next_secret_is_for_invalid_client_alone(exchange, endpoint, error):
    endpoint.says({"error": error}, 400)
    failure_of(exchange, client_secret_next="the-next")
    assert len(endpoint.asked) == 1


def test_an_endpoint_that_needs_what_is_not_yet_captured_is_named(exchange, endpoint):
    failure = failure_of(exchange, token_endpoint="https://{site}.example/token")
    assert (failure.code, failure.facts["name"]) == ("capture_missing", "site")
    with pytest.raises(ConfigurationInvalid):
        exchange(token_endpoint="https://{x}.example/token", values={"x": "a/b"})
    assert not endpoint.asked


def test_a_cookie_of_one_answer_goes_with_no_other_request(exchange, endpoint):
    endpoint.answers.append(Response('{"access_token": "a"}', headers={"Set-Cookie": "a=b"}))
    exchange()
    exchange()
    assert "Cookie" not in endpoint.headers
