"""A usable token for one user at one system, or the reason why there is none.

The rules are DESIGN's: a token is refreshed ahead of its expiry, or once after the other system
rejected it; by one caller at a time across threads and processes (see ``renewal``); and never
because of anything else. Times are the database's.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from authlinks import fresh, renewal, revoking
from authlinks.columns import obtained_columns, sealed_captures, token_columns
from authlinks.models import ORIGIN_MOVED, Authorization, place_of
from authlinks.rows import Row, read_row
from connectedsystems import share
from connectedsystems.errors import TokenUnavailable, VaultFailure
from connectedsystems.models import ConnectedSystem
from connectedsystems.oauth import standing
from connectedsystems.oauth.answer import TokenAnswer
from connectedsystems.oauth.client import Client

WAIT_SECONDS = (0.05, 0.15)


@dataclass(frozen=True, slots=True)
class Party:
    """Who wants to speak where: a system as it is configured now, and a user.

    ``user_id`` None is the system's own authorization. ``client`` opens the system's secrets,
    so it is called only when a token request is due.
    """

    system_id: uuid.UUID
    system_version: int
    user_id: int | None
    fingerprint: str
    client: Callable[[], Client] = field(repr=False)
    api_origin: Callable[[Mapping[str, Any]], str] = field(repr=False)
    """Where this party's calls go with these captures, see ``Configuration.api_origin``."""

    @property
    def own(self) -> bool:
        """Whether the system speaks for itself (client credentials)."""
        return self.user_id is None

    def lacks_token(self, row: Row) -> bool:
        """Whether the system's own authorization has no token for today's configuration."""
        return self.own and (row.access_token is None or row.fingerprint != self.fingerprint)


def party_of(system: ConnectedSystem, user_id: int | None) -> Party:
    """A user (None: the system itself) at a system as it is configured now."""

    def client() -> Client:
        standing = Authorization.objects.at(system.pk, user_id).first()
        return system.client(standing.opened_captures() if standing else {})

    parsed = system.parsed()
    return Party(
        system_id=system.pk,
        system_version=system.version,
        user_id=user_id,
        fingerprint=parsed.fingerprint(),
        client=client,
        api_origin=parsed.api_origin,
    )


@dataclass(frozen=True, slots=True)
class Token:
    """A token to send. ``fresh``: it was issued during this very call."""

    value: str = field(repr=False)
    version: int
    fresh: bool
    row: Row = field(repr=False)


def usable_token(
    party: Party, row: Row | None, *, deadline: float, rejected: int | None = None
) -> Token:
    """The token to send for ``party``, renewed if that is due.

    ``row`` is what the caller's query found; ``rejected`` the version of a token that the other
    system has just refused (a newer one in the row is used as it is); ``deadline`` is in
    ``time.monotonic`` seconds. Raises TokenUnavailable: ``needs_authorization``,
    ``configuration_changed``, ``decrypt_failed`` (the user can mend these by authorizing again),
    ``key_missing`` (a key is not in the ring), ``refresh_in_progress``,
    ``not_allowed`` (a renewal is due, and the user is not acted for any more),
    ``temporarily_unavailable``, ``refresh_failed``, ``client_auth_failed`` and other codes of a
    failed renewal (those pass by themselves, or the designer mends them).
    """
    with share.Outside(party.system_id, user=party.user_id) as outside:
        return _usable(party, row, deadline, rejected, outside)


def check_standing(party: Party, row: Row | None) -> None:
    """What the user's row tells by itself, with no request: that it holds no token to send.

    Raises TokenUnavailable, as :func:`usable_token` would.
    """
    row = _standing(party, row)
    if (row.expired or party.lacks_token(row)) and not row.has_refresh_token:
        raise _ended(row, "token_expired")


def _usable(
    party: Party, row: Row | None, deadline: float, rejected: int | None, outside: share.Outside
) -> Token:
    first_version: int | None = None
    while True:
        row = _standing(party, row)
        if first_version is None:
            first_version = row.version
        lacking = party.lacks_token(row)
        if rejected is not None and rejected != row.version and not lacking:
            return _opened(party, row, fresh=True)
        if row.version != first_version and not lacking:
            return _opened(party, row, fresh=True)
        if rejected is None and not lacking and not row.due:
            return _opened(party, row, fresh=False)
        still_good = rejected is None and not lacking and not row.expired
        if not still_good and not row.has_refresh_token and not party.own:
            raise _ended(row, "token_expired" if rejected is None else "token_rejected")
        wait = row.must_wait(party.system_version)
        if still_good and (wait or not (row.has_refresh_token or party.own)):
            return _opened(party, row, fresh=False)
        if wait:
            raise _still_failing(row, wait)
        lease = renewal.take_lease(row.id, row.version, party.system_version)
        if not lease and not Authorization.objects.filter(pk=row.id).acted_for().exists():
            # Deactivated, out of the group, or disconnected, since the caller's query.
            raise _not_acted_for(party, row)
        if lease:
            failure = renewal.renew(party, row, lease)
            if failure is not None:
                if still_good and failure.code != "configuration_changed":
                    return _opened(party, row, fresh=False)
                raise failure
        elif still_good:
            return _opened(party, row, fresh=False)
        elif time.monotonic() >= deadline or not outside.sleep(
            min(random.uniform(*WAIT_SECONDS), max(0.0, deadline - time.monotonic()))
        ):
            raise TokenUnavailable("refresh_in_progress", retry_after=1)
        row = read_row(party.system_id, party.user_id)


