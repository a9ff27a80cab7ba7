"""Systems and integrations as a file, in and out: all or nothing, by slug, never a secret out."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.views.decorators.debug import sensitive_variables

from authlinks.models import Authorization
from connectedsystems import configuration
from connectedsystems.configuration import OAUTH, Configuration
from connectedsystems.errors import ConfigurationInvalid, Failure, VaultFailure
from connectedsystems.models import Application, ConnectedSystem, redirect_uri_of
from connectedsystems.saving import COLUMNS
from connectedsystems.written import Box, Errors
from integrations import definition
from integrations.models import Integration, IntegrationVersion
from workbench import bundlewriting, discovering, merging
from workbench.bundlewriting import (
    ApplicationWrite,
    IntegrationWrite,
    Plan,
    SystemWrite,
    state_of,
)
from workbench.discovering import Answer

SECTIONS: Final = ("applications", "connected_systems", "integrations")
EVERYONE: Final = "everyone"

MOST: Final = {"applications": 200, "connected_systems": 500, "integrations": 2_000}
"""Entries of one file, by section."""
MOST_GROUPS: Final = 1_000
MOST_MISTAKES: Final = 200
_LOGO_OF: Final = "connected_system__logo"
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


@dataclass(frozen=True, slots=True)
class Prepared:
    """A file that was checked and compared, and not written yet.

    ``changes``: (kind, slug, what was here, what will be) of each system and integration; of one
    that is new, nothing was here.
    """

    loaded: Loaded
    changes: list[tuple[str, str, Mapping[str, Any], Mapping[str, Any]]]
    plan: Plan = field(repr=False)


@sensitive_variables()
def load(
    tree: object,
    *,
    accept_reauthorization: bool = False,
    actor: Any = None,
    within: Collection[uuid.UUID] | None = None,
    discovered: Mapping[str, Answer] | None = None,
    audited_as: str = "",
) -> Loaded:
    """Write a bundle's tree: creates or updates by slug, deletes nothing.

    The parameters are those of ``prepare``. Raises ConfigurationInvalid, by key path, and then
    nothing was written.
    """
    prepared = prepare(
        tree,
        accept_reauthorization=accept_reauthorization,
        actor=actor,
        within=within,
        discovered=discovered,
    )
    prepared.plan.audited_as = audited_as
    bundlewriting.write(prepared.plan)
    return prepared.loaded


@sensitive_variables()
def prepare(
    tree: object,
    *,
    accept_reauthorization: bool = False,
    actor: Any = None,
    within: Collection[uuid.UUID] | None = None,
    discovered: Mapping[str, Answer] | None = None,
) -> Prepared:
    """Check and compare a bundle's tree, in no transaction: it may take seconds.

    ``within``: the applications whose systems and integrations may be written, while the
    applications themselves stay as they are; None lets everything be written.
    ``discovered``: what ``discovering.of_bundle`` found, where that was asked for before.
    Raises ConfigurationInvalid, by key path.
    """
    errors = Errors()
    root = Box(tree, "", errors)
    root.only(SECTIONS)
    sections = {section: _boxes(root, section) for section in SECTIONS}
    if any(len(root.listing(section)) > MOST[section] for section in SECTIONS):
        _raise_if_any(errors)
    if discovered is None:
        discovered = discovering.of_bundle(tree, within)
    loading = _Loading(errors, accept_reauthorization, actor, within, discovered)
    loading.look_up(sections)
    for box in sections["applications"]:
        loading.application(box)
    systems = [loading.system(box) for box in sections["connected_systems"]]
    for box in sections["integrations"]:
        loading.integration(box)
    loading.integrations_not_in_the_file()
    _raise_if_any(errors)
    loaded = Loaded([each for each in systems if each is not None], loading.integrations)
    return Prepared(loaded, loading.changes, loading.plan)


def _boxes(root: Box, section: str) -> list[Box]:
    """The entries of a section; two of one slug are an error of the second."""
    listed = root.listing(section)
    if len(listed) > MOST[section]:
        root.refuse(
            section, f"More than {MOST[section]:,} of them in one file: divide it into several."
        )
        return []
    boxes = [Box(data, f"{section}[{index}]", root.errors) for index, data in enumerate(listed)]
    seen: set[Any] = set()
    for box in boxes:
        slug = box.data.get("slug")
        if isinstance(slug, str) and slug in seen:
            box.refuse("slug", f"{slug} stands in the file twice.")
        seen.add(slug if isinstance(slug, str) else None)
    return boxes


def _raise_if_any(errors: Errors) -> None:
    """Raises ConfigurationInvalid; nobody reads more than a few hundred mistakes."""
    if len(errors) <= MOST_MISTAKES:
        errors.raise_if_any()
        return
    shown = Errors(itertools.islice(errors.items(), MOST_MISTAKES))
    shown.add("", f"{len(errors) - MOST_MISTAKES:,} more mistakes are not shown.")
    raise ConfigurationInvalid(shown)


class _Loading:
    """One load under way: what is here already, and what the file makes of it."""

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
        self.plan = Plan(actor)
        self.changes: list[tuple[str, str, Mapping[str, Any], Mapping[str, Any]]] = []
        self.integrations: dict[str, str] = {}
        self._groups_named: set[str] = set()
        self._touched: dict[uuid.UUID, tuple[str, Configuration]] = {}
        self._broken: set[str] = set()
        self._systems: dict[str, tuple[ConnectedSystem, Configuration]] = {}
        """Systems as they will be, by slug."""

    def look_up(self, sections: Mapping[str, list[Box]]) -> None:
        """Read all that the file names, with a few queries, however long it is."""
        systems, integrations = sections["connected_systems"], sections["integrations"]
        found = Integration.objects.filter(slug__in=_texts(integrations, "slug"))
        self._stored_integrations = {
            row.slug: row
            for row in found.select_related("connected_system__application").defer(_LOGO_OF)
        }
        slugs = _texts(systems, "slug") | _texts(integrations, "connected_system")
        rows = ConnectedSystem.objects.filter(slug__in=slugs).select_related("application")
        self._stored = {row.slug: row for row in rows.defer("logo")}
        named = _texts(sections["applications"], "slug") | _texts(systems, "application")
        self._applications = {row.slug: row for row in Application.objects.filter(slug__in=named)}
        keys = [row.pk for row in self._stored_integrations.values()]
        versions = IntegrationVersion.objects.filter(integration__in=keys).order_by()
        self._with_versions = set(versions.values_list("integration_id", flat=True).distinct())
        for row in self._applications.values():
            self._remember(row, f"applications.{row.slug}")
        for box in systems:
            if row_here := self._stored.get(box.data.get("slug", "")):
                self._remember(row_here, box.path)

    def _remember(self, row: Any, path: str) -> None:
        """The load ends where this row is another one when it is written."""
        self.plan.read.setdefault(type(row), {}).setdefault(row.pk, (path, state_of(row)))

    # Applications

    def application(self, box: Box) -> None:
        box.only(("slug", "name", "designers", "members"))
        slug = box.slug()
        found = self._applications.get(slug)
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
        before = state_of(application)
        application.name = name or application.name
        groups: dict[str, list[str]] = {} if designers is None else {"designers": designers}
        if everyone or members is not None:
            application.open_to_everyone = everyone
            groups["members"] = members or []
        self._applications[slug] = application
        changed = state_of(application) != before
        self.plan.applications.append(
            ApplicationWrite(application, found is None, box.path, groups, changed)
        )

    def _mine(self, box: Box, key: str, application: Application | None) -> bool:
        """Whether this application may be written to; refused at this key where it may not."""
        if self.within is None or (application is not None and application.pk in self.within):
            return True
        # The same sentence for another's and for none: nobody learns what others have.
        box.refuse(key, "does not belong to an application that you design.")
        return False

    def _groups(self, box: Box, key: str) -> list[str] | None:
        """The names of groups, which are made if missing; None where the key is absent."""
        if not box.has(key):
            return None
        names = box.listing(key)
        if not all(isinstance(name, str) and 0 < len(name) <= 150 for name in names):
            box.refuse(key, "is a list of names of groups, each a text.")
            return None
        self._groups_named |= set(names)
        if len(names) > MOST_GROUPS or len(self._groups_named) > MOST_GROUPS:
            box.refuse(key, f"More than {MOST_GROUPS:,} groups in one file: divide it.")
            return None
        return names

    # Systems

    @sensitive_variables()
    def system(self, box: Box) -> LoadedSystem | None:
        slug = box.slug()
        found = self._stored.get(slug)
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
        system_id = found.pk if found else public_id or uuid.uuid4()
        self._touched[system_id] = slug, system_configuration
        change = "created" if found is None else "updated"
        if found is not None and _is_same(found, application, data, secrets):
            change = "unchanged"
        else:
            self.plan.systems.append(
                SystemWrite(
                    system_id,
                    application.pk,
                    data,
                    secrets,
                    read=found.version if found else None,
                    facts={"reauthorizations": ended} if ended else {},
                )
            )
        before = {**found.as_data(), "application": found.application.slug} if found else {}
        self.changes.append(
            ("Connected system", slug, before, {**data, "application": application.slug})
        )
        system = ConnectedSystem(id=system_id, slug=slug, application=application)
        self._systems[slug] = system, system_configuration
        return LoadedSystem(
            slug=slug,
            redirect_uri=redirect_uri_of(system_id),
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
        elif found is None and self._is_taken(public_id):
            box.refuse("public_id", "belongs to another system; choose another, or leave it out.")
        return public_id

    def _is_taken(self, public_id: uuid.UUID) -> bool:
        here = public_id in self._touched
        return here or ConnectedSystem.objects.filter(pk=public_id).exists()

    def _application(self, box: Box, found: ConnectedSystem | None) -> Application | None:
        slug = box.text("application", required=found is None, longest=64)
        if not slug:
            return found.application if found else None
        application = self._applications.get(slug)
        if not self._mine(box, "application", application):
            return None
        if application is None:
            box.refuse("application", f"There is no application {slug}: add it to applications.")
        return application

    @sensitive_variables()
    def _parsed(
        self, box: Box, found: ConnectedSystem | None
    ) -> tuple[dict[str, Any], dict[str, Any], Configuration] | None:
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
        secrets = _merged_secrets(_stored_secrets(found, new_secrets, box), new_secrets)
        return data, _wanted_secrets(secrets, parsed), parsed

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
        found = self._stored_integrations.get(slug)
        if found is not None and not self._mine(box, "slug", found.connected_system.application):
            return
        chosen = self._system_of(box, found)
        if chosen is None or self._has_errors(box):
            return
        system, system_configuration = chosen
        stored = found.as_data() if found else {}
        data = {k: v for k, v in {**stored, **box.data}.items() if v is not None}
        try:
            parsed = definition.parse(data, system_configuration)
        except ConfigurationInvalid as invalid:
            self.errors.take(invalid, box.path)
            return
        if found is not None:
            self._remember(found, box.path)
        before = {**stored, "connected_system": found.connected_system.slug} if found else {}
        row = found or Integration(slug=slug)
        change = _fill_integration(row, system, data, parsed, is_new=found is None)
        self.integrations[slug] = change
        after = {**row.as_data(), "connected_system": system.slug}
        self.changes.append(("Integration", slug, before, after))
        if change != "unchanged":
            kept = found is None or found.pk in self._with_versions
            self.plan.integrations.append(
                IntegrationWrite(row, found is None, None if kept else before)
            )

    def _system_of(
        self, box: Box, found: Integration | None
    ) -> tuple[ConnectedSystem, Configuration] | None:
        """The system of an integration, as it will be, and what it will say."""
        slug = box.text("connected_system", required=found is None, longest=64)
        if not slug:
            if found is None:
                return None
            slug = found.connected_system.slug
            self._stored.setdefault(slug, found.connected_system)
        if slug in self._broken:
            return None
        if slug in self._systems:
            return self._systems[slug]
        system = self._stored.get(slug)
        if not self._mine(box, "connected_system", system.application if system else None):
            return None
        if system is None:
            box.refuse(
                "connected_system",
                f"There is no connected system {slug}: add it to connected_systems.",
            )
            return None
        self._remember(system, f"connected_systems.{slug}")
        self._systems[slug] = system, configuration.read(system.as_data())
        return self._systems[slug]

    def integrations_not_in_the_file(self) -> None:
        """A system's change may take away what its other integrations use."""
        self.plan.touched = frozenset(self._touched)
        others = Integration.objects.filter(connected_system__in=self._touched)
        for integration in others.exclude(slug__in=self.integrations).iterator(chunk_size=500):
            slug, system_configuration = self._touched[integration.connected_system_id]
            self._remember(integration, f"connected_systems.{slug}")
            try:
                definition.parse(integration.as_data(), system_configuration)
            except ConfigurationInvalid as invalid:
                for path, sentences in invalid.errors.items():
                    for sentence in sentences:
                        self.errors.add(
                            f"connected_systems.{slug}",
                            f"Its integration {integration.slug}, {path}: {sentence}",
                        )

    def _has_errors(self, box: Box) -> bool:
        if len(self.errors) > MOST_MISTAKES:
            # Nobody reads on, and comparing each box with all of them would take minutes.
            _raise_if_any(self.errors)
        return any(path == box.path or path.startswith(f"{box.path}.") for path in self.errors)


