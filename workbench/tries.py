"""What a designer has tried of a configuration that is not saved: begun, come back, taken over."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, MutableMapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from authlinks import binding, endings, flow, limits, question, registration, tokens
from authlinks.columns import obtained_columns
from authlinks.models import AttemptOutcome, Authorization, AuthorizationAttempt
from authlinks.question import Brought
from connectedsystems import configuration
from connectedsystems.configuration import Configuration
from connectedsystems.configuration.keys import ENDPOINTS
from connectedsystems.diagnosis import FIELDS
from connectedsystems.errors import VaultFailure
from connectedsystems.models import ConnectedSystem
from connectedsystems.oauth.client import Client

LIFETIME = timedelta(hours=24)

Session = MutableMapping[str, Any]

# What a try needs to know; the rest of the form is checked by Save.
_NEEDED = ("authentication", "base_url", "oauth", "discovered", "variables", "token_placement")
_STAND_IN = {"slug": "draft", "name": "Draft"}


def needed(data: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a written system that an authorization depends on."""
    return {**_STAND_IN, **{key: data[key] for key in _NEEDED if data.get(key)}}


@sensitive_variables()
def begin(
    public_id: uuid.UUID,
    data: Mapping[str, Any],
    secrets: Mapping[str, Any],
    user: Any,
    session: Session,
    next_path: str,
) -> tuple[AuthorizationAttempt, str]:
    """Begin an attempt with these values; gives it and the other system's address.

    Raises ConfigurationInvalid for values that cannot be used, and other Failures of ``begin``.
    """
    drafted = registration.of_draft(public_id, registration.draft_text(needed(data), dict(secrets)))
    limits.check_authorize(user)
    _forget_old(user)
    return flow.begin(drafted, user, session, next_path=next_path, popup=True)


def _forget_old(user: Any) -> None:
    old = AuthorizationAttempt.objects.filter(
        user=user, draft__isnull=False, begun_at__lt=timezone.now() - LIFETIME
    )
    endings.end_drafts(old)
    old.update(draft=None, draft_answer=None)


def latest(public_id: uuid.UUID, user: Any, since: datetime) -> AuthorizationAttempt | None:
    """This user's newest try of this form; ``since``: when the form was opened."""
    return (
        AuthorizationAttempt.objects.filter(
            system_id=public_id, user=user, draft__isnull=False, begun_at__gte=since
        )
        .order_by("-begun_at")
        .first()
    )


@sensitive_variables()
def brought(attempt: AuthorizationAttempt | None, session: Session) -> Brought | None:
    """What a try brought, for the session it came back to, within 24 hours."""
    if attempt is None or attempt.outcome != AttemptOutcome.SUCCEEDED:
        return None
    here = binding.is_bound(session, attempt)
    ended = attempt.finished_at
    if not here or ended is None or timezone.now() - ended > LIFETIME:
        return None
    try:
        return question.kept(attempt)
    except VaultFailure:
        return None


def tried(attempt: AuthorizationAttempt) -> Configuration | None:
    """The configuration that an attempt was begun with."""
    data = _data(attempt)
    return configuration.read(data) if data else None


def client(attempt: AuthorizationAttempt) -> Client | None:
    """Our registration as an attempt was begun with it. Raises ConfigurationInvalid."""
    text = _text(attempt)
    return registration.of_draft(attempt.system_id, text).client() if text else None


def discovered(attempt: AuthorizationAttempt | None) -> Mapping[str, Any] | None:
    """What the Discovery URL said when an attempt was begun."""
    return (_data(attempt) or {}).get("discovered") if attempt else None


@sensitive_variables()
def _data(attempt: AuthorizationAttempt) -> Mapping[str, Any] | None:
    text = _text(attempt)
    data: Mapping[str, Any] | None = json.loads(text)["data"] if text else None
    return data


@sensitive_variables()
def _text(attempt: AuthorizationAttempt) -> str:
    """What ``registration.draft_text`` wrote; empty where it is gone or cannot be opened."""
    if attempt.draft is None:
        return ""
    try:
        return attempt.draft.open(attempt.place("draft"))
    except VaultFailure:
        return ""


def changes(attempt: AuthorizationAttempt, data: Mapping[str, Any]) -> list[str]:
    """Labels of what differs from the try so that what it brought cannot stand; [] if nothing."""
    before, now = tried(attempt), configuration.read(needed(data))
    if before is None:
        return ["Settings"]
    if not before.base_url:
        # Filled in after the try: nothing was tried at another address.
        before = replace(before, base_url=now.base_url)
    if before.fingerprint() == now.fingerprint():
        return []
    keys = (*ENDPOINTS, "client_id", "second_exchange", "after_authorization")
    found = [FIELDS.get(key, key) for key in keys if before.oauth.get(key) != now.oauth.get(key)]
    if before.base_url != now.base_url:
        found.append(FIELDS["base_url"])
    if before.variables != now.variables:
        found.append("Variables")
    return found


@sensitive_variables()
def take_over(
    attempt: AuthorizationAttempt, result: Brought, system: ConnectedSystem
) -> Authorization:
    """Let what the try brought stand as this designer's authorization at the saved system."""
    authorization = tokens.store(
        system.pk,
        attempt.user_id,
        result.answer,
        client=system.client(),
        fingerprint=system.parsed().fingerprint(),
        captures=result.captures,
        api_origin=system.parsed().api_origin(result.captures),
    )
    # It was obtained under what was tried: the form may name another revocation endpoint by now.
    tried_with = client(attempt) or system.client()
    Authorization.objects.filter(pk=authorization.pk).update(
        scope_requested=attempt.scope_requested,
        **obtained_columns(tried_with.knowing(result.captures)),
    )
    AuthorizationAttempt.objects.filter(pk=attempt.pk).update(draft=None, draft_answer=None)
    return authorization
