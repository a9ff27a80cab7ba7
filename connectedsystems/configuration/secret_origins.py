"""Which origins each secret of a system is sent to, and whether it was entered for them.

A stored secret belongs to the origins it was entered for: kept with each secret, sealed, are the
templates of all URLs that carried it then. One of which nobody spoke when it was entered is not
sent to, by no road: ``strangers`` decides for a call, a code, a renewal, a second exchange, a
revocation, a try from the desk, a look at the configuration, a loaded file, a restored version.

A template is scheme, host and port with the variables in it; a name that a callback or an answer
fills stands in it with its expressions, its pattern and whoever answers, for those decide the host,
too. A path, a scope or a Client ID is no part of it.

With client credentials the secret alone gets a token, whoever calls. So where that token goes
belongs to the secret as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from connectedsystems import placeholders
from connectedsystems.errors import SecretWithheld
from connectedsystems.origin import names_in, origin_of

from .keys import CLIENT_CREDENTIALS
from .secret import Secrets, by_key

if TYPE_CHECKING:
    from .value import Configuration

CLIENT_SECRETS: Final = ("client_secret", "client_secret_next")
_OF_CALLS: Final = ("api_key", "password")
_IN_A_BROWSER: Final = "browser "
"""Before the template of an address that a person's browser is led to: they can read it there."""

_KEY_PATHS: Final = {
    "client_secret": "oauth.client_secret",
    "client_secret_next": "oauth.client_secret_next",
    "api_key": "api_key.value",
    "password": "basic.password",
}


@dataclass(frozen=True, slots=True)
class Carrier:
    """One request of a system: where it goes, what is filled into it, whether the client proves.

    ``spends``: it can carry the token that client credentials got.
    """

    template: str
    names: frozenset[str]
    proves: bool = False
    calls: bool = False
    spends: bool = False


@dataclass(frozen=True, slots=True)
class Stranger:
    """A secret that would be sent where it was not entered for."""

    key: str
    entered: tuple[str, ...]
    now: tuple[str, ...]

    @property
    def path(self) -> str:
        """The secret's key path in the bundle, such as ``oauth.client_secret``."""
        return path_of(self.key)

    @property
    def facts(self) -> dict[str, Any]:
        """The facts of ``secret_not_for_host``: both hosts by name."""
        told = {"field": self.path, "now": ", ".join(self.now)}
        return {**told, "entered": ", ".join(self.entered)} if self.entered else told


def carried(system: Configuration, key: str) -> frozenset[str]:
    """The templates of all requests in which this system sends the secret of this key."""
    if not _is_read(system, key):
        return frozenset()
    return frozenset(each.template for each in system.carriers if _carries(each, key))


def strangers(system: Configuration, secrets: Mapping[str, Any]) -> list[Stranger]:
    """The secrets that this configuration would send where they were not entered for.

    Those that were just typed, and everything in a mapping that is no ``Secrets``, are bound to
    nothing yet: whoever typed them knows them.
    """
    if not isinstance(secrets, Secrets) or not secrets.origins:
        return []
    found = []
    for key in by_key(secrets):
        kept = secrets.origins.get(key)
        new = carried(system, key) - kept if kept is not None else frozenset()
        if new:
            found.append(Stranger(key, _hosts(kept or (), ()), _hosts(new, kept or ())))
    return found


def path_of(key: str) -> str:
    """The key path in the bundle of a secret, such as ``oauth.client_secret``."""
    return _KEY_PATHS.get(key, key)


def goes_to(system: Configuration, key: str, hosts: Iterable[str]) -> bool:
    """Whether this system sends the secret of this key to one of these hosts."""
    shown = {_shown(template) for template in carried(system, key)}
    return any(host in shown or f"http://{host}" in shown for host in hosts)


def check(system: Configuration, secrets: Mapping[str, Any]) -> None:
    """Raises SecretWithheld for a secret that may not be sent as this configuration says."""
    if found := strangers(system, secrets):
        raise SecretWithheld("secret_not_for_host", **found[0].facts)


def bound(system: Configuration, secrets: Mapping[str, Any]) -> Secrets:
    """The secrets as they are kept: what is bound stays so, the others belong to this system."""
    kept = secrets.origins if isinstance(secrets, Secrets) else {}
    return Secrets(secrets, {key: kept.get(key, carried(system, key)) for key in by_key(secrets)})


def present(system: Configuration) -> dict[str, list[str]]:
    """For every secret that a system may have, where it is sent at present: for a migration."""
    keys = [*CLIENT_SECRETS, *_OF_CALLS]
    keys += [f"variables.{name}" for name in sorted(system.secret_variables)]
    return {key: sorted(carried(system, key)) for key in keys}


def carriers_of(system: Configuration) -> tuple[Carrier, ...]:
    """Every request that a system makes, or leads a browser to, with what may be filled into it."""
    return tuple(_carriers(system))


