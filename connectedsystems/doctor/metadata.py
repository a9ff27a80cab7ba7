"""What the other system's own metadata says, beside what is entered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connectedsystems import outbound
from connectedsystems.errors import DiscoveryFailure, OutboundFailure
from connectedsystems.oauth import discovery
from connectedsystems.oauth.discovery import Metadata

from .step import Step, failed, label

_NAME = "metadata"


def looked_up(oauth: Mapping[str, Any], address: str) -> Iterator[Step | Metadata]:
    """The metadata, where there is some, after its steps. ``address``: of the Discovery URL."""
    issuer = str(oauth.get("issuer") or "")
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
    yield from compared(oauth, found)
    yield found


def compared(oauth: Mapping[str, Any], found: Metadata) -> Iterator[Step]:
    """What is missing and could be filled, what differs, what does not fit."""
    empty = {key: value for key, value in found.settings.items() if not oauth.get(key)}
    offered = {key: value for key, value in empty.items() if key.endswith("_endpoint")}
    if offered and not oauth.get("discovery_url"):
        names = ", ".join(label(key) for key in offered)
        yield Step(
            "empty endpoints",
            "warn",
            f"The metadata has what is not entered here: {names}.",
            "",
            next(iter(offered)),
            fix="Take it over, if the host is the one you expect.",
            offers=offered,
        )
    for key, value in found.settings.items():
        if key.endswith("_endpoint") and oauth.get(key) and oauth[key] != value:
            sentence = f"The metadata has another {label(key)}: {value}"
            cause = "What is entered here wins. One of the two is old, or for another purpose."
            fix = f"Compare {label(key)} with the other system's documentation."
            offers = {key: value}
            yield Step(f"metadata and {label(key)}", "warn", sentence, "", key, cause, fix, offers)
    yield from _methods(oauth, found)


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
