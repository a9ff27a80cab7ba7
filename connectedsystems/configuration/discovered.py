"""What a system's Discovery URL says: fetched where a designer saves or tries, and kept.

It is stored under the key ``discovered``, which no bundle file has: ``{"address": str, "settings":
{...}}``, the settings under the keys of the ``oauth`` box. What is written there wins over them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from connectedsystems import outbound, placeholders, share
from connectedsystems.errors import DiscoveryFailure, OutboundFailure
from connectedsystems.oauth import discovery

from .keys import ENDPOINTS, NEEDED_ENDPOINTS
from .value import Configuration

KEY: Final = "discovered"


def written(data: Mapping[str, Any]) -> dict[str, Any]:
    """A stored system without what was found: what somebody wrote."""
    return {key: value for key, value in data.items() if key != KEY}


def address_of(system: Configuration) -> str:
    """Where its metadata stands; "" where nothing says so, or a variable has no value yet.

    Raises DiscoveryFailure for a value that cannot stand in it.
    """
    template = str(system.oauth.get("discovery_url") or "")
    try:
        if not system.uses_oauth or placeholders.missing(template, system.variables):
            return ""
        return placeholders.fill_url(template, system.variables)
    except ValueError as mistake:
        raise DiscoveryFailure("discovery_failed", stage="discovery", reason=str(mistake)) from None


def discover(system: Configuration) -> dict[str, Any] | None:
    """What ``discovered`` holds for a written system, fetched now; None where it has no address.

    Never in a user's request, and never while a transaction is open.
    Raises DiscoveryFailure, OutboundFailure, CallFailure ``busy``.
    """
    address = address_of(system)
    if not address:
        return None
    try:
        with share.at_desk(discovery.SECONDS):
            found = discovery.fetch(address, str(system.oauth.get("issuer") or ""))
    except OutboundFailure as failure:
        failure.facts["stage"] = "discovery"
        raise
    settings = dict(found.settings)
    if found.method:
        settings["client_authentication"] = found.method
    if key := lacking(system, settings):
        reason = f"it has no {key}, and none is entered"
        host = outbound.host_of(address)
        raise DiscoveryFailure("discovery_failed", stage="discovery", reason=reason, host=host)
    return {"address": address, "settings": settings}


def lacking(system: Configuration, settings: Mapping[str, Any]) -> str:
    """The first endpoint that a written system needs and neither it nor the metadata has; or ""."""
    needed = NEEDED_ENDPOINTS.get(system.authentication, ())
    return next((key for key in needed if not (system.oauth.get(key) or settings.get(key))), "")


def still_stands(found: Mapping[str, Any] | None, system: Configuration) -> bool:
    """Whether what was found once is what a written system's address would be asked for."""
    try:
        return found is not None and found.get("address") == address_of(system)
    except DiscoveryFailure:
        return False


def strange_hosts(system: Configuration, seen: Configuration | None = None) -> tuple[str, ...]:
    """Hosts that only the metadata names: neither written, nor asked for it, nor used in ``seen``.

    What is sent there are codes, tokens and the client secret.
    """
    found = {_host(url) for key, url in system.discovered.items() if key in ENDPOINTS}
    written = {system.filled(key) for key in ENDPOINTS if key not in system.discovered}
    known = {_host(url) for url in (*written, system.discovered_at)}
    if seen is not None:
        known |= {_host(seen.filled(key)) for key in ENDPOINTS}
    return tuple(sorted(found - known))


def _host(url: str) -> str:
    """Host and port, as they are written; "" where there are none yet."""
    return urlsplit(url).netloc.lower() if "//" in url else ""
