"""The other systems, the applications they belong to, and what was done to them."""

from __future__ import annotations

import hashlib
import json
import secrets
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, Group
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import salted_hmac

from connectedsystems import configuration, person, redact, vault
from connectedsystems.diagnosis import Diagnosis, diagnose
from connectedsystems.errors import ConfigurationInvalid, VaultFailure
from connectedsystems.fields import SealedField

if TYPE_CHECKING:
    from connectedsystems.configuration import Configuration
    from connectedsystems.oauth.client import Client

type_of_user = AbstractBaseUser | AnonymousUser

_REFERENCE_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


def new_reference() -> str:
    """A short code a person can quote, such as ``K7-42QX``: no 0, 1, I or O."""
    bits = secrets.randbits(30)
    letters = "".join(_REFERENCE_LETTERS[bits >> shift & 31] for shift in range(0, 30, 5))
    return f"{letters[:2]}-{letters[2:]}"


def redirect_uri_of(public_id: uuid.UUID | str) -> str:
    """The redirect URI of the system with this public id: on screens and in both requests.

    It is built from ``PUBLIC_BASE_URL`` alone, never from a request's Host.
    """
    return f"{settings.PUBLIC_BASE_URL}/connections/callback/{public_id}/"


class ApplicationQuerySet(models.QuerySet["Application"]):
    """Who may do what in which application."""

    def for_designer(self, user: Any) -> ApplicationQuerySet:
        """Applications whose systems and integrations this user may configure."""
        if not user.is_active or user.is_anonymous:
            return self.none()
        if user.is_superuser:
            return self
        return self.filter(designers__in=user.groups.all()).distinct()

    def for_member(self, user: Any) -> ApplicationQuerySet:
        """Applications whose integrations this user may call; designers are members."""
        if not user.is_active or user.is_anonymous:
            return self.none()
        if user.is_superuser:
            return self
        groups = user.groups.all()
        return self.filter(
            Q(open_to_everyone=True) | Q(members__in=groups) | Q(designers__in=groups)
        ).distinct()