def _not_acted_for(party: Party, row: Row) -> TokenUnavailable:
    """Why nobody may renew this row: it is gone, or its user may not use the system any more."""
    if Authorization.objects.filter(pk=row.id).exists():
        return TokenUnavailable("not_allowed", hidden=True)
    return TokenUnavailable("needs_authorization", cause="never_authorized")


def _still_failing(row: Row, wait: float) -> TokenUnavailable:
    """The last failed renewal, told again until the next try is due."""
    facts = {**_known_facts(row), "retry_after": round(wait + 0.5)}
    return TokenUnavailable(row.failure_code or "temporarily_unavailable", **facts)


def _known_facts(row: Row) -> dict[str, Any]:
    """What was noted of the last failure."""
    kept = Authorization.objects.filter(pk=row.id).values_list("failure_facts", flat=True).first()
    return dict(kept or {})


def _standing(party: Party, row: Row | None) -> Row:
    """The row, if it still stands for this party under today's configuration."""
    if party.own:
        return row or _own_row(party)
    if row is None or row.access_token is None:
        raise TokenUnavailable("needs_authorization", cause="never_authorized")
    if row.fingerprint != party.fingerprint:
        raise TokenUnavailable("configuration_changed")
    if row.ended_code == ORIGIN_MOVED:
        raise TokenUnavailable("configuration_changed", **_known_facts(row))
    if row.ended_code:
        raise TokenUnavailable("needs_authorization", cause=row.ended_code)
    return row


def _own_row(party: Party) -> Row:
    """The row of the system's own authorization, still without a token."""
    Authorization.objects.bulk_create(
        [
            Authorization(
                system_id=party.system_id,
                fingerprint=party.fingerprint,
                version=0,
                authorized_at=timezone.now(),
            )
        ],
        ignore_conflicts=True,
    )
    row = read_row(party.system_id, None)
    if row is None:
        raise TokenUnavailable("configuration_changed")
    return row


def _ended(row: Row, why: str) -> TokenUnavailable:
    """A token without successor that is no longer accepted."""
    if why == "token_rejected":
        end(row.id, row.version, why)
    return TokenUnavailable("needs_authorization", cause=why)


def _opened(party: Party, row: Row, *, fresh: bool) -> Token:
    if row.access_token is None:
        raise TokenUnavailable("needs_authorization", cause="never_authorized")
    try:
        value = row.access_token.open(place_of("access_token", party.system_id, party.user_id))
    except VaultFailure as failure:
        raise TokenUnavailable(failure.code, subject="authorization", **failure.facts) from None
    return Token(value=value, version=row.version, fresh=fresh, row=row)


def end(authorization_id: uuid.UUID, version: int, code: str) -> bool:
    """Mark an unchanged authorization as one that only the user can renew; True if it was."""
    standing = Authorization.objects.filter(pk=authorization_id, version=version)
    changed = fresh.insist(
        lambda _: standing.update(
            ended_code=code,
            failure_code="needs_authorization",
            failure_facts={"cause": code},
            lease_owner="",
            lease_ends=None,
        )
    )
    return bool(changed)


def remember_refusal(authorization_id: uuid.UUID, version: int) -> None:
    """Note that a plain 403 was tried once with a renewed token: not again for this one."""
    standing = Authorization.objects.filter(pk=authorization_id, version=version)
    fresh.insist(lambda _: standing.update(refusal_tried_version=version))


def touch(row: Row) -> None:
    """Note the use of an authorization, at most once an hour."""
    if row.last_used_long_ago:
        # An answer is at hand, which a lost connection must not take back.
        with suppress(*fresh.LOST):
            Authorization.objects.filter(pk=row.id).update(last_used=Now())


def note_api_origin(row: Row, origin: str) -> None:
    """Keep where this authorization's calls go, where that was not known yet."""
    Authorization.objects.filter(pk=row.id, api_origin="").update(api_origin=origin)


@sensitive_variables("answer", "columns", "captures")
def store(
    system_id: uuid.UUID,
    user_id: int | None,
    answer: TokenAnswer,
    *,
    client: Client,
    fingerprint: str,
    captures: Mapping[str, Any],
    api_origin: str = "",
) -> Authorization:
    """Keep what a walk brought, in place of whatever stood there before.

    All columns in one statement; a refresh token that did not come again is not kept
    (it belongs to the earlier permission). ``captures`` are all that the walk captured;
    ``api_origin``: where its calls go. What is still to be revoked of an earlier permission is
    dropped: at many servers it would end the new one.
    """
    client = client.knowing(captures)
    columns = token_columns(system_id, user_id, answer, client)
    columns |= {
        "refresh_token": columns.get("refresh_token"),
        "captures": sealed_captures(system_id, user_id, captures),
        "origins": standing.stored_of(client),
        "api_origin": api_origin,
        "scope_requested": client.scope,
        "scope": answer.scope or client.scope,
        "fingerprint": fingerprint,
        "authorized_at": Now(),
        "renewed_at": None,
        **obtained_columns(client),
    }

    def save(again: bool) -> Authorization:
        found = Authorization.objects.at(system_id, user_id)
        if not (again and found.filter(access_token=columns["access_token"]).exists()):
            _put(system_id, user_id, columns)
        return found.get()

    return fresh.insist(save)


@sensitive_variables("columns")
def _put(system_id: uuid.UUID, user_id: int | None, columns: dict[str, Any]) -> None:
    with transaction.atomic():
        found = Authorization.objects.at(system_id, user_id)
        if not found.update(version=F("version") + 1, **columns):
            try:
                with transaction.atomic():
                    Authorization.objects.create(system_id=system_id, user_id=user_id, **columns)
            except IntegrityError:
                found.update(version=F("version") + 1, **columns)
        revoking.drop_replaced(user_id, columns["obtained_client"])
