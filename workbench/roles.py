"""What designers and admins may see and do on the desk.

An admin is a superuser. A designer is whoever is in a designers' group of an application: neither
``is_staff`` nor model permissions are asked anywhere on the desk.
"""

from __future__ import annotations

import uuid
from typing import Any, TypeVar

from django.contrib.admin import ListFilter, RelatedOnlyFieldListFilter
from django.contrib.admin.utils import get_fields_from_path
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest

from connectedsystems.models import Application
from workbench.deletion import SaysWhatGoes

Rows = TypeVar("Rows", bound=Model)


def is_admin(request: HttpRequest) -> bool:
    """Whether this person may do everything on the desk."""
    return bool(request.user.is_active and request.user.is_superuser)


def designed_ids(request: HttpRequest) -> frozenset[uuid.UUID]:
    """The applications this person designs, asked once a request; an admin's are all."""
    known: frozenset[uuid.UUID] | None = getattr(request, "designed_ids", None)
    if known is None:
        rows = Application.objects.for_designer(request.user)
        known = frozenset(rows.order_by().values_list("pk", flat=True))
        request.designed_ids = known  # type: ignore[attr-defined]
    return known


def may_use_desk(request: HttpRequest) -> bool:
    """Whether the desk opens for this person."""
    return is_admin(request) or bool(designed_ids(request))


class OfMyApplications(SaysWhatGoes):
    """Shows a designer the objects of their applications, and nothing of others.

    ``application_path`` is the lookup from the model
    to its application, such as ``connected_system__application``; ``pk`` for the application
    itself. Objects of others answer 404; choices of related objects are what the person sees in
    those objects' own lists; lists are filtered by the names in ``list_filter`` alone, and a filter
    by a related object names only those that the person's own rows name.
    """

    application_path = "application"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        return rows if is_admin(request) else self.only_mine(request, rows)

    def only_mine(self, request: HttpRequest, rows: QuerySet[Rows]) -> QuerySet[Rows]:
        """Those of the rows that a designer may see."""
        return rows.filter(**{f"{self.application_path}__in": designed_ids(request)})

    def is_mine(self, request: HttpRequest, obj: Any) -> bool:
        """Whether this person may see the object; True for the model as a whole."""
        return obj is None or is_admin(request) or self.application_id(obj) in designed_ids(request)

    def application_id(self, obj: Any) -> uuid.UUID | None:
        """The key of the object's application."""
        *steps, last = self.application_path.split("__")
        for step in steps:
            obj = getattr(obj, step)
            if obj is None:
                return None
        return obj.pk if last == "pk" else getattr(obj, f"{last}_id")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may_use_desk(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_use_desk(request) and self.is_mine(request, obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_use_desk(request) and self.is_mine(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_use_desk(request) and self.is_mine(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_use_desk(request) and self.is_mine(request, obj)

    def get_field_queryset(
        self, db: str | None, db_field: Any, request: HttpRequest
    ) -> QuerySet[Any] | None:
        """What a field for related objects offers."""
        related = self.admin_site._registry.get(db_field.remote_field.model)
        if related is None:
            return super().get_field_queryset(db, db_field, request)
        rows = related.get_queryset(request)
        return rows if related.has_view_permission(request) else rows.none()

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        """A filter by a related object names only those that occur in this person's rows."""
        return [self._only_mine_in(entry) for entry in super().get_list_filter(request)]

    def _only_mine_in(self, entry: Any) -> Any:
        if not isinstance(entry, str):
            return entry
        field = get_fields_from_path(self.model, entry)[-1]
        return (entry, RelatedOnlyFieldListFilter) if field.is_relation else entry

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        # Django allows every field of the model itself: a question to sealed columns and hashes.
        names = tuple(_name_of(entry) for entry in self.get_list_filter(request))
        return lookup.startswith(names) and super().lookup_allowed(lookup, value, request)

    def _get_obj_does_not_exist_redirect(
        self, request: HttpRequest, opts: Any, object_id: str
    ) -> Any:
        raise Http404("no such object, or not of this person's applications")


class ReadOnly(OfMyApplications):
    """What the product writes and people look at: nobody adds, changes or deletes it."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class AdminsOnly(OfMyApplications):
    """What a designer does not see at all: with 403, as it is no secret that it exists."""

    def only_mine(self, request: HttpRequest, rows: QuerySet[Rows]) -> QuerySet[Rows]:
        return rows.none()

    def is_mine(self, request: HttpRequest, obj: Any) -> bool:
        return is_admin(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return is_admin(request)


def _name_of(entry: Any) -> str:
    if isinstance(entry, type) and issubclass(entry, ListFilter):
        return str(getattr(entry, "parameter_name", ""))
    return str(entry[0] if isinstance(entry, list | tuple) else entry)