class Application(models.Model):
    """A group of systems and integrations that belong together, with its people."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=100)
    designers = models.ManyToManyField(Group, blank=True, related_name="designed_applications")
    members = models.ManyToManyField(Group, blank=True, related_name="member_applications")
    open_to_everyone = models.BooleanField(
        "all logged-in users are members",
        default=True,
        help_text="Switch this off to let in only the groups chosen below.",
    )

    objects = ApplicationQuerySet.as_manager()

    class Meta:
        ordering: ClassVar[list[str]] = ["name"]

    def __str__(self) -> str:
        return self.name


class Authentication(models.TextChoices):
    """How calls to the other system say who is asking."""

    NONE = "none", "None"
    API_KEY = "api_key", "API key"
    BASIC = "basic", "Basic"
    AUTHORIZATION_CODE = "oauth2_authorization_code", "OAuth 2.0: Authorization Code"
    CLIENT_CREDENTIALS = "oauth2_client_credentials", "OAuth 2.0: Client Credentials"


class ConnectedSystemQuerySet(models.QuerySet["ConnectedSystem"]):
    """Systems by who may see them."""

    def for_member(self, user: Any) -> ConnectedSystemQuerySet:
        return self.filter(application__in=Application.objects.for_member(user))

    def for_designer(self, user: Any) -> ConnectedSystemQuerySet:
        return self.filter(application__in=Application.objects.for_designer(user))


class ConnectedSystem(models.Model):
    """Another system: name, base URL, how to authenticate, and what is needed for that.

    ``configuration`` holds the bundle's keys that are neither columns nor secrets (``oauth``,
    ``variables``, ...); ``secrets`` is a sealed JSON object (``client_secret``, ...).
    ``unseen_reach`` is what no admin has looked at yet, if a designer made it lead elsewhere:
    ``{"was": [...], "now": [...], "by": [...], "since": ...}``, see ``Configuration.reach``.
    """

    id = models.UUIDField("public id", primary_key=True, default=uuid.uuid4, editable=False)
    application = models.ForeignKey(
        Application, on_delete=models.PROTECT, related_name="connected_systems"
    )
    slug = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=100)
    description = models.TextField(blank=True)
    logo = models.BinaryField(null=True, blank=True, editable=False)
    logo_etag = models.CharField(max_length=64, blank=True, editable=False)
    base_url = models.CharField("base URL", max_length=2000, blank=True)
    authorization_message = models.TextField(blank=True)
    authentication = models.CharField(
        max_length=32, choices=Authentication.choices, default=Authentication.NONE
    )
    configuration = models.JSONField(default=dict, blank=True)
    secrets = SealedField(null=True, blank=True, editable=False)
    unseen_reach = models.JSONField(default=dict, blank=True, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ConnectedSystemQuerySet.as_manager()

    class Meta:
        ordering: ClassVar[list[str]] = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def redirect_uri(self) -> str:
        return redirect_uri_of(self.id)

    @property
    def logo_url(self) -> str:
        """Where the logo is served; "" where there is none."""
        return reverse("logo", args=[self.id]) if self.logo_etag else ""

    @property
    def has_user_authorizations(self) -> bool:
        """Whether each user authorizes for themselves."""
        return self.authentication == Authentication.AUTHORIZATION_CODE

    @property
    def open_circuits(self) -> list[Circuit]:
        """Its circuits that are open; for many systems with ``prefetch_related("circuits")``."""
        found = [each for each in self.circuits.all() if each.base_url == self.base_url]
        return sorted(found, key=lambda circuit: circuit.since)

    @property
    def open_circuit(self) -> Circuit | None:
        """The one that has been open for longest; None where calls go out everywhere."""
        return next(iter(self.open_circuits), None)

    def circuit_for(self, user_id: Any, api_origin: str | None = None) -> Circuit | None:
        """The open circuit that this user's own calls meet; ``api_origin``: where they go."""
        fitting = (each for each in self.open_circuits if each.holds_for(user_id))
        origins = {"", api_origin}
        return next(
            (each for each in fitting if api_origin is None or each.origin in origins), None
        )

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that users, their tokens and data are sent to; () where it cannot be read."""
        try:
            return self.parsed().hosts
        except ConfigurationInvalid:
            return ()

    @property
    def host(self) -> str:
        return urlsplit(self.base_url).hostname or ""

    def as_data(self) -> dict[str, Any]:
        """This system under the bundle's keys, without a secret."""
        return {
            "slug": self.slug,
            "name": self.name,
            "description": self.description,
            "base_url": self.base_url,
            "authorization_message": self.authorization_message,
            "authentication": self.authentication,
            **self.configuration,
        }

    def parsed(self) -> Configuration:
        """What this row says, whether it was saved so or not."""
        return configuration.of_row(self.id, self.as_data())

    def place(self, column: str) -> str:
        """Where this row's sealed text belongs; ``secrets`` is the only sealed column."""
        return vault.place("connectedsystems_connectedsystem", column, self.id)

    def opened_secrets(self) -> dict[str, Any]:
        """The secrets in clear, for one request. Raises VaultFailure."""
        return open_secrets(self.id, self.secrets)

    def seal_secrets(self, values: dict[str, Any]) -> None:
        """Keep these secrets, sealed for this row; an empty dict keeps none."""
        text = json.dumps(values, separators=(",", ":"), sort_keys=True)
        self.secrets = vault.seal(text, secrets_place(self.id)) if values else None

    def client(self, captures: dict[str, Any] | None = None) -> Client:
        """This system as an OAuth client, with its secrets open. Raises VaultFailure."""
        return self.parsed().client(
            redirect_uri=self.redirect_uri, secrets=self.opened_secrets(), captures=captures or {}
        )


def data_of_version(system_id: uuid.UUID, version: int) -> dict[str, Any]:
    """A system under the bundle's keys as it was saved under this version.

    The row has it, or, where somebody saved since, its history.
    Raises ConnectedSystem.DoesNotExist where neither does.
    """
    row = ConnectedSystem.objects.get(pk=system_id)
    if row.version == version:
        return row.as_data()
    kept = ConfigurationVersion.objects.filter(system_id=system_id, number=version).first()
    if kept is None:
        raise ConnectedSystem.DoesNotExist
    data: dict[str, Any] = kept.configuration
    return data


def secrets_place(system_id: uuid.UUID) -> str:
    """Where a system's secrets are sealed."""
    return vault.place("connectedsystems_connectedsystem", "secrets", system_id)


def open_secrets(system_id: uuid.UUID, sealed: vault.Sealed | None) -> dict[str, Any]:
    """Open a system's sealed JSON object of secrets. Raises VaultFailure, ``subject`` system.

    ``decrypt_failed`` is said of those under a lost key alone, where the designer enters them
    again; whatever else does not open is an admin's, ``key_missing``.
    """
    if sealed is None:
        return {}
    try:
        text = sealed.open(secrets_place(system_id))
    except VaultFailure as failure:
        code = failure.code if "lost" in failure.facts else "key_missing"
        damaged = {} if code == failure.code else {"damaged": True}
        raise VaultFailure(code, subject="system", **damaged, **failure.facts) from None
    values: dict[str, Any] = json.loads(text)
    redact.remember(*configuration.secret_texts(values))
    return values


