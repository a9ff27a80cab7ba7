"""Whether somebody has just come back from the walk that a page sent them on."""

from __future__ import annotations

from collections.abc import MutableMapping
from datetime import timedelta
from typing import Any

from django.utils import timezone

from authlinks import binding
from authlinks.models import AttemptOutcome, AuthorizationAttempt
from connectedsystems.models import ConnectedSystem

RECENT = timedelta(minutes=10)


def came_back_for(
    session: MutableMapping[str, Any], user: Any, system: ConnectedSystem, path: str
) -> bool:
    """Whether this session's newest walk at this system began at ``path`` and succeeded just now.

    An account other than last time's is asked about: then this is False.
    """
    attempt = (
        AuthorizationAttempt.objects.filter(system_id=system.pk, user=user)
        .order_by("-begun_at")
        .first()
    )
    return (
        attempt is not None
        and attempt.outcome == AttemptOutcome.SUCCEEDED
        and attempt.next == path
        and binding.is_bound(session, attempt)
        and not attempt.facts.get("account_changed")
        and attempt.finished_at is not None
        and timezone.now() - attempt.finished_at < RECENT
    )
