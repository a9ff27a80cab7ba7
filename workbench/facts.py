"""Compares the four requests that a preset would send with facts collected about its provider.

A facts file is JSON, ``{"providers": [...]}``; an entry names a preset by its ``key`` and says of
the provider's authorization, token, refresh and API request what each must hold. Expectations are
made from the facts alone; what is compared with them is what the product's own code would send.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, quote_plus, unquote, urlsplit

from connectedsystems import configuration, presets
from connectedsystems.configuration import Configuration
from connectedsystems.errors import ConfigurationInvalid, Failure
from connectedsystems.oauth import authorization, token
from connectedsystems.oauth.client import Client
from integrations import request
from integrations.definition import read

ID, SECRET, REDIRECT_URI = "our-client-id", "our-client-secret", "https://ours.example/callback/"
_TYPED_AGAIN = {"Client ID": ID, "Client Secret": SECRET}
CODE, REFRESH_TOKEN, ACCESS_TOKEN = "the-code", "the-refresh-token", "the-access-token"
FOUND = {
    "authorization_endpoint": "https://found.example/authorize",
    "token_endpoint": "https://found.example/token",
}
"""Endpoints of a document that is not fetched here: where both facts and preset only name it."""
Fact = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sent:
    """A request taken apart: ``place`` is scheme, host and path; parameters by where they stand."""

    method: str
    place: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    format: str = ""
    raw: str = ""


def differences(fact: Fact) -> list[str]:
    """Why what would be sent is not what the facts say; empty where it is."""
    preset = presets.preset(str(fact["key"]))
    if preset is None:
        return ["there is no preset with this key"]
    values = {name: _variable(each) for name, each in preset.variables.items()}
    hidden = {name: values[name] for name, each in preset.variables.items() if each.get("secret")}
    data = preset.data(values)
    data["slug"] = "known"
    data["oauth"]["client_id"] = ID
    try:
        system = configuration.parse(data)
        address = configuration.address_of(system)
        if address:
            fact = {**fact, **{key: fact[key] or url for key, url in FOUND.items()}}
            system = configuration.parse(data, discovered={"address": address, "settings": FOUND})
    except ConfigurationInvalid as mistake:
        return [f"it does not load: {mistake}"]
    captures = _captured(system)
    secrets = {"client_secret": SECRET, "variables": hidden}
    client = system.client(redirect_uri=REDIRECT_URI, secrets=secrets, captures=captures)
    known = _Known(fact, {**captures, **system.variables}, client.scope, client.pkce != "off")
    try:
        return [
            *_metadata(known, address),
            *_authorization(known, client),
            *_token(known, client),
            *_refresh(known, client),
            *_api(known, system, request.Speaker(ACCESS_TOKEN, secrets, captures)),
        ]
    except Failure as failure:
        return [f"it cannot be sent: {failure.code} {failure.facts}"]


def _variable(described: Mapping[str, Any]) -> str:
    if described.get("title") in _TYPED_AGAIN:
        return _TYPED_AGAIN[described["title"]]
    example = str(described.get("example", ""))
    if re.fullmatch(r"https://[\w.-]+(/[\w.-]+)*", example) and not described.get("prefix"):
        return example
    return example if re.fullmatch(r"[\w.-]+", example) else "mine"


def _captured(system: Configuration) -> dict[str, str]:
    """A value for each capture that its pattern, if it has one, lets through."""
    patterns = system.oauth.get("capture_patterns") or {}
    return {name: _example(patterns.get(name, "")) for name in sorted(system.captured_names)}


def _example(pattern: str) -> str:
    text = re.sub(r"\[[^\]]*\][+*]?(\{[^}]*\})?", "mine", pattern)
    text = re.sub(r"\(\?:", "(", text)
    text = re.sub(r"\([^()]*\)\?", "", text)
    text = re.sub(r"\(([^()|]*)\|?[^()]*\)", r"\1", text)
    text = text.replace("/?", "").replace("\\", "")
    return text if pattern and re.fullmatch(pattern, text) else "mine"


@dataclass(frozen=True)
class _Known:
    """A fact with values for its placeholders."""

    fact: Fact
    values: Mapping[str, str]
    scope: str
    with_pkce: bool

    def filled(self, text: object) -> str:
        names = {**self.values, "redirect_uri": REDIRECT_URI, "client_id": ID}
        names |= {"client_secret": SECRET, "access_token": ACCESS_TOKEN}
        return re.sub(
            r"\{([^{}]+)\}",
            lambda found: str(names.get(_plain(found.group(1)), found.group(0))),
            str(text),
        )

    def address(self, text: str) -> str:
        """A URL with one scheme, whether a value brings it or not."""
        filled = self.filled(text).replace("https://https://", "https://")
        return filled if "://" in filled else f"https://{filled}"

    def all_filled(self, texts: Mapping[str, Any] | None) -> dict[str, str]:
        return {name: self.filled(text) for name, text in (texts or {}).items()}


def _plain(name: str) -> str:
    """A placeholder's name as presets write it: lower case, words joined by underscores."""
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower())


