"""Applications on the desk: their people, and who may change what of them."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from unfold.decorators import display

from connectedsystems.models import Application
from workbench import promotion
from workbench.recorded import Recorded
from workbench.roles import OfMyApplications, is_admin
from workbench.site import desk


@admin.register(Application, site=desk)
class ApplicationAdmin(Recorded, OfMyApplications):
    """An admin makes applications and names their designers; designers look after members."""

    application_path = "pk"
    list_display = ("name", "slug", "systems", "open_to_everyone")
    search_fields = ("name", "slug")
    list_filter = ("open_to_everyone",)
    autocomplete_fields = ("designers", "members")
    list_before_template = "workbench/_load_bundle.html"
    change_form_outer_before_template = "workbench/_application_new.html"
    fieldsets = (
        (None, {"fields": ("name", "slug")}),
        ("People", {"fields": ("designers", "open_to_everyone", "members")}),
    )

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["css/desk-form.css"]}

    def get_urls(self) -> list[URLPattern]:
        name = "connectedsystems_application"
        guarded = self.admin_site.admin_view
        return [
            path("load/", guarded(partial(self._with, promotion.upload)), name=f"{name}_load"),
            path(
                "<path:object_id>/bundle/",
                guarded(partial(self._with, promotion.download)),
                name=f"{name}_bundle",
            ),
            *super().get_urls(),
        ]

    def _with(self, view: Any, request: HttpRequest, **named: Any) -> HttpResponse:
        response: HttpResponse = view(request, self, **named)
        return response

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).annotate(number=Count("connected_systems"))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return () if is_admin(request) else ("slug", "designers")

    def get_prepopulated_fields(
        self, request: HttpRequest, obj: Any = None
    ) -> dict[str, tuple[str, ...]]:
        return {} if obj else {"slug": ("name",)}

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_admin(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_admin(request)

    @display(description="connected systems", ordering="number")
    def systems(self, row: Any) -> int:
        return int(row.number)
