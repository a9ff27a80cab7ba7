"""Done Authorizing where it did not work: why, as far as a look from here can tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from django.views.decorators.debug import sensitive_variables

from authlinks import limits
from authlinks.models import AuthorizationAttempt
from connectedsystems import doctor, share
from connectedsystems.errors import Failure
from connectedsystems.oauth.client import Client
from workbench import says, tries
from workbench.says import Says

_CODE = "attempt_not_finished"


def told(attempt: AuthorizationAttempt, facts: Mapping[str, Any], user: Any) -> Says:
    """The box of an open attempt: with the field that is wrong, if the other system's page tells.

    A page that shows nothing wrong leaves what usually stops people, the likeliest first.
    """
    usual = says.failure(_CODE, facts, attempt.reference)
    step = _looked_at(attempt, user, doctor.authorization_page)
    if step is None or step.outcome != "fail":
        return usual
    lines = (("", step.sentence), ("Cause", step.cause), ("Fix", step.fix))
    return replace(usual, lines=lines, fields=(step.look_at,), also=step.also)


def refused(attempt: AuthorizationAttempt, facts: Mapping[str, Any], user: Any) -> Says:
    """The box of an attempt whose client was refused: with what to choose, if that would do."""
    usual = says.failure(attempt.present_code, facts, attempt.reference)
    step = _looked_at(attempt, user, doctor.another_authentication)
    if step is None:
        return usual
    lines = (*usual.lines[:1], ("", step.sentence), ("Cause", step.cause), ("Fix", step.fix))
    return replace(usual, lines=lines, fields=(step.look_at,), also=())


@sensitive_variables()
def _looked_at(
    attempt: AuthorizationAttempt, user: Any, look: Callable[[Client], doctor.Step | None]
) -> doctor.Step | None:
    """What this very attempt's registration leads to when we look; it spends nothing."""
    try:
        limits.count("call", f"check:{user.pk}")
        client = tries.client(attempt)
        with share.at_desk(doctor.SECONDS, user.pk):
            return look(client) if client else None
    except Failure:
        return None
