"""Writes what is done to people and applications on the desk into the audit."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from connectedsystems.models import Application, AuditEvent


class Recorded(ModelAdmin):
    """Every addition, change and deletion leaves an event, with the names of the fields."""

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self._record(request, obj, "created", message)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        if message:
            self._record(request, obj, "changed", message)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        for obj in queryset:
            self._record(request, obj, "deleted", "")
        return super().log_deletions(request, queryset)

    def _record(self, request: HttpRequest, obj: Any, what: str, message: Any) -> None:
        fields = _fields(message)
        actor: Any = request.user
        AuditEvent.objects.create(
            action=f"{self.opts.model_name}_{what}",
            actor=actor,
            actor_name=actor.get_username(),
            subject_name=str(obj)[:150],
            application_id_text=str(obj.pk) if isinstance(obj, Application) else "",
            outcome="done",
            facts={"fields": fields} if fields else {},
        )


def _fields(message: Any) -> list[str]:
    """The fields that Django's change message names; a text of its own is one of them."""
    if isinstance(message, str):
        return [message] if message else []
    return [
        str(name)
        for part in message
        for details in part.values()
        for name in details.get("fields", ())
    ]
