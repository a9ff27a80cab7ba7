"""The metadata of an authorization server: where it is looked for, and what is taken from it.

RFC 8414, OpenID Connect Discovery 1.0, and RFC 9728 for an API that names its servers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from connectedsystems import outbound
from connectedsystems.errors import DiscoveryFailure, OutboundFailure
from connectedsystems.oauth import body
from connectedsystems.oauth.authentication import METHODS
from connectedsystems.oauth.words import quoted

SECONDS = 10.0
MAX_BYTES = 1_000_000

OAUTH = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"
RESOURCE = "/.well-known/oauth-protected-resource"

_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "revocation_endpoint")
_LISTS = (
    "token_endpoint_auth_methods_supported",
    "code_challenge_methods_supported",
    "scopes_supported",
)
_MOST_SERVERS = 3


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a document says, checked; ``settings`` are under the keys of the ``oauth`` box.

    A member is "" or () where the document does not say it.
    """

    address: str
    settings: Mapping[str, str]
    methods: tuple[str, ...] = ()
    """Client authentication methods, those we know alone."""
    without_s256: bool = False
    """Whether it lists its PKCE methods, and S256 is none of them."""

    @property
    def method(self) -> str:
        """The method that suits a client with a secret; "" where any of ours would."""
        if not self.methods or "client_secret_basic" in self.methods:
            return ""
        return "client_secret_post" if "client_secret_post" in self.methods else self.methods[0]


def addresses(issuer: str) -> tuple[str, ...]:
    """Where this issuer's metadata may stand (RFC 8414 §3.1, OpenID Connect Discovery §4.1)."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    paths = (f"{OAUTH}{path}", f"{path}{OPENID}", f"{OPENID}{path}")
    found = dict.fromkeys(urlunsplit((parts.scheme, parts.netloc, p, "", "")) for p in paths)
    return tuple(found)


def issuer_of(address: str) -> str:
    """The issuer whose metadata stands at this address; "" where the address does not tell."""
    parts = urlsplit(address)
    for mark in (OAUTH, OPENID):
        before, found, after = parts.path.partition(mark)
        if found and not (before and after):
            return urlunsplit((parts.scheme, parts.netloc, before + after, "", ""))
    return ""


def fetch(address: str, issuer: str = "") -> Metadata:
    """What stands at this address; ``issuer``: whose it must be, byte for byte (RFC 8414 §3.3).

    Raises OutboundFailure; DiscoveryFailure ``discovery_failed``, ``discovery_mismatch``.
    """
    expected = issuer or issuer_of(address)
    return _read(address, _document(address, outbound.deadline_in(SECONDS)), expected)


def find(given: str) -> Metadata:
    """The metadata that an issuer, a document's address or an API's base URL leads to.

    Raises as ``fetch`` does, with the failure that tells most.
    """
    deadline = outbound.deadline_in(SECONDS)
    if issuer_of(given):
        return fetch(given)
    worst: DiscoveryFailure | None = None
    for address, issuer in _places(given, deadline):
        try:
            return _read(address, _document(address, deadline), issuer)
        except DiscoveryFailure as failure:
            if worst is None or _tells(failure) > _tells(worst):
                worst = failure
    assert worst is not None
    raise worst


def _tells(failure: DiscoveryFailure) -> int:
    """How much a failure says: that a document was there is more than that none was."""
    if failure.code == "discovery_mismatch":
        return 1
    return 0 if failure.facts.get("status") else 2


def _places(given: str, deadline: float) -> Iterator[tuple[str, str]]:
    """Each address to look at, with the issuer it must name: the given one's own come first."""
    for issuer in dict.fromkeys((given, _other_end(given))):
        for address in addresses(issuer):
            yield address, issuer
    for issuer in _servers(given, deadline):
        for address in addresses(issuer):
            yield address, issuer
    parts = urlsplit(given)
    if parts.path.rstrip("/"):
        origin = f"{parts.scheme}://{parts.netloc}"
        for address in addresses(origin):
            yield address, origin


