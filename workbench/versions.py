"""The history of a configuration on the desk: listed, compared, brought back as a new version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.paginator import Paginator
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.views.decorators.debug import sensitive_variables

from connectedsystems import configuration, saving
from connectedsystems.configuration import Configuration
from connectedsystems.errors import ConfigurationInvalid, VaultFailure
from connectedsystems.models import AuditEvent, ConfigurationVersion, ConnectedSystem
from connectedsystems.saving import By, Wanted
from integrations import definition
from integrations.models import Integration, IntegrationVersion
from workbench import affected, differences, says, systemfields
from workbench.roles import OfMyApplications
from workbench.says import Says

ACCEPT_ENDING = "end_authorizations"
MOST_LISTED = 50
_LIST = "workbench/versions.html"
_RESTORE = "workbench/version_restore.html"
_SOURCES = {
    "desk": "Saved on the desk",
    "bundle": "Loaded from a bundle",
    "found": "As it was before versions were kept",
}


class Versioned(OfMyApplications):
    """Shows every save of an object. ``restoring`` brings one back: ``Restoring`` of a version."""

    restoring: Any = None

    def get_urls(self) -> list[URLPattern]:
        meta = self.opts
        return [
            path(
                "<path:object_id>/versions/<int:version>/restore/",
                self.admin_site.admin_view(self.restore_view),
                name=f"{meta.app_label}_{meta.model_name}_restore",
            ),
            *super().get_urls(),
        ]

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Every version, newest first; ``?older=&newer=`` compares two of them."""
        obj = self._mine(request, object_id)
        pages = Paginator(obj.versions.all(), MOST_LISTED)
        page = pages.get_page(request.GET.get("page"))
        older, newer = self._pair(request, obj, list(page))
        context = {
            **self._context(request, obj),
            "title": f"Versions of {obj}",
            "page": page,
            "rows": [(each, source_of(each)) for each in page],
            "older": older,
            "newer": newer,
            "differences": compared(older, newer) if older and newer else None,
        }
        return render(request, _LIST, context)

    def restore_view(self, request: HttpRequest, object_id: str, version: int) -> HttpResponse:
        """What bringing a version back would change; POST does it."""
        obj = self._mine(request, object_id)
        chosen = obj.versions.filter(pk=version).first()
        if chosen is None:
            raise Http404("no such version")
        restoring = self.restoring(chosen, obj, request.user)
        said = restoring.mistakes
        if request.method == "POST" and said is None:
            said = restoring.held(request.POST)
            if said is None and (said := self._restored(request, obj, chosen, restoring)) is None:
                return HttpResponseRedirect(self._history(obj))
            # What is compared below is what stands there now, should somebody have been first.
            obj = self._mine(request, object_id)
            restoring = self.restoring(chosen, obj, request.user)
        context = {
            **self._context(request, obj),
            "title": f"Restore version {chosen.number} of {obj}",
            "version": chosen,
            "says": said or restoring.affects,
            "ended": restoring.ended,
            "refused": restoring.mistakes is not None,
            "differences": differences.changed(restoring.now, restoring.then),
        }
        return render(request, _RESTORE, context)

    def _restored(self, request: HttpRequest, obj: Any, chosen: Any, restoring: Any) -> Says | None:
        """Bring it back, if the person has seen what stands now; else say that it changed."""
        seen = request.POST.get("read", "")
        try:
            if seen and seen != str(obj.version):
                raise saving.Conflict(obj, obj.version)
            restoring.save()
        except saving.Conflict:
            newest = obj.versions.first()
            who = newest.actor_name if newest else ""
            return says.failure("saved_meanwhile", {"who": who} if who else {})
        text = f"{obj} is as it was in version {chosen.number}. Secrets stayed as they are."
        self.message_user(request, text, messages.SUCCESS)
        return None

    def _mine(self, request: HttpRequest, object_id: str) -> Any:
        obj = self.get_object(request, unquote(object_id))
        if obj is None or not self.has_view_permission(request, obj):
            raise Http404("no such object, or not of this person's applications")
        return obj

    def _context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        meta = self.opts
        back = reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[obj.pk])
        return {
            **self.admin_site.each_context(request),
            "opts": meta,
            "object": obj,
            "original": obj,
            "back": back,
            "history": self._history(obj),
            "restore": f"admin:{meta.app_label}_{meta.model_name}_restore",
        }

    def _history(self, obj: Any) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_history", args=[obj.pk])

    def _pair(self, request: HttpRequest, obj: Any, newest: list[Any]) -> tuple[Any, Any]:
        """The two versions that are asked for, older first; the last two where none is."""
        asked = [request.GET.get(name, "") for name in ("older", "newer")]
        if not any(asked):
            return (newest[1], newest[0]) if len(newest) > 1 else (None, None)
        keys = [int(text) for text in asked if text.isascii() and text.isdigit() and len(text) < 18]
        found = sorted(obj.versions.filter(pk__in=keys), key=lambda each: each.pk)
        return (found[0], found[-1]) if found else (None, None)


