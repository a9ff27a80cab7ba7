"""The audit as designers and admins read it: who did what to which system; nobody edits it."""

from __future__ import annotations

import json
import uuid
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.decorators import display

from connectedsystems.models import AuditEvent
from workbench import told
from workbench.roles import ReadOnly, designed_ids
from workbench.site import desk


@admin.register(AuditEvent, site=desk)
class AuditEventAdmin(ReadOnly):
    """Events as they were written; a designer reads those of their applications."""

    list_display = (
        "when",
        "action",
        "by",
        "address",
        "subject_name",
        "system_slug",
        "outcome",
        "reason",
    )
    list_filter = ("action", "outcome", "system_slug", "at")
    list_per_page = 50
    search_fields = ("actor_name", "subject_name", "system_slug", "reference", "action", "address")
    search_help_text = "Person, network address, system, action or reference"
    ordering = ("-at", "-id")
    fieldsets = (
        (None, {"fields": ("when", "action", "by", "address", "subject_name", "system_slug")}),
        ("Outcome", {"fields": ("outcome", "why", "link", "details")}),
    )

    def only_mine(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(application_id_text__in=[str(key) for key in designed_ids(request)])

    def application_id(self, obj: Any) -> uuid.UUID | None:
        return uuid.UUID(obj.application_id_text) if obj.application_id_text else None

    @display(description="when", ordering="at")
    def when(self, row: AuditEvent) -> str:
        return told.moment(row.at)

    @display(description="who", ordering="actor_name")
    def by(self, row: AuditEvent) -> str:
        return row.actor_name or "the product itself"

    @display(description="reason", ordering="code")
    def reason(self, row: AuditEvent) -> str:
        return told.failure(row.code, row.facts)

    @display(description="reason")
    def why(self, row: AuditEvent) -> str:
        return told.diagnosis(row.code, row.facts)

    @display(description="reference")
    def link(self, row: AuditEvent) -> str:
        return told.reference_link(row.reference)

    @display(description="details")
    def details(self, row: AuditEvent) -> str:
        if not row.facts:
            return told.NOTHING
        text = json.dumps(row.facts, indent=2, ensure_ascii=False, default=str)
        return format_html('<pre class="whitespace-pre-wrap">{}</pre>', text)