# Where the endpoints are found, and the four requests


def _metadata(known: _Known, address: str) -> Iterator[str]:
    """The facts have either an address, or a remark of how it is found from the server's."""
    expected = known.filled(known.fact.get("discovery_url") or "")
    if address and "{" not in expected and address != expected:
        yield f"metadata: asked for at {address}, not at {expected or 'no address'}"


def _authorization(known: _Known, client: Client) -> Iterator[str]:
    facts = known.fact["authorization"]
    if not known.fact["authorization_endpoint"]:
        return
    sent = _url("GET", authorization.begin(client).url)
    expected = {
        "response_type": facts["response_type"],
        "client_id": ID,
        "redirect_uri": REDIRECT_URI,
        "scope": known.scope,
    }
    expected = _renamed(expected, facts["rename_params"])
    expected |= known.all_filled(facts["extra_params"])
    address = known.address(known.fact["authorization_endpoint"])
    if facts["fragment"]:
        address = f"{address}/#/{facts['fragment']}"
    yield from _compare(
        "authorization request",
        _expected("GET", address, query=expected, left_out=facts["omit_params"]),
        sent,
        beyond={"state", "nonce", "code_challenge", "code_challenge_method"},
    )
    if "state" not in sent.query:
        yield "authorization request: no state"
    yield from _pkce(known.fact["pkce"], "code_challenge" in sent.query)
    if facts["scope_unencoded"] and known.scope and "%20" in sent.raw:
        yield "authorization request: the scope is encoded"


def _pkce(fact: str, sent: bool) -> Iterator[str]:
    if fact == "disabled" and sent:
        yield "authorization request: PKCE has to be off"
    if fact.startswith("required") and not sent:
        yield "authorization request: PKCE has to be on"


def _token(known: _Known, client: Client) -> Iterator[str]:
    facts = known.fact["token"]
    written = token.written_out(client, "authorization_code", code=CODE, verifier="the-verifier")
    method = facts["client_auth"]
    expected = {
        "grant_type": "authorization_code",
        "code": CODE,
        "redirect_uri": REDIRECT_URI,
        **_identity(method),
    }
    expected = _renamed(expected, facts["rename_params"])
    expected |= known.all_filled(facts["extra_params"])
    yield from _compare(
        "token request",
        _expected(
            facts["method"],
            known.address(known.fact["token_endpoint"] or written.url),
            query=known.all_filled(facts["query_params"]),
            body=expected,
            headers={**_proof(method), **known.all_filled(facts["extra_headers"])},
            form=facts["request_format"],
            left_out=facts["omit_params"],
        ),
        _taken_apart(written),
        beyond={"code_verifier", "client_id", *facts["query_params"]},
    )


def _refresh(known: _Known, client: Client) -> Iterator[str]:
    facts, first = known.fact["refresh"], known.fact["token"]
    source = ACCESS_TOKEN if facts.get("token_source") == "access_token" else REFRESH_TOKEN
    written = token.written_out(client, "refresh_token", refresh_token=source)
    method = facts.get("client_auth") or first["client_auth"]
    expected = {"grant_type": "refresh_token", "refresh_token": source, **_identity(method)}
    if source == ACCESS_TOKEN:
        expected = {}
    expected = _renamed(expected, {**first["rename_params"], **facts.get("rename", {})})
    expected |= known.all_filled(facts["extra_params"])
    place = facts.get("placement") or facts.get("request_format") or first["request_format"]
    address = known.fact["refresh_endpoint"] or known.fact["token_endpoint"] or written.url
    yield from _compare(
        "refresh request",
        _expected(
            facts["method"] if facts["method"] != "POST" else first["method"],
            known.address(address),
            body=expected,
            headers=_proof(method),
            form=place,
            left_out=[*facts.get("omit", []), *_not_of_the_grant(first["omit_params"])],
        ),
        _taken_apart(written),
        # What the token request carries goes along; servers ignore what they do not know.
        beyond={"client_id", "client_secret", *first["extra_params"], *first["query_params"]},
    )


def _not_of_the_grant(names: list[str]) -> list[str]:
    return [name for name in names if name != "redirect_uri" and name != "grant_type"]


