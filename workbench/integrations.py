"""The designers' screen of integrations: written, seen as an address, tried, then saved."""

from __future__ import annotations

import json
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import F, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import path, reverse
from unfold.decorators import display

from authlinks import limits
from authlinks.navigation import local_path
from connectedsystems import placeholders
from connectedsystems.errors import Failure
from connectedsystems.models import AuditEvent, ConnectedSystem
from integrations import call, files
from integrations.definition import Definition, body_kind, read
from integrations.forms import form_for
from integrations.inputs import Input
from integrations.models import Integration, IntegrationVersion, Usage
from integrations.request import Prepared, Speaker
from integrations.trace import Trace
from workbench import importing, operations, tried
from workbench.filters import IntegrationHostFilter, IntegrationStateFilter
from workbench.integrationform import CONTENT_TYPES, IntegrationForm, label_of
from workbench.site import desk
from workbench.testpanel import Panel, panel_of, refusal
from workbench.versions import RestoringIntegration, Versioned

TEST_PREFIX = "test"
NOT_TESTED = ("name", "slug")
"""Fields whose mistakes keep nobody from trying the call."""


@admin.register(Integration, site=desk)
class Integrations(Versioned):
    """Integrations of the applications that this person designs."""

    application_path = "connected_system__application"
    form = IntegrationForm
    restoring = RestoringIntegration
    list_display = ("name", "connected_system", "shows_usage", "shows_request", "updated_at")
    list_filter = (
        ("connected_system", admin.RelatedOnlyFieldListFilter),
        ("connected_system__application", admin.RelatedOnlyFieldListFilter),
        IntegrationStateFilter,
        IntegrationHostFilter,
        "usage",
    )
    search_fields = ("name", "slug", "connected_system__name")
    list_select_related = ("connected_system",)
    list_per_page = 50
    prepopulated_fields: ClassVar[dict[str, tuple[str, ...]]] = {"slug": ("name",)}
    warn_unsaved_form = True
    change_form_template = "workbench/integration_form.html"
    list_before_template = "workbench/_from_openapi.html"
    change_form_after_template = "workbench/_integration_test.html"
    fieldsets = (
        (None, {"fields": ("connected_system", "name", "slug", "usage")}),
        ("Request", {"fields": ("method", "path", "parameters", "headers")}),
        ("Body", {"fields": ("content_type", "body"), "classes": ("integration-body",)}),
        ("Inputs", {"fields": ("inputs",)}),
        (
            "Answer",
            {
                "fields": (
                    "timeout",
                    "success",
                    "error_message",
                    "result",
                    "pagination",
                    "idempotency_key",
                )
            },
        ),
    )

    class Media:
        css: ClassVar[dict[str, list[str]]] = {
            "all": ["css/desk-form.css", "css/integration-form.css"]
        }
        js: ClassVar[list[forms.Script]] = [
            forms.Script(f"js/{name}.js", defer=True)
            for name in (
                "popup",
                "authorize",
                "tabs",
                "row-editor",
                "integration-form",
                "focus-problem",
            )
        ]

    @display(description="Usage", label={"Queries data": "info", "Modifies data": "warning"})
    def shows_usage(self, integration: Integration) -> str:
        return Usage(integration.usage).label.capitalize()

    @display(description="Request")
    def shows_request(self, integration: Integration) -> str:
        definition = integration.definition
        return f"{definition.get('method', 'GET')} {definition.get('path', '')}"

    def get_urls(self) -> list[Any]:
        guarded = self.admin_site.admin_view
        return [
            path("test/", guarded(self.test_view), name="integrations_integration_test"),
            path(
                "<path:object_id>/forget-inputs/",
                guarded(self.forget_view),
                name="integrations_integration_forget",
            ),
            path("preview/", guarded(self.preview_view), name="integrations_integration_preview"),
            path("from-curl/", guarded(self.curl_view), name="integrations_integration_curl"),
            path("from-openapi/", guarded(self.openapi_view), name="integrations_openapi"),
            *super().get_urls(),
        ]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """``?connected_system=`` takes a system's key or its slug."""
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        given = str(initial.get("connected_system") or "")
        if given and not _is_uuid(given):
            system = ConnectedSystem.objects.for_designer(request.user).filter(slug=given).first()
            initial["connected_system"] = system.pk if system else None
        return initial | importing.initial(request, self)

    def curl_view(self, request: HttpRequest) -> HttpResponse:
        """A pasted cURL command becomes the add form's values."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return importing.from_curl(request, self)

    def openapi_view(self, request: HttpRequest) -> HttpResponse:
        """The operations of an OpenAPI document become integrations, as many as are chosen."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return operations.from_openapi(request, self)

    def get_field_queryset(
        self, db: str | None, db_field: Any, request: HttpRequest
    ) -> QuerySet[Any] | None:
        if db_field.name == "connected_system":
            return ConnectedSystem.objects.for_designer(request.user)
        return super().get_field_queryset(db, db_field, request)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Another version, whoever else saves in the same moment."""
        if change:
            obj.version = F("version") + 1
            IntegrationVersion.objects.begin(obj.pk)
        super().save_model(request, obj, form, change)
        obj.refresh_from_db(fields=["version"])
        IntegrationVersion.objects.write(obj, request.user, "desk")
        changed = {"fields": sorted(form.changed_data)} if change else {}
        _audit("integration_changed" if change else "integration_created", request, obj, changed)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        _audit("integration_deleted", request, obj)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for integration in queryset.select_related("connected_system"):
            _audit("integration_deleted", request, integration)
        super().delete_queryset(request, queryset)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **more: Any
    ) -> HttpResponse:
        form = context["adminform"].form
        before = None
        if request.method == "GET" and not form.instance._state.adding:
            before = tried.last(form.instance, request.user)
        texts = dict(before.texts) if before else _test_texts(request.POST)
        said = _said(form)
        context |= {
            "test_form": _test_form(said[0], texts) if said else None,
            "content_types": CONTENT_TYPES,
            "test_values": texts,
            "tried": before,
            "preview": _line(*said, texts) if said else "",
        }
        return super().render_change_form(request, context, *args, **more)

    def test_view(self, request: HttpRequest) -> HttpResponse:
        """Make the call as the designer at the screen, saved or not; a panel, or a page of one."""
        if request.method != "POST":
            return HttpResponseRedirect(_changelist())
        form = self._form(request)
        form.is_valid()
        panel = _problems(form)
        if form.definition is not None:
            panel = self._tried(request, form.definition, form.cleaned_data["connected_system"])
        context = {
            **self.admin_site.each_context(request),
            "title": "Test",
            "panel": panel,
            "back": local_path(request.POST.get("form_address"), _changelist()),
        }
        is_fragment = request.headers.get("X-Requested-With") == "fetch"
        template = "workbench/_test_panel.html" if is_fragment else "workbench/test_page.html"
        response = render(request, template, context)
        response["Cache-Control"] = "no-store"
        return response

    def forget_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Forget what this person typed into the last test."""
        integration = self.get_object(request, unquote(object_id))
        if integration is None or not self.has_change_permission(request, integration):
            raise Http404("no such integration, or not of this person's")
        if request.method == "POST":
            tried.forget(integration, request.user)
            self.message_user(request, "The inputs of your last test are forgotten.")
        name = "admin:integrations_integration_change"
        return HttpResponseRedirect(reverse(name, args=[integration.pk]))

    def _tried(
        self, request: HttpRequest, definition: Definition, system: ConnectedSystem
    ) -> Panel:
        trace = Trace()
        typed = _test_texts(request.POST)
        typed |= files.texts_of(definition.inputs, request.FILES, f"{TEST_PREFIX}-")
        names = [each.name for each in definition.inputs if each.name in typed]
        try:
            limits.count("call", str(request.user.pk))
            values = definition.read({name: typed[name] for name in names}, texts=True)
        except Failure as failure:
            return refusal(failure, system)
        outcome = call.try_out(definition, system, request.user, values, trace)
        rows = Integration.objects.filter(slug=definition.slug, connected_system=system)
        saved = rows.first()
        if saved is not None:
            tried.keep(saved, request.user, {name: typed[name] for name in names})
        return panel_of(outcome, trace, definition, system, saved is not None)

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """JSON: ``line``, the request's first line as it would be sent; ``undeclared`` names."""
        if request.method != "POST":
            return HttpResponseRedirect(_changelist())
        form = self._form(request)
        form.is_valid()
        said = _said(form)
        line = _line(*said, _test_texts(request.POST)) if said else _plain_line(form)
        return JsonResponse({"line": line, "undeclared": _undeclared(form)})

    def _form(self, request: HttpRequest) -> IntegrationForm:
        form: IntegrationForm = self.get_form(request)(request.POST)
        return form


