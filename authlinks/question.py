"""A walk that ends in a question: which of several sites, or: is this other account meant?

Until it is answered, what the walk brought stays sealed with the attempt; nothing is replaced.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, MutableMapping
from dataclasses import asdict, dataclass, field
from typing import Any

from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from authlinks import binding
from authlinks.models import AttemptOutcome, Authorization, AuthorizationAttempt
from connectedsystems import vault
from connectedsystems.errors import VaultFailure
from connectedsystems.oauth.after import Choice
from connectedsystems.oauth.answer import TokenAnswer

ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class Brought:
    """What a walk brought, as it is kept with the attempt: sealed as JSON."""

    answer: TokenAnswer = field(repr=False)
    captures: dict[str, Any] = field(repr=False)
    choices: tuple[Choice, ...] = field(default=(), repr=False)
    previous: str = ""

    @property
    def account(self) -> str:
        """Who was approved at the other side, where the system captures that."""
        return account_in(self.captures)

    @property
    def other_account(self) -> bool:
        """Whether this is another account than last time's, as far as both are known."""
        return bool(self.account and self.previous and self.account != self.previous)

    @property
    def open_question(self) -> str:
        """``choice``, ``account``, or "" where nothing is left to ask."""
        if len(self.choices) > 1:
            return "choice"
        return "account" if self.other_account else ""

    def chosen(self, value: str) -> Brought | None:
        """With one of the choices taken; None for a value that was not offered."""
        for choice in self.choices:
            if choice.value == value:
                return Brought(self.answer, {**self.captures, **choice.captures}, (), self.previous)
        return None


def account_in(captures: Mapping[str, Any]) -> str:
    """The captured ``account`` as text."""
    value = captures.get(ACCOUNT)
    return "" if value is None else str(value)[:200]


def previous_account(system_id: uuid.UUID, user_id: int) -> str:
    """The account of the authorization that stands; "" where none is known."""
    standing = Authorization.objects.filter(system_id=system_id, user_id=user_id).first()
    if standing is None:
        return ""
    try:
        return account_in(standing.opened_captures())
    except VaultFailure:
        return ""


@sensitive_variables()
def keep(attempt: AuthorizationAttempt, brought: Brought) -> None:
    """Seal what came with the attempt; the caller saves the row."""
    text = json.dumps(
        {
            "answer": {
                "access_token": brought.answer.access_token,
                "token_type": brought.answer.token_type,
                "expires_in": brought.answer.expires_in,
                "refresh_token": brought.answer.refresh_token,
                "scope": brought.answer.scope,
            },
            "captures": brought.captures,
            "choices": [asdict(choice) for choice in brought.choices],
            "previous": brought.previous,
            "at": timezone.now().timestamp(),
        },
        default=dict,
    )
    attempt.draft_answer = vault.seal(text, attempt.place("draft_answer"))


@sensitive_variables()
def kept(attempt: AuthorizationAttempt) -> Brought | None:
    """What an attempt brought, its lifetime counted from when it came. Raises VaultFailure."""
    if attempt.draft_answer is None:
        return None
    box = json.loads(attempt.draft_answer.open(attempt.place("draft_answer")))
    answer = dict(box["answer"])
    if answer["expires_in"] is not None:
        answer["expires_in"] -= max(0.0, timezone.now().timestamp() - box["at"])
    return Brought(
        answer=TokenAnswer(**answer),
        captures=box["captures"],
        choices=tuple(Choice(**choice) for choice in box["choices"]),
        previous=box["previous"],
    )


def asked_in(
    session: MutableMapping[str, Any], user: Any, system_id: uuid.UUID
) -> AuthorizationAttempt | None:
    """This session's newest attempt at this system that waits for an answer."""
    waiting = AuthorizationAttempt.objects.filter(
        user=user,
        system_id=system_id,
        outcome=AttemptOutcome.OPEN,
        draft_answer__isnull=False,
        ends_at__gt=timezone.now(),
    ).order_by("-begun_at")
    return next((each for each in waiting if binding.is_bound(session, each)), None)
