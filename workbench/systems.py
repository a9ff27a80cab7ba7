"""The desk's screens of connected systems: list, form, delete; only a save asks for metadata."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.forms.widgets import Media, Script
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.http import urlencode

from authlinks.models import Authorization
from authlinks.standing import Standing, standing_of
from connectedsystems import saving
from connectedsystems.configuration import read
from connectedsystems.diagnosis import Diagnosis, diagnose
from connectedsystems.errors import VaultFailure
from connectedsystems.models import ConnectedSystem
from connectedsystems.saving import By
from workbench import cautions, discovering, drafts, finding, known, tries, typedsecrets
from workbench.cautions import Caution
from workbench.filters import HostFilter, SystemStateFilter
from workbench.roles import is_admin
from workbench.site import desk
from workbench.systemform import SystemForm
from workbench.told import NOTHING, badge, moment, silence_of
from workbench.versions import RestoringSystem, Versioned


@admin.register(ConnectedSystem, site=desk)
class ConnectedSystems(Versioned):
    """Another system, configured and tried before its first save."""

    form = SystemForm
    restoring = RestoringSystem
    fields = (
        "application",
        "name",
        "slug",
        "description",
        "base_url",
        "authentication",
        "authorization_message",
    )
    prepopulated_fields = {"slug": ("name",)}
    list_display = ("name", "slug", "application", "authentication", "host", "trouble", "changed")
    list_filter = ("application", SystemStateFilter, HostFilter, "authentication")
    list_per_page = 50
    list_select_related = ("application",)
    search_fields = ("name", "slug", "description", "base_url")
    change_form_template = "workbench/systems/form.html"
    actions = None

    @property
    def media(self) -> Media:
        names = (
            "copy",
            "popup",
            "draft-authorize",
            "check-configuration",
            "find-endpoints",
            "draft-affected",
            "preview",
            "focus-problem",
        )
        scripts: list[Any] = [Script(f"js/{name}.js", defer=True) for name in names]
        return super().media + Media(css={"all": ["css/desk-form.css"]}, js=scripts)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related("circuits")

    @admin.display(description="Host", ordering="base_url")
    def host(self, system: ConnectedSystem) -> str:
        return system.host

    @admin.display(description="Trouble")
    def trouble(self, system: ConnectedSystem) -> str:
        circuits = system.open_circuits
        return badge(silence_of(circuits), "danger") if circuits else NOTHING

    @admin.display(description="Changed", ordering="updated_at")
    def changed(self, system: ConnectedSystem) -> str:
        return moment(system.updated_at)

    def get_urls(self) -> list[URLPattern]:
        name = "connectedsystems_connectedsystem_draft"
        return [
            path("draft/authorize/", self._draft(drafts.authorize), name=f"{name}_authorize"),
            path("draft/check/", self._draft(drafts.check), name=f"{name}_check"),
            path("draft/find/", self._draft(finding.find), name=f"{name}_find"),
            path("draft/affected/", self._draft(drafts.affected), name=f"{name}_affected"),
            path("draft/preview/", self._draft(drafts.preview), name=f"{name}_preview"),
            path("draft/done/", self._draft(drafts.done), name=f"{name}_done"),
            path(
                "draft/<uuid:public_id>/status/", self._draft(drafts.status), name=f"{name}_status"
            ),
            path("draft/<uuid:public_id>/back/", self._draft(drafts.back), name=f"{name}_back"),
            path(
                "<uuid:public_id>/looked-at/",
                self.admin_site.admin_view(self.looked_at),
                name="connectedsystems_connectedsystem_looked_at",
            ),
            path("known/", self._draft(known.known), name="connectedsystems_connectedsystem_known"),
            *super().get_urls(),
        ]

    def looked_at(self, request: HttpRequest, public_id: Any) -> HttpResponse:
        """An admin has looked at the hosts that a system leads to now."""
        if not is_admin(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        saving.look_at_reach(get_object_or_404(ConnectedSystem, pk=public_id), request.user)
        return HttpResponseRedirect(reverse("admin:index"))

    def _draft(self, view: Any) -> Any:
        def with_admin(request: HttpRequest, **kwargs: Any) -> HttpResponse:
            response: HttpResponse = view(request, self, **kwargs)
            return response

        return self.admin_site.admin_view(with_admin)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        mine = {"user": request.user, "session": request.session}
        seen = {name: getattr(request, name, None) for name in ("fetched", "overtaken")}
        return type("SystemForm", (form,), {**mine, **seen})

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        # The form is checked and saved in one transaction, and none is open while we fetch.
        if request.method == "POST":
            posted: Any = request
            posted.fetched = drafts.fetched(request, self)
        try:
            return super().changeform_view(request, *args, **kwargs)
        except saving.Conflict as conflict:
            # Somebody saved between our look and our write, and all of ours is rolled back. Asked
            # again, the form sees the other's values, and shows both.
            posted = request
            posted.overtaken = conflict.read
            uploads: Any = request.FILES.values()
            for upload in uploads:
                upload.seek(0)
            return super().changeform_view(request, *args, **kwargs)

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # A saved slug stands in addresses that people use: it does not follow the name.
        return {} if obj else self.prepopulated_fields

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        rows = self.get_field_queryset(
            None, ConnectedSystem._meta.get_field("application"), request
        )
        if "application" not in initial and rows is not None and rows.count() == 1:
            initial["application"] = rows.get().pk
        initial.setdefault("authentication", "oauth2_authorization_code")
        preset = known.chosen(request)
        if preset is not None:
            initial |= known.initial(preset)
        return initial

    # The form's page

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        form = context["adminform"].form
        system = kwargs.get("obj")
        context.update(
            errors=None,
            says=form.says,
            conflict=form.conflict if form.says else None,
            show_save_and_continue=False,
            show_save_and_add_another=False,
            has_file_field=True,
            preset=known.chosen(request) if system is None else None,
            adding=system is None,
            **_about(system, request.user),
        )
        response = super().render_change_form(request, context, *args, **kwargs)
        # Without script the form itself goes to the other system, in a tab of its own.
        sources = ["https:", "http:"] if settings.OUTBOUND_ALLOW else ["https:"]
        response._csp_update = {"form-action": sources}
        return response

    # Saving

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        saved = form.save_as(_by(request, form, change))
        # The admin goes on with its own object: for messages, and for where to lead.
        obj.__dict__.update(saved.system.__dict__)
        if form.result:
            tries.take_over(form.attempt, form.result, obj)
        typedsecrets.forget(request.session, obj.pk)
        if form.unheard:
            text = (
                "The Discovery URL gave nothing that can be used, so what it said before stays:"
                f" {discovering.sentence(form.unheard)}"
            )
            self.message_user(request, text, messages.WARNING)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> Any:
        return self._saved(request, obj, "is created")

    def response_change(self, request: HttpRequest, obj: Any) -> Any:
        return self._saved(request, obj, "is saved")

    def _saved(self, request: HttpRequest, system: ConnectedSystem, what: str) -> HttpResponse:
        standing = standing_of(system, request.user)
        link = format_html(
            '<a class="underline" href="{}">Use in new integration</a>', new_integration(system)
        )
        if not system.has_user_authorizations:
            self.message_user(
                request, format_html("{} {}. {}.", system.name, what, link), messages.SUCCESS
            )
        elif standing.connected:
            text = format_html("{} {}, and you are authorized. {}.", system.name, what, link)
            self.message_user(request, text, messages.SUCCESS)
        else:
            text = format_html(
                "{} {}. You are not authorized yet: click Authorize below to try it. {}.",
                system.name,
                what,
                link,
            )
            self.message_user(request, text, messages.WARNING)
        name = "admin:connectedsystems_connectedsystem_change"
        return HttpResponseRedirect(reverse(name, args=[system.pk]))

    # Deleting

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        saving.record_deletion(obj, request.user)
        super().delete_model(request, obj)


def _by(request: HttpRequest, form: Any, change: bool) -> By:
    changed = set(form.changed_data) - {"public_id"}
    fields = sorted(changed | ({"metadata"} if form.found_anew else set()))
    return By(
        actor=request.user,
        source="desk",
        action="system_changed" if change else "system_created",
        facts={"fields": fields, **({"ended": form.ended} if form.ended else {})},
    )


def new_integration(system: ConnectedSystem) -> str:
    """The desk's form of a new integration, with this system chosen."""
    query = urlencode({"connected_system": str(system.pk)})
    return f"{reverse('admin:index')}integrations/integration/add/?{query}"