def _audit(
    action: str, request: HttpRequest, integration: Integration, facts: dict[str, Any] | None = None
) -> None:
    AuditEvent.objects.record(
        action,
        actor=request.user,
        system=integration.connected_system,
        facts={"integration": integration.slug, **(facts or {})},
    )


def _changelist() -> str:
    return reverse("admin:integrations_integration_changelist")


def _said(form: IntegrationForm) -> tuple[Definition, ConnectedSystem] | None:
    """What the form says and of which system; None where it does not say enough."""
    if form.definition is not None:
        return form.definition, form.cleaned_data["connected_system"]
    if form.is_bound or form.instance._state.adding:
        return None
    return read(form.instance.as_data()), form.instance.connected_system


def _problems(form: IntegrationForm) -> Panel:
    """What keeps the call from being made, field by field."""
    return Panel(
        problems=[
            (name, label_of(name), [str(sentence) for sentence in sentences])
            for name, sentences in form.errors.items()
            if name not in NOT_TESTED
        ]
    )


def _test_texts(given: Any) -> dict[str, str]:
    """What was typed into the test's inputs, by their names."""
    start = f"{TEST_PREFIX}-"
    return {
        key.removeprefix(start): "\n".join(given.getlist(key))
        for key in given
        if key.startswith(start)
    }