def source_of(version: Any) -> str:
    """How a version came to be, in words."""
    return _SOURCES.get(version.source, version.source)


def compared(older: Any, newer: Any) -> list[Any]:
    """Rows of two versions side by side; of secrets only that they are others."""
    secrets = differences.of_secrets(
        getattr(older, "secret_marks", {}), getattr(newer, "secret_marks", {})
    )
    return [*differences.of(older.configuration, newer.configuration), *secrets]


@dataclass
class RestoringSystem:
    """One version of a system, about to be brought back; its secrets stay as they are now."""

    version: ConfigurationVersion
    system: ConnectedSystem
    user: Any

    def __post_init__(self) -> None:
        self.now, self.then = self.system.as_data(), dict(self.version.configuration)
        self.parsed: Configuration | None = None
        self.mistakes = self._read()
        touched = affected.of_change(self.system, self.parsed) if self.parsed else None
        self.ended = touched.ended if touched else 0
        self.affects = affected.told(touched) if touched else None

    def _read(self) -> Says | None:
        taken = ConnectedSystem.objects.filter(slug=self.then["slug"]).exclude(pk=self.system.pk)
        if taken.exists():
            return says.mistakes({"slug": ["has been taken by another connected system since."]})
        try:
            # As it was then, what its metadata said included: the rows beside show it.
            self.parsed = configuration.parse(
                configuration.written(self.then), discovered=self.then.get("discovered")
            )
            for integration in self.system.integrations.all():
                definition.parse(integration.as_data(), self.parsed)
        except ConfigurationInvalid as invalid:
            self.parsed = None
            return says.mistakes({key: list(texts) for key, texts in invalid.errors.items()})
        return None

    def held(self, post: Any) -> Says | None:
        """What keeps the version from being brought back: authorizations that would end."""
        return self.affects if self.ended and not post.get(ACCEPT_ENDING) else None

    @sensitive_variables()
    def save(self) -> None:
        """Write it as a new version. Raises Conflict where somebody saved first."""
        assert self.parsed is not None
        facts = {"version": self.version.number} | ({"ended": self.ended} if self.ended else {})
        source = f"Version {self.version.number} restored"
        saving.save(
            self.system.pk,
            Wanted(self.system.application_id, self.then, self._secrets(self.parsed)),
            read=self.system.version,
            by=By(self.user, source, "system_restored", facts=facts),
        )

    @sensitive_variables()
    def _secrets(self, parsed: Configuration) -> dict[str, Any] | None:
        """Those that the restored settings read; None where they don't open: they stay."""
        try:
            opened = self.system.opened_secrets()
        except VaultFailure:
            return None
        return systemfields.wanted_secrets(opened, parsed.authentication, parsed.secret_variables)


@dataclass
class RestoringIntegration:
    """One version of an integration, about to be brought back."""

    version: IntegrationVersion
    integration: Integration
    user: Any
    ended: int = 0
    affects: Says | None = None

    def __post_init__(self) -> None:
        self.system = self.integration.connected_system
        slug = self.system.slug
        self.now = {**self.integration.as_data(), "connected_system": slug}
        self.then = dict(self.version.configuration)
        self.parsed: definition.Definition | None = None
        self.mistakes = self._read()

    def _read(self) -> Says | None:
        if self.then["connected_system"] != self.system.slug:
            mine = ConnectedSystem.objects.for_designer(self.user)
            found = mine.filter(slug=self.then["connected_system"]).first()
            if found is None:
                return says.mistakes({"connected_system": ["is not there any more for you."]})
            self.system = found
        taken = Integration.objects.filter(slug=self.then["slug"]).exclude(pk=self.integration.pk)
        if taken.exists():
            return says.mistakes({"slug": ["has been taken by another integration since."]})
        data = {key: value for key, value in self.then.items() if key != "connected_system"}
        try:
            self.parsed = definition.parse(data, configuration.read(self.system.as_data()))
        except ConfigurationInvalid as invalid:
            return says.mistakes({key: list(texts) for key, texts in invalid.errors.items()})
        return None

    def held(self, post: Any) -> Says | None:
        """Nothing keeps it from being brought back: an integration holds no authorization."""
        return None

    def save(self) -> None:
        """Write it as a new version."""
        columns = ("slug", "name", "usage", "connected_system")
        row = self.integration
        row.connected_system = self.system
        row.slug, row.name, row.usage = (self.then[key] for key in columns[:3])
        row.definition = {key: value for key, value in self.then.items() if key not in columns}
        row.version += 1
        with transaction.atomic():
            row.save()
            source = f"Version {self.version.number} restored"
            IntegrationVersion.objects.write(row, self.user, source)
            AuditEvent.objects.record(
                "integration_restored",
                actor=self.user,
                system=self.system,
                facts={"integration": row.slug, "version": self.version.number},
            )
