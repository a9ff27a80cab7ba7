"""Systems and integrations as a file, in and out: all or nothing, by slug, never a secret out."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.contrib.auth.models import Group
from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from authlinks.models import Authorization
from connectedsystems import configuration, saving
from connectedsystems.configuration import OAUTH, Configuration, Secrets
from connectedsystems.errors import ConfigurationInvalid, Failure, VaultFailure
from connectedsystems.models import Application, ConnectedSystem
from connectedsystems.saving import By, Wanted
from connectedsystems.written import Box, Errors
from integrations import definition
from integrations.models import Integration, IntegrationVersion
from workbench import discovering, merging, says
from workbench.discovering import Answer

SECTIONS: Final = ("applications", "connected_systems", "integrations")
EVERYONE: Final = "everyone"

_SECRETS_OF = {
    "api_key": {"api_key"},
    "basic": {"password"},
    **dict.fromkeys(OAUTH, {"client_secret", "client_secret_next"}),
}


@dataclass(frozen=True, slots=True)
class LoadedSystem:
    """What became of one system of the file."""

    slug: str
    redirect_uri: str
    change: str
    """``created``, ``updated`` or ``unchanged``."""
    reauthorizations: int = 0
    """Authorizations that this change ends: these users must authorize again."""
    missing: list[str] = field(default_factory=list)
    """Key paths of secrets and variables that still have no value here."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of a file."""

    systems: list[LoadedSystem]
    integrations: dict[str, str]
    """Slug to ``created``, ``updated`` or ``unchanged``."""

    def to_json(self) -> dict[str, Any]:
        return {
            "connected_systems": [
                {
                    "slug": each.slug,
                    "redirect_uri": each.redirect_uri,
                    "change": each.change,
                    "reauthorizations": each.reauthorizations,
                    "missing": each.missing,
                }
                for each in self.systems
            ],
            "integrations": [
                {"slug": slug, "change": change} for slug, change in self.integrations.items()
            ],
        }


@sensitive_variables()
def load(
    tree: object,
    *,
    accept_reauthorization: bool = False,
    actor: Any = None,
    within: Collection[uuid.UUID] | None = None,
    discovered: Mapping[str, Answer] | None = None,
) -> Loaded:
    """Write a bundle's tree: creates or updates by slug, deletes nothing.

    ``discovered``: what ``discovering.of_bundle`` found, for a caller inside a transaction; else it
    is fetched before this one's begins.

    ``within``: the applications whose systems and integrations may be written, while the
    applications themselves stay as they are; None lets everything be written.
    Raises ConfigurationInvalid, by key path, and then nothing was written.
    """
    errors = Errors()
    root = Box(tree, "", errors)
    root.only(SECTIONS)
    if discovered is None:
        discovered = discovering.of_bundle(tree, within)
    with transaction.atomic():
        loading = _Loading(errors, accept_reauthorization, actor, within, discovered)
        for box in _boxes(root, "applications"):
            loading.application(box)
        systems = [loading.system(box) for box in _boxes(root, "connected_systems")]
        for box in _boxes(root, "integrations"):
            loading.integration(box)
        loading.integrations_not_in_the_file()
        errors.raise_if_any()
    return Loaded([each for each in systems if each is not None], loading.integrations)


def _boxes(root: Box, section: str) -> list[Box]:
    """The entries of a section; two of one slug are an error of the second."""
    boxes = [
        Box(data, f"{section}[{index}]", root.errors)
        for index, data in enumerate(root.listing(section))
    ]
    seen: set[Any] = set()
    for box in boxes:
        slug = box.data.get("slug")
        if isinstance(slug, str) and slug in seen:
            box.refuse("slug", f"{slug} stands in the file twice.")
        seen.add(slug if isinstance(slug, str) else None)
    return boxes


