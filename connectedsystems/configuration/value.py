"""A connected system as a value: what it says of itself, and what follows from that alone."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from connectedsystems import placeholders, redact
from connectedsystems.oauth import destinations
from connectedsystems.oauth.client import Client
from connectedsystems.origin import origin_of

from . import secret_origins
from .keys import ENDPOINTS, EVERYTHING, OAUTH
from .secret import secret_texts


def _nothing() -> Mapping[str, Any]:
    return {}


LONGEST_ORIGIN = 300
"""In characters: a host has 253 at most."""


@dataclass(frozen=True)
class Configuration:
    """What a connected system says, under the names of the bundle's keys; no secrets.

    ``variables`` holds those that are not secret and have a value; of the secret ones only the
    names are known here.
    """

    slug: str = ""
    name: str = ""
    description: str = ""
    base_url: str = ""
    authorization_message: str = ""
    authentication: str = "none"
    oauth: Mapping[str, Any] = field(default_factory=_nothing, repr=False)
    api_key: Mapping[str, str] = field(default_factory=_nothing, repr=False)
    basic: Mapping[str, str] = field(default_factory=_nothing, repr=False)
    variables: Mapping[str, str] = field(default_factory=_nothing, repr=False)
    secret_variables: frozenset[str] = frozenset()
    request_headers: Mapping[str, str | None] = field(default_factory=_nothing, repr=False)
    request_parameters: Mapping[str, Any] = field(default_factory=_nothing, repr=False)
    token_placement: Mapping[str, str] = field(default_factory=_nothing)
    expired_when: Mapping[str, Any] = field(default_factory=_nothing)
    unset_variables: frozenset[str] = frozenset()
    """Declared for this environment, without a value yet."""
    discovered: Mapping[str, str] = field(default_factory=_nothing, repr=False)
    """What of ``oauth`` nobody wrote: the Discovery URL said it when this was saved."""
    discovered_at: str = ""
    """The address that said it."""

    @property
    def uses_oauth(self) -> bool:
        return self.authentication in OAUTH

    @cached_property
    def captured_names(self) -> frozenset[str]:
        """The names of all captures, wherever they come from."""
        return frozenset(name for names in captures_of(self.oauth).values() for name in names)

    @cached_property
    def declared(self) -> frozenset[str]:
        """The placeholders that any request of this system may use, built-ins apart."""
        return (
            frozenset(self.variables)
            | self.secret_variables
            | self.unset_variables
            | self.captured_names
        )

    @cached_property
    def written_headers(self) -> frozenset[str]:
        """Names, in lower case, of the headers that the authentication writes."""
        if self.uses_oauth and "query" not in self.token_placement:
            return frozenset({(self.token_placement.get("header") or "Authorization").lower()})
        if self.authentication == "basic":
            return frozenset({"authorization"})
        if self.authentication == "api_key" and self.api_key.get("place", "header") == "header":
            return frozenset({self.api_key.get("name", "").lower()})
        return frozenset()

    @cached_property
    def written_parameter(self) -> str:
        """The query parameter that the authentication writes; "" where it writes a header."""
        if self.uses_oauth:
            return str(self.token_placement.get("query") or "")
        if self.authentication == "api_key" and self.api_key.get("place") == "query":
            return self.api_key.get("name", "")
        return ""

    def client(
        self,
        redirect_uri: str = "",
        secrets: Mapping[str, Any] | None = None,
        captures: Mapping[str, Any] | None = None,
    ) -> Client:
        """This system as an OAuth client; ``secrets`` as ``split`` gives them.

        Raises SecretWithheld where stored ones were not entered for where they would go.
        """
        opened = secrets or {}
        secret_origins.check(self, opened)
        redact.remember(*secret_texts(opened))
        own = {key: value for key, value in self.oauth.items() if key in _CLIENT_KEYS}
        if not opened.get("client_secret") and "client_authentication" in self.discovered:
            # Metadata lists what a server takes of those who have a secret: this one is public.
            own.pop("client_authentication")
        return Client(
            **own,
            client_secret=opened.get("client_secret") or "",
            client_secret_next=opened.get("client_secret_next") or "",
            redirect_uri=redirect_uri,
            base_url=self.base_url,
            token_placement=self.token_placement,
            values=self.values(opened, captures),
        )

    def values(
        self, secrets: Mapping[str, Any] | None = None, captures: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Variables, secret ones included, and captures, for placeholders."""
        return {**(captures or {}), **self.variables, **self.secret_values(secrets or {})}

    def secret_values(self, secrets: Mapping[str, Any]) -> dict[str, Any]:
        """The values of the variables that are secret.

        What else is sealed, nobody has compared with where it would go: a save may have left it.
        """
        stored = secrets.get("variables") or {}
        return {name: value for name, value in stored.items() if name in self.secret_variables}

    def missing_secrets(self, secrets: Mapping[str, Any]) -> list[str]:
        """Key paths of the secrets that this system needs and has not, and of unset variables."""
        missing = [f"variables.{name}" for name in sorted(self.unset_variables)]
        stored = secrets.get("variables") or {}
        missing += [f"variables.{n}" for n in sorted(self.secret_variables) if n not in stored]
        if self.authentication == "api_key" and not secrets.get("api_key"):
            missing.append("api_key.value")
        if self.authentication == "basic" and not secrets.get("password"):
            missing.append("basic.password")
        # Without a method written, a client without a secret is a public one: nothing is missing.
        # So it is with one that metadata lists.
        found = "client_authentication" in self.discovered
        method = "none" if found else self.oauth.get("client_authentication") or "none"
        if self.uses_oauth and method != "none" and not secrets.get("client_secret"):
            missing.append("oauth.client_secret")
        return missing

    def fingerprint(self) -> str:
        """A hash of what an authorization is obtained under (DESIGN §1, Words).

        Variables are filled in; captures, and secret variables too, stand as they are written.
        """
        return self._fingerprint

    def digest(self) -> str:
        """A hash of what may not change while an attempt is under way."""
        return self._digest

    @cached_property
    def carriers(self) -> tuple[secret_origins.Carrier, ...]:
        """The requests that this system makes, for the question where its secrets go."""
        return secret_origins.carriers_of(self)

    @cached_property
    def _fingerprint(self) -> str:
        following = self.oauth.get("after_authorization") or {}
        return _hash(
            [
                *self._endpoints("revocation_endpoint"),
                self.with_variables(following.get("url") or following.get("path")),
                self.oauth.get("client_id"),
                origin_of(self.with_variables(self.base_url)),
                *self._deciding(),
            ]
        )

    @cached_property
    def _digest(self) -> str:
        keys = ("client_id", "issuer", "scope", "client_authentication", "pkce")
        return _hash(
            [
                *self._endpoints(),
                *[self.oauth.get(key) for key in keys],
                self.with_variables(self.base_url),
                self.with_variables((self.oauth.get("after_authorization") or {}).get("url")),
                self._deciding(),
                self.oauth.get("capture_patterns"),
            ]
        )

    @cached_property
    def reach(self) -> tuple[str, ...]:
        """Where users, tokens and secrets are sent: origins as written, and what decides them.

        ``("https://acme.example", "https://{pod}.acme.example", "{pod} is token pod_name")``
        """
        origins_ = [origin_of(text) for text in self._leading_somewhere()]
        decided = [
            f"{{{name}}} is {where} {expression}" for where, name, expression in self._deciding()
        ]
        return tuple(dict.fromkeys([*origins_, *decided]))

    @cached_property
    def hosts(self) -> tuple[str, ...]:
        """The same for people, hosts alone: ``("acme.example", "….acme.example")``.

        A part that is captured stands as "…"; what leads to no known domain is left out.
        """
        written = [origin_of(text).partition("://")[2] for text in self._leading_somewhere()]
        shown = [_PLACEHOLDER.sub("…", host) for host in written]
        return tuple(dict.fromkeys(host for host in shown if host))

    def _leading_somewhere(self) -> list[str]:
        """Every address of the other system, in the order in which a user meets them."""
        written = destinations.addresses(self.oauth, "") if self.uses_oauth else {}
        first = self.oauth.get("authorization_endpoint") if self.uses_oauth else ""
        last = self.oauth.get("revocation_endpoint") if self.uses_oauth else ""
        found = [first, *written.values(), self.base_url, last]
        return [self.with_variables(text) for text in found if text]

    def filled(self, key: str) -> str:
        """An address of the ``oauth`` box with the variables in it; captures stand as written."""
        return self.with_variables(self.oauth.get(key))

    @cached_property
    def has_one_origin(self) -> bool:
        """Whether all users' calls go to one origin: no capture stands in its base URL's host."""
        return self.captured_names.isdisjoint(placeholders.names(self._own_origin))

    def api_origin(self, captures: Mapping[str, Any]) -> str:
        """Where calls go with these captures: ``https://acme-7.example``; "" where that is unknown.

        It is kept in clear: in place of a secret variable stands its name.
        """
        return self._own_origin if self.has_one_origin else self._origin_with(captures)

    @cached_property
    def _own_origin(self) -> str:
        return origin_of(self.with_variables(self.base_url))

    def _origin_with(self, captures: Mapping[str, Any]) -> str:
        hidden = {name: f"secret-{name}" for name in self.secret_variables}
        known = {**captures, **self.variables, **hidden}
        wanted = placeholders.names(self._own_origin)
        if any(known.get(name) is None for name in wanted):
            return ""
        try:
            filled = placeholders.fill_url(self._own_origin, known)
        except ValueError:
            return ""
        found = origin_of(filled)
        return found if "://" in found and len(found) <= LONGEST_ORIGIN else ""

    def _endpoints(self, *but: str) -> list[str]:
        second = self.oauth.get("second_exchange") or {}
        written = [self.oauth.get(key) for key in ENDPOINTS if key not in but]
        return [self.with_variables(text) for text in [*written, second.get("endpoint")]]

    def _deciding(self) -> list[list[str]]:
        """The capture expressions that decide a host, where there are any."""
        written = destinations.addresses(self.oauth, self.base_url)
        written["authorization_endpoint"] = self.oauth.get("authorization_endpoint") or ""
        return destinations.deciding(self.oauth, written)

    def with_variables(self, text: str | None) -> str:
        """A template with the variables in it that have a value; other names stand as written."""
        if not text:
            return ""
        as_written = {name: f"{{{name}}}" for name in placeholders.names(text)}
        return placeholders.fill_text(text, {**as_written, **self.variables})


