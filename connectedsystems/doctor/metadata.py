"""What the other system's own metadata says, beside what is entered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from connectedsystems import outbound
from connectedsystems.configuration import Configuration
from connectedsystems.errors import DiscoveryFailure, OutboundFailure
from connectedsystems.oauth import discovery
from connectedsystems.oauth.discovery import Metadata

from .step import Step, failed, label

_NAME = "metadata"


def looked_up(system: Configuration, address: str) -> Iterator[Step | Metadata]:
    """The metadata, where there is some, after its steps. ``address``: of the Discovery URL."""
    issuer = str(system.oauth.get("issuer") or "")
    key = "discovery_url" if address else "issuer"
    try:
        found = discovery.fetch(address, issuer) if address else discovery.find(issuer)
    except (DiscoveryFailure, OutboundFailure) as failure:
        # An issuer is no promise of a document; a Discovery URL is one.
        mismatch = failure.code == "discovery_mismatch"
        yield failed(_NAME, failure, key, "fail" if address or mismatch else "unknown")
        return
    host = outbound.host_of(found.address)
    yield Step(_NAME, "ok", f"{host} publishes metadata, and names the same issuer.", "", key)
    yield from _left_open(system, found)
    yield from _entered(system, found)
    yield from _kept(system, found)
    yield from _methods(system.oauth, found)
    yield found


def _left_open(system: Configuration, found: Metadata) -> Iterator[Step]:
    """What is neither entered nor kept from the last save."""
    offers = {
        key: value
        for key, value in found.settings.items()
        if key.endswith("_endpoint") and not system.oauth.get(key)
    }
    if not offers:
        return
    first, names = next(iter(offers)), ", ".join(label(key) for key in offers)
    if system.oauth.get("discovery_url"):
        told = "; ".join(f"{label(key)} {value}" for key, value in offers.items())
        sentence = f"Left empty, and found there: {told}."
        yield Step("empty endpoints", "ok", sentence, "", first, offers=offers)
        return
    sentence = f"The metadata has what is not entered here: {names}."
    fix = "Take it over, if the host is the one you expect."
    yield Step("empty endpoints", "warn", sentence, "", first, fix=fix, offers=offers)


def _entered(system: Configuration, found: Metadata) -> Iterator[Step]:
    """What is entered, and the metadata says otherwise."""
    for key, value in found.settings.items():
        entered = system.oauth.get(key) if key not in system.discovered else None
        if not key.endswith("_endpoint") or not entered or entered == value:
            continue
        sentence = f"The metadata has another {label(key)}: {value}"
        cause = "What is entered here wins. One of the two is old, or for another purpose."
        fix = f"Compare {label(key)} with the other system's documentation."
        name = f"metadata and {label(key)}"
        yield Step(name, "warn", sentence, "", key, cause, fix, {key: value})


def _kept(system: Configuration, found: Metadata) -> Iterator[Step]:
    """What the last save took from the metadata, and what that says by now."""
    for key, value in system.discovered.items():
        now = found.settings.get(key, "")
        if not key.endswith("_endpoint") or now == value:
            continue
        told = f"{label(key)} is {now}" if now else f"{label(key)} is not there any more"
        failure = DiscoveryFailure(
            "discovery_mismatch",
            changed=f"{told}; in use is {value}",
            host=outbound.host_of(found.address),
            path=urlsplit(found.address).path,
        )
        yield failed(f"metadata and {label(key)}", failure, "discovery_url", "warn")


def _methods(oauth: Mapping[str, Any], found: Metadata) -> Iterator[Step]:
    method = str(oauth.get("client_authentication") or "")
    key = "client_authentication"
    if method and found.methods and method not in found.methods:
        listed = ", ".join(found.methods)
        sentence = f"The metadata lists {listed}, and not {method}."
        offers = {key: found.methods[0]}
        yield Step(f"metadata and {label(key)}", "warn", sentence, "", key, offers=offers)
    elif not method and found.method:
        sentence = f"The metadata wants {found.method} as {label(key)}."
        yield Step(
            f"metadata and {label(key)}", "warn", sentence, "", key, offers={key: found.method}
        )
    if found.without_s256 and oauth.get("pkce") != "off":
        sentence = "The metadata lists PKCE methods, and S256 is none of them."
        yield Step("metadata and PKCE", "warn", sentence, "", "pkce")