class _Loading:
    """One load under way, inside its transaction."""

    def __init__(
        self,
        errors: Errors,
        accept_reauthorization: bool,
        actor: Any,
        within: Collection[uuid.UUID] | None,
        discovered: Mapping[str, Answer],
    ) -> None:
        self.errors = errors
        self.within = within
        self.discovered = discovered
        self.accepted = accept_reauthorization
        self.actor = actor
        self.integrations: dict[str, str] = {}
        self._touched: list[ConnectedSystem] = []
        self._broken: set[str] = set()

    # Applications

    def application(self, box: Box) -> None:
        box.only(("slug", "name", "designers", "members"))
        slug = box.slug()
        found = Application.objects.filter(slug=slug).first()
        if self.within is not None:
            self._mine(box, "slug", found)
            return
        name = box.text("name", required=found is None, longest=100)
        designers = self._groups(box, "designers")
        everyone = box.data.get("members") == EVERYONE
        members = None if everyone else self._groups(box, "members")
        if self._has_errors(box):
            return
        application = found or Application(slug=slug)
        application.name = name or application.name
        if everyone or members is not None:
            application.open_to_everyone = everyone
        application.save()
        if designers is not None:
            application.designers.set(designers)
        if everyone or members is not None:
            application.members.set(members or [])

    def _mine(self, box: Box, key: str, application: Application | None) -> bool:
        """Whether this application may be written to; refused at this key where it may not."""
        if self.within is None or (application is not None and application.pk in self.within):
            return True
        # The same sentence for another's and for none: nobody learns what others have.
        box.refuse(key, "does not belong to an application that you design.")
        return False

    def _groups(self, box: Box, key: str) -> list[Group] | None:
        """The groups of these names, made if missing; None where the key is absent."""
        if not box.has(key):
            return None
        names = box.listing(key)
        if not all(isinstance(name, str) and 0 < len(name) <= 150 for name in names):
            box.refuse(key, "is a list of names of groups, each a text.")
            return None
        return [Group.objects.get_or_create(name=name)[0] for name in names]

    # Systems

    def system(self, box: Box) -> LoadedSystem | None:
        slug = box.slug()
        found = ConnectedSystem.objects.select_related("application").filter(slug=slug).first()
        if found is not None and not self._mine(box, "slug", found.application):
            self._broken.add(slug)
            return None
        public_id = self._public_id(box, found)
        application = self._application(box, found)
        parsed = self._parsed(box, found)
        if self._has_errors(box) or parsed is None or application is None:
            self._broken.add(slug)
            return None
        data, secrets, system_configuration = parsed
        ended = self._ended(box, found, system_configuration)
        change = "updated" if found else "created"
        facts = {"reauthorizations": ended} if ended else {}
        by = By(self.actor, "bundle", "load_bundle", outcome=change, facts=facts)
        try:
            saved = saving.save(
                found.pk if found else public_id or uuid.uuid4(),
                Wanted(application.pk, data, secrets),
                read=found.version if found else None,
                by=by,
            )
        except saving.Conflict:
            box.refuse("slug", "was saved by somebody else at this moment: load the file again.")
            self._broken.add(slug)
            return None
        system = saved.system
        change = change if saved.changed else "unchanged"
        self._touched.append(system)
        return LoadedSystem(
            slug=slug,
            redirect_uri=system.redirect_uri,
            change=change,
            reauthorizations=ended,
            missing=system_configuration.missing_secrets(secrets),
        )

    def _public_id(self, box: Box, found: ConnectedSystem | None) -> uuid.UUID | None:
        text = box.text("public_id", longest=45)
        if not text:
            return None
        try:
            public_id = uuid.UUID(text)
        except ValueError:
            box.refuse("public_id", "is a UUID, such as 7d1c4c1e-5a52-4a8e-9e1b-0d6f7a1f2b3c.")
            return None
        if found is not None and found.pk != public_id:
            box.refuse(
                "public_id",
                "is fixed for the life of a system, for the redirect URI holds it: "
                f"remove it, or write {found.pk}.",
            )
        elif found is None and ConnectedSystem.objects.filter(pk=public_id).exists():
            box.refuse("public_id", "belongs to another system; choose another, or leave it out.")
        return public_id

    def _application(self, box: Box, found: ConnectedSystem | None) -> Application | None:
        slug = box.text("application", required=found is None, longest=64)
        if not slug:
            return found.application if found else None
        application = Application.objects.filter(slug=slug).first()
        if not self._mine(box, "application", application):
            return None
        if application is None:
            box.refuse("application", f"There is no application {slug}: add it to applications.")
        return application

    @sensitive_variables()
    def _parsed(
        self, box: Box, found: ConnectedSystem | None
    ) -> tuple[dict[str, Any], Secrets, Configuration] | None:
        """The whole system as it will be: its keys, its secrets, and both checked."""
        try:
            written, new_secrets = configuration.split(box.data)
            data = merging.merged(found.as_data() if found else {}, written)
            parsed = configuration.parse(data)
            if "oauth" in data:
                data["oauth"] = dict(parsed.oauth)
            data, parsed = self._completed(box, found, data, parsed)
        except ConfigurationInvalid as invalid:
            self.errors.take(invalid, box.path)
            return None
        stored = _stored_secrets(found, new_secrets, box)
        secrets = _wanted_secrets(stored.replaced_by(new_secrets), parsed)
        for stranger in configuration.strangers(parsed, secrets):
            box.refuse(stranger.path, says.sentence("secret_not_for_host", stranger.facts))
        return data, secrets, parsed

    def _completed(
        self,
        box: Box,
        found: ConnectedSystem | None,
        data: dict[str, Any],
        parsed: Configuration,
    ) -> tuple[dict[str, Any], Configuration]:
        """The system with what its Discovery URL says, in whatever it leaves open."""
        answer = self.discovered.get(parsed.slug)
        if isinstance(answer, Failure):
            box.refuse("oauth.discovery_url", discovering.sentence(answer))
        if answer is None or isinstance(answer, Failure):
            return data, parsed
        data = {**data, "discovered": dict(answer)}
        completed = configuration.read(data)
        before = configuration.read(found.as_data()) if found else None
        if not configuration.still_stands(answer, parsed):
            box.refuse("oauth.discovery_url", "was changed by somebody else: load the file again.")
        elif before and (failure := discovering.moved(completed, before)):
            box.refuse("oauth.discovery_url", discovering.sentence(failure))
        return data, completed

    def _ended(self, box: Box, found: ConnectedSystem | None, now: Configuration) -> int:
        """How many authorizations this change ends; refused unless that was accepted."""
        if found is None:
            return 0
        before = configuration.read(found.as_data())
        if (before.fingerprint(), before.authentication) == (now.fingerprint(), now.authentication):
            return 0
        ended = Authorization.objects.filter(
            system=found, fingerprint=before.fingerprint(), ended_code=""
        ).count()
        if ended and not self.accepted:
            box.refuse(
                "slug",
                f"This change ends {ended} authorization{'s' if ended > 1 else ''}: the client ID, "
                "an endpoint, the authentication or the origin of the base URL is another one. "
                "To go on, give --accept-reauthorization; these users then authorize again.",
            )
        return ended

    # Integrations

    def integration(self, box: Box) -> None:
        slug = box.slug()
        path = "connected_system__application"
        found = Integration.objects.select_related(path).filter(slug=slug).first()
        if found is not None and not self._mine(box, "slug", found.connected_system.application):
            return
        system = self._system_of(box, found)
        if system is None or self._has_errors(box):
            return
        stored = found.as_data() if found else {}
        data = {k: v for k, v in {**stored, **box.data}.items() if v is not None}
        try:
            parsed = definition.parse(data, configuration.read(system.as_data()))
        except ConfigurationInvalid as invalid:
            self.errors.take(invalid, box.path)
            return
        integration = found or Integration(slug=slug)
        IntegrationVersion.objects.begin(integration.pk)
        self.integrations[slug] = _write_integration(
            integration, system, data, parsed, is_new=found is None
        )
        if self.integrations[slug] != "unchanged":
            IntegrationVersion.objects.write(integration, self.actor, "bundle")

    def _system_of(self, box: Box, found: Integration | None) -> ConnectedSystem | None:
        slug = box.text("connected_system", required=found is None, longest=64)
        if not slug:
            return found.connected_system if found else None
        system = ConnectedSystem.objects.select_related("application").filter(slug=slug).first()
        if slug in self._broken:
            return None
        if not self._mine(box, "connected_system", system.application if system else None):
            return None
        if system is None and slug not in self._broken:
            box.refuse(
                "connected_system",
                f"There is no connected system {slug}: add it to connected_systems.",
            )
        return None if slug in self._broken else system

    def integrations_not_in_the_file(self) -> None:
        """A system's change may take away what its other integrations use."""
        for system in self._touched:
            system_configuration = configuration.read(system.as_data())
            others = Integration.objects.filter(connected_system=system)
            for integration in others.exclude(slug__in=self.integrations):
                try:
                    definition.parse(integration.as_data(), system_configuration)
                except ConfigurationInvalid as invalid:
                    for path, sentences in invalid.errors.items():
                        for sentence in sentences:
                            self.errors.add(
                                f"connected_systems.{system.slug}",
                                f"Its integration {integration.slug}, {path}: {sentence}",
                            )

    def _has_errors(self, box: Box) -> bool:
        return any(path == box.path or path.startswith(f"{box.path}.") for path in self.errors)


