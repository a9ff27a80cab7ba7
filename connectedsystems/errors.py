"""Every failure we can name: a failure code and facts, no prose.

Failure
├── FlowFailure             the walk to the other system and back
├── TokenEndpointFailure    what a token endpoint answered, or a revocation endpoint did not confirm
├── DiscoveryFailure        what stands where an authorization server's metadata should
├── TokenUnavailable        why this user has no usable token now
├── CallFailure             what came of an integration's call
├── OutboundFailure         the network, and our own rules at its door
├── VaultFailure            a sealed text that does not open
│   └── SecretWithheld      a secret that opens, and may not be sent where it would go
├── ConfigurationInvalid    what a designer wrote, field by field
└── InputInvalid            what a user gave an integration, input by input

ProgrammingMistake          raised, never shown: what only a programmer can mend
├── UnknownIntegration
└── InsideTransaction

The sentences that people read (cause, fix, who can act) live in ``diagnosis``, keyed by code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Failure(Exception):
    """A failure with a stable code.

    ``facts`` is a JSON-able dict (host, status, path, quote, retry_after, ...) and never holds
    a secret: whoever raises has redacted what came from outside. ``str()`` is the code alone.
    """

    def __init__(self, code: str, **facts: Any) -> None:
        super().__init__(code)
        self.code = code
        self.facts: dict[str, Any] = facts

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.code!r})"


class FlowFailure(Failure):
    """An attempt that cannot begin or finish."""


class TokenEndpointFailure(Failure):
    """A token or revocation endpoint said no, or something that is no answer."""


class DiscoveryFailure(Failure):
    """Metadata of an authorization server that is not there, or cannot be believed."""


class TokenUnavailable(Failure):
    """No usable token for this user at this system now."""


class CallFailure(Failure):
    """An integration's call that did not succeed."""


class OutboundFailure(Failure):
    """A request that got no usable reply.

    ``sent`` is False only where provably nothing reached the other system (refused address,
    name not found, no connection, TLS handshake failed).
    """

    def __init__(self, code: str, *, sent: bool = True, **facts: Any) -> None:
        super().__init__(code, **facts)
        self.sent = sent


class VaultFailure(Failure):
    """A sealed text that does not open at this place with these keys."""


class SecretWithheld(VaultFailure):
    """A secret that would be sent to an origin it was not entered for: ``secret_not_for_host``."""


class ConfigurationInvalid(Failure):
    """What was written for a system or an integration cannot be used.

    ``errors`` maps a key's path (``oauth.client_id``) to sentences that name the fix.
    """

    def __init__(self, errors: Mapping[str, list[str]]) -> None:
        super().__init__("configuration_invalid", errors=dict(errors))
        self.errors: dict[str, list[str]] = dict(errors)

    def __str__(self) -> str:
        return "; ".join(f"{key}: {' '.join(texts)}" for key, texts in self.errors.items())


class InputInvalid(Failure):
    """Inputs that do not fit: ``errors`` maps an input's name to sentences."""

    def __init__(self, errors: Mapping[str, list[str]]) -> None:
        super().__init__("input_invalid", errors=dict(errors))
        self.errors: dict[str, list[str]] = dict(errors)


class ProgrammingMistake(Exception):
    """Raised, never a response: what a programmer gets wrong."""


class UnknownIntegration(ProgrammingMistake, LookupError):
    """No integration has this slug."""


class InsideTransaction(ProgrammingMistake, RuntimeError):
    """A call inside a transaction, whose roll-back would lose a rotated token."""
