"""Each key of the bundle file, loaded from a file, and its effect in a request that leaves us."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.acme import OWN_CLICK

SECRET = "wire-secret-4711"


@dataclass
class Wire:
    """Another system that writes down what it is sent and answers as it is told."""

    server: HTTPServer
    person: Any
    folder: Path
    seen: list[Request] = field(default_factory=list)
    answers: dict[str, list[Any]] = field(default_factory=dict)
    client: Client = field(default_factory=Client)

    def __post_init__(self) -> None:
        self.url = self.server.url_for("").rstrip("/")
        self.client.force_login(self.person)
        self.server.expect_request("/", method="GET").respond_with_data("hello")
        for path in ("/token", "/refresh", "/second", "/revoke", "/api/things", "/api/me", "/api"):
            self.server.expect_request(path).respond_with_handler(self._answer)

    def _answer(self, request: Request) -> Response:
        request.get_data()
        self.seen.append(request)
        queue = self.answers.get(request.path) or []
        said = queue.pop(0) if len(queue) > 1 else (queue[0] if queue else None)
        if said is None:
            said = {"access_token": "at-1", "token_type": "Bearer", "expires_in": 3600}
            if request.path.startswith("/api"):
                said = {"things": [{"id": 1}]}
            else:
                said["refresh_token"] = "rt-1"
        if isinstance(said, Response):
            return said
        return Response(json.dumps(said), content_type="application/json")

    def load(self, oauth: dict[str, Any] | None = None, **system: Any) -> None:
        """Load a bundle with these keys added to a plain system, and its one integration."""
        integration = system.pop("integration", {})
        box = {
            "client_id": "wire",
            "client_secret": SECRET,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "scope": "things.read",
            **(oauth or {}),
        }
        written: dict[str, Any] = {
            "slug": "wire",
            "name": "Wire",
            "application": "tests",
            "base_url": f"{self.url}/api",
            "authentication": "oauth2_authorization_code",
            **system,
        }
        if written["authentication"].startswith("oauth2"):
            written["oauth"] = {key: value for key, value in box.items() if value != "absent"}
        bundle = {
            "applications": [{"slug": "tests", "name": "Tests"}],
            "connected_systems": [written],
            "integrations": [
                {
                    "slug": "things",
                    "name": "Things",
                    "connected_system": "wire",
                    "path": "/things",
                    **integration,
                }
            ],
        }
        path = self.folder / "bundle.json"
        path.write_text(json.dumps(bundle))
        call_command("load_bundle", str(path), verbosity=0)

    def sets_out(self) -> dict[str, str]:
        """The authorization request: its parameters, and ``address`` without them."""
        answer = self.client.get("/connections/wire/authorize/", {"next": "/x/"}, **OWN_CLICK)
        assert answer.status_code == 302, answer.content.decode()
        self.location = answer["Location"]
        parts = urlsplit(self.location)
        self.callback = ""
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        return {**query, "address": f"{parts.scheme}://{parts.netloc}{parts.path}"}

    def comes_back(self, state: str = "", **more: str) -> Any:
        """The callback with a code; the token requests have been made when this returns."""
        from connectedsystems.models import ConnectedSystem

        path = urlsplit(ConnectedSystem.objects.get(slug="wire").redirect_uri).path
        return self.client.get(path, {"state": state, "code": "code-1", **more})

    def authorizes(self, **more: str) -> Any:
        return self.comes_back(self.sets_out()["state"], **more)

    def calls(self, **inputs: Any) -> Any:
        answer = self.client.get("/integrations/things/", inputs, HTTP_ACCEPT="application/json")
        return answer.json()

    def last(self, path: str) -> Request:
        return [request for request in self.seen if request.path == path][-1]

    def form(self, path: str) -> dict[str, str]:
        return dict(parse_qsl(self.last(path).get_data(as_text=True), keep_blank_values=True))


@pytest.fixture
def wire(httpserver: HTTPServer, alice: Any, tmp_path: Path, transactional_db: None) -> Wire:
    return Wire(httpserver, alice, tmp_path)


def test_the_plain_walk(wire: Wire) -> None:
    wire.load()
    asked = wire.sets_out()
    assert asked["address"] == f"{wire.url}/authorize"
    assert asked["response_type"] == "code"
    assert asked["client_id"] == "wire"
    assert asked["scope"] == "things.read"
    assert asked["code_challenge_method"] == "S256"
    assert wire.comes_back(asked["state"]).status_code == 303
    sent = wire.form("/token")
    assert sent["grant_type"] == "authorization_code"
    assert sent["redirect_uri"] == asked["redirect_uri"]
    assert 43 <= len(sent["code_verifier"]) <= 128
    assert wire.last("/token").authorization.username == "wire"
    assert wire.calls()["success"]
    assert wire.last("/api/things").headers["Authorization"] == "Bearer at-1"


def test_client_authentication_post(wire: Wire) -> None:
    wire.load({"client_authentication": "client_secret_post"})
    wire.authorizes()
    assert wire.form("/token")["client_secret"] == SECRET
    assert "Authorization" not in wire.last("/token").headers


def test_client_authentication_none(wire: Wire) -> None:
    wire.load({"client_authentication": "none", "client_secret": "absent"})
    wire.authorizes()
    assert wire.form("/token")["client_id"] == "wire"
    assert "client_secret" not in wire.form("/token")


def test_client_authentication_basic_username(wire: Wire) -> None:
    wire.load({"client_authentication": "client_secret_basic_username"})
    wire.authorizes()
    assert SECRET in base64.b64decode(wire.last("/token").headers["Authorization"][6:]).decode()


def test_client_authentication_client_secret_jwt(wire: Wire) -> None:
    long = "a-secret-of-at-least-thirty-two-bytes!"
    wire.load(
        {
            "client_authentication": "client_secret_jwt",
            "client_secret": long,
            "client_key": {"algorithm": "HS256", "audience": "https://audience.example"},
        }
    )
    wire.authorizes()
    assertion = wire.form("/token")["client_assertion"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(assertion + "=="))
    assert claims["aud"] == "https://audience.example"


def test_client_secret_next(wire: Wire) -> None:
    wire.load({"client_secret_next": "the-next-secret-1"})
    wire.answers["/token"] = [
        Response('{"error": "invalid_client"}', status=401, content_type="application/json"),
        {"access_token": "at-2"},
    ]
    assert wire.authorizes().status_code == 303
    assert wire.last("/token").authorization.password == "the-next-secret-1"


def test_pkce_off(wire: Wire) -> None:
    wire.load({"pkce": "off"})
    asked = wire.sets_out()
    assert "code_challenge" not in asked
    wire.comes_back(asked["state"])
    assert "code_verifier" not in wire.form("/token")


def test_issuer(wire: Wire) -> None:
    wire.load({"issuer": "https://issuer.example"})
    state = wire.sets_out()["state"]
    answer = wire.comes_back(state, iss="https://evil.example")
    assert b'data-code="issuer_mismatch"' in answer.content
    assert not wire.seen


def test_issuer_in_response(wire: Wire) -> None:
    wire.load({"issuer": "https://issuer.example", "issuer_in_response": "required"})
    assert b'data-code="issuer_mismatch"' in wire.authorizes().content
    assert not wire.seen


def test_authorization_parameters(wire: Wire) -> None:
    wire.load(
        {
            "authorization_parameters": {
                "access_type": "offline",
                "scope": None,
                "user_scope": "{scope}",
                "empty": "",
            }
        }
    )
    asked = wire.sets_out()
    assert asked["access_type"] == "offline"
    assert asked["user_scope"] == "things.read"
    assert "scope" not in asked
    assert "empty" not in asked


def test_a_place_for_the_query(wire: Wire) -> None:
    wire.load({"authorization_endpoint": f"{wire.url}/authorize?app=1#/go?{{query}}"})
    wire.sets_out()
    assert wire.location.startswith(f"{wire.url}/authorize?app=1#/go?")
    assert "client_id=wire" in urlsplit(wire.location).fragment


def test_token_parameters_and_headers(wire: Wire) -> None:
    wire.load(
        {"token_parameters": {"audience": "a-{client_id}"}, "token_headers": {"X-Kind": "tests"}}
    )
    wire.authorizes()
    assert wire.form("/token")["audience"] == "a-wire"
    assert wire.last("/token").headers["X-Kind"] == "tests"


def test_token_request_as_json(wire: Wire) -> None:
    wire.load({"token_request": {"format": "json"}})
    wire.authorizes()
    request = wire.last("/token")
    assert request.mimetype == "application/json"
    assert json.loads(request.get_data())["code"] == "code-1"


def test_token_request_in_the_query(wire: Wire) -> None:
    wire.load({"token_request": {"format": "query", "method": "GET"}})
    wire.authorizes()
    request = wire.last("/token")
    assert request.method == "GET"
    assert request.args["code"] == "code-1"


def renew(wire: Wire) -> None:
    from datetime import timedelta

    from django.utils import timezone

    from authlinks.models import Authorization

    Authorization.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    wire.calls()


def test_refresh_endpoint(wire: Wire) -> None:
    wire.load({"refresh_endpoint": f"{wire.url}/refresh"})
    wire.authorizes()
    renew(wire)
    assert wire.form("/refresh")["refresh_token"] == "rt-1"
    assert "scope" not in wire.form("/refresh")


def test_refresh_differences(wire: Wire) -> None:
    wire.load(
        {
            "refresh": {
                "parameters": {"kind": "again"},
                "headers": {"X-Again": "yes"},
                "format": "json",
                "client_authentication": "client_secret_post",
            }
        }
    )
    wire.authorizes()
    renew(wire)
    request = wire.last("/token")
    sent = json.loads(request.get_data())
    assert sent["kind"] == "again"
    assert sent["client_secret"] == SECRET
    assert request.headers["X-Again"] == "yes"


def test_token_response(wire: Wire) -> None:
    wire.load({"token_response": {"access_token": "data.token", "expires_in": "data.life"}})
    wire.answers["/token"] = [{"data": {"token": "deep-token", "life": 60}}]
    wire.authorizes()
    wire.calls()
    assert wire.last("/api/things").headers["Authorization"] == "Bearer deep-token"


def test_token_response_error(wire: Wire) -> None:
    wire.load({"token_response": {"error": "errmsg"}})
    wire.answers["/token"] = [{"errmsg": "no such code", "access_token": "at-9"}]
    answer = wire.authorizes()
    assert b'data-code="token_refused"' in answer.content


def test_default_expires_in(wire: Wire) -> None:
    from authlinks.models import Authorization

    wire.load({"default_expires_in": 120})
    wire.answers["/token"] = [{"access_token": "at-1"}]
    wire.authorizes()
    assert Authorization.objects.get().lifetime == 120


def test_revocation_endpoint(wire: Wire) -> None:
    wire.load({"revocation_endpoint": f"{wire.url}/revoke"})
    wire.authorizes()
    wire.client.post("/connections/wire/disconnect/")
    hints = [
        dict(parse_qsl(request.get_data(as_text=True)))["token_type_hint"]
        for request in wire.seen
        if request.path == "/revoke"
    ]
    assert hints == ["refresh_token", "access_token"]


def test_code_parameter(wire: Wire) -> None:
    wire.load({"code_parameter": "auth_code"})
    state = wire.sets_out()["state"]
    wire.comes_back(state, auth_code="code-7")
    assert wire.form("/token")["code"] == "code-7"


def test_captures_of_token_and_callback(wire: Wire) -> None:
    wire.load(
        {"captures": {"token": {"site": "site.id"}, "callback": {"region": "region"}}},
        integration={"parameters": {"site": "{site}", "region": "{region}"}},
    )
    wire.answers["/token"] = [{"access_token": "at-1", "site": {"id": "s-9"}}]
    wire.authorizes(region="eu")
    wire.calls()
    assert dict(wire.last("/api/things").args) == {"site": "s-9", "region": "eu"}


def test_capture_patterns(wire: Wire) -> None:
    wire.load(
        {
            "captures": {"token": {"site": "site"}},
            "capture_patterns": {"site": "[a-z]+"},
        },
        integration={"parameters": {"site": "{site}"}},
    )
    wire.answers["/token"] = [{"access_token": "at-1", "site": "evil.example/x"}]
    wire.authorizes()
    wire.calls()
    assert not any(
        request.args.get("site") == "evil.example/x"
        for request in wire.seen
        if request.path == "/api/things"
    )


def test_second_exchange(wire: Wire) -> None:
    wire.load(
        {
            "captures": {"token": {"short": "access_token"}},
            "second_exchange": {
                "endpoint": f"{wire.url}/second",
                "parameters": {"grant_type": "exchange", "short_token": "{short}"},
            },
        }
    )
    wire.answers["/second"] = [{"access_token": "long-token"}]
    wire.authorizes()
    assert wire.form("/second")["short_token"] == "at-1"
    wire.calls()
    assert wire.last("/api/things").headers["Authorization"] == "Bearer long-token"


def test_after_authorization_and_choose(wire: Wire) -> None:
    wire.load(
        {
            "after_authorization": {
                "path": "/me",
                "captures": {"site": "id"},
                "choose": {"list": "sites", "value": "id", "label": "name"},
            }
        },
        integration={"parameters": {"site": "{site}"}},
    )
    wire.answers["/api/me"] = [
        {"sites": [{"id": "s1", "name": "First"}, {"id": "s2", "name": "Second"}]}
    ]
    answer = wire.authorizes()
    assert wire.last("/api/me").headers["Authorization"] == "Bearer at-1"
    assert b"Second" in wire.client.get(answer["Location"]).content
    assert wire.client.post(answer["Location"], {"choice": "s2"})["Location"] == "/x/"
    wire.calls()
    assert wire.last("/api/things").args["site"] == "s2"


def test_variables(wire: Wire) -> None:
    wire.load(
        {"scope": "things.read", "authorization_parameters": {"tenant": "{tenant}"}},
        variables={"tenant": "north", "key": {"secret": True, "value": "hidden-value-1"}},
        request_headers={"X-Key": "{key}", "X-Tenant": "{tenant}"},
        request_parameters={"t": "{tenant}"},
    )
    assert wire.sets_out()["tenant"] == "north"
    wire.authorizes()
    wire.calls()
    request = wire.last("/api/things")
    assert request.headers["X-Key"] == "hidden-value-1"
    assert request.headers["X-Tenant"] == "north"
    assert request.args["t"] == "north"


def test_token_placement_in_a_header(wire: Wire) -> None:
    wire.load(token_placement={"header": "X-Token", "scheme": ""})
    wire.authorizes()
    wire.calls()
    assert wire.last("/api/things").headers["X-Token"] == "at-1"


def test_token_placement_in_the_query(wire: Wire) -> None:
    wire.load(token_placement={"query": "access_token"})
    wire.authorizes()
    wire.calls()
    assert wire.last("/api/things").args["access_token"] == "at-1"
    assert "Authorization" not in wire.last("/api/things").headers


def test_expired_when_status(wire: Wire) -> None:
    wire.load(expired_when={"status": [419]})
    wire.authorizes()
    wire.answers["/api/things"] = [Response("", status=419), {"things": []}]
    assert wire.calls()["success"]
    assert wire.form("/token")["grant_type"] == "refresh_token"


def test_expired_when_json(wire: Wire) -> None:
    wire.load(expired_when={"json": "error == 'token_expired'"})
    wire.authorizes()
    wire.answers["/api/things"] = [{"error": "token_expired"}, {"things": []}]
    assert wire.calls()["success"]
    assert wire.form("/token")["grant_type"] == "refresh_token"


def test_api_key_in_a_header(wire: Wire) -> None:
    wire.load(
        authentication="api_key",
        api_key={"name": "X-Api-Key", "value": "key-0815-abc", "place": "header"},
    )
    assert wire.calls()["success"]
    assert wire.last("/api/things").headers["X-Api-Key"] == "key-0815-abc"


def test_api_key_in_the_query(wire: Wire) -> None:
    wire.load(
        authentication="api_key",
        api_key={"name": "key", "value": "key-0815-abc", "place": "query"},
    )
    assert wire.calls()["success"]
    assert wire.last("/api/things").args["key"] == "key-0815-abc"


def test_basic(wire: Wire) -> None:
    wire.load(authentication="basic", basic={"username": "us", "password": "pass-word-1"})
    assert wire.calls()["success"]
    assert wire.last("/api/things").authorization.password == "pass-word-1"


def test_none(wire: Wire) -> None:
    wire.load(authentication="none")
    assert wire.calls()["success"]
    assert "Authorization" not in wire.last("/api/things").headers


def test_client_credentials(wire: Wire) -> None:
    wire.load({"authorization_endpoint": "absent"}, authentication="oauth2_client_credentials")
    assert wire.calls()["success"]
    assert wire.form("/token")["grant_type"] == "client_credentials"
    assert wire.calls()["success"]
    assert sum(request.path == "/token" for request in wire.seen) == 1


def test_client_credentials_renew(wire: Wire) -> None:
    wire.load({"authorization_endpoint": "absent"}, authentication="oauth2_client_credentials")
    wire.calls()
    wire.answers["/token"] = [{"access_token": "at-2"}]
    wire.answers["/api/things"] = [Response("", status=401), {"things": []}]
    assert wire.calls()["success"]
    assert wire.last("/api/things").headers["Authorization"] == "Bearer at-2"


def test_success_rule(wire: Wire) -> None:
    wire.load(authentication="none", integration={"success": "ok"})
    wire.answers["/api/things"] = [{"ok": False, "error": "no such thing"}]
    answer = wire.calls()
    assert answer["error"]["code"] == "success_rule_failed"
    wire.answers["/api/things"] = [{"ok": True}]
    assert wire.calls()["success"]


def pages(wire: Wire, *replies: Any, **rule: Any) -> dict[str, Any]:
    wire.load(authentication="none", integration={"pagination": {"items": "things", **rule}})
    wire.answers["/api/things"] = list(replies)
    answer: dict[str, Any] = wire.calls()
    return answer


def asked(wire: Wire) -> list[str]:
    return [request.query_string.decode() for request in wire.seen]


def linked(data: Any, link: str) -> Response:
    headers = {"Link": link}
    return Response(json.dumps(data), content_type="application/json", headers=headers)


def test_result(wire: Wire) -> None:
    wire.load(authentication="none", integration={"result": "things[].id"})
    wire.answers["/api/things"] = [{"things": [{"id": 1}, {"id": 2}]}]
    assert wire.calls()["result"]["data"] == [1, 2]


def test_H11_numbers_keep_their_digits(wire: Wire) -> None:
    wire.load(authentication="none", integration={"result": "things[?sum > `1`]"})
    body = '{"things": [{"sum": 99999999999999999.99}, {"sum": 0.1}]}'
    wire.answers["/api/things"] = [Response(body, content_type="application/json")] * 2
    told = wire.client.get("/integrations/things/", HTTP_ACCEPT="application/json")
    assert b'"data": [{"sum": 99999999999999999.99}]' in told.content
    assert b"99999999999999999.99" in wire.client.get("/integrations/things/").content


@pytest.mark.parametrize("rule", ["length(nothing)", "[@,@][]" + " | [@,@][]" * 40])
def test_a_result_that_does_not_fit(wire: Wire, rule: str) -> None:
    wire.load(authentication="none", integration={"result": rule})
    answer = wire.calls()
    assert answer["error"]["code"] == "result_rule_failed"
    assert answer["result"]["data"] == {"things": [{"id": 1}]}


def test_error_message(wire: Wire) -> None:
    wire.load(authentication="none", integration={"error_message": "problem.words"})
    said = {"message": "E17", "problem": {"words": "<b>Closed</b> " + "x" * 600}}
    wire.answers["/api/things"] = [Response(json.dumps(said), status=422)]
    page = wire.client.get("/integrations/things/").content.decode()
    assert "&lt;b&gt;Closed&lt;/b&gt; xxx" in page
    assert "x" * 500 not in page
    assert "E17" not in page


def test_pagination_by_link(wire: Wire) -> None:
    link = f'<{wire.url}/api/?old>; rel="prev", </api/things?page=2&a=1>; rel="next last"'
    answer = pages(wire, linked({"things": [1, 2]}, link), {"things": [3]}, style="link")
    assert answer["result"]["data"] == [1, 2, 3]
    assert "more" not in answer["result"]
    assert asked(wire) == ["", "page=2&a=1"]


def test_pagination_stays_at_its_host(wire: Wire) -> None:
    link = f'<http://127.0.0.1:{wire.server.port}/api/things?page=2>; rel="next"'
    answer = pages(wire, linked({"things": [1]}, link), {"things": [2]}, style="link")
    assert answer["error"]["code"] == "address_refused"
    assert len(wire.seen) == 1


def test_pagination_by_cursor(wire: Wire) -> None:
    replies = [{"things": [1], "next": "a b&c"}, {"things": [2], "next": ""}]
    answer = pages(wire, *replies, style="cursor", parameter="after", next="next")
    assert answer["result"]["data"] == [1, 2]
    assert asked(wire) == ["", "after=a%20b%26c"]


def test_pagination_by_page(wire: Wire) -> None:
    answer = pages(wire, {"things": [1]}, {"things": [2]}, {"things": []}, style="page", first=0)
    assert answer["result"]["data"] == [1, 2]
    assert asked(wire) == ["", "page=1", "page=2"]


def test_pagination_by_offset(wire: Wire) -> None:
    replies = [{"things": [1, 2]}, {"things": [3]}]
    answer = pages(wire, *replies, style="offset", parameter="skip", size=2)
    assert answer["result"]["data"] == [1, 2, 3]
    assert asked(wire) == ["", "skip=2"]


def test_max_pages(wire: Wire) -> None:
    answer = pages(wire, {"things": [1]}, style="page", max_pages=3)
    assert answer["result"]["data"] == [1, 1, 1]
    assert answer["result"]["more"] is True
    assert len(wire.seen) == 3
    page = wire.client.get("/integrations/things/").content.decode()
    assert "There is more than is shown here" in page


def test_a_page_that_fails_fails_the_call(wire: Wire) -> None:
    answer = pages(wire, {"things": [1]}, Response("{}", status=404), style="page")
    assert answer["error"]["code"] == "call_not_found"
    assert "page 2" in answer["error"]["message"]
    assert not answer["success"]


def test_a_page_without_its_list(wire: Wire) -> None:
    answer = pages(wire, {"things": [1]}, {"error": "no"}, style="page")
    assert answer["error"]["code"] == "result_rule_failed"


def test_pages_are_10_megabytes_together(wire: Wire) -> None:
    answer = pages(wire, {"things": ["x" * 4_000_000]}, style="page")
    assert answer["error"]["code"] == "too_large"
    assert len(wire.seen) == 3


def test_result_of_pages_and_their_success(wire: Wire) -> None:
    rule = {"style": "page", "items": "things"}
    wire.load(
        authentication="none",
        integration={"pagination": rule, "success": "ok", "result": "sum(@)"},
    )
    wire.answers["/api/things"] = [{"ok": 1, "things": [4]}, {"ok": 1, "things": []}]
    assert wire.calls()["result"]["data"] == 4


def test_pages_speak_with_the_key_in_the_query(wire: Wire) -> None:
    rule = {"style": "link", "items": "things", "next": "next"}
    wire.load(
        authentication="api_key",
        api_key={"name": "key", "value": "key-value-4711", "place": "query"},
        integration={"pagination": rule},
    )
    wire.answers["/api/things"] = [
        {"things": [1], "next": "?page=2&key=of-another"},
        {"things": [2]},
    ]
    assert wire.calls()["result"]["data"] == [1, 2]
    assert asked(wire) == ["key=key-value-4711", "page=2&key=key-value-4711"]


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ({"style": "cursor", "items": "x"}, "pagination.next"),
        ({"style": "page"}, "pagination.items"),
        ({"style": "page", "items": "x", "max_pages": 101}, "pagination.max_pages"),
        ({"style": "link", "items": "x", "size": 3}, "pagination.size"),
        ({"style": "turn", "items": "x"}, "pagination.style"),
    ],
)
def test_a_pagination_that_cannot_be_used(wire: Wire, rule: dict[str, Any], path: str) -> None:
    with pytest.raises(CommandError, match=path):
        wire.load(authentication="none", integration={"pagination": rule})


def sends(wire: Wire, body: Any, content_type: str, **given: Any) -> Request:
    from integrations import call_integration

    names = [{"name": name, "type": "list"} if name == "tags" else {"name": name} for name in given]
    wire.load(
        authentication="none",
        integration={
            "usage": "modify",
            "method": "POST",
            "content_type": content_type,
            "body": body,
            "inputs": names,
        },
    )
    assert call_integration("things", wire.person, inputs=given).success
    return wire.last("/api/things")


def test_a_multipart_body(wire: Wire) -> None:
    evil = 'a"\r\nX-Evil: 1\r\n\r\n../../etc'
    text = "Größe\r\n--boundary--\r\n"
    body = {
        'ti"tle': "T: {text}",
        "none": "{none}",
        "pages": 3,
        "notes": {"filename": "{name}.csv", "content": "{text}", "content_type": "text/csv"},
    }
    sent = sends(wire, body, "multipart/form-data", text=text, name=evil, none=None)
    assert sent.mimetype == "multipart/form-data"
    assert sent.form.to_dict() == {'ti"tle': f"T: {text}", "pages": "3"}
    file = sent.files["notes"]
    assert (file.mimetype, file.read().decode()) == ("text/csv", text)
    assert file.filename == "a___X-Evil: 1____.._.._etc.csv"
    assert list(file.headers.keys()) == ["Content-Disposition", "Content-Type"]
    sent.close()


def test_each_multipart_body_has_a_boundary_of_its_own(wire: Wire) -> None:
    first = sends(wire, {"a": "{a}"}, "multipart/form-data", a="1").content_type
    assert sends(wire, {"a": "{a}"}, "multipart/form-data", a="1").content_type != first


def test_a_text_body(wire: Wire) -> None:
    sent = sends(wire, "Dear {a},\nbye", "text/plain", a="Ünal")
    assert sent.content_type == "text/plain; charset=utf-8"
    assert sent.get_data(as_text=True) == "Dear Ünal,\nbye"


def test_a_multipart_file_needs_its_name(wire: Wire) -> None:
    with pytest.raises(CommandError, match=r"body\.notes\.filename"):
        sends(wire, {"notes": {"content": "x"}}, "multipart/form-data")


def test_a_list_is_sent_once_for_each_value(wire: Wire) -> None:
    tags = {"name": "tags", "type": "list", "default": ["red"]}
    wire.load(
        authentication="none", integration={"parameters": {"tag": "{tags}"}, "inputs": [tags]}
    )
    assert wire.calls(tags=["a b", "c&d", ""])["success"]
    assert wire.calls(tags="x\r\ny")["success"]
    assert wire.calls()["success"]
    assert asked(wire) == ["tag=a%20b&tag=c%26d", "tag=x&tag=y", "tag=red"]


def test_a_list_in_bodies(wire: Wire) -> None:
    body = {"tags": "{tags}"}
    assert sends(wire, body, "application/json", tags=["a", "b"]).json == {"tags": ["a", "b"]}
    form = "application/x-www-form-urlencoded"
    assert sends(wire, body, form, tags=["a", "b"]).form.getlist("tags") == ["a", "b"]
    assert sends(wire, body, "multipart/form-data", tags="a\nb").form.getlist("tags") == ["a", "b"]
    assert sends(wire, body, "application/json", tags=[]).json == {}


def test_a_list_of_choices_is_ticked(wire: Wire) -> None:
    choices = [{"value": "open", "label": "Still open"}, "closed", "lost"]
    kinds = {"name": "kinds", "type": "list", "choices": choices}
    wire.load(
        authentication="none", integration={"parameters": {"k": "{kinds}"}, "inputs": [kinds]}
    )
    page = wire.client.get("/integrations/things/", {"kinds": ["open", "lost"]}).content.decode()
    assert re.findall(r'value="(\w+)"[^>]* checked', page) == ["open", "lost"]
    assert asked(wire) == ["k=open&k=lost"]
    answer = wire.client.get("/integrations/things/", {"kinds": ["open", "gone"]})
    assert answer.status_code == 400
    assert re.findall(r'value="(\w+)"[^>]* checked', answer.content.decode()) == ["open", "gone"]


def test_a_held_list_can_be_edited(wire: Wire) -> None:
    inputs = [{"name": "tags", "type": "list"}]
    writes = {"usage": "modify", "method": "POST", "body": {"t": "{tags}"}, "inputs": inputs}
    wire.load(integration=writes)
    answer = wire.client.post(
        "/integrations/things/", {"tags": ["a", "b"]}, HTTP_ACCEPT="application/json"
    )
    url = answer.json()["held"]["url"]
    assert "a, b" in wire.client.get(url).content.decode()
    assert "a\nb</textarea>" in wire.client.post(url, {"action": "edit"}).content.decode()
    wire.client.post(url, {"action": "save", "tags": "a\nc"})
    wire.authorizes()
    wire.client.post(url, {"action": "deliver"})
    assert wire.last("/api/things").json == {"t": ["a", "c"]}


def test_a_list_on_the_command_line(wire: Wire) -> None:
    tags = {"name": "tags", "type": "list"}
    wire.load(
        authentication="none", integration={"parameters": {"tag": "{tags}"}, "inputs": [tags]}
    )
    given = ["--input", "tags=a", "--input", "tags=b"]
    call_command("call_integration", "things", "--user", wire.person.username, *given)
    assert asked(wire) == ["tag=a&tag=b"]


def test_idempotency_key(wire: Wire) -> None:
    from integrations import call_integration

    wire.load(
        authentication="none",
        integration={
            "usage": "modify",
            "method": "POST",
            "body": {"a": 1},
            "idempotency_key": "Idempotency-Key",
        },
    )
    wire.answers["/api/things"] = [Response("", status=503), {"ok": True}]
    assert call_integration("things", wire.person).success
    keys = [request.headers["Idempotency-Key"] for request in wire.seen]
    assert len(keys) == 2
    assert len(set(keys)) == 1


def publishes(wire: Wire, path: str = "/.well-known/openid-configuration", **said: Any) -> None:
    """Metadata of the wire's own, with endpoints of its own, at this path."""
    document = {
        "issuer": wire.url,
        "authorization_endpoint": f"{wire.url}/found/authorize",
        "token_endpoint": f"{wire.url}/token",
        "revocation_endpoint": f"{wire.url}/revoke",
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
        **said,
    }
    wire.server.expect_request(path).respond_with_json(document)