def _api(known: _Known, system: Configuration, speaker: request.Speaker) -> Iterator[str]:
    facts = known.fact["api"]
    # Not every provider has one address for its API; the rest of the request is compared anyway.
    system = replace(system, base_url=system.base_url or "https://api.example")
    definition = read({"slug": "look", "method": "GET", "path": "/me", "usage": "query"})
    parts = request.Prepared(definition, system).fill({}, speaker)
    query, headers = known.all_filled(facts["query"]), known.all_filled(facts["extra_headers"])
    place, _, value = facts["token_header"].partition(": ")
    if place.startswith("query "):
        query[place.removeprefix("query ")] = ACCESS_TOKEN
    else:
        headers[place] = known.filled(value)
    url = f"{known.address(known.fact['api_base_url'] or system.base_url).rstrip('/')}/me"
    sent = _url("GET", parts.url)
    yield from _compare(
        "API request",
        _expected("GET", url, query=query, headers=headers),
        Sent("GET", sent.place, query=sent.query, headers=parts.headers),
        beyond=set(sent.query),
    )


# Taking apart, and comparing


def _identity(method: str) -> dict[str, str]:
    if method == "client_assertion_is_secret":
        return {"client_secret": SECRET}
    if method in ("post", "client_secret_is_jwt"):
        return {"client_id": ID, "client_secret": SECRET}
    return {"client_id": ID} if method == "none" else {}


def _proof(method: str) -> dict[str, str]:
    pairs = {"basic": f"{ID}:{SECRET}", "basic_secret_as_username": f"{SECRET}:"}
    if method not in pairs:
        return {}
    return {"Authorization": "Basic " + b64encode(pairs[method].encode()).decode()}


def _renamed(parameters: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    return {names.get(name, name): value for name, value in parameters.items() if value}


def _expected(
    method: str,
    url: str,
    *,
    query: Mapping[str, str] | None = None,
    body: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    form: str = "",
    left_out: list[str] | None = None,
) -> Sent:
    address = _url(method, url)
    out = set(left_out or [])
    asked = {**address.query, **{k: v for k, v in (query or {}).items() if k not in out}}
    said = {name: value for name, value in (body or {}).items() if name not in out}
    if method == "GET" or form == "query":
        asked, said = {**asked, **said}, {}
    return Sent(method, address.place, asked, said, headers or {}, form)


def _url(method: str, url: str) -> Sent:
    address = urlsplit(url)
    path, query = address.path.rstrip("/"), address.query
    if address.fragment:
        inside, _, query = address.fragment.partition("?")
        path = f"{path}/#{inside}"
    pairs = dict(parse_qsl(query, keep_blank_values=True))
    return Sent(method, f"{address.scheme}://{address.netloc}{unquote(path)}", pairs, raw=url)


def _taken_apart(asked: Any) -> Sent:
    address = _url(asked.method, asked.url)
    content_type = asked.headers.get("Content-Type", "")
    text = (asked.body or b"").decode()
    is_json = "json" in content_type
    body = json.loads(text) if is_json else dict(parse_qsl(text, keep_blank_values=True))
    form = "json" if is_json else "form" if asked.body is not None else "query"
    return Sent(asked.method, address.place, address.query, body, asked.headers, form)


def _compare(name: str, expected: Sent, sent: Sent, beyond: set[str]) -> Iterator[str]:
    if expected.method != sent.method:
        yield f"{name}: {sent.method} instead of {expected.method}"
    if expected.place.lower() != sent.place.lower():
        yield f"{name}: goes to {sent.place}, not to {expected.place}"
    if expected.format and expected.method != "GET" and expected.format != sent.format:
        yield f"{name}: {sent.format} instead of {expected.format}"
    for where in ("query", "body"):
        wanted, found = getattr(expected, where), getattr(sent, where)
        for key, value in wanted.items():
            if not _same(str(value), found.get(key)):
                yield f"{name}: {key} is {found.get(key)!r}, not {value!r}"
        for key in sorted(set(found) - set(wanted) - beyond):
            yield f"{name}: {key} is not expected"
    found = {key.lower(): value for key, value in sent.headers.items()}
    for key, value in expected.headers.items():
        if not _same(value, found.get(key.lower())):
            yield f"{name}: the header {key} is {found.get(key.lower())!r}, not {value!r}"


def _same(wanted: str, found: object) -> bool:
    """Equal, or both made for this request alone."""
    return (
        str(found) == wanted
        or (found is not None and "{" in wanted)
        or (found is not None and str(found) == quote_plus(wanted))
    )
