"""How far revocations are: of each deletion, and of what else ended and is not confirmed yet."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from authlinks.models import EndingAuthorization, EndingClient
from workbench import told
from workbench.roles import ReadOnly, designed_ids, is_admin
from workbench.site import desk


def left_in(rows: QuerySet[EndingClient]) -> QuerySet[EndingClient]:
    """The same rows with ``still``: how many authorizations of each are to be revoked yet."""
    settled = F("confirmed") + F("not_confirmed") + F("not_revoked")
    return rows.annotate(still=F("total") - settled)


def number_left(request: HttpRequest) -> int:
    """How many authorizations of this person's applications are still to be revoked."""
    rows = EndingAuthorization.objects.all()
    if not is_admin(request):
        mine = [str(key) for key in designed_ids(request)]
        rows = rows.filter(client__application_id_text__in=mine)
    return rows.count()


class UnderWay(admin.SimpleListFilter):
    """Whether anything is left to do."""

    title = "whether it is finished"
    parameter_name = "finished"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("no", "Under way"), ("yes", "Finished")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        if self.value() == "no":
            return queryset.filter(still__gt=0)
        return queryset.filter(still=0) if self.value() == "yes" else None


@admin.register(EndingClient, site=desk)
class RevocationAdmin(ReadOnly):
    """Each ending at one system: how many authorizations, and what became of them so far."""

    list_display = (
        "when",
        "kind",
        "system_slug",
        "by",
        "total",
        "left",
        "confirmed",
        "not_confirmed",
        "not_revoked",
        "state",
    )
    list_filter = (UnderWay, "kind", "system_slug")
    list_per_page = 50
    list_before_template = "workbench/_revocations.html"
    search_fields = ("system_slug", "actor_name")
    search_help_text = "Connected system or person"
    ordering = ("-begun_at",)
    fieldsets = (
        (None, {"fields": ("when", "kind", "system_slug", "by", "state")}),
        (
            "Authorizations",
            {"fields": ("total", "left", "confirmed", "not_confirmed", "not_revoked")},
        ),
        ("Times", {"fields": ("until", "finished")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return left_in(super().get_queryset(request).defer("client", "secrets"))

    def only_mine(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(application_id_text__in=[str(key) for key in designed_ids(request)])

    def application_id(self, obj: Any) -> uuid.UUID | None:
        return uuid.UUID(obj.application_id_text) if obj.application_id_text else None

    @display(description="when", ordering="begun_at")
    def when(self, row: EndingClient) -> str:
        return told.moment(row.begun_at)

    @display(description="who", ordering="actor_name")
    def by(self, row: EndingClient) -> str:
        return row.actor_name or "the product itself"

    @display(description="left", ordering="still")
    def left(self, row: EndingClient) -> int:
        return row.left

    @display(description="state")
    def state(self, row: EndingClient) -> str:
        if not row.left:
            return told.badge("finished", "success")
        if row.failures:
            return told.badge("no answer, tried again", "warning")
        return told.badge("under way", "info")

    @display(description="given up")
    def until(self, row: EndingClient) -> str:
        return told.moment(row.ends_at) if row.left else told.NOTHING

    @display(description="finished")
    def finished(self, row: EndingClient) -> str:
        return told.moment(row.finished_at)
