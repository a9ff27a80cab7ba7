"""One registration at one authorization server: what a connected system's ``oauth`` box says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from connectedsystems import placeholders
from connectedsystems.oauth import destinations
from connectedsystems.origin import origin_of


def _nothing() -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """The keys are those of the bundle's ``oauth`` box, the endpoints and parameters templates.

    ``values`` are the system's variables and what was captured so far, for their placeholders.
    ``base_url`` and ``token_placement`` serve ``after_authorization`` alone.
    """

    client_id: str
    client_secret: str = field(default="", repr=False)
    client_secret_next: str = field(default="", repr=False)
    client_authentication: str = ""
    client_key: Mapping[str, Any] | None = None
    redirect_uri: str = ""
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    refresh_endpoint: str = ""
    revocation_endpoint: str = ""
    issuer: str = ""
    issuer_in_response: str = "optional"
    scope: str = ""
    pkce: str = "S256"
    authorization_parameters: Mapping[str, Any] = field(default_factory=_nothing)
    token_parameters: Mapping[str, Any] = field(default_factory=_nothing, repr=False)
    token_headers: Mapping[str, Any] = field(default_factory=_nothing, repr=False)
    token_request: Mapping[str, str] = field(default_factory=_nothing)
    refresh: Mapping[str, Any] = field(default_factory=_nothing, repr=False)
    token_response: Mapping[str, str] = field(default_factory=_nothing)
    default_expires_in: float | None = None
    code_parameter: str = "code"
    captures: Mapping[str, Mapping[str, str]] = field(default_factory=_nothing)
    capture_patterns: Mapping[str, str] = field(default_factory=_nothing)
    second_exchange: Mapping[str, Any] | None = None
    after_authorization: Mapping[str, Any] | None = None
    base_url: str = ""
    token_placement: Mapping[str, str] = field(default_factory=_nothing)
    values: Mapping[str, Any] = field(default_factory=_nothing, repr=False)

    guard: Callable[[str, str], None] | None = field(default=None, repr=False)
    """Told which address a request with a token uses and the URL it became; raises where that is
    another origin than before. None during a walk: where it leads is what its user approves."""

    @property
    def captured_names(self) -> frozenset[str]:
        """The names of all captures, wherever they come from."""
        boxes = [*self.captures.values()]
        boxes += [(step or {}).get("captures") or {} for step in self._steps]
        return frozenset(name for box in boxes for name in box)

    @property
    def addresses(self) -> dict[str, str]:
        """The templates of the URLs to which a token is sent."""
        second, following = self._steps
        oauth = {
            "token_endpoint": self.token_endpoint,
            "refresh_endpoint": self.refresh_endpoint,
            "second_exchange": second,
            "after_authorization": following,
        }
        return destinations.addresses(oauth, self.base_url)

    @property
    def names_in_hosts(self) -> frozenset[str]:
        """The names that say to which host a request goes."""
        urls = [*self.addresses.values(), self.authorization_endpoint, self.revocation_endpoint]
        return frozenset(name for url in urls for name in placeholders.names_in_host(url))

    @property
    def _steps(self) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
        return self.second_exchange, self.after_authorization

    @property
    def authenticates_by(self) -> str:
        """The client authentication: as written, else Basic with a secret, ``none`` without."""
        return self.client_authentication or (
            "client_secret_basic" if self.client_secret else "none"
        )

    def knowing(self, captures: Mapping[str, Any]) -> Client:
        """The same client with what was captured meanwhile, for its placeholders."""
        return replace(self, values={**self.values, **captures}) if captures else self

    def token_origin(self, *, refresh: bool = False) -> str:
        """Scheme, host and port of where a token request goes; "" where a name has no value."""
        template = (self.refresh_endpoint if refresh else "") or self.token_endpoint
        try:
            return origin_of(placeholders.fill_url(template, self.values))
        except ValueError:
            return ""

    def known(self, **more: Any) -> dict[str, Any]:
        """Values for the placeholders of an authorization or token request.

        A variable or capture never stands in for one of the protocol's own values.
        """
        return {
            **self.values,
            **placeholders.fresh_values(),
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": self.scope,
            **more,
        }


def merged(
    built_in: Mapping[str, Any], written: Mapping[str, Any], values: Mapping[str, Any]
) -> dict[str, Any]:
    """Built-in parameters as the designer changed them: added, overridden, or removed by null.

    One whose only placeholder has no value is left out, too.
    """
    result = dict(built_in)
    for name, template in written.items():
        filled = placeholders.fill(template, values)
        if filled is None or filled is placeholders.OMIT:
            result.pop(name, None)
        else:
            result[name] = filled
    return result


def pairs(parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Parameters as a form or a query holds them: text, a list as its name repeated."""
    return [
        (name, placeholders.as_text(item))
        for name, value in parameters.items()
        for item in (value if isinstance(value, list) else [value])
    ]
