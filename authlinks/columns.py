"""The columns that a token answer fills, sealed for the row they belong to."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now
from django.views.decorators.debug import sensitive_variables

from authlinks.models import place_of
from connectedsystems import vault
from connectedsystems.oauth import revocation
from connectedsystems.oauth.answer import TokenAnswer
from connectedsystems.oauth.client import Client

LONGEST_LIFETIME = timedelta(days=3650).total_seconds()


def lifetime_of(answer: TokenAnswer, client: Client) -> float | None:
    """Seconds a token lives: as answered, else the system's default, else unknown (None)."""
    seconds = answer.expires_in if answer.expires_in is not None else client.default_expires_in
    return None if seconds is None else max(0.0, min(float(seconds), LONGEST_LIFETIME))


def sealed_captures(
    system_id: uuid.UUID, user_id: int | None, captures: Mapping[str, Any]
) -> vault.Sealed | None:
    """Captured values, sealed for the row they belong to; None where there are none."""
    if not captures:
        return None
    return vault.seal(json.dumps(captures), place_of("captures", system_id, user_id))


@sensitive_variables("answer")
def token_columns(
    system_id: uuid.UUID, user_id: int | None, answer: TokenAnswer, client: Client
) -> dict[str, Any]:
    """The columns that every stored answer sets, sealed; a refresh token only if one came."""

    def sealed(column: str, text: str) -> vault.Sealed:
        return vault.seal(text, place_of(column, system_id, user_id))

    lifetime = lifetime_of(answer, client)
    columns: dict[str, Any] = {
        "access_token": sealed("access_token", answer.access_token),
        "lifetime": lifetime,
        "expires_at": None if lifetime is None else Now() + timedelta(seconds=lifetime),
        "ended_code": "",
        "failure_code": "",
        "failure_facts": {},
        "failures": 0,
        "unreadable_refusals": 0,
        "outcome_unknown": False,
        "next_try_at": None,
        "failed_system_version": None,
        "refusal_tried_version": None,
        "lease_owner": "",
        "lease_ends": None,
        "refresh_sent_at": None,
    }
    if answer.refresh_token is not None:
        columns["refresh_token"] = sealed("refresh_token", answer.refresh_token)
    return columns


def obtained_columns(client: Client) -> dict[str, str]:
    """The columns that say under what tokens were obtained; its captures are among the values."""
    marks = revocation.obtained_under(client)
    return {"obtained_client": marks.client, "revocation_origin": marks.origin}
