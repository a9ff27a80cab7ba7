"""Checks a configuration step by step, before any user suffers; it spends and changes no token."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from connectedsystems import outbound
from connectedsystems.configuration import AUTHORIZATION_CODE, Configuration
from connectedsystems.configuration.keys import NEEDED_ENDPOINTS
from connectedsystems.errors import FlowFailure, OutboundFailure, SecretWithheld
from connectedsystems.oauth import captures
from connectedsystems.oauth.discovery import Metadata

from .client import another_authentication, client_steps
from .metadata import looked_up
from .page import authorization_page
from .reach import base_url, origin_of, reached
from .step import SECONDS, Outcome, Step, failed, label

__all__ = [
    "SECONDS",
    "Outcome",
    "Step",
    "another_authentication",
    "authorization_page",
    "examine",
    "failed",
    "label",
]

_ADDRESSES = (
    "authorization_endpoint",
    "token_endpoint",
    "refresh_endpoint",
    "revocation_endpoint",
    "discovery_url",
    "issuer",
)


def examine(system: Configuration, secrets: Mapping[str, Any], redirect_uri: str) -> Iterator[Step]:
    """The steps of a check, each as soon as it is known."""
    addresses = _addresses(system)
    refused = set()
    yield from _patterns(system)
    for key, url in addresses.items():
        step = _address(key, url)
        if step.outcome == "fail":
            refused.add(key)
        yield step
    if not refused:
        dead: set[str] = set()
        yield from reached(addresses, dead)
        yield from _spoken(system, secrets, redirect_uri, addresses, dead)
    for key in system.missing_secrets(secrets):
        name = key.split(".")[-1]
        words = label(name)
        yield Step(
            f"value of {words}", "fail", f"{words} is not entered yet.", "", name, fix="Enter it."
        )


def _patterns(system: Configuration) -> Iterator[Step]:
    """The patterns that were saved before RE2 had to take them: nobody evaluates them."""
    for refused in captures.unsupported_patterns(system.oauth.get("capture_patterns") or {}):
        name = f"pattern of {refused.facts['name']}"
        yield failed(name, FlowFailure(refused.code, **refused.facts), "capture_patterns")


def _spoken(
    system: Configuration,
    secrets: Mapping[str, Any],
    redirect_uri: str,
    addresses: Mapping[str, str],
    dead: set[str],
) -> Iterator[Step]:
    """What those that can be reached answer."""
    alive = {key: url for key, url in addresses.items() if origin_of(url) not in dead}
    if "base_url" in alive:
        yield base_url(alive["base_url"])
    if system.uses_oauth and ("discovery_url" in alive or "issuer" in alive):
        for found in looked_up(system, alive.get("discovery_url", "")):
            if isinstance(found, Step):
                yield found
            else:
                system = _completed(system, found)
    yield from _lacking(system)
    if system.authentication != AUTHORIZATION_CODE:
        return
    try:
        client = system.client(redirect_uri=redirect_uri, secrets=secrets)
    except SecretWithheld as failure:
        yield failed("client ID and secret", failure, "client_secret")
        return
    if client.authorization_endpoint and _may_answer("authorization_endpoint", addresses, alive):
        yield authorization_page(client)
    if client.token_endpoint and _may_answer("token_endpoint", addresses, alive):
        yield from client_steps(client)


def _lacking(system: Configuration) -> Iterator[Step]:
    """The endpoints that are neither entered nor found."""
    for key in NEEDED_ENDPOINTS.get(system.authentication, ()):
        if not system.oauth.get(key):
            words = label(key)
            sentence = f"{words} is not entered, and nothing was found that says it."
            fix = "Enter it, from the other system's documentation."
            code = "configuration_invalid"
            yield Step(f"value of {words}", "fail", sentence, code, key, fix=fix)


def _completed(system: Configuration, found: Metadata) -> Configuration:
    """The system with what its metadata says where nothing is entered."""
    return replace(system, oauth={**found.settings, **system.oauth})


def _may_answer(key: str, addresses: Mapping[str, str], alive: Mapping[str, str]) -> bool:
    return key in alive or key not in addresses


def _addresses(system: Configuration) -> dict[str, str]:
    """The addresses to look at, by key; those with placeholders have to be filled first."""
    found = {"base_url": system.base_url} if system.base_url else {}
    if system.uses_oauth:
        for key in _ADDRESSES:
            if system.oauth.get(key):
                found[key] = str(system.oauth[key])
    filled = {key: _filled(url, system.variables) for key, url in found.items()}
    return {key: url for key, url in filled.items() if "{" not in urlsplit(url).netloc}


def _filled(url: str, variables: Mapping[str, str]) -> str:
    for name, value in variables.items():
        url = url.replace(f"{{{name}}}", value)
    return url.replace("{query}", "")


def _address(key: str, url: str) -> Step:
    words = label(key)
    name = f"address of {words}"
    try:
        outbound.check_url(url, allow_fragment=key == "authorization_endpoint")
    except OutboundFailure as failure:
        return failed(name, failure, key)
    if urlsplit(url).scheme == "http":
        sentence = f"{words} is plain http: what is sent there can be read on the way."
        fix = "Enter its https address, if it has one."
        return Step(name, "warn", sentence, "", key, fix=fix)
    return Step(name, "ok", f"{words} is well formed.", "", key)