class Circuit(models.Model):
    """A system that does not answer at one origin, and when it is tried again there.

    The row is there while the circuit is open, and written only when that changes; another base
    URL of the system closes it. ``origin`` is "" where all users' calls go to the same one.
    ``callers`` names those whose calls failed, while they are fewer than ``ENOUGH_CALLERS``: it
    holds for them alone; "" means everybody. ``failed_at`` is the last try that failed,
    ``tried_by`` whose it was: ``others_try_at`` is when somebody else may try, if at another time.
    """

    ENOUGH_CALLERS: ClassVar[int] = 3

    system = models.ForeignKey(
        ConnectedSystem, on_delete=models.CASCADE, db_constraint=False, related_name="circuits"
    )
    base_url = models.CharField(max_length=2000)
    origin = models.CharField(max_length=300, blank=True)
    callers = models.CharField(max_length=255, blank=True)
    reason = models.CharField(max_length=64)
    since = models.DateTimeField()
    tries = models.PositiveIntegerField(default=0)
    failed_at = models.DateTimeField(null=True)
    next_try_at = models.DateTimeField()
    tried_by = models.CharField(max_length=64, blank=True)
    others_try_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["system", "origin"], name="one_circuit_per_origin")
        ]

    def __str__(self) -> str:
        return f"no answer: {self.reason}"

    def holds_for(self, user_id: Any) -> bool:
        """Whether it stops this user's calls."""
        return not self.callers or str(user_id) in self.callers.split()

    @property
    def facts(self) -> dict[str, Any]:
        """The facts of ``system_down``."""
        number = len(self.callers.split())
        return {
            "since": _moment(self.since),
            "because": self.reason,
            **({"tried": _moment(self.failed_at)} if self.failed_at else {}),
            **({"origin": self.origin} if self.origin else {}),
            **({"callers": "one user" if number == 1 else f"{number} users"} if number else {}),
        }

    @property
    def told(self) -> Diagnosis:
        """What the catalogue says of it."""
        return diagnose("system_down", {"system": self.system.name, **self.facts})

    @property
    def sentence(self) -> str:
        """``Acme CRM has not answered since 14:02 UTC (timeout). Tried again at 14:03 UTC.``"""
        return self.told.seen


def _moment(at: datetime) -> str:
    """``14:02 UTC`` of this day, another with its date."""
    days = "" if at.date() == timezone.now().date() else f"{at.day} {at:%B %Y}, "
    return f"{days}{at:%H:%M} UTC"


class Version(models.Model):
    """One save of something that designers configure: who, when and what, never a secret."""

    number = models.PositiveIntegerField()
    at = models.DateTimeField(auto_now_add=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        db_constraint=False,
        related_name="+",
    )
    actor_name = models.CharField(max_length=150, blank=True)
    source = models.CharField(max_length=64)
    configuration = models.JSONField(default=dict)

    class Meta:
        abstract = True
        ordering: ClassVar[list[str]] = ["-pk"]

    def __str__(self) -> str:
        return f"version {self.number}"

    @staticmethod
    def by(actor: Any) -> dict[str, Any]:
        """The columns that say who it was; the product itself leaves them empty."""
        real = actor if actor is not None and actor.is_authenticated else None
        return {"actor": real, "actor_name": real.get_username() if real else ""}


class ConfigurationVersionQuerySet(models.QuerySet["ConfigurationVersion"]):
    """Versions of systems."""

    def begin(self, pk: uuid.UUID) -> None:
        """Before a change: keep a system as it is stored, if nothing of it was kept yet."""
        if self.filter(system_id=pk).exists():
            return
        if stored := ConnectedSystem.objects.filter(pk=pk).first():
            self.write(stored, None, "found")

    def write(self, system: ConnectedSystem, actor: Any, source: str) -> ConfigurationVersion:
        """Keep how this system was saved. ``source``: by which road it was."""
        return self.create(
            system=system,
            number=system.version,
            source=source,
            configuration=system.as_data(),
            secret_marks=_marks(system),
            **Version.by(actor),
        )


class ConfigurationVersion(Version):
    """How a connected system was saved.

    ``secret_marks`` holds a keyed hash of each secret by its name: it tells that one was replaced,
    and nothing of either. It is shown nowhere.
    """

    system = models.ForeignKey(ConnectedSystem, on_delete=models.CASCADE, related_name="versions")
    secret_marks = models.JSONField(default=dict, editable=False)

    objects = ConfigurationVersionQuerySet.as_manager()

    class Meta(Version.Meta):
        verbose_name = "version"


