"""The attempts as designers and admins see them: outcome, reason, times, reference."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from authlinks.models import AttemptOutcome, AuthorizationAttempt
from connectedsystems.models import ConnectedSystem
from workbench import told
from workbench.filters import CodeFilter
from workbench.roles import ReadOnly, designed_ids
from workbench.site import desk

TONES = {
    AttemptOutcome.SUCCEEDED: "success",
    AttemptOutcome.OPEN: "info",
    AttemptOutcome.FAILED: "danger",
}
NOT_SAVED = "not saved yet"


@admin.register(AuthorizationAttempt, site=desk)
class AttemptAdmin(ReadOnly):
    """Walks to other systems; those of unsaved systems are their own designer's."""

    list_display = ("named", "result", "reason", "user", "at_system", "begun", "finished")
    list_filter = ("outcome", ("code", CodeFilter), "begun_at")
    list_per_page = 50
    search_fields = ("reference", "user__username")
    search_help_text = "Reference, user or connected system"
    ordering = ("-begun_at",)
    fieldsets = (
        (None, {"fields": ("user", "at_system", "result", "why", "asked", "link")}),
        ("Times", {"fields": ("begun", "ends", "finished")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # The system may not be saved yet, so a join would lose the row.
        return (
            super()
            .get_queryset(request)
            .select_related("user")
            .prefetch_related("system")
            .defer("verifier", "draft", "draft_answer")
        )

    def only_mine(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        mine = ConnectedSystem.objects.filter(application__in=designed_ids(request))
        saved = ConnectedSystem.objects.all()
        own_drafts = Q(user=request.user) & ~Q(system_id__in=saved.values("pk"))
        return rows.filter(Q(system_id__in=mine.values("pk")) | own_drafts)

    def is_mine(self, request: HttpRequest, obj: Any) -> bool:
        return obj is None or self.get_queryset(request).filter(pk=obj.pk).exists()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        found, repeats = super().get_search_results(request, queryset, search_term)
        if not search_term.strip():
            return found, repeats
        words = search_term.strip()
        systems = ConnectedSystem.objects.filter(Q(name__icontains=words) | Q(slug=words))
        return found | queryset.filter(system_id__in=systems.values("pk")), repeats

    @display(description="reference")
    def named(self, row: AuthorizationAttempt) -> str:
        return told.unbroken(row.reference)

    @display(description="what happened")
    def link(self, row: AuthorizationAttempt) -> str:
        return told.reference_link(row.reference)

    @display(description="connected system")
    def at_system(self, row: AuthorizationAttempt) -> str:
        try:
            return str(row.system)
        except ObjectDoesNotExist:
            return NOT_SAVED

    @display(description="outcome", ordering="outcome")
    def result(self, row: AuthorizationAttempt) -> str:
        outcome = AttemptOutcome(row.present_outcome)
        return told.badge(str(outcome.label).lower(), TONES[outcome])

    @display(description="reason", ordering="code")
    def reason(self, row: AuthorizationAttempt) -> str:
        return told.failure(_code(row), row.facts)

    @display(description="reason")
    def why(self, row: AuthorizationAttempt) -> str:
        return told.diagnosis(_code(row), row.facts)

    @display(description="scope asked for")
    def asked(self, row: AuthorizationAttempt) -> str:
        return row.scope_requested or told.NOTHING

    @display(description="begun", ordering="begun_at")
    def begun(self, row: AuthorizationAttempt) -> str:
        return told.moment(row.begun_at)

    @display(description="could be answered until")
    def ends(self, row: AuthorizationAttempt) -> str:
        return told.moment(row.ends_at)

    @display(description="finished", ordering="finished_at")
    def finished(self, row: AuthorizationAttempt) -> str:
        return told.moment(row.finished_at)


def _code(row: AuthorizationAttempt) -> str:
    """An attempt under way has no reason yet; one that did not come back in time has."""
    return "" if row.present_outcome == AttemptOutcome.OPEN else row.present_code
