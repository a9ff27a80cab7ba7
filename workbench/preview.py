"""The requests that a form's values lead to, written out: what is sent where, and by which field.

Nothing is sent, and no secret is in it: where one would stand, there is its name in capitals, which
is also what to fill in where a request is copied as a cURL command.
"""

from __future__ import annotations

import json
import shlex
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from connectedsystems.configuration import AUTHORIZATION_CODE, Configuration
from connectedsystems.errors import ConfigurationInvalid, Failure
from connectedsystems.oauth import authorization, token
from connectedsystems.oauth.client import Client
from integrations import request
from integrations.definition import read

SECRET, CODE, VERIFIER = "CLIENT_SECRET", "CODE", "CODE_VERIFIER"
REFRESH_TOKEN, ACCESS_TOKEN, ASSERTION = "REFRESH_TOKEN", "ACCESS_TOKEN", "SIGNED_JWT"

_UNFETCHED = "Its address stands at the Discovery URL, which Authorize and Save ask."
_FIELDS = {"client_id": "client_id", "client_secret": "client_secret", "scope": "scope"}
_FIELDS |= {"redirect_uri": "redirect_uri", "code_challenge": "pkce", "code_verifier": "pkce"}
_FIELDS |= {"code_challenge_method": "pkce", "client_assertion": "client_secret"}
_FRESH = {"state": "STATE", "nonce": "NONCE", "code_challenge": "CODE_CHALLENGE"}


@dataclass(frozen=True, slots=True)
class Part:
    """One line of a request, and the form's field it comes from; "" where it is our own."""

    text: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """One request: its title, its lines, and the same as a command; or why there is none yet."""

    title: str
    lines: tuple[Part, ...] = ()
    command: str = ""
    lacking: str = ""


def of(system: Configuration, redirect_uri: str) -> list[Shown]:
    """The requests of a configuration, which may be half written."""
    secrets = {
        "client_secret": SECRET,
        "api_key": "API_KEY",
        "password": "PASSWORD",
        "variables": {name: name.upper() for name in system.secret_variables},
    }
    captures = {name: name.upper() for name in system.captured_names}
    shown = []
    if system.uses_oauth:
        client = _masked(system.client(redirect_uri, secrets, captures))
        if system.authentication == AUTHORIZATION_CODE:
            shown.append(_tried("Authorization request", _authorization, client))
            shown.append(_tried("Token request", _token, client, "authorization_code"))
            shown.append(_tried("Refresh request", _token, client, "refresh_token"))
        else:
            shown.append(_tried("Token request", _token, client, "client_credentials"))
        if system.oauth.get("discovery_url") and not system.discovered:
            shown = [replace(each, lacking=_UNFETCHED) if each.lacking else each for each in shown]
    speaker = request.Speaker(ACCESS_TOKEN, secrets, captures)
    shown.append(_tried("A request to the API", _api, system, speaker))
    return shown


def _masked(client: Client) -> Client:
    """A signature needs the key itself, so a signed proof is shown by its name."""
    if not client.authenticates_by.endswith("_jwt"):
        return client
    proof = {
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": ASSERTION,
    }
    return replace(
        client,
        client_authentication="none",
        token_parameters={**proof, **client.token_parameters},
    )


def _tried(title: str, write: Any, *given: Any) -> Shown:
    try:
        shown: Shown = write(title, *given)
        return shown
    except (ConfigurationInvalid, ValueError) as mistake:  # half typed, such as a lone brace
        return Shown(title, lacking=" ".join(str(mistake).split()))
    except Failure as failure:
        name = failure.facts.get("name") or failure.facts.get("field") or "an address"
        return Shown(title, lacking=f"It needs {str(name).replace('_', ' ')} first.")