def _marks(system: ConnectedSystem) -> dict[str, str]:
    try:
        secrets = system.opened_secrets()
    except VaultFailure:
        # Sealed under a key that is gone: they stay as they are, whatever they were.
        return {
            "secrets": _mark(system, "secrets", system.secrets.stored if system.secrets else "")
        }
    variables = secrets.pop("variables", None) or {}
    texts = {**secrets, **{f"variables.{name}": text for name, text in variables.items()}}
    return {name: _mark(system, name, text) for name, text in texts.items() if text}


def _mark(system: ConnectedSystem, name: str, text: str) -> str:
    value = json.dumps([str(system.pk), name, text])
    return salted_hmac("connectedsystems.version", value, algorithm="sha256").hexdigest()


class AuditEventQuerySet(models.QuerySet["AuditEvent"]):
    """An append-only table: nothing here changes or deletes what was written."""

    def update(self, **_values: Any) -> int:
        raise TypeError("Audit events are never changed.")

    def record(
        self,
        action: str,
        *,
        actor: Any = None,
        system: ConnectedSystem | None = None,
        subject: Any = None,
        outcome: str = "done",
        code: str = "",
        reference: str = "",
        facts: dict[str, Any] | None = None,
        address: str = "",
    ) -> AuditEvent:
        """Write who did what to which system; ``facts`` hold no secrets.

        ``address`` need be given only where nobody is known to be the actor.
        """
        event = self._event(action, actor, system, subject)
        event.outcome, event.code, event.reference = outcome, code, reference
        event.facts, event.address = facts or {}, address
        event.save(force_insert=True)
        return event

    def record_hourly(
        self,
        action: str,
        *,
        actor: Any = None,
        system: ConnectedSystem | None = None,
        subject: Any = None,
        outcome: str = "failed",
        code: str = "",
        reference: str = "",
        facts: dict[str, Any] | None = None,
        address: str = "",
        about: object = "",
    ) -> None:
        """The same for what comes again and again: the first of an hour, whoever writes it.

        Of one action, code, person and system one is kept; ``about`` tells things apart that these
        do not, such as the host that was refused.
        """
        event = self._event(action, actor, system, subject)
        event.outcome, event.code, event.reference = outcome, code, reference
        event.facts, event.address = facts or {}, address
        event.set_address()
        hour = int(timezone.now().timestamp() // 3600)
        same = [action, code, event.system_id_text, event.subject_name, event.actor_name]
        text = json.dumps([*same, event.address, str(about), hour])
        event.once = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        # One statement and no question before it: of two processes one writes.
        AuditEvent.objects.bulk_create([event], ignore_conflicts=True)

    def _event(
        self, action: str, actor: Any, system: ConnectedSystem | None, subject: Any
    ) -> AuditEvent:
        real = actor if actor is not None and actor.is_authenticated else None
        return AuditEvent(
            action=action,
            actor=real,
            actor_name=real.get_username() if real else "",
            subject_name=subject.get_username() if subject is not None else "",
            system_id_text=str(system.pk) if system else "",
            system_slug=system.slug if system else "",
            application_id_text=str(system.application_id) if system else "",
        )


class AuditEvent(models.Model):
    """One thing that somebody did, kept as text so that it outlives its people and systems.

    ``address`` is the network address of the person who did it. ``once`` is set where only one
    event of its kind is kept an hour.
    """

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    action = models.CharField(max_length=64)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        db_constraint=False,
        related_name="+",
    )
    actor_name = models.CharField(max_length=150, blank=True)
    subject_name = models.CharField("about", max_length=150, blank=True)
    system_id_text = models.CharField(max_length=36, blank=True, db_index=True)
    system_slug = models.CharField("connected system", max_length=64, blank=True)
    application_id_text = models.CharField(max_length=36, blank=True, db_index=True)
    outcome = models.CharField(max_length=32)
    code = models.CharField(max_length=64, blank=True)
    reference = models.CharField(max_length=16, blank=True)
    facts = models.JSONField(default=dict, blank=True)
    address = models.CharField("network address", max_length=45, blank=True)
    once = models.CharField(max_length=64, null=True, unique=True, editable=False)

    objects = AuditEventQuerySet.as_manager()

    class Meta:
        ordering: ClassVar[list[str]] = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.action} {self.outcome}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.set_address()
        super().save(*args, **kwargs)

    def set_address(self) -> None:
        """Note where the person sits whose request this is; what the product does has no place."""
        if self.actor_id and not self.address:
            self.address = person.address()


class LostKey(models.Model):
    """A key of the vault that an admin has declared lost; ``name`` as ``vault.Sealed.key_name``."""

    name = models.CharField(max_length=41, unique=True)
    at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"lost key {self.name.partition('.')[0]}"