@sensitive_variables()
def _stored_secrets(found: ConnectedSystem | None, new: Mapping[str, Any], box: Box) -> Secrets:
    if found is None:
        return Secrets({})
    try:
        return found.opened_secrets()
    except VaultFailure as failure:
        if not new:
            box.refuse(
                "slug",
                f"The stored secrets cannot be opened ({failure.code}): write them into the file "
                "anew, or start with the VAULT_KEYS they were sealed under.",
            )
        return Secrets({})


@sensitive_variables()
def _wanted_secrets(secrets: Secrets, parsed: Configuration) -> Secrets:
    """The secrets that this configuration reads; others are not kept."""
    wanted: set[str] = _SECRETS_OF.get(parsed.authentication, set())
    return secrets.only(wanted, parsed.secret_variables)


def _write_integration(
    integration: Integration,
    system: ConnectedSystem,
    data: Mapping[str, Any],
    parsed: definition.Definition,
    *,
    is_new: bool,
) -> str:
    columns = ("slug", "name", "usage", "connected_system")
    rest = {key: value for key, value in data.items() if key not in columns}
    same = (
        not is_new
        and integration.connected_system_id == system.pk
        and (integration.name, integration.usage) == (parsed.name, parsed.usage)
        and integration.definition == rest
    )
    if same:
        return "unchanged"
    integration.connected_system = system
    integration.name = parsed.name
    integration.usage = parsed.usage
    integration.definition = rest
    integration.version = 1 if is_new else integration.version + 1
    integration.save(force_insert=is_new)
    return "created" if is_new else "updated"