def _other_end(issuer: str) -> str:
    """The issuer with a slash at its end, or without: people drop it, issuers differ by it."""
    return issuer[:-1] if issuer.endswith("/") else f"{issuer}/"


def _servers(resource: str, deadline: float) -> list[str]:
    """The authorization servers that an API names (RFC 9728 §3): [] where it names none."""
    parts = urlsplit(resource)
    path = f"{RESOURCE}{parts.path.rstrip('/')}"
    for where in dict.fromkeys((path, RESOURCE)):
        address = urlunsplit((parts.scheme, parts.netloc, where, "", ""))
        try:
            said = _document(address, deadline)
        except DiscoveryFailure:
            continue
        named = said.get("resource")
        if not isinstance(named, str) or not _is_under(resource, named):
            continue
        servers = said.get("authorization_servers")
        if isinstance(servers, list):
            return [each for each in servers if isinstance(each, str)][:_MOST_SERVERS]
    return []


def _is_under(resource: str, named: str) -> bool:
    """Whether the given address is the resource that is named, or below it (RFC 9728 §3.3)."""
    return f"{resource.rstrip('/')}/".startswith(f"{named.rstrip('/')}/")


def _document(address: str, deadline: float) -> dict[str, Any]:
    outbound.check_url(address)
    request = outbound.Request(
        "GET",
        address,
        {"Accept": "application/json"},
        deadline=deadline,
        max_bytes=MAX_BYTES,
        follow_same_origin=True,
        repeatable=True,
    )
    where = {"host": outbound.host_of(address), "path": urlsplit(address).path}
    try:
        reply = outbound.send(request)
    except OutboundFailure as failure:
        failure.facts.setdefault("stage", "discovery")
        if failure.code == "redirect_refused":
            target = failure.facts.get("target_host") or "another address"
            raise _failed(f"it leads on to {target}", **where) from None
        raise
    if reply.status != 200:
        raise _failed("nothing of the kind stands there", status=reply.status, **where)
    said = body.tree(reply.body)
    if not isinstance(said, dict):
        raise _failed("what came is no JSON object", status=reply.status, **where)
    return said


def _failed(reason: str, **facts: Any) -> DiscoveryFailure:
    return DiscoveryFailure("discovery_failed", reason=reason, stage="discovery", **facts)


def _read(address: str, said: Mapping[str, Any], issuer: str) -> Metadata:
    where = {"host": outbound.host_of(address), "path": urlsplit(address).path}
    named = said.get("issuer")
    if not isinstance(named, str) or not named:
        raise _failed("it names no issuer", **where)
    if issuer and named != issuer:
        raise DiscoveryFailure(
            "discovery_mismatch",
            stage="discovery",
            expected=quoted(issuer),
            received=quoted(named),
            **where,
        )
    settings = {"issuer": named}
    for key in _ENDPOINTS:
        if said.get(key) is not None:
            settings[key] = _endpoint(key, said[key], where)
    lists = {key: _texts(key, said.get(key), where) for key in _LISTS}
    if said.get("authorization_response_iss_parameter_supported") is True:
        settings["issuer_in_response"] = "required"
    challenges = lists["code_challenge_methods_supported"]
    methods = lists["token_endpoint_auth_methods_supported"]
    return Metadata(
        address,
        settings,
        methods=tuple(method for method in methods if method in METHODS),
        without_s256=bool(challenges) and "S256" not in challenges,
    )


def _endpoint(key: str, value: Any, where: Mapping[str, str]) -> str:
    """An address that may be called. One with braces would be taken for a template of ours."""
    if not isinstance(value, str) or not value or "{" in value or "}" in value:
        raise _failed(f"its {key} is no address", **where)
    try:
        outbound.check_url(value)
    except OutboundFailure as failure:
        why = failure.facts.get("reason") or "it is not allowed"
        raise _failed(f"its {key} cannot be used: {why}", **where) from None
    return value


def _texts(key: str, value: Any, where: Mapping[str, str]) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise _failed(f"its {key} is no list of texts", **where)
    return value
