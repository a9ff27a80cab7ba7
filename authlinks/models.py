"""Which user may speak at which system: standing authorizations, and the walks to get them."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from connectedsystems import vault
from connectedsystems.fields import SealedField
from connectedsystems.models import ConnectedSystem, new_reference, secrets_place
from connectedsystems.oauth.captures import values_of


class State(models.TextChoices):
    """The states of an authorization, as the status address names them."""

    NEVER_AUTHORIZED = "never_authorized", "Not connected yet"
    CONNECTED = "connected", "Connected"
    REFRESH_DUE = "refresh_due", "Connected, renewed at the next use"
    NEEDS_AUTHORIZATION = "needs_authorization", "Needs to be authorized again"
    CONFIGURATION_CHANGED = "configuration_changed", "Ended by a change of settings"
    CANNOT_BE_OPENED = "cannot_be_opened", "Cannot be read with the present keys"
    KEY_MISSING = "key_missing", "Cannot be read at the moment"


ORIGIN_MOVED = "origin_moved"
"""``ended_code`` of an authorization whose tokens would have gone to another origin."""

CONNECTED_STATES = frozenset({State.CONNECTED, State.REFRESH_DUE})


class AuthorizationQuerySet(models.QuerySet["Authorization"]):
    """Authorizations by whom they are for."""

    def of(self, system: ConnectedSystem, user: Any) -> AuthorizationQuerySet:
        """This user's authorization at this system; ``user`` None: the system's own."""
        return self.at(system.pk, None if user is None else user.pk)

    def acted_for(self) -> AuthorizationQuerySet:
        """Those of people who are active and may use the system, and the systems' own.

        Nobody else's is renewed or sent. Every part asks by itself and joins nothing: an UPDATE
        with a join puts all of its conditions into a subquery, which PostgreSQL does not look at
        again after it has waited for a row.
        """
        person = get_user_model().objects.filter(pk=OuterRef("user_id"), is_active=True)
        system = ConnectedSystem.objects.filter(pk=OuterRef(OuterRef("system_id"))).filter(
            Q(application__open_to_everyone=True)
            | Q(application__members__user=OuterRef("pk"))
            | Q(application__designers__user=OuterRef("pk"))
        )
        allowed = person.filter(Q(is_superuser=True) | Exists(system))
        return self.filter(Q(user__isnull=True) | Exists(allowed))

    def at(self, system_id: uuid.UUID, user_id: Any) -> AuthorizationQuerySet:
        """The same by keys."""
        return self.filter(system_id=system_id, user_id=user_id)


class Authorization(models.Model):
    """A standing permission at one connected system: one user's, or the system's own.

    ``version`` grows with every token stored, so a token is named by (id, version).
    ``api_origin``: where its calls go, the base URL's origin filled with its captures.
    ``origins``: where the tokens may go, as far as captured values decide it (see
    ``connectedsystems.oauth.standing``). The lease columns are taken by one conditional UPDATE.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    system = models.ForeignKey(
        ConnectedSystem, on_delete=models.CASCADE, related_name="authorizations"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="authorizations",
    )
    access_token = SealedField(null=True, editable=False)
    refresh_token = SealedField(null=True, editable=False)
    captures = SealedField(null=True, editable=False)
    origins = models.JSONField(default=dict, blank=True, editable=False)
    scope_requested = models.TextField(blank=True)
    scope = models.TextField("granted scope", blank=True)
    expires_at = models.DateTimeField(null=True)
    lifetime = models.FloatField(null=True)
    fingerprint = models.CharField(max_length=64)
    obtained_client = models.CharField(max_length=64, blank=True)
    """What the tokens were obtained under, as far as a revocation asks: see ``Obtained``."""
    revocation_origin = models.CharField(max_length=64, blank=True)
    api_origin = models.CharField(max_length=300, blank=True, editable=False)
    version = models.PositiveIntegerField(default=1)
    authorized_at = models.DateTimeField()
    renewed_at = models.DateTimeField(null=True)
    last_used = models.DateTimeField(null=True)

    ended_code = models.CharField(max_length=64, blank=True)
    failure_code = models.CharField(max_length=64, blank=True)
    failure_facts = models.JSONField(default=dict, blank=True)
    failures = models.PositiveSmallIntegerField(default=0)
    unreadable_refusals = models.PositiveSmallIntegerField(default=0)
    outcome_unknown = models.BooleanField(default=False)
    next_try_at = models.DateTimeField(null=True)
    failed_system_version = models.PositiveIntegerField(null=True)
    refusal_tried_version = models.PositiveIntegerField(null=True)

    lease_owner = models.CharField(max_length=32, blank=True)
    lease_ends = models.DateTimeField(null=True)
    refresh_sent_at = models.DateTimeField(null=True)

    objects = AuthorizationQuerySet.as_manager()

    class Meta:
        ordering: ClassVar[list[str]] = ["system__name"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["system", "user"],
                condition=Q(user__isnull=False),
                name="one_authorization_per_user",
            ),
            models.UniqueConstraint(
                fields=["system"],
                condition=Q(user__isnull=True),
                name="one_authorization_of_its_own",
            ),
        ]

    def __str__(self) -> str:
        return f"authorization {self.pk}"

    def place(self, column: str) -> str:
        """Where this row's sealed texts belong: system and user are part of it."""
        return place_of(column, self.system_id, self.user_id)

    def state(self, fingerprint: str, now: datetime | None = None) -> State:
        """How this authorization stands, given the system's present fingerprint; opens nothing."""
        now = now or timezone.now()
        if self.fingerprint != fingerprint:
            return State.CONFIGURATION_CHANGED
        if self.access_token is None:
            return State.NEEDS_AUTHORIZATION
        if self.ended_code == ORIGIN_MOVED:
            return State.CONFIGURATION_CHANGED
        if self.ended_code:
            return State.NEEDS_AUTHORIZATION
        if self.failure_code == "decrypt_failed":
            return State.CANNOT_BE_OPENED
        if self.expires_at is None or self.expires_at > now:
            return _shut(self.access_token) or State.CONNECTED
        if self.refresh_token is None:
            return State.NEEDS_AUTHORIZATION
        return _shut(self.refresh_token) or State.REFRESH_DUE

    @property
    def missing_scope(self) -> str:
        """Scope that was asked for and not granted, in the order asked."""
        granted = set(self.scope.replace(",", " ").split())
        asked = self.scope_requested.replace(",", " ").split()
        return " ".join(word for word in asked if word not in granted) if self.scope else ""

    def opened_captures(self) -> dict[str, Any]:
        """Values kept from token answers and callbacks. Raises VaultFailure."""
        if self.captures is None:
            return {}
        return values_of(self.captures.open(self.place("captures")))