def dump(applications: Iterable[Application] | None = None) -> dict[str, Any]:
    """A bundle's tree of these applications (all, if none are given), in a stable order.

    Never a secret; of variables marked ``environment`` only the name.
    """
    chosen = Application.objects.all() if applications is None else list(applications)
    systems = ConnectedSystem.objects.filter(application__in=chosen).select_related("application")
    integrations = Integration.objects.filter(connected_system__in=systems)
    return {
        "applications": [_application_out(each) for each in sorted(chosen, key=_slug)],
        "connected_systems": [_system_out(each) for each in systems.order_by("slug")],
        "integrations": [
            _integration_out(each)
            for each in integrations.select_related("connected_system").order_by("slug")
        ],
    }


def _slug(application: Application) -> str:
    return application.slug


def _application_out(application: Application) -> dict[str, Any]:
    members = sorted(application.members.values_list("name", flat=True))
    return {
        "slug": application.slug,
        "name": application.name,
        "designers": sorted(application.designers.values_list("name", flat=True)),
        "members": EVERYONE if application.open_to_everyone else members,
    }


def _system_out(system: ConnectedSystem) -> dict[str, Any]:
    data = {
        **configuration.split(system.as_data())[0],
        "application": system.application.slug,
        "public_id": str(system.pk),
    }
    if "variables" in data:
        data["variables"] = {
            name: _variable_out(value) for name, value in sorted(data["variables"].items())
        }
    if "oauth" in data:
        data["oauth"] = _ordered(data["oauth"], configuration.EVERYTHING["oauth"])
    return _ordered(data, configuration.EVERYTHING[""])


def _variable_out(value: Any) -> Any:
    if isinstance(value, Mapping) and value.get("environment") is True:
        return {key: item for key, item in value.items() if key != "value"}
    return value


def _integration_out(integration: Integration) -> dict[str, Any]:
    data = {**integration.as_data(), "connected_system": integration.connected_system.slug}
    return _ordered(data, definition.KEYS)


def _ordered(data: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """These keys in this order; what is empty is left out, for loading gives the same."""
    return {key: data[key] for key in keys if data.get(key) not in (None, "", [], {})}
