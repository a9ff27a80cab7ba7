"""How one user stands with one system, as the status address and My connections say it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import BooleanField, Case, Q, QuerySet, When

from authlinks.flow import latest_attempt
from authlinks.models import (
    CONNECTED_STATES,
    AttemptOutcome,
    Authorization,
    AuthorizationAttempt,
    State,
)
from connectedsystems.diagnosis import Diagnosis, diagnose
from connectedsystems.errors import ConfigurationInvalid, VaultFailure
from connectedsystems.models import Authentication, Circuit, ConnectedSystem


@dataclass(frozen=True, slots=True)
class Standing:
    """A system, this user's authorization there (or None), its state and the newest attempt.

    ``access``: whether this user may use the system with it still. One who may not is neither
    acted for nor renewed, and can do nothing but end what is left.
    """

    system: ConnectedSystem
    authorization: Authorization | None
    attempt: AuthorizationAttempt | None
    state: State
    user_id: Any = None
    access: bool = True

    @property
    def connected(self) -> bool:
        return self.state in CONNECTED_STATES

    @property
    def circuit(self) -> Circuit | None:
        """The open circuit that this user's own calls meet."""
        if self.authorization is None:
            return self.system.circuit_for(self.user_id, "")
        return self.system.circuit_for(self.user_id, self.authorization.api_origin)

    @property
    def can_authorize(self) -> bool:
        """Whether an authorization link belongs beside it.

        Not where a key is missing in this process: the permission is there, and a new walk would
        only replace it. Nor where this user has no access any more.
        """
        return self.access and self.state != State.KEY_MISSING

    @property
    def code(self) -> str:
        """The last failure's code, empty after a success."""
        if self.state == State.KEY_MISSING:
            return "key_missing"
        if self.attempt is not None and self._attempt_is_newer:
            if self.attempt.outcome == AttemptOutcome.SUCCEEDED:
                return self.authorization.failure_code if self.authorization else ""
            return self.attempt.present_code
        return self.authorization.failure_code if self.authorization else ""

    @property
    def facts(self) -> dict[str, Any]:
        """The facts that belong to ``code``."""
        if self.state == State.KEY_MISSING:
            return {"subject": "authorization"}
        if self.attempt is not None and self._attempt_is_newer and self.attempt.code:
            return dict(self.attempt.facts)
        return dict(self.authorization.failure_facts) if self.authorization else {}

    @property
    def warnings(self) -> list[Diagnosis]:
        """What is less than it could be though the connection works."""
        authorization = self.authorization
        if authorization is None or not self.connected or not self.access:
            return []
        facts = {"system": self.system.name, "stage": "exchange"}
        found = []
        if authorization.missing_scope:
            more = {
                "missing_scope": authorization.missing_scope,
                "granted_scope": authorization.scope,
            }
            found.append(diagnose("scope_reduced", {**facts, **more}))
        if authorization.expires_at is not None and authorization.refresh_token is None:
            found.append(diagnose("refresh_token_missing", facts))
        return found

    @property
    def _attempt_is_newer(self) -> bool:
        if self.attempt is None:
            return False
        if self.authorization is None:
            return True
        ended = self.attempt.finished_at or self.attempt.begun_at
        return ended >= self.authorization.authorized_at

    def as_json(self) -> dict[str, Any]:
        """The status address's answer."""
        return {
            "connected": self.connected,
            "state": str(self.state),
            "code": self.code,
            "reference": self.attempt.reference if self.attempt else "",
            "attempt": str(self.attempt.present_outcome) if self.attempt else "",
        }


def standing_of(system: ConnectedSystem, user: Any) -> Standing:
    """How this user stands with this system now; opens the one token to see that it opens."""
    authorization = Authorization.objects.of(system, user).first()
    return Standing(
        system=system,
        authorization=authorization,
        attempt=latest_attempt(system.pk, user),
        state=state_of(system, authorization),
        user_id=user.pk,
    )


def state_of(system: ConnectedSystem, authorization: Authorization | None) -> State:
    """The state, found out by opening the token where the columns alone say it is fine."""
    if authorization is None:
        return State.NEVER_AUTHORIZED
    try:
        fingerprint = system.parsed().fingerprint()
    except ConfigurationInvalid:
        return State.CONFIGURATION_CHANGED
    state = authorization.state(fingerprint)
    if state not in CONNECTED_STATES or authorization.access_token is None:
        return state
    try:
        authorization.access_token.open(authorization.place("access_token"))
    except VaultFailure as failure:
        is_missing = failure.code == "key_missing"
        return State.KEY_MISSING if is_missing else State.CANNOT_BE_OPENED
    return state


def of_access(user: Any) -> QuerySet[ConnectedSystem]:
    """The systems that this user may authorize at, and use."""
    return ConnectedSystem.objects.for_member(user).filter(
        authentication=Authentication.AUTHORIZATION_CODE
    )


def alive(user: Any) -> QuerySet[ConnectedSystem]:
    """The same, and those of no access any more at which this user's authorization lives on.

    ``has_access`` tells them apart.
    """
    usable = Q(pk__in=of_access(user).values("pk"))
    held = Q(pk__in=Authorization.objects.filter(user=user).values("system"))
    return ConnectedSystem.objects.filter(usable | held).annotate(
        has_access=Case(When(usable, then=True), default=False, output_field=BooleanField())
    )


def standings(systems: Any, user: Any) -> list[Standing]:
    """How this user stands with each of these systems, in four queries whatever their number.

    ``systems`` is a query set, or a part of one: of systems this user may use, or of ``alive``.
    """
    found = list(systems.prefetch_related("circuits"))
    authorizations = {
        row.system_id: row for row in Authorization.objects.filter(user=user, system__in=found)
    }
    attempts: dict[Any, AuthorizationAttempt] = {}
    walks = AuthorizationAttempt.objects.filter(user=user, system__in=found, draft__isnull=True)
    for attempt in walks.order_by("begun_at"):
        attempts[attempt.system_id] = attempt
    return [
        Standing(
            system=system,
            authorization=authorizations.get(system.pk),
            attempt=attempts.get(system.pk),
            state=state_of(system, authorizations.get(system.pk)),
            user_id=user.pk,
            access=getattr(system, "has_access", True),
        )
        for system in found
    ]
