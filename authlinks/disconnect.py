"""End authorizations: forget them here, revoke them there (RFC 7009), say which happened."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from authlinks import endings, revoking
from authlinks.models import Authorization, EndingKind
from authlinks.revoking import Outcome, Told
from connectedsystems.models import ConnectedSystem


@dataclass(frozen=True, slots=True)
class Ended:
    """What a disconnect did: ``confirmed`` by the other system; None where it has no address.

    ``code``, where it is not confirmed: ``revocation_failed`` (fact ``pending``: it is tried again
    for a day), or ``not_revoked`` where nothing was sent.
    """

    forgotten: bool
    confirmed: bool | None
    facts: dict[str, Any]
    code: str = "revocation_failed"


def disconnect(system: ConnectedSystem, user: Any, *, actor: Any) -> Ended:
    """Forget this user's authorization here in any case; revoke it there if that can be asked.

    The tokens become a row of their own in the transaction that forgets them, so that a process
    that dies in the middle of this loses nothing. Whatever else waits is emptied for a moment.
    """
    owner = uuid.uuid4().hex
    mine = Authorization.objects.of(system, user)
    ending = endings.end(system, mine, kind=EndingKind.DISCONNECTED, actor=actor, lease=owner)
    if ending is None:
        return Ended(forgotten=False, confirmed=None, facts={})
    row = ending.endings.select_related("client").get()
    told = revoking.revoke_row(row, owner)
    revoking.empty_for_a_moment()
    return _ended(told)


def disconnect_all(user: Any, *, actor: Any) -> int:
    """The same of everything this user has, in one transaction; how many authorizations.

    They are revoked after the commit: for a moment here, then by whoever comes next.
    """
    with transaction.atomic():
        number = endings.end_of_user(user, kind=EndingKind.DISCONNECTED, actor=actor)
        revoking.empty_after_commit()
    return number


def _ended(told: Told) -> Ended:
    match told.outcome:
        case Outcome.CONFIRMED:
            return Ended(forgotten=True, confirmed=True, facts={})
        case Outcome.NOTHING_TO_ASK:
            return Ended(forgotten=True, confirmed=None, facts={})
        case Outcome.OTHERS:
            return Ended(forgotten=True, confirmed=False, facts={"pending": True})
    return Ended(forgotten=True, confirmed=False, facts=told.facts, code=told.code)