def _test_form(definition: Definition, texts: dict[str, str]) -> forms.Form:
    form = form_for(definition)
    form.prefix = TEST_PREFIX
    form.initial = texts
    return form


def _line(definition: Definition, system: ConnectedSystem, texts: dict[str, str]) -> str:
    """The request's first line; what has no value yet stands there as ``{name}``."""
    configuration = system.parsed()
    values = {
        each.name: _previewed(each, texts) or each.default or _as_name(each.name)
        for each in definition.inputs
    }
    open_names = configuration.declared - set(configuration.variables)
    speaker = Speaker(captures={name: _as_name(name) for name in open_names})
    try:
        parts = Prepared(definition, configuration).fill(values, speaker)
    except Failure:
        return _joined(definition.method, system, definition.path)
    return f"{parts.method} {parts.url.replace('%7B', '{').replace('%7D', '}')}"


def _previewed(wanted: Input, texts: dict[str, str]) -> Any:
    text = texts.get(wanted.name, "")
    return text.splitlines() if wanted.type == "list" else text


def _plain_line(form: IntegrationForm) -> str:
    system = form.cleaned_data.get("connected_system")
    if system is None:
        return ""
    return _joined(form.data.get("method") or "GET", system, form.data.get("path") or "")


def _joined(method: str, system: ConnectedSystem, path_: str) -> str:
    below = f"/{path_.lstrip('/')}" if path_ else ""
    return f"{method} {system.base_url.rstrip('/')}{below}"


def _as_name(name: str) -> str:
    return f"{{{name}}}"


def _undeclared(form: IntegrationForm) -> list[str]:
    """Names in braces that are no input yet and nothing of the system's."""
    system = form.cleaned_data.get("connected_system")
    if system is None:
        return []
    inputs = _json_of(form, "inputs")
    known = {each.get("name") for each in inputs or [] if isinstance(each, dict)}
    known |= system.parsed().declared | placeholders.BUILT_INS
    as_text = body_kind(form.data.get("content_type") or "application/json") == "text"
    trees = [
        form.data.get("path"),
        _json_of(form, "parameters"),
        _json_of(form, "headers"),
        form.data.get("body") if as_text else _json_of(form, "body"),
    ]
    return sorted({name for tree in trees for name in _names(tree)} - known)


def _names(tree: Any) -> frozenset[str]:
    try:
        return placeholders.names(tree)
    except (TypeError, ValueError):
        return frozenset()


def _json_of(form: IntegrationForm, name: str) -> Any:
    try:
        return json.loads(form.data.get(name) or "null")
    except (ValueError, RecursionError):
        return None


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
