"""Checks a configuration step by step, before any user suffers; it spends and changes no token."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from connectedsystems import outbound, redact
from connectedsystems.configuration import AUTHORIZATION_CODE, Configuration
from connectedsystems.diagnosis import diagnose
from connectedsystems.errors import ConfigurationInvalid, Failure, OutboundFailure
from connectedsystems.oauth import authorization, endpoint, token
from connectedsystems.oauth.client import Client

Outcome = Literal["ok", "warn", "fail", "unknown"]

SECONDS = 10.0
MOST_BYTES = 1_000_000
CLOCK_SECONDS = 60
MADE_UP_CODE = "connected-systems-check-no-such-code"
OTHER_METHODS = ("client_secret_basic", "client_secret_post")

_ENDPOINTS = (
    "authorization_endpoint",
    "token_endpoint",
    "refresh_endpoint",
    "revocation_endpoint",
    "issuer",
)
_CLIENT_ACCEPTED = frozenset({"token_refused", "redirect_uri_mismatch", "scope_refused"})
_WRONG_ENDPOINT = frozenset({"token_http_error", "token_not_json", "token_missing"})


@dataclass(frozen=True, slots=True)
class Step:
    """One thing looked at. ``code`` is a failure code or ""; ``look_at`` the field's key or ""."""

    name: str
    outcome: Outcome
    sentence: str
    code: str = ""
    look_at: str = ""


def examine(system: Configuration, secrets: Mapping[str, Any], redirect_uri: str) -> Iterator[Step]:
    """The steps of a check, each as soon as it is known."""
    addresses = _addresses(system)
    refused = set()
    for key, url in addresses.items():
        step = _address(key, url)
        if step.outcome == "fail":
            refused.add(key)
        yield step
    if not refused:
        yield from _reached(addresses)
        if system.authentication == AUTHORIZATION_CODE:
            client = system.client(redirect_uri=redirect_uri, secrets=secrets)
            yield _authorization_page(client)
            yield from _client(client)
    for key in system.missing_secrets(secrets):
        yield Step(f"secret {key}", "fail", f"{key} is not entered yet.", "", key.split(".")[-1])


def _addresses(system: Configuration) -> dict[str, str]:
    """The addresses to look at, by key; those with placeholders have to be filled first."""
    found = {"base_url": system.base_url} if system.base_url else {}
    if system.uses_oauth:
        for key in _ENDPOINTS:
            if system.oauth.get(key):
                found[key] = str(system.oauth[key])
    filled = {key: _filled(url, system.variables) for key, url in found.items()}
    return {key: url for key, url in filled.items() if "{" not in urlsplit(url).netloc}


def _filled(url: str, variables: Mapping[str, str]) -> str:
    for name, value in variables.items():
        url = url.replace(f"{{{name}}}", value)
    return url.replace("{query}", "")


def _address(key: str, url: str) -> Step:
    name = f"address of {key}"
    try:
        outbound.check_url(url, allow_fragment=key == "authorization_endpoint")
    except OutboundFailure as failure:
        return _failed(name, failure, key)
    if urlsplit(url).scheme == "http":
        sentence = f"{key} is plain http: what is sent there can be read on the way."
        return Step(name, "warn", sentence, "", key)
    return Step(name, "ok", f"{key} is well formed.", "", key)


def _reached(addresses: Mapping[str, str]) -> Iterator[Step]:
    """Each host once: name, connection, TLS, an answer; and its clock."""
    seen: set[tuple[str, str]] = set()
    for key, url in addresses.items():
        parts = urlsplit(url)
        origin = (parts.scheme, parts.netloc)
        if origin in seen:
            continue
        seen.add(origin)
        yield from _reach(key, f"{parts.scheme}://{parts.netloc}/", outbound.host_of(url))


def _reach(key: str, url: str, host: str) -> Iterator[Step]:
    name = f"reach {host}"
    request = outbound.Request(
        "GET", url, {}, deadline=outbound.deadline_in(SECONDS), max_bytes=MOST_BYTES
    )
    try:
        reply = outbound.send(request)
    except OutboundFailure as failure:
        if failure.code in ("redirect_refused", "too_large"):
            yield Step(name, "ok", f"{host} answers.", "", key)
        else:
            yield _failed(name, failure, key)
        return
    yield Step(name, "ok", f"{host} answers.", "", key)
    yield from _clock(host, reply.headers.get("Date", ""))


def _clock(host: str, date: str) -> Iterator[Step]:
    try:
        difference = parsedate_to_datetime(date).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return
    if abs(difference) > CLOCK_SECONDS:
        sentence = f"The clock of {host} and ours differ by {abs(difference):.0f} seconds."
        yield Step(f"clock of {host}", "warn", sentence)
    else:
        yield Step(f"clock of {host}", "ok", f"The clock of {host} agrees with ours.")