def _shut(sealed: vault.Sealed) -> State | None:
    """The state where this token's key says that it does not open; None where it may."""
    if sealed.key_missing:
        return State.KEY_MISSING
    return None if sealed.key_known else State.CANNOT_BE_OPENED


def place_of(column: str, system_id: uuid.UUID | str, user_id: Any) -> str:
    """The place of an authorization's sealed column."""
    owner = "system" if user_id is None else user_id
    return vault.place("authlinks_authorization", column, system_id, owner)


class AttemptOutcome(models.TextChoices):
    """How a walk stands."""

    OPEN = "open", "Under way"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"


ATTEMPT_LIFETIME = timedelta(minutes=10)


def attempt_ends() -> datetime:
    """When an attempt begun now stops being answered."""
    return timezone.now() + ATTEMPT_LIFETIME


class AuthorizationAttempt(models.Model):
    """One walk to the other system and back: single use, bound to a user and a session.

    ``state_hash`` and ``session_hash`` are SHA-256 in hex of what the browser and the session
    hold. ``system`` is the public id of a system that may not be saved yet, so the database
    checks no foreign key. An attempt begun from the designer's form carries the configuration it
    was begun with (``draft``) and, after the callback, what it brought (``draft_answer``).
    ``timeline`` is what was sent and received, as ``connectedsystems.evidence`` tells it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    reference = models.CharField(max_length=16, db_index=True, default=new_reference)
    system = models.ForeignKey(
        ConnectedSystem,
        on_delete=models.CASCADE,
        db_constraint=False,
        related_name="attempts",
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="attempts"
    )
    state_hash = models.CharField(max_length=64, unique=True)
    session_hash = models.CharField(max_length=64)
    verifier = SealedField(null=True, editable=False)
    draft = SealedField(null=True, editable=False)
    draft_answer = SealedField(null=True, editable=False)
    timeline = SealedField(null=True, editable=False)
    next = models.CharField(max_length=2000, blank=True)
    popup = models.BooleanField(default=False)
    configuration_digest = models.CharField(max_length=64)
    fingerprint = models.CharField(max_length=64)
    scope_requested = models.TextField(blank=True)
    outcome = models.CharField(
        max_length=16, choices=AttemptOutcome.choices, default=AttemptOutcome.OPEN
    )
    claimed = models.BooleanField(default=False)
    code = models.CharField("failure code", max_length=64, blank=True)
    facts = models.JSONField(default=dict, blank=True)
    begun_at = models.DateTimeField(auto_now_add=True, db_index=True)
    ends_at = models.DateTimeField(default=attempt_ends)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-begun_at"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["system", "user", "-begun_at"], name="attempts_of_a_user")
        ]

    def __str__(self) -> str:
        return f"attempt {self.reference}"

    def place(self, column: str) -> str:
        """Where this row's sealed texts belong."""
        return vault.place("authlinks_authorizationattempt", column, self.pk, self.user_id)

    @property
    def expired(self) -> bool:
        return self.ends_at <= timezone.now()

    @property
    def present_outcome(self) -> str:
        """The outcome as of now: one that did not come back in time has failed."""
        if self.outcome == AttemptOutcome.OPEN and self.expired:
            return AttemptOutcome.FAILED
        return self.outcome

    @property
    def present_code(self) -> str:
        """The failure code as of now; one that is not back yet is ``attempt_not_finished``."""
        return "attempt_not_finished" if self.outcome == AttemptOutcome.OPEN else self.code