def _texts(boxes: list[Box], key: str) -> set[str]:
    """What these boxes have under a key, where it is text that can be a slug."""
    values = (box.data.get(key) for box in boxes)
    return {value for value in values if isinstance(value, str) and 0 < len(value) <= 64}


@sensitive_variables()
def _stored_secrets(
    found: ConnectedSystem | None, new: Mapping[str, Any], box: Box
) -> dict[str, Any]:
    if found is None:
        return {}
    try:
        return found.opened_secrets()
    except VaultFailure as failure:
        if not new or failure.code == "key_missing" and "damaged" not in failure.facts:
            # Where only this process lacks the key, writing would drop what others can open.
            box.refuse(
                "slug",
                f"The stored secrets cannot be opened ({failure.code}): write them into the file "
                "anew, or start with the VAULT_KEYS they were sealed under. A key that is lost for "
                "ever is declared so first: manage.py rotate_vault_keys --lost ID.",
            )
        return {}


@sensitive_variables()
def _merged_secrets(stored: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    variables = {**(stored.get("variables") or {}), **(new.get("variables") or {})}
    merged = {**stored, **new, "variables": {k: v for k, v in variables.items() if v}}
    return {key: value for key, value in merged.items() if value}


@sensitive_variables()
def _wanted_secrets(secrets: Mapping[str, Any], parsed: Configuration) -> dict[str, Any]:
    """The secrets that this configuration reads; others are not kept."""
    wanted: set[str] = _SECRETS_OF.get(parsed.authentication, set())
    kept = {key: value for key, value in secrets.items() if key in wanted}
    variables = secrets.get("variables") or {}
    if named := {k: v for k, v in variables.items() if k in parsed.secret_variables}:
        kept["variables"] = named
    return kept


@sensitive_variables()
def _is_same(
    stored: ConnectedSystem,
    application: Application,
    data: Mapping[str, Any],
    secrets: dict[str, Any],
) -> bool:
    """Whether nothing of a stored system would change."""
    columns = {key: data.get(key) or "" for key in COLUMNS}
    columns["authentication"] = columns["authentication"] or "none"
    rest = {key: value for key, value in data.items() if key not in COLUMNS}
    return (
        stored.application_id == application.pk
        and all(getattr(stored, key) == value for key, value in columns.items())
        and stored.configuration == rest
        and _same_secrets(stored, secrets)
    )


@sensitive_variables()
def _same_secrets(system: ConnectedSystem, secrets: dict[str, Any]) -> bool:
    try:
        return system.opened_secrets() == secrets
    except VaultFailure:
        return False


def _fill_integration(
    integration: Integration,
    system: ConnectedSystem,
    data: Mapping[str, Any],
    parsed: definition.Definition,
    *,
    is_new: bool,
) -> str:
    """Make the row what the file says; ``created``, ``updated``, or ``unchanged``."""
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
