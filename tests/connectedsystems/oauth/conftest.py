"""A token endpoint on a real socket, and a client that knows it."""

from __future__ import annotations

import json
import time
from base64 import b64decode
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from connectedsystems import redact
from connectedsystems.oauth.client import Client

GRANT = {"access_token": "at-1", "token_type": "Bearer", "expires_in": 3600, "scope": "read"}


class Endpoint:
    """Answers in the order it is told to, and remembers what it was asked."""

    def __init__(self, server: HTTPServer) -> None:
        self.url = f"http://127.0.0.1:{server.port}/"
        self.asked: list[Request] = []
        self.answers: list[Response] = []
        for path in ("/token", "/second", "/refresh", "/revoke", "/me"):
            server.expect_request(path).respond_with_handler(self._answer)

    def _answer(self, request: Request) -> Response:
        request.get_data()
        self.asked.append(request)
        return self.answers.pop(0) if self.answers else Response(json.dumps(GRANT))

    def says(self, body: Any, status: int = 200, **headers: str) -> None:
        """The next answer: bytes and text as they are, anything else as JSON."""
        if not isinstance(body, (str, bytes)):
            body = json.dumps(body)
            headers.setdefault("Content_Type", "application/json")
        spelled = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.append(Response(body, status, spelled))

    @property
    def form(self) -> dict[str, str]:
        """The parameters of the last request."""
        text = self.asked[-1].get_data(as_text=True)
        found = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))
        assert len(dict(found)) == len(found), "a parameter was sent twice"
        return dict(found)

    @property
    def headers(self) -> dict[str, str]:
        return dict(self.asked[-1].headers)

    @property
    def basic(self) -> str:
        """User name and password of the last request, as they travelled."""
        scheme, _, value = self.headers["Authorization"].partition(" ")
        assert scheme == "Basic"
        return b64decode(value).decode()


@pytest.fixture
def endpoint(httpserver: HTTPServer) -> Endpoint:
    return Endpoint(httpserver)


@pytest.fixture
def client(endpoint: Endpoint) -> Callable[..., Client]:
    """A client of that endpoint with whatever is to be different."""

    def make(**different: Any) -> Client:
        keys: dict[str, Any] = {
            "client_id": "abc",
            "client_secret": "s3cret-of-abc",
            "redirect_uri": "https://here.example/connections/callback/7d1c/",
            "authorization_endpoint": "https://acme.example/authorize",
            "token_endpoint": endpoint.url + "token",
            "revocation_endpoint": endpoint.url + "revoke",
            "scope": "read write",
        }
        return Client(**{**keys, **different})

    return make


@pytest.fixture
def soon() -> float:
    return time.monotonic() + 10


@pytest.fixture(autouse=True)
def _fresh_memory() -> Any:
    redact.forget_all()
    yield
    redact.forget_all()
