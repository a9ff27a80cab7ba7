"""What is written down of a call after its answer: failures and writes; the rest is counted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import structlog
from prometheus_client import Counter

from authlinks import fresh
from connectedsystems import evidence, noticed
from connectedsystems.evidence import Exchange
from connectedsystems.redact import redact_tree
from integrations.lookup import Target
from integrations.models import CallRecord
from integrations.response import IntegrationResponse

log = structlog.get_logger(__name__)

CALLS = Counter("integration_calls", "Calls of integrations", ["integration", "outcome"])


def after(
    target: Target,
    user: Any,
    response: IntegrationResponse,
    seconds: float,
    facts: dict[str, Any],
    *,
    exchanges: Iterable[Exchange] = (),
    test: bool = False,
) -> None:
    """Count a call; keep a row of failures, of every ``modify`` and of the test panel's calls.

    Of what went over the wire a success keeps no body: what people wrote and read is theirs.
    """
    code = response.error.code if response.error else ""
    CALLS.labels(target.slug, code or "success").inc()
    if response.success and target.usage == "query" and not test:
        return
    log.log(
        20 if response.success else 30,
        "integration_called",
        integration=target.slug,
        system=target.system_slug,
        reference=response.reference,
        code=code,
        status=response.result.status_code if response.result else None,
        seconds=round(seconds, 3),
    )
    record = CallRecord(
        reference=response.reference,
        integration_id=target.integration_id,
        system_id=target.system_id,
        integration_slug=target.slug,
        user_id=getattr(user, "pk", None),
        success=response.success,
        code=code,
        facts=redact_tree(facts),
        status=response.result.status_code if response.result else None,
        seconds=seconds,
    )
    steps = evidence.steps_of(exchanges, bodies=not response.success)
    record.timeline = evidence.sealed(steps, record.place("timeline"))
    try:
        # Where a token could not be saved for five seconds, these need not be waited for as well.
        seconds = 0.0 if facts.get("unsaved") else fresh.SECONDS
        fresh.insist(lambda again: record.save(force_insert=not again), seconds)
        noticed.note(
            code,
            facts,
            system_id=target.system_id,
            actor=user,
            subject=user,
            reference=response.reference,
        )
    except fresh.LOST:
        # What the other system did is done; whoever asked for it hears of it all the same.
        log.error("call_not_recorded", reference=response.reference)
