"""What is said to other systems: integrations, the record of calls, submissions kept for later."""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from connectedsystems import redact, vault
from connectedsystems.fields import SealedField
from connectedsystems.models import Application, ConnectedSystem, Version, new_reference
from integrations.lookup import Target, find


class Usage(models.TextChoices):
    """Whether a call changes anything at the other system."""

    QUERY = "query", "queries data"
    MODIFY = "modify", "modifies data"


class IntegrationQuerySet(models.QuerySet["Integration"]):
    """Integrations by who may use them."""

    def for_member(self, user: Any) -> IntegrationQuerySet:
        applications = Application.objects.for_member(user)
        return self.filter(connected_system__application__in=applications)

    def for_designer(self, user: Any) -> IntegrationQuerySet:
        applications = Application.objects.for_designer(user)
        return self.filter(connected_system__application__in=applications)

    def for_call(self, slug: str, user: Any) -> Target | None:
        """All that a call needs to know, in one query; None: no integration has this slug."""
        return find(slug, getattr(user, "pk", None))


class Integration(models.Model):
    """One HTTP call worth making.

    ``definition`` holds the bundle's keys that are no columns: method, path, parameters,
    headers, body, content_type, inputs, timeout, ...
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    connected_system = models.ForeignKey(
        ConnectedSystem, on_delete=models.PROTECT, related_name="integrations"
    )
    slug = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=100)
    usage = models.CharField(max_length=8, choices=Usage.choices, default=Usage.QUERY)
    definition = models.JSONField(default=dict, blank=True)
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = IntegrationQuerySet.as_manager()

    class Meta:
        ordering: ClassVar[list[str]] = ["name"]

    def __str__(self) -> str:
        return self.name

    def as_data(self) -> dict[str, Any]:
        """This integration under the bundle's keys."""
        return {
            "slug": self.slug,
            "name": self.name,
            "usage": self.usage,
            **self.definition,
        }


class IntegrationVersionQuerySet(models.QuerySet["IntegrationVersion"]):
    """Versions of integrations."""

    def begin(self, pk: uuid.UUID) -> None:
        """Before a change: keep an integration as it is stored, if nothing was kept yet."""
        if self.filter(integration_id=pk).exists():
            return
        rows = Integration.objects.select_related("connected_system")
        if stored := rows.filter(pk=pk).first():
            self.write(stored, None, "found")

    def write(self, integration: Integration, actor: Any, source: str) -> IntegrationVersion:
        """Keep how this integration was saved. ``source``: by which road it was."""
        system = integration.connected_system
        return self.create(
            integration=integration,
            number=integration.version,
            source=source,
            configuration={**integration.as_data(), "connected_system": system.slug},
            **Version.by(actor),
        )


class IntegrationVersion(Version):
    """How an integration was saved."""

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="versions")

    objects = IntegrationVersionQuerySet.as_manager()

    class Meta(Version.Meta):
        verbose_name = "version"


class CallRecord(models.Model):
    """What became of one call: failures, every ``modify``, and the test panel; no secrets.

    ``timeline`` is what was sent and received (``connectedsystems.evidence``), sealed because it
    may hold what people typed and read.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    reference = models.CharField(max_length=16, db_index=True, default=new_reference)
    integration = models.ForeignKey(
        Integration, null=True, on_delete=models.SET_NULL, related_name="records"
    )
    system = models.ForeignKey(
        ConnectedSystem, null=True, on_delete=models.SET_NULL, related_name="records"
    )
    integration_slug = models.CharField(max_length=64)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="records"
    )
    at = models.DateTimeField(auto_now_add=True, db_index=True)
    success = models.BooleanField()
    code = models.CharField("failure code", max_length=64, blank=True)
    facts = models.JSONField(default=dict, blank=True)
    status = models.PositiveSmallIntegerField(null=True)
    seconds = models.FloatField(default=0)
    timeline = SealedField(null=True, editable=False)

    class Meta:
        ordering: ClassVar[list[str]] = ["-at"]

    def __str__(self) -> str:
        return f"call {self.reference}"

    def place(self, column: str) -> str:
        """Where this row's sealed texts belong."""
        return vault.place("integrations_callrecord", column, self.pk, self.user_id)


class TriedInputs(models.Model):
    """What a designer typed into the last test of an integration, sealed: for them alone."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    texts = SealedField(editable=False)
    at = models.DateTimeField(auto_now=True, db_index=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["integration", "user"], name="one_set_of_tried_inputs")
        ]

    def __str__(self) -> str:
        return f"tried inputs {self.pk}"

    def place(self, column: str) -> str:
        """Where this row's sealed texts belong."""
        return vault.place("integrations_triedinputs", column, self.pk, self.user_id)


class HeldState(models.TextChoices):
    """The fate of a held submission: at most one delivery ever succeeds."""

    WAITING = "waiting", "Waiting to be sent"
    SENDING = "sending", "Being sent"
    DELIVERED = "delivered", "Delivered"
    REFUSED = "refused", "Refused by the other system"
    OUTCOME_UNKNOWN = "outcome_unknown", "Not known whether it arrived"


HELD_DAYS = 7
WARNING_DAYS = 2


def held_until() -> datetime:
    """When a submission held now is no longer kept."""
    return timezone.now() + timedelta(days=HELD_DAYS)


class HeldSubmission(models.Model):
    """A write that met a missing authorization: its inputs kept, sealed, until delivered once.

    ``digest`` is a keyed hash of the inputs, so that the same submission is kept once.
    ``idempotency_key`` stays the same however often the user tries.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="held")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    inputs = SealedField(editable=False)
    digest = models.CharField(max_length=64)
    state = models.CharField(max_length=16, choices=HeldState.choices, default=HeldState.WAITING)
    held_at = models.DateTimeField(auto_now_add=True)
    ends_at = models.DateTimeField(default=held_until)
    sending_until = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    reference = models.CharField(max_length=16, blank=True)
    code = models.CharField(max_length=64, blank=True)
    facts = models.JSONField(default=dict, blank=True)
    idempotency_key = models.UUIDField(default=uuid.uuid4, editable=False)

    class Meta:
        ordering: ClassVar[list[str]] = ["-held_at"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["user", "integration", "digest"],
                condition=models.Q(state="waiting"),
                name="one_waiting_submission",
            )
        ]

    def __str__(self) -> str:
        return f"held submission {self.pk}"

    @property
    def url(self) -> str:
        """The page of this submission, a local path."""
        return reverse("integrations:held", args=[self.pk])

    @property
    def present_state(self) -> str:
        """The state as of now: a delivery that outlived its deadline has an unknown outcome."""
        late = self.sending_until is not None and self.sending_until <= timezone.now()
        if self.state == HeldState.SENDING and late:
            return HeldState.OUTCOME_UNKNOWN
        return self.state

    @property
    def ends_soon(self) -> bool:
        return self.ends_at - timezone.now() < timedelta(days=WARNING_DAYS)

    def place(self, column: str = "inputs") -> str:
        """Where the sealed inputs belong."""
        return vault.place("integrations_heldsubmission", column, self.pk, self.user_id)

    def opened_inputs(self) -> dict[str, Any]:
        """The inputs as they were submitted. Raises VaultFailure."""
        with redact.scope():
            values: dict[str, Any] = json.loads(self.inputs.open(self.place()))
        return values


class SentForm(models.Model):
    """A page's form that was sent once: its one-time number, so that a reload sends nothing."""

    id = models.UUIDField(primary_key=True, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField(auto_now_add=True, db_index=True)
    reference = models.CharField(max_length=16, blank=True)

    def __str__(self) -> str:
        return f"sent form {self.pk}"
