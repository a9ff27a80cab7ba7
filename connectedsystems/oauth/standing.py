"""Where one authorization's tokens may go: the origins it was obtained for, and no others.

A URL may hold a value that was captured from the other system (``{instance_url}/api``), so its
host can change while the settings stay. Before a token leaves, the origin that each such URL had
when the user authorized is compared with the one it has now. Instances do move inside one
company's domain. Such a move is accepted where the capture's pattern ends in that domain, and did
so when the user authorized.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from connectedsystems import domains, outbound, placeholders
from connectedsystems.errors import Failure
from connectedsystems.oauth import origins
from connectedsystems.oauth.answer import TokenAnswer
from connectedsystems.oauth.client import Client

Stored = Mapping[str, Mapping[str, str]]
"""As a row keeps it: address to ``{"origin": "https://na1.example.com", "tail": "example.com"}``.

Only addresses whose host holds a captured value are in it; ``tail`` is "" where a move is not
accepted, ``origin`` is "" where a value was missing.
"""


class OriginMoved(Failure):
    """A URL leads to another origin than the one the user authorized for.

    ``answer``: the token answer at hand, where one had come. Its tokens are kept to be revoked.
    """

    def __init__(self, address: str, was: str, now: str) -> None:
        super().__init__(
            "configuration_changed", cause="origin_moved", address=address, was=was, now=now
        )
        self.answer: TokenAnswer | None = None


def stored_of(client: Client) -> dict[str, dict[str, str]]:
    """What to keep with an authorization that was obtained now; the client knows its captures."""
    return {
        name: {"origin": _origin(client, text), "tail": _tail(client, text)}
        for name, text in _open_addresses(client).items()
    }


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the tokens of a standing authorization may go: asked before each request that has one.

    ``known``: as the row keeps it; ``client``: the system as it is configured today, with the
    captures that were stored before.
    """

    known: Stored
    client: Client = field(repr=False)

    def check(self, address: str, url: str) -> None:
        """Raises OriginMoved where ``url`` leads elsewhere than this address did."""
        template = _open_addresses(self.client).get(address)
        # Without a captured value in its host the fingerprint has compared it.
        if template is not None:
            self._compare(address, template, outbound.origin_of(url))

    def _compare(self, address: str, template: str, now: str) -> None:
        kept = self.known.get(address) or {
            # Rows from before origins were kept: what their captures make of today's template.
            "origin": _origin(self.client, template),
            "tail": "",
        }
        if now != kept["origin"] and not self._accepted(kept, template, now):
            raise OriginMoved(address, kept["origin"], now)

    def check_captures(self, captures: Mapping[str, Any]) -> dict[str, dict[str, str]]:
        """What to keep from now on, with these captures of a new answer. Raises OriginMoved."""
        client = self.client.knowing(captures)
        found = {}
        for address, template in _open_addresses(client).items():
            now = _origin(client, template)
            self._compare(address, template, now)
            tail = (self.known.get(address) or {}).get("tail", "")
            found[address] = {"origin": now, "tail": tail}
        return found

    def _accepted(self, kept: Mapping[str, str], template: str, now: str) -> bool:
        was, there = urlsplit(kept["origin"]), urlsplit(now)
        return (
            bool(kept["tail"])
            and kept["tail"] == _tail(self.client, template)
            and (was.scheme, was.port) == (there.scheme, there.port)
            and domains.belongs_to(there.hostname or "", kept["tail"])
        )


def _open_addresses(client: Client) -> dict[str, str]:
    """The addresses whose host holds a captured value."""
    captured = client.captured_names
    if not captured:
        return {}
    return {
        name: text
        for name, text in client.addresses.items()
        if placeholders.names_in_host(text) & captured
    }


def _origin(client: Client, template: str) -> str:
    """The origin that a template leads to now; "" where a value is missing or it leads nowhere."""
    host = placeholders.authority(template)
    if placeholders.missing(host, client.values):
        return ""
    try:
        return outbound.origin_of(placeholders.fill_url(host, client.values))
    except ValueError:
        return ""


def _tail(client: Client, template: str) -> str:
    """The domain that no captured value can leave, as template and patterns are written today."""
    names = placeholders.names_in_host(template) & client.captured_names
    written = placeholders.authority(template)
    last = max(names, key=lambda name: written.rfind(f"{{{name}}}"))
    return origins.tail_of(template, last, client.capture_patterns.get(last, ""))
