"""What goes with an object when it is deleted, as counts: a long list warns nobody."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import messages
from django.db.models import CASCADE, PROTECT, Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import capfirst
from unfold.admin import ModelAdmin

from authlinks.models import Authorization

_MOST_NAMED = 5
_FATES = {
    "authorization": "revoked at the other system, where it can be asked, and forgotten here",
}


class SaysWhatGoes(ModelAdmin):
    """Counts what a deletion takes along; what the product wrote needs no permission of its own."""

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        obj.deleted_by = request.user  # whoever ends the authorizations is named by it
        ended = sum(
            _number(relation, [obj])
            for relation in self.opts.related_objects
            if relation.related_model is Authorization
        )
        super().delete_model(request, obj)
        if ended:
            sentence = format_html(
                "{} ended here. What can be revoked at the other system is revoked now:"
                ' <a class="underline" href="{}">see how far it is</a>.',
                _counted(Authorization, ended),
                reverse("admin:authlinks_endingclient_changelist"),
            )
            self.message_user(request, sentence, messages.INFO)

    def get_deleted_objects(
        self, objs: Iterable[Any], request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[str]]:
        rows = list(objs)
        named: list[Any] = [f"{capfirst(self.opts.verbose_name)}: {row}" for row in rows]
        counts: dict[str, int] = {}
        kept: list[str] = []
        for relation in self.opts.related_objects:
            number = _number(relation, rows)
            if number and relation.on_delete is PROTECT:
                kept.append(_with_names(relation, rows, number))
            elif number and relation.on_delete is CASCADE:
                counts[str(relation.related_model._meta.verbose_name_plural)] = number
                named.append(_with_fate(relation.related_model, number))
        lacking = {
            str(self.opts.verbose_name)
            for row in rows
            if not self.has_delete_permission(request, row)
        }
        counts = {str(self.opts.verbose_name_plural): len(rows), **counts}
        return named, counts, lacking, kept


def _number(relation: Any, rows: Sequence[Model]) -> int:
    model = relation.related_model
    return int(model._default_manager.filter(**{f"{relation.field.name}__in": rows}).count())


def _with_names(relation: Any, rows: Sequence[Model], number: int) -> str:
    """What keeps the rows from being deleted is to be found: a few are named."""
    found = relation.related_model._default_manager.filter(**{f"{relation.field.name}__in": rows})
    names = ", ".join(str(each) for each in found[:_MOST_NAMED])
    rest = f", {number - _MOST_NAMED} more" if number > _MOST_NAMED else ""
    return f"{_counted(relation.related_model, number)}: {names}{rest}"


def _counted(model: type[Model], number: int) -> str:
    meta = model._meta
    return f"{number} {meta.verbose_name if number == 1 else meta.verbose_name_plural}"


def _with_fate(model: type[Model], number: int) -> str:
    fate = _FATES.get(str(model._meta.model_name))
    return f"{_counted(model, number)}: {fate}" if fate else _counted(model, number)