def _authorization(title: str, client: Client) -> Shown:
    if not client.authorization_endpoint:
        return Shown(title, lacking="It needs the Authorization Endpoint first.")
    address = urlsplit(authorization.begin(client).url)
    path, _, inside = address.fragment.partition("?")
    pairs = parse_qsl(address.query or inside, keep_blank_values=True)
    place = f"{address.scheme}://{address.netloc}{address.path}{'#' + path if path else ''}"
    lines = (
        Part(f"GET {place}", "authorization_endpoint"),
        *_parameters(pairs, client.authorization_parameters, "authorization_parameters"),
    )
    return Shown(title, lines)


def _token(title: str, client: Client, grant: str) -> Shown:
    own = client.refresh_endpoint if grant == "refresh_token" else ""
    endpoint = "refresh_endpoint" if own else "token_endpoint"
    if not (own or client.token_endpoint):
        return Shown(title, lacking="It needs the Token Request Endpoint first.")
    verifier = VERIFIER if client.pkce != "off" else ""
    written = token.written_out(
        client, grant, code=CODE, verifier=verifier, refresh_token=REFRESH_TOKEN
    )
    address, _, query = written.url.partition("?")
    extra = client.refresh.get("parameters") if grant == "refresh_token" else None
    parameters, field = (
        (extra, "refresh") if extra else (client.token_parameters, "token_parameters")
    )
    is_json = "json" in written.headers.get("Content-Type", "")
    text = (written.body or b"").decode()
    body = json.loads(text).items() if is_json else parse_qsl(text, keep_blank_values=True)
    asked = parse_qsl(query, keep_blank_values=True)
    lines = (
        Part(f"{written.method} {address}", endpoint),
        *_headers(written.headers, client.token_headers, "token_headers"),
        *_parameters([*asked, *body], extra or client.token_parameters, field),
    )
    return Shown(title, lines, _curl(written.method, written.url, written.headers, text))


def _api(title: str, system: Configuration, speaker: request.Speaker) -> Shown:
    if not system.base_url:
        return Shown(title, lacking="It needs the Base URL first.")
    example = read({"slug": "example", "method": "GET", "path": "/example", "usage": "query"})
    parts = request.Prepared(example, system).fill({}, speaker)
    address, _, query = parts.url.partition("?")
    asked = parse_qsl(query, keep_blank_values=True)
    lines = (
        Part(f"{parts.method} {address}", "base_url"),
        *_headers(parts.headers, system.request_headers, "request_headers"),
        *_parameters(asked, system.request_parameters, "request_parameters"),
    )
    return Shown(title, lines, _curl(parts.method, parts.url, parts.headers, ""))


# Lines


def _parameters(pairs: Any, written: Mapping[str, Any], field: str) -> Iterator[Part]:
    for name, value in pairs:
        shown = value if name in written else _FRESH.get(name, value)
        is_own = name in written and value != ASSERTION
        yield Part(f"{name}={shown}", field if is_own else _FIELDS.get(name, ""))


def _headers(headers: Mapping[str, str], written: Mapping[str, Any], field: str) -> Iterator[Part]:
    own = {name.lower() for name in written}
    for name, value in headers.items():
        if name.lower() in own:
            yield Part(f"{name}: {value}", field)
        elif name == "Authorization" or any(mask in value for mask in (ACCESS_TOKEN, "API_KEY")):
            basic = _basic(value)
            shown = f"Basic {basic} (base64)" if basic else value
            yield Part(f"{name}: {shown}", "client_authentication" if basic else "token_placement")


def _basic(value: str) -> str:
    """User name and password of a Basic header (RFC 7617 §2); "" where it is none."""
    kind, _, encoded = value.partition(" ")
    return b64decode(encoded).decode() if kind == "Basic" else ""


def _curl(method: str, url: str, headers: Mapping[str, str], body: str) -> str:
    words = ["curl", "--request", method, url]
    for name, value in headers.items():
        basic = _basic(value) if name == "Authorization" else ""
        words += ["--user", basic] if basic else ["--header", f"{name}: {value}"]
    if body:
        words += ["--data-raw", body]
    return shlex.join(words)