class EndingKind(models.TextChoices):
    """Why tokens are revoked."""

    DISCONNECTED = "disconnected", "Disconnect"
    SYSTEM_DELETED = "system_deleted", "Connected system deleted"
    USER_DELETED = "user_deleted", "User deleted"
    USER_LEFT = "user_left", "Everything of a user disconnected"
    LATE_TOKEN = "late_token", "Token that came after a disconnect"
    DRAFT = "draft", "Tokens of a try that nobody saved"


KEPT_ENDINGS = (EndingKind.SYSTEM_DELETED, EndingKind.USER_DELETED, EndingKind.USER_LEFT)
"""Those whose row stays, for a while, when all is settled: it tells what became of how many."""

ENDING_LIFETIME = timedelta(hours=24)


class EndingClient(models.Model):
    """What the revocations of one ending at one system need, and how far they are.

    ``client`` is our registration as it was when it ended, sealed JSON; None where there is nothing
    to ask with (``problem``: the failure code) or nobody to ask any more. ``secrets`` and
    ``configuration`` are the system's own, untouched, where their key was missing at that moment:
    the registration is made of them once the key is there again. System and application are named
    by text: this row outlives both. ``since``: an authorization that the same person gets from the
    same client later than this is one that a revocation could end. ``failures`` counts in a row
    that the other system gave no answer.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField("why", max_length=32, choices=EndingKind.choices)
    system_id = models.UUIDField(db_index=True)
    system_slug = models.CharField("connected system", max_length=64, blank=True)
    application_id_text = models.CharField(max_length=36, blank=True, db_index=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        db_constraint=False,
        related_name="+",
    )
    actor_name = models.CharField(max_length=150, blank=True)
    client = SealedField(null=True, editable=False)
    secrets = SealedField(null=True, editable=False)
    configuration = models.JSONField(null=True, editable=False)
    problem = models.CharField(max_length=64, blank=True)
    begun_at = models.DateTimeField(db_index=True)
    since = models.DateTimeField()
    ends_at = models.DateTimeField()
    failures = models.PositiveSmallIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    confirmed = models.PositiveIntegerField(default=0)
    not_confirmed = models.PositiveIntegerField(default=0)
    not_revoked = models.PositiveIntegerField(default=0)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-begun_at"]
        verbose_name = "revocation"

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.system_slug}"

    def place(self, column: str) -> str:
        """Where this row's sealed texts belong; the system's secrets stay where they were."""
        if column == "secrets":
            return secrets_place(self.system_id)
        return vault.place("authlinks_endingclient", column, self.pk)

    @property
    def may_be_asked(self) -> bool:
        """Whether there is something to ask with, now or once a key is there again."""
        return self.client is not None or self.secrets is not None

    @property
    def left(self) -> int:
        """How many authorizations are still to be revoked."""
        return max(0, self.total - self.confirmed - self.not_confirmed - self.not_revoked)


class EndingAuthorization(models.Model):
    """Tokens that are forgotten here and still to be revoked there.

    The sealed columns come untouched from an authorization, so its place opens them; system and
    user are plain values, as both may be gone. A token whose end was confirmed is taken out.
    The lease is taken as a renewal's (``renewal.take_lease``); ``sent_at``: when a request last
    left under it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    client = models.ForeignKey(EndingClient, on_delete=models.CASCADE, related_name="endings")
    system_id = models.UUIDField()
    user_id = models.BigIntegerField(null=True, db_index=True)
    subject_name = models.CharField(max_length=150, blank=True)
    access_token = SealedField(null=True, editable=False)
    refresh_token = SealedField(null=True, editable=False)
    captures = SealedField(null=True, editable=False)
    obtained_client = models.CharField(max_length=64, blank=True)
    revocation_origin = models.CharField(max_length=64, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True)
    failure_facts = models.JSONField(null=True)
    lease_owner = models.CharField(max_length=32, blank=True)
    lease_ends = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["tries", "id"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["tries", "id"], name="endings_in_turn")
        ]

    def __str__(self) -> str:
        return f"ending {self.pk}"

    def place(self, column: str) -> str:
        """Where the tokens belong: where they belonged before."""
        return place_of(column, self.system_id, self.user_id)
