"""What an attempt walks with: a system's configuration as it is, or as a designer is trying it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from connectedsystems import configuration
from connectedsystems.configuration import Secrets
from connectedsystems.models import ConnectedSystem, redirect_uri_of
from connectedsystems.oauth.client import Client


@dataclass(frozen=True, slots=True)
class Registration:
    """Our registration at another system.

    ``digest`` covers everything whose change ends an open attempt, ``fingerprint`` what a stored
    token was obtained under. ``draft`` is the JSON of an unsaved configuration, else empty.
    """

    public_id: uuid.UUID
    digest: str
    fingerprint: str
    client: Callable[[], Client] = field(repr=False)
    api_origin: Callable[[Mapping[str, Any]], str] = field(repr=False)
    draft: str = field(default="", repr=False)


def of_system(system: ConnectedSystem) -> Registration:
    """The registration of a saved system, as it is configured now."""
    parsed = system.parsed()
    return Registration(
        public_id=system.id,
        digest=parsed.digest(),
        fingerprint=parsed.fingerprint(),
        client=system.client,
        api_origin=parsed.api_origin,
    )


def of_draft(public_id: uuid.UUID, text: str) -> Registration:
    """The registration of a configuration that is being tried; ``text`` as ``draft_text`` made it.

    Raises ConfigurationInvalid.
    """
    kept = json.loads(text)
    data, secrets = kept["data"], Secrets(kept["secrets"], kept.get("origins"))
    parsed = configuration.parse(configuration.written(data), discovered=data.get("discovered"))

    def client() -> Client:
        return parsed.client(redirect_uri=redirect_uri_of(public_id), secrets=secrets, captures={})

    return Registration(
        public_id=public_id,
        digest=parsed.digest(),
        fingerprint=parsed.fingerprint(),
        client=client,
        api_origin=parsed.api_origin,
        draft=text,
    )


def draft_text(data: dict[str, Any], secrets: Mapping[str, Any]) -> str:
    """A configuration under the bundle's keys, with its secrets, as one text to seal.

    What is stored of them keeps the origins it was entered for, and is sent nowhere else.
    """
    origins = secrets.origins if isinstance(secrets, Secrets) else {}
    kept = {key: sorted(templates) for key, templates in origins.items()}
    return json.dumps({"data": data, "secrets": dict(secrets), "origins": kept})