def _authorization_page(client: Client) -> Step:
    """What the other system shows to a browser that nobody has logged in with."""
    name, key = "authorization page", "authorization_endpoint"
    try:
        url = authorization.begin(client).url
        request = outbound.Request(
            "GET",
            url,
            {"Accept": "text/html"},
            deadline=outbound.deadline_in(SECONDS),
            max_bytes=MOST_BYTES,
            follow_same_origin=True,
        )
        reply = outbound.send(request)
    except OutboundFailure as failure:
        return _redirected(name, key, client, failure)
    except Failure as failure:
        return _failed(name, failure, key)
    if reply.status >= 400 and urlsplit(reply.url).path != urlsplit(url).path:
        sentence = (
            f"The address leads on to another page, which answers {reply.status} to us, who keep no"
            " cookies. A browser may see its log-in there: click Authorize to see."
        )
        return Step(name, "unknown", sentence, "", key)
    if reply.status in (404, 405) or reply.status >= 500:
        sentence = (
            f"The address answers {reply.status}, so it is not the Authorization Endpoint."
            " Take it from the other system's documentation."
        )
        return Step(name, "fail", sentence, "attempt_not_finished", key)
    if reply.status >= 400:
        sentence = (
            f"The other system answers {reply.status} to our Client ID and redirect URI: one of"
            " them is not registered there as it is written here, or it wants something else."
        )
        return Step(name, "fail", sentence, "attempt_not_finished", "redirect_uri")
    sentence = (
        "The other system shows a page. Whether it knows our Client ID and redirect URI, many say"
        " only after somebody has logged in there: click Authorize to see."
    )
    return Step(name, "ok", sentence, "", key)


def _redirected(name: str, key: str, client: Client, failure: OutboundFailure) -> Step:
    if failure.code == "too_large":
        return Step(name, "unknown", "The page is larger than we read.", "", key)
    if failure.code != "redirect_refused":
        return _failed(name, failure, key)
    if failure.facts.get("target_host") == outbound.host_of(client.redirect_uri):
        sentence = (
            "The other system sends the browser back at once, without asking anybody: it refuses"
            " something of the request, often the Scope."
        )
        return Step(name, "fail", sentence, "scope_refused", "scope")
    return Step(name, "ok", "The other system leads on to its log-in page.", "", key)


def _client(client: Client) -> Iterator[Step]:
    """Client ID and secret without a user: a made-up code is refused only after them."""
    following = endpoint.with_next_secret(client)
    if following is not None:
        client = replace(client, client_secret_next="")
    yield from _accepted(client)
    if following is not None:
        yield _following(following)


def _following(client: Client) -> Step:
    """Whether the secret that is to come works already; the first one was looked at before."""
    name, key = "next client secret", "client_secret_next"
    failure = _refusal(client)
    if failure is not None and failure.code in _CLIENT_ACCEPTED:
        return Step(name, "ok", f"{key} is accepted by the other system.", "", key)
    if failure is not None and failure.code == "client_auth_failed":
        sentence = (
            f"{key} is not accepted by the other system yet. It is used only when the other one"
            " is refused."
        )
        return Step(name, "warn", sentence, "", key)
    return Step(name, "unknown", f"Whether {key} is accepted cannot be told.", "", key)


def _accepted(client: Client) -> Iterator[Step]:
    name = "client ID and secret"
    failure = _refusal(client)
    if failure is None:
        yield Step(name, "unknown", "The token endpoint accepted a code that nobody issued.")
        return
    if failure.code in _CLIENT_ACCEPTED:
        yield Step("token endpoint", "ok", "It speaks OAuth 2.0.", "", "token_endpoint")
        yield Step(name, "ok", "The other system accepts them.", "", "client_id")
        return
    if failure.code != "client_auth_failed":
        outcome: Outcome = "fail" if failure.code in _WRONG_ENDPOINT else "unknown"
        if isinstance(failure, OutboundFailure):
            outcome = "fail"
        yield replace(_failed("token endpoint", failure, "token_endpoint"), outcome=outcome)
        return
    yield Step("token endpoint", "ok", "It speaks OAuth 2.0.", "", "token_endpoint")
    working = _working_method(client)
    if working:
        sentence = f"The other system accepts them by {working} only."
        yield Step(name, "fail", sentence, "client_auth_failed", "client_authentication")
    else:
        yield _failed(name, failure, "client_secret")


def _working_method(client: Client) -> str:
    for method in OTHER_METHODS:
        if method == client.authenticates_by or not client.client_secret:
            continue
        refusal = _refusal(replace(client, client_authentication=method))
        if refusal is not None and refusal.code in _CLIENT_ACCEPTED:
            return method
    return ""


def _refusal(client: Client) -> Failure | None:
    """How the token endpoint refuses a made-up code; None where it does not."""
    verifier = "" if client.pkce == "off" else "v" * 64
    try:
        token.exchange(client, MADE_UP_CODE, verifier, outbound.deadline_in(SECONDS))
    except ConfigurationInvalid as failure:
        return failure
    except Failure as failure:
        failure.facts.setdefault("stage", "exchange")
        return failure
    return None


def _failed(name: str, failure: Failure, key: str) -> Step:
    diagnosis = diagnose(failure.code, failure.facts)
    sentence = redact.redact(f"{diagnosis.seen} {diagnosis.fix}")
    return Step(name, "fail", sentence, failure.code, diagnosis.look_at or key)
