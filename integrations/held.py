"""Held submissions: hold what met a missing authorization, deliver it at most once, discard.

The fate of a delivery follows from evidence: what provably was not executed waits on; what the
other system answered is delivered or refused; what nobody can know is left to the user.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.views.decorators.debug import sensitive_variables

from connectedsystems import redact, vault
from connectedsystems.errors import Failure, OutboundFailure, TokenUnavailable
from connectedsystems.outbound import Reply
from integrations.models import HeldState, HeldSubmission, held_until

MOST_HELD = 20
SLACK = timedelta(seconds=5)


def of_user(user: Any) -> QuerySet[HeldSubmission]:
    """This user's held submissions, newest first; what has run out is gone."""
    HeldSubmission.objects.filter(
        user=user, state=HeldState.WAITING, ends_at__lte=timezone.now()
    ).delete()
    return HeldSubmission.objects.filter(user=user).select_related("integration__connected_system")


@sensitive_variables("values", "text")
def hold(integration_id: Any, user: Any, values: Mapping[str, Any]) -> HeldSubmission | None:
    """Keep these inputs until they are delivered; the same ones once; None beyond the limit."""
    text = _text(values)
    digest = _digest(integration_id, user, text)
    waiting = HeldSubmission.objects.filter(user=user, state=HeldState.WAITING)
    known = waiting.filter(integration_id=integration_id, digest=digest).first()
    if known is not None:
        return known
    if waiting.count() >= MOST_HELD:
        return None
    held = HeldSubmission(integration_id=integration_id, user=user, digest=digest)
    with redact.scope():  # a file may be in it, and would be looked for in every line of the log
        held.inputs = vault.seal(text, held.place())
    try:
        with transaction.atomic():
            held.save(force_insert=True)
    except IntegrityError:
        return waiting.filter(integration_id=integration_id, digest=digest).first()
    return held


@sensitive_variables("values", "text")
def change(held: HeldSubmission, values: Mapping[str, Any]) -> bool:
    """Replace the inputs of a submission that is still waiting; False where it is not."""
    text = _text(values)
    with redact.scope():
        sealed = vault.seal(text, held.place())
    digest = _digest(held.integration_id, held.user, text)
    try:
        with transaction.atomic():
            return bool(
                HeldSubmission.objects.filter(pk=held.pk)
                .filter(state__in=[HeldState.WAITING, HeldState.REFUSED])
                .update(
                    inputs=sealed,
                    digest=digest,
                    state=HeldState.WAITING,
                    ends_at=held_until(),
                    code="",
                )
            )
    except IntegrityError:
        return False


def discard(held: HeldSubmission) -> bool:
    """Forget a submission; False while it is being sent."""
    if held.present_state == HeldState.SENDING:
        return False
    HeldSubmission.objects.filter(pk=held.pk).exclude(
        state=HeldState.SENDING, sending_until__gt=timezone.now()
    ).delete()
    return True


def claim(held: HeldSubmission, seconds: float, *, again: bool = False) -> bool:
    """Become the one delivery of this submission; False where there is or was another.

    ``again``: the user says that one with an unknown outcome did not arrive.
    """
    now = timezone.now()
    open_to = Q(state=HeldState.WAITING, ends_at__gt=now)
    if again:
        open_to |= Q(state=HeldState.OUTCOME_UNKNOWN)
        open_to |= Q(state=HeldState.SENDING, sending_until__lte=now)
    until = now + timedelta(seconds=seconds * settings.TIME_LIMITS) + SLACK
    return bool(
        HeldSubmission.objects.filter(open_to, pk=held.pk).update(
            state=HeldState.SENDING, sending_until=until
        )
    )


def settle(
    held: HeldSubmission, reference: str, failure: Failure | None, reply: Reply | None
) -> str:
    """Write down what became of a delivery, by the evidence; gives the state."""
    state = fate(failure, reply)
    HeldSubmission.objects.filter(pk=held.pk, state=HeldState.SENDING).update(
        state=state,
        sending_until=None,
        finished_at=timezone.now() if state == HeldState.DELIVERED else None,
        reference=reference,
        code=failure.code if failure else "",
        facts=failure.facts if failure else {},
    )
    return state


def fate(failure: Failure | None, reply: Reply | None) -> str:
    """The state after a delivery: what the evidence says about whether it was executed."""
    if reply is not None:
        if 200 <= reply.status < 300:
            return HeldState.DELIVERED
        if reply.status in (401, 429) or (
            failure is not None
            and failure.code in ("insufficient_scope", "rate_limited", "needs_authorization")
        ):
            return HeldState.WAITING
        return HeldState.REFUSED if 400 <= reply.status < 500 else HeldState.OUTCOME_UNKNOWN
    if isinstance(failure, OutboundFailure):
        return HeldState.OUTCOME_UNKNOWN if failure.sent else HeldState.WAITING
    if isinstance(failure, TokenUnavailable) or (
        failure is not None and failure.code in ("busy", "system_down")
    ):
        return HeldState.WAITING
    return HeldState.REFUSED if failure else HeldState.DELIVERED


def resolve_as_arrived(held: HeldSubmission) -> bool:
    """The user found it at the other system: done."""
    now = timezone.now()
    unknown = Q(state=HeldState.OUTCOME_UNKNOWN) | Q(
        state=HeldState.SENDING, sending_until__lte=now
    )
    return bool(
        HeldSubmission.objects.filter(unknown, pk=held.pk).update(
            state=HeldState.DELIVERED, sending_until=None, finished_at=now, code=""
        )
    )


def _text(values: Mapping[str, Any]) -> str:
    return json.dumps(dict(values), cls=DjangoJSONEncoder, sort_keys=True)


def _digest(integration_id: Any, user: Any, text: str) -> str:
    return salted_hmac(
        "integrations.held", f"{integration_id}:{user.pk}:{text}", algorithm="sha256"
    ).hexdigest()
