"""call_integration(): from a slug and a user to a response, in one query and one request."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection

from connectedsystems import evidence, redact
from connectedsystems.errors import (
    Failure,
    InsideTransaction,
    OutboundFailure,
    UnknownIntegration,
    VaultFailure,
)
from connectedsystems.models import ConnectedSystem, new_reference
from connectedsystems.outbound import Reply
from integrations import held, record
from integrations.conversation import Call, definition_of, user_can_mend
from integrations.definition import Definition
from integrations.lookup import of_draft
from integrations.models import HeldSubmission, Integration
from integrations.response import IntegrationResponse, respond
from integrations.trace import Trace


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a call: the response, and the evidence it was made from."""

    response: IntegrationResponse
    failure: Failure | None
    reply: Reply | None


def call(
    slug: str, user: Any, inputs: Mapping[str, Any], *, hold: bool = False
) -> IntegrationResponse:
    """See ``integrations.call_integration``."""
    return make(slug, user, inputs, hold=hold).response


def deliver(submission: HeldSubmission, *, again: bool = False) -> IntegrationResponse | None:
    """Send a held submission, at most once; None where it was or is being sent already.

    What does not open is not sent, and waits on: the response says why.
    """
    refuse_inside_transaction()
    integration = submission.integration
    seconds = definition_of(integration.pk, integration.version).timeout
    try:
        values = submission.opened_inputs()
    except VaultFailure as failure:
        # Nothing is claimed: it waits until the key is there.
        failure.facts["subject"] = "held submission"
        return refused(integration.slug, submission.user, failure)
    if not held.claim(submission, seconds, again=again):
        return None
    outcome = make(
        integration.slug,
        submission.user,
        values,
        idempotency_key=str(submission.idempotency_key),
        submission=submission,
    )
    held.settle(submission, outcome.response.reference, outcome.failure, outcome.reply)
    return outcome.response


def make(
    slug: str,
    user: Any,
    inputs: Mapping[str, Any],
    *,
    hold: bool = False,
    idempotency_key: str = "",
    submission: HeldSubmission | None = None,
) -> Outcome:
    """Make one call, and keep its evidence; ``submission`` is what it delivers.

    Raises ProgrammingMistake and TypeError.
    """
    refuse_inside_transaction()
    target = Integration.objects.for_call(slug, user)
    if target is None:
        raise UnknownIntegration(f"There is no integration with the slug {slug!r}.")
    walk = Call(target, user, idempotency_key)
    return _make(walk, inputs, hold=hold, submission=submission)


def refused(slug: str, user: Any, failure: Failure) -> IntegrationResponse:
    """What never became a call, because of what was given: told and written down like one."""
    target = Integration.objects.for_call(slug, user)
    if target is None:
        raise UnknownIntegration(f"There is no integration with the slug {slug!r}.")
    response = respond(target, new_reference(), failure=failure)
    record.after(target, user, response, 0.0, failure.facts)
    return response


def try_out(
    definition: Definition,
    system: ConnectedSystem,
    user: Any,
    inputs: Mapping[str, Any],
    trace: Trace,
) -> Outcome:
    """Make one call of a definition that may not be saved, as the designer ``user``.

    Raises InsideTransaction and TypeError.
    """
    refuse_inside_transaction()
    target = of_draft(definition.slug, definition.usage, system, user)
    return _make(Call(target, user, draft=definition, trace=trace), inputs)


def _make(
    walk: Call,
    inputs: Mapping[str, Any],
    *,
    hold: bool = False,
    submission: HeldSubmission | None = None,
) -> Outcome:
    with redact.scope_of_job():
        return _talk(walk, inputs, hold=hold, submission=submission)


def _talk(
    walk: Call, inputs: Mapping[str, Any], *, hold: bool, submission: HeldSubmission | None
) -> Outcome:
    started = time.monotonic()
    target, user = walk.target, walk.user
    failure: Failure | None = None
    reply: Reply | None = None
    values: Mapping[str, Any] = {}
    with evidence.kept() as exchanges:
        try:
            walk.prepare()
            values = walk.read(inputs)
            reply = walk.run(values)
            failure = walk.failure_in(reply)
        except Failure as caught:
            failure, reply = caught, getattr(caught, "reply", None)
    if failure is not None and target.usage == "modify" and _may_have_arrived(failure, reply):
        failure.facts["outcome_unknown"] = True
    needs = failure is not None and walk.user_can_authorize and user_can_mend(failure)
    kept = submission if needs else None
    if hold and needs and target.usage == "modify":
        kept = held.hold(target.integration_id, user, values)
    response = respond(
        target,
        new_reference(),
        reply,
        failure,
        needs_authorization=needs,
        held=kept,
        more=walk.pages is not None and walk.pages.more,
        secrets=walk.secrets_of_ours,
    )
    facts = failure.facts if failure else {}
    if walk.trace is not None:
        walk.trace.end()
    seconds = time.monotonic() - started
    record.after(
        target,
        user,
        response,
        seconds,
        facts,
        exchanges=exchanges,
        test=walk.trace is not None,
    )
    return Outcome(response, failure, reply)


def _may_have_arrived(failure: Failure, reply: Reply | None) -> bool:
    """Whether nobody can say that a write was not executed."""
    if reply is not None:
        return reply.status >= 500
    return isinstance(failure, OutboundFailure) and failure.sent


def refuse_inside_transaction() -> None:
    """A renewed token that a caller's roll-back took away would be gone for ever."""
    blocks = connection.atomic_blocks
    if blocks and not getattr(blocks[-1], "_from_testcase", False):
        raise InsideTransaction(
            "call_integration() was called inside a transaction, whose roll-back would lose a"
            " renewed token. Call it before the block, or from transaction.on_commit()."
        )