LEFT_OUT = {"authorization_endpoint": "absent", "token_endpoint": "absent"}


def test_discovery_url(wire: Wire) -> None:
    publishes(wire)
    wire.load(
        {**LEFT_OUT, "discovery_url": "{where}/.well-known/openid-configuration"},
        variables={"where": wire.url},
    )
    sent = wire.sets_out()
    assert sent["address"] == f"{wire.url}/found/authorize"
    assert wire.comes_back(sent["state"], iss=wire.url).status_code == 303
    token = wire.last("/token")
    assert token.form["client_secret"] == SECRET
    assert "Authorization" not in token.headers
    wire.client.post("/connections/wire/disconnect/")
    assert wire.last("/revoke").form["token"]


def test_discovery_url_names_who_may_answer(wire: Wire) -> None:
    publishes(wire)
    wire.load({**LEFT_OUT, "discovery_url": f"{wire.url}/.well-known/openid-configuration"})
    answer = wire.comes_back(wire.sets_out()["state"], iss="https://else.example")
    assert 'data-code="issuer_mismatch"' in answer.content.decode()


def test_a_public_client_stays_one_whatever_its_metadata_lists(wire: Wire) -> None:
    publishes(wire)
    url = f"{wire.url}/.well-known/openid-configuration"
    wire.load({**LEFT_OUT, "client_secret": "absent", "discovery_url": url})
    wire.comes_back(wire.sets_out()["state"], iss=wire.url)
    assert wire.last("/token").form["client_id"] == "wire"
    assert "client_secret" not in wire.last("/token").form


def test_what_is_entered_wins_over_discovery(wire: Wire) -> None:
    publishes(wire, token_endpoint=f"{wire.url}/second")
    wire.load(
        {
            "authorization_endpoint": "absent",
            "client_authentication": "client_secret_basic",
            "discovery_url": f"{wire.url}/.well-known/openid-configuration",
        }
    )
    wire.comes_back(wire.sets_out()["state"], iss=wire.url)
    assert wire.last("/token").headers["Authorization"].startswith("Basic ")
