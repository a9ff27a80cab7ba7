"""Warnings about settings that can work and are still worth a second look, each with its reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from connectedsystems import presets
from connectedsystems.configuration import AUTHORIZATION_CODE, Configuration
from connectedsystems.diagnosis import diagnose
from connectedsystems.presets import traps
from workbench.systemfields import labelled

_ADDRESSES = (
    ("base_url", "Base URL"),
    ("authorization_endpoint", "Authorization Endpoint"),
    ("token_endpoint", "Token Request Endpoint"),
    ("refresh_endpoint", "Refresh endpoint"),
    ("revocation_endpoint", "Revocation endpoint"),
)


@dataclass(frozen=True, slots=True)
class Caution:
    """One warning: a stable name, what was noticed, why it matters, and the field it is about.

    ``code`` where the catalogue has it.
    """

    name: str
    seen: str
    reason: str
    field: str
    code: str = ""

    @property
    def label(self) -> str:
        """The words on the screen for the field."""
        return labelled(self.field)


def of_settings(parsed: Configuration, secrets: Mapping[str, Any]) -> tuple[Caution, ...]:
    """What the settings alone give reason to look at twice."""
    return tuple(_of_settings(parsed, secrets))


def of_grant(*, asked: str, granted: str, refreshable: bool) -> tuple[Caution, ...]:
    """What the other system's answer gives reason to look at twice."""
    found = []
    if not refreshable:
        found.append(_from_catalogue("refresh_token_missing", {}))
    if missing := _missing(asked, granted):
        facts = {"missing_scope": missing, "granted_scope": granted}
        found.append(_from_catalogue("scope_reduced", facts))
    return tuple(found)


def _from_catalogue(code: str, facts: Mapping[str, Any]) -> Caution:
    told = diagnose(code, facts)
    return Caution(code, told.seen, f"{told.cause} {told.fix}", told.look_at or "scope", code)


def _of_settings(parsed: Configuration, secrets: Mapping[str, Any]) -> Iterator[Caution]:
    oauth = parsed.oauth
    yield from _of_plain_http(parsed)
    if not parsed.uses_oauth:
        return
    if "," in str(oauth.get("scope") or ""):
        yield Caution(
            "scope_commas",
            "The Scope holds a comma.",
            "By the standard (RFC 6749, section 3.3) names are set apart by blanks. Some systems"
            " do want commas; if yours does not, it will take the whole for one unknown name.",
            "scope",
        )
    if parsed.authentication == AUTHORIZATION_CODE:
        yield from _of_walk(oauth)
    if not secrets.get("client_secret") and oauth.get("client_authentication") in (None, "none"):
        yield Caution(
            "no_secret",
            "There is no Client Secret.",
            "This works only if the other system knows this client as a public one.",
            "client_secret",
        )


def _of_plain_http(parsed: Configuration) -> Iterator[Caution]:
    written = {"base_url": parsed.base_url, **parsed.oauth}
    plain = [
        (name, label)
        for name, label in _ADDRESSES
        if str(written.get(name) or "").lower().startswith("http://")
    ]
    if plain:
        yield Caution(
            "http",
            f"Plain http: {', '.join(label for _, label in plain)}.",
            "Whoever sits on the way can read and change what is sent, tokens and secrets"
            " included. It is accepted only because OUTBOUND_ALLOW names the host.",
            plain[0][0],
        )


def _of_walk(oauth: Mapping[str, Any]) -> Iterator[Caution]:
    here, there = _host(oauth, "authorization_endpoint"), _host(oauth, "token_endpoint")
    if here and there and here != there:
        yield Caution(
            "different_hosts",
            f"The two endpoints are on different hosts: {here} and {there}.",
            "Some systems are built so. If yours is not, one of them was copied from another"
            " place, and the Client Secret would be sent to a stranger.",
            "token_endpoint",
        )
    yield from _of_offline(oauth)
    if oauth.get("pkce") == "off":
        yield Caution(
            "pkce_off",
            "PKCE is off.",
            "A code that is caught on its way back could be used by somebody else. Switch it off"
            " only if the other system refuses it.",
            "pkce",
        )


def _of_offline(oauth: Mapping[str, Any]) -> Iterator[Caution]:
    """A system that is known to need it, by its token endpoint."""
    endpoint = oauth.get("token_endpoint")
    known = next(
        (
            each
            for each in presets.presets()
            if (each.system.get("oauth") or {}).get("token_endpoint") == endpoint
        ),
        None,
    )
    field, wanted = traps.offline(known.system["oauth"]) if endpoint and known else ("", "")
    if known and field and not traps.offline(oauth)[0]:
        yield Caution(
            "offline_not_asked",
            f"Offline access is not asked for: {wanted} is missing.",
            f"{known.name} is known to send a refresh token only then. Without one, every user has"
            " to authorize again when the access token ends.",
            field,
        )


def _host(oauth: Mapping[str, Any], key: str) -> str:
    address = str(oauth.get(key) or "")
    try:
        return "" if "{" in address else (urlsplit(address).hostname or "")
    except ValueError:
        return ""


def _missing(asked: str, granted: str) -> str:
    if not granted:
        return ""
    got = set(granted.replace(",", " ").split())
    return ", ".join(word for word in asked.replace(",", " ").split() if word not in got)
