"""What a call gave: the JSON of the design, exactly, and nothing secret in it."""

from __future__ import annotations

import base64
import json
from dataclasses import FrozenInstanceError, dataclass
from typing import Any

import pytest

from connectedsystems import redact
from connectedsystems.errors import CallFailure, InputInvalid, TokenUnavailable
from connectedsystems.outbound import Headers, Reply
from integrations.response import IntegrationResponse, Result, error_of, respond, result_of

TOKEN = "at-3f9c0b7e5d"


@dataclass
class Target:
    slug: str = "list-contacts"
    system_slug: str = "acme"


@dataclass
class Held:
    id: str = "5f0c2b9e-6d0a-4c37-9a51-0d1b7a3e4c55"
    url: str = "/integrations/held/5f0c2b9e-6d0a-4c37-9a51-0d1b7a3e4c55/"
    state: str = "waiting"


def reply(body: bytes = b'{"a": 1}', status: int = 200, **headers: str) -> Reply:
    pairs = [("Content-Type", "application/json"), *headers.items()]
    return Reply(status, "OK", Headers(pairs), body, "https://api.acme.example/v1/contacts")


def result(body: bytes, content_type: str = "application/json") -> Result:
    return Result(200, Headers([]), body, content_type)


def test_a_success_as_json() -> None:
    response = respond(Target(), "K7-42QX", reply(etag="x"))
    assert response.to_json() == {
        "success": True,
        "result": {
            "status_code": 200,
            "headers": {"Content-Type": "application/json", "etag": "x"},
            "content_type": "application/json",
            "data": {"a": 1},
        },
        "error": None,
        "connected_system": "acme",
        "needs_authorization": False,
        "authorize_url": None,
        "held": None,
        "reference": "K7-42QX",
    }
    assert response.http_status == 200
    assert response.result is not None
    assert response.result.headers["content-TYPE"] == "application/json"


def test_a_missing_authorization_as_json() -> None:
    failure = TokenUnavailable("needs_authorization")
    response = respond(Target(), "K7-42QX", None, failure, needs_authorization=True, held=Held())
    found = response.to_json()
    assert found["success"] is False
    assert found["result"] is None
    assert found["needs_authorization"] is True
    assert found["held"] == {"id": Held.id, "url": Held.url, "state": "waiting"}
    assert found["authorize_url"] == (
        "/connections/acme/authorize/?next=%2Fintegrations%2Fheld%2F" + Held.id + "%2F"
    )
    assert set(found["error"]) == {"code", "title", "message", "detail", "next_steps"}
    assert found["error"]["next_steps"] == [
        {"label": "Authorize acme", "url": "http://testserver" + found["authorize_url"]}
    ]
    assert response.http_status == 200
    json.dumps(found)


def test_a_link_leads_back_to_the_integration() -> None:
    failure = TokenUnavailable("needs_authorization")
    response = respond(Target(), "K7-42QX", None, failure, needs_authorization=True)
    assert response.authorize_url == (
        "/connections/acme/authorize/?next=%2Fintegrations%2Flist-contacts%2F"
    )


def test_the_detail_is_for_designers() -> None:
    failure = CallFailure("call_failed", status=500, quote="it broke")
    response = respond(Target(), "K7-42QX", reply(status=500), failure)
    assert response.to_json()["error"]["detail"] is None
    detail = response.to_json(detail=True)["error"]["detail"]
    assert "500" in detail
    assert response.error is not None
    assert response.error.quote == "it broke"
    assert response.http_status == 502
    assert response.authorize_url is None


def test_a_refusal_without_a_refresh_token_has_a_link_second() -> None:
    failure = CallFailure("call_refused", status=403, refreshable=False)
    response = respond(Target(), "K7-42QX", reply(status=403), failure)
    assert response.needs_authorization is False
    assert response.authorize_url
    assert response.http_status == 502


def test_wrong_inputs_are_told_in_their_own_sentences() -> None:
    error = error_of(InputInvalid({"limit": ["“limit” takes a whole number, such as 20."]}))
    assert (error.code, error.status) == ("input_invalid", 400)
    assert error.message == "“limit” takes a whole number, such as 20."


@pytest.mark.parametrize(
    ("body", "content_type", "data"),
    [
        (b'{"a": 1}', "application/json", {"a": 1}),
        (b'\xef\xbb\xbf{"a": 1}', "application/json; charset=utf-8", {"a": 1}),
        ('{"a": "é"}'.encode("latin-1"), "application/json; charset=latin-1", {"a": "é"}),
        (b'{"a": "\xe9"}', "application/json", None),
        (b'{"a": 1}', "application/vnd.acme+json", {"a": 1}),
        (b'{"a": 1}', "text/plain", {"a": 1}),
        (b"[1]", "", [1]),
        (b"null", "application/json", None),
        (b"NaN", "application/json", None),
        (b'{"a": 1', "application/json", None),
        (b"[" * 100_000, "application/json", None),
        (b"", "application/json", None),
        (b"20", "text/plain", None),
        (b"<html>", "text/html", None),
        (b"\xff\xd8", "image/jpeg", None),
        (b"{}", "application/json; charset=hex", {}),
        (b"{}", "application/json; charset=nonsense", {}),
    ],
)
def test_data_is_strict_json_or_nothing(body: bytes, content_type: str, data: Any) -> None:
    assert result(body, content_type).data == data


def test_text_is_what_can_be_read_of_a_body() -> None:
    assert result(b"caf\xe9", "text/plain; charset=latin-1").text == "café"
    assert result(b"\xff\xd8", "image/jpeg").text == "��"
    assert len(result(b"a" * 1_000_000, "text/plain").text) == 100_000


def test_a_response_is_a_value_without_its_body_in_its_repr() -> None:
    response = respond(Target(), "K7-42QX", reply(b'{"secret": "contents"}'))
    assert "contents" not in repr(response)
    with pytest.raises(FrozenInstanceError):
        response.success = False  # type: ignore[misc]
    assert response == IntegrationResponse(True, "acme", "K7-42QX", result=response.result)


def test_cookies_of_the_other_system_are_not_shown() -> None:
    found = respond(Target(), "K7-42QX", reply(**{"Set-Cookie": "session=1"})).to_json()
    assert "session" not in json.dumps(found)


@pytest.mark.parametrize(
    "echo", [TOKEN, f"Bearer {TOKEN}", base64.b64encode(TOKEN.encode()).decode()]
)
def test_H3_a_token_that_is_echoed_is_replaced(echo: str) -> None:
    with redact.scope():
        redact.remember(TOKEN)
        answer = reply(
            json.dumps({"headers": {"a": echo}, "é": "ü"}, ensure_ascii=False).encode(), echo=echo
        )
        found = result_of(answer, [TOKEN])
    assert echo not in json.dumps(found.to_json())
    assert found.data["é"] == "ü"
    assert redact.REDACTED in found.headers["echo"]
