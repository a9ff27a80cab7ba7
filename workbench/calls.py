"""The recorded calls as designers and admins see them: failures, writes and tests."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display

from integrations.models import CallRecord
from workbench import told
from workbench.filters import CodeFilter
from workbench.roles import ReadOnly
from workbench.site import desk


@admin.register(CallRecord, site=desk)
class CallRecordAdmin(ReadOnly):
    """What became of calls; queries that succeed leave no record."""

    application_path = "system__application"
    list_display = ("named", "result", "reason", "integration_slug", "user", "status", "when")
    list_filter = ("system", "success", ("code", CodeFilter), "at")
    list_per_page = 50
    list_select_related = ("user", "system")
    search_fields = ("reference", "integration_slug", "user__username")
    search_help_text = "Reference, integration or user name"
    ordering = ("-at",)
    fieldsets = (
        (None, {"fields": ("integration_slug", "system", "user", "result", "why", "link")}),
        ("HTTP", {"fields": ("status", "took", "when")}),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("system__secrets", "system__logo")

    @display(description="reference")
    def named(self, row: CallRecord) -> str:
        return told.unbroken(row.reference)

    @display(description="outcome", ordering="success")
    def result(self, row: CallRecord) -> str:
        return told.badge("succeeded", "success") if row.success else told.badge("failed", "danger")

    @display(description="reason", ordering="code")
    def reason(self, row: CallRecord) -> str:
        return told.failure(row.code, row.facts)

    @display(description="reason")
    def why(self, row: CallRecord) -> str:
        return told.diagnosis(row.code, row.facts)

    @display(description="what happened")
    def link(self, row: CallRecord) -> str:
        return told.reference_link(row.reference)

    @display(description="at", ordering="at")
    def when(self, row: CallRecord) -> str:
        return told.moment(row.at)

    @display(description="took")
    def took(self, row: CallRecord) -> str:
        return f"{row.seconds:.2f} s"