def _about(system: ConnectedSystem | None, user: Any) -> dict[str, Any]:
    """What a page about a saved system says beside its fields."""
    if system is None or system._state.adding:
        return {}
    standing = standing_of(system, user) if system.has_user_authorizations else None
    return {
        "system": system,
        "standing": standing,
        "cautions": _cautions(system, standing),
        "failures": _failures(system),
        "new_integration": new_integration(system),
        "integrations": list(system.integrations.order_by("name")),
        **_counts(system.authorizations.all()),
    }


def _counts(authorizations: QuerySet[Authorization]) -> dict[str, int]:
    ended = Q(ended_code__gt="")
    counts: dict[str, int] = authorizations.aggregate(
        authorizations=Count("pk"), ended_authorizations=Count("pk", filter=ended)
    )
    return counts


def _failures(system: ConnectedSystem) -> list[tuple[int, Diagnosis]]:
    """Why authorizations of this system cannot be renewed, with how many it is."""
    kinds = (
        system.authorizations.filter(ended_code="")
        .exclude(failure_code="")
        .values_list("failure_code")
        .annotate(number=Count("pk"))
        .order_by("-number")
    )
    return [(number, diagnose(code, {"stage": "refresh"})) for code, number in kinds]


def _cautions(system: ConnectedSystem, standing: Standing | None) -> tuple[Caution, ...]:
    try:
        secrets = system.opened_secrets()
    except VaultFailure:
        return (
            Caution(
                "secrets_unreadable",
                "The stored secrets cannot be opened with the present VAULT_KEYS.",
                "Type them again, or start with the keys they were sealed under.",
                "client_secret",
            ),
        )
    found = cautions.of_settings(read(system.as_data()), secrets)
    authorization = standing.authorization if standing and standing.connected else None
    if authorization is None:
        return found
    return found + cautions.of_grant(
        asked=authorization.scope_requested,
        granted=authorization.scope,
        refreshable=authorization.refresh_token is not None,
    )