def _carriers(system: Configuration) -> Iterator[Carrier]:
    if system.base_url:
        template = _template(system, system.base_url)
        yield Carrier(template, frozenset(), calls=True, spends=_gets_tokens_alone(system))
    if not system.uses_oauth:
        return
    oauth = system.oauth
    shared = _names(oauth.get("token_parameters"), oauth.get("token_headers"))
    again = shared | _names(oauth.get("refresh"))
    for key, names in (
        ("token_endpoint", shared | again),
        ("refresh_endpoint", again),
        ("revocation_endpoint", frozenset()),
    ):
        if url := oauth.get(key):
            yield Carrier(_template(system, url), names | _names(url), proves=True)
    if url := oauth.get("authorization_endpoint"):
        names = _names(url, oauth.get("authorization_parameters"))
        yield Carrier(f"{_IN_A_BROWSER}{_template(system, url)}", names)
    yield from _of_steps(system, shared)


def _of_steps(system: Configuration, shared: frozenset[str]) -> Iterator[Carrier]:
    second = system.oauth.get("second_exchange") or {}
    if url := second.get("endpoint"):
        names = shared | _names(url, second.get("parameters"))
        yield Carrier(
            _template(system, url),
            names,
            proves=_proves(system, second),
            spends=_gets_tokens_alone(system),
        )
    after = system.oauth.get("after_authorization") or {}
    if after:
        names = _names(
            *[after.get(key) for key in ("url", "path", "headers", "parameters", "body")]
        )
        yield Carrier(_template(system, after.get("url") or system.base_url), names)


def _proves(system: Configuration, second: Mapping[str, Any]) -> bool:
    """Whether the client authenticates at a second exchange (see ``oauth.second``)."""
    written = second.get("client_authentication")
    if written:
        return bool(written != "none")
    endpoint = str(system.oauth.get("token_endpoint") or "")
    return _template(system, endpoint) == _template(system, second["endpoint"])


def _gets_tokens_alone(system: Configuration) -> bool:
    return system.authentication == CLIENT_CREDENTIALS


def _is_read(system: Configuration, key: str) -> bool:
    """Whether this system has any use for a secret of this key."""
    if key in _OF_CALLS:
        return system.authentication == ("api_key" if key == "api_key" else "basic")
    name = key.removeprefix("variables.")
    return system.uses_oauth if key in CLIENT_SECRETS else name in system.secret_variables


def _carries(carrier: Carrier, key: str) -> bool:
    if key in CLIENT_SECRETS:
        return carrier.proves or carrier.spends or "client_secret" in carrier.names
    if key in _OF_CALLS:
        return carrier.calls
    # An integration may fill a secret variable into any part of its calls.
    return carrier.calls or carrier.spends or key.removeprefix("variables.") in carrier.names


def _names(*templates: Any) -> frozenset[str]:
    return frozenset(name for each in templates for name in placeholders.names(each))


def _template(system: Configuration, url: str, told: frozenset[str] = frozenset()) -> str:
    """``told``: the names whose deciding is being written already, so that this comes to an end."""
    as_written = {name: f"{{{name}}}" for name in placeholders.names(url)}
    known = {**as_written, **system.variables}
    if client_id := system.oauth.get("client_id"):
        known["client_id"] = client_id
    origin = origin_of(placeholders.fill_text(url, known))
    names = names_in(origin) - told
    decided = {name: _decided(system, name, told | names) for name in sorted(names)}
    return f"{origin} {json.dumps(decided)}" if any(decided.values()) else origin


def _decided(system: Configuration, name: str, told: frozenset[str]) -> dict[str, Any]:
    """What decides the value of a captured name: its expressions, its pattern, who answers."""
    oauth = system.oauth
    after = oauth.get("after_authorization") or {}
    boxes = {
        **{f"captures.{kind}": box for kind, box in (oauth.get("captures") or {}).items()},
        "second_exchange": (oauth.get("second_exchange") or {}).get("captures"),
        "after_authorization": after.get("captures"),
        "pattern": oauth.get("capture_patterns"),
    }
    found: dict[str, Any] = {key: str(box[name]) for key, box in boxes.items() if _has(box, name)}
    if "after_authorization" in found:
        found["choose"] = str((after.get("choose") or {}).get("list") or "")
    answering = {_template(system, url, told) for url in _answering(system, found) if url}
    return {**found, "from": sorted(answering)} if answering else found


def _has(box: Any, name: str) -> bool:
    return bool(box) and name in box


def _answering(system: Configuration, found: Mapping[str, Any]) -> list[str]:
    """The addresses whose answers are looked through. A callback's value anybody may write."""
    oauth = system.oauth
    after = oauth.get("after_authorization") or {}
    addresses = {
        "captures.token": [oauth.get("token_endpoint"), oauth.get("refresh_endpoint")],
        "second_exchange": [(oauth.get("second_exchange") or {}).get("endpoint")],
        "after_authorization": [after.get("url") or system.base_url],
    }
    return [str(url or "") for key, urls in addresses.items() if key in found for url in urls]


def _hosts(templates: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """Templates as people read them: the host, with what tells it from one that is known."""
    origins = {_shown(each) for each in known}
    return tuple(
        sorted(
            f"{_shown(each)} (named otherwise)" if _shown(each) in origins else _shown(each)
            for each in templates
        )
    )


def _shown(template: str) -> str:
    """The host and port of a template; plain http is said."""
    if template.startswith(_IN_A_BROWSER):
        return f"{_shown(template.removeprefix(_IN_A_BROWSER))} by a browser"
    return template.partition(" {")[0].removeprefix("https://")