_PLACEHOLDER = re.compile(r"\{[^{}]*\}")

_CLIENT_KEYS = frozenset(EVERYTHING["oauth"]) - {
    "client_secret",
    "client_secret_next",
    "discovery_url",
}


def read(data: Mapping[str, Any]) -> Configuration:
    """What was checked before, as stored. Nothing is refused here."""
    variables = {name: _variable(value) for name, value in (data.get("variables") or {}).items()}
    plain = {n: v["value"] for n, v in variables.items() if not v["secret"] and v["value"] != ""}
    secret = frozenset(name for name, value in variables.items() if value["secret"])
    oauth = {key: value for key, value in (data.get("oauth") or {}).items() if value is not None}
    if oauth.get("pkce") is False:
        oauth["pkce"] = "off"
    found = data.get("discovered") or {}
    settings = {k: v for k, v in (found.get("settings") or {}).items() if not oauth.get(k)}
    boxes = ("api_key", "basic", "request_headers", "request_parameters", "expired_when")
    texts = ("slug", "name", "description", "base_url", "authorization_message")
    plain_keys: dict[str, Any] = {key: data.get(key) or "" for key in texts}
    plain_keys.update({key: data.get(key) or {} for key in boxes})
    return Configuration(
        **plain_keys,
        authentication=data.get("authentication") or "none",
        oauth={**oauth, **settings},
        discovered=settings,
        discovered_at=str(found.get("address") or ""),
        variables=plain,
        secret_variables=secret,
        unset_variables=frozenset(variables) - frozenset(plain) - secret,
        token_placement=data.get("token_placement") or {},
    )


def _variable(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {"secret": False, "value": "" if value is None else value}
    return {"secret": value.get("secret") is True, "value": value.get("value") or ""}


def captures_of(oauth: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Names of captures by the key path they are declared at; odd shapes count as none."""
    boxes: dict[str, object] = {}
    captures = oauth.get("captures")
    if isinstance(captures, Mapping):
        boxes = {f"oauth.captures.{kind}": captures.get(kind) for kind in ("token", "callback")}
    for step in ("second_exchange", "after_authorization"):
        box = oauth.get(step)
        if isinstance(box, Mapping):
            boxes[f"oauth.{step}.captures"] = box.get("captures")
    return {
        path: tuple(name for name in box if isinstance(name, str))
        for path, box in boxes.items()
        if isinstance(box, Mapping)
    }


def _hash(values: list[Any]) -> str:
    text = json.dumps([value or "" for value in values], ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
