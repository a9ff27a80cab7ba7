"""How often one person may set out and come back, as ``RATE_LIMITS`` says.

Setting out is counted in the attempts themselves, so the limit holds over all processes; coming
back is counted in the cache, since a callback that fits no attempt leaves no row, and so are calls.
A cache that does not answer counts nothing and stops nobody.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from django.utils import timezone

from authlinks.models import AuthorizationAttempt
from connectedsystems import person
from connectedsystems.errors import FlowFailure

log = structlog.get_logger(__name__)


def check_authorize(user: Any) -> None:
    """Raises FlowFailure ``too_many_requests`` where this user began too many attempts."""
    allowed = settings.RATE_LIMITS.get("authorize")
    if not allowed:
        return
    most, seconds = allowed
    since = timezone.now() - timedelta(seconds=seconds)
    begun = AuthorizationAttempt.objects.filter(user=user, begun_at__gt=since).count()
    if begun >= most:
        raise FlowFailure("too_many_requests", retry_after=seconds, limit=most)


def check_callback(request: HttpRequest) -> None:
    """Raises FlowFailure ``too_many_requests`` where this person came back too often."""
    user: Any = request.user
    # Behind a proxy every request comes from the proxy: strangers would share one limit.
    who = str(user.pk) if user.is_authenticated else person.address()
    count("callback", who)


def count(what: str, who: str) -> None:
    """Count one use in a fixed window. Raises FlowFailure ``too_many_requests``."""
    allowed = settings.RATE_LIMITS.get(what)
    if not allowed:
        return
    most, seconds = allowed
    window, into = divmod(int(time.time()), seconds)
    key = f"limit:{what}:{who}:{window}"
    if _used(key, seconds + 1) > most:
        raise FlowFailure("too_many_requests", retry_after=seconds - into, limit=most)


def _used(key: str, seconds: int) -> int:
    """How often so far, this time included; 0 where the cache cannot say."""
    try:
        return 1 if cache.add(key, 1, timeout=seconds) else cache.incr(key)
    except ValueError:  # gone in between
        return 0
    except Exception as fault:  # each backend has errors of its own
        log.warning("limit_not_counted", reason=type(fault).__name__)
        return 0
