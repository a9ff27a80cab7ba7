"""Users and groups on the desk: admins look after them, designers see their own groups."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Count, Exists, OuterRef, Prefetch, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import action, display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from authlinks.leaver import Left, connections_of, end_all
from authlinks.models import Authorization
from connectedsystems.models import Application
from workbench import told
from workbench.recorded import Recorded
from workbench.roles import AdminsOnly, ReadOnly, designed_ids, is_admin
from workbench.site import desk


@admin.register(User, site=desk)
class UserAdmin(Recorded, AdminsOnly, DjangoUserAdmin):
    """People, without the permissions that nothing here asks."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    add_fieldsets = DjangoUserAdmin.add_fieldsets
    list_display = ("username", "email", "is_active", "role", "connections", "last_seen")
    list_filter = ("is_active", "is_superuser", "groups")
    filter_horizontal = ()
    autocomplete_fields = ("groups",)
    search_fields = ("username", "email", "first_name", "last_name")
    search_help_text = "Name or e-mail address"
    actions_detail = ("leave",)
    readonly_fields = ("their_password", "connections", "last_seen", "joined")
    fieldsets = (
        (None, {"fields": ("username", "their_password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("What they may do", {"fields": ("is_active", "is_superuser", "groups")}),
        ("What is kept", {"fields": ("connections", "last_seen", "joined")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        designs = Application.objects.filter(designers__user=OuterRef("pk"))
        rows = super().get_queryset(request)
        return rows.annotate(number=Count("authorizations"), designs=Exists(designs))

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "is_superuser":
            kwargs["label"] = "Admin"
            kwargs["help_text"] = "May do everything on the desk, for all applications."
        if db_field.name == "is_active":
            kwargs["help_text"] = "Switch this off to refuse this person everywhere, at once."
        if db_field.name == "groups":
            kwargs["help_text"] = "Applications name groups as their designers and members."
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """Whoever was switched off just now may be connected still: ask what becomes of it."""
        left = not obj.is_active and obj.switched_off
        if left and connections_of(obj).exists():
            messages.success(request, f"{obj} is deactivated, and refused everywhere from now on.")
            return HttpResponseRedirect(reverse("admin:auth_user_leave", args=[obj.pk]))
        return super().response_change(request, obj)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        was_active = User.objects.filter(pk=obj.pk, is_active=True).exists()
        super().save_model(request, obj, form, change)
        obj.switched_off = was_active and not obj.is_active

    def has_leave_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_admin(request)

    # An address of its own: the forms of the desk run in a transaction, and this asks the network.
    @action(
        description="Disconnect everything…",
        permissions=["leave"],
        icon="link_off",
        url_path="leave",
    )
    def leave(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, and on POST end all that this person is connected to, here and over there."""
        person = self.get_object(request, object_id)
        if person is None:
            raise Http404("no such user")
        if request.method == "POST":
            _announce(request, person, end_all(person, actor=request.user))
            path = reverse("admin:auth_user_change", args=[person.pk])
            return HttpResponseRedirect(path, status=303)
        connections = list(connections_of(person))
        where = _where(connections)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Disconnect {where}?",
            "opts": self.opts,
            "person": person,
            "connections": connections,
            "where": where,
        }
        return TemplateResponse(request, "workbench/leave.html", context)

    @display(description="role")
    def role(self, row: Any) -> str:
        if row.is_superuser:
            return told.badge("admin", "info")
        return told.badge("designer", "success") if row.designs else told.NOTHING

    # Not even the part of the hash that Django's own field shows.
    @display(description="password")
    def their_password(self, row: Any) -> str:
        if not row.pk:
            return told.NOTHING
        path = reverse("admin:auth_user_password_change", args=[row.pk])
        return format_html('<a class="underline" href="{}">Set another password</a>', path)

    @display(description="authorizations", ordering="number")
    def connections(self, row: Any) -> str:
        if not row.pk:
            return told.NOTHING
        path = reverse("admin:authlinks_authorization_changelist", query={"q": row.username})
        return format_html('<a class="underline" href="{}">{}</a>', path, row.number)

    @display(description="last log-in", ordering="last_login")
    def last_seen(self, row: Any) -> str:
        return told.moment(row.last_login)

    @display(description="joined", ordering="date_joined")
    def joined(self, row: Any) -> str:
        return told.moment(row.date_joined)


@admin.register(Group, site=desk)
class GroupAdmin(Recorded, ReadOnly, DjangoGroupAdmin):
    """Groups of people: designers' and members' groups of applications."""

    list_display = ("name", "people", "designs", "member_of")
    list_filter = ()
    search_fields = ("name",)
    fields = ("name", "designs", "member_of", "who")
    readonly_fields = ("designs", "member_of", "who")
    fieldsets = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return (
            super()
            .get_queryset(request)
            .annotate(number=Count("user", distinct=True))
            .prefetch_related(
                Prefetch("designed_applications", Application.objects.for_designer(request.user)),
                Prefetch("member_applications", Application.objects.for_designer(request.user)),
            )
        )

    def only_mine(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        mine = designed_ids(request)
        in_my_applications = Group.objects.filter(
            Q(designed_applications__in=mine) | Q(member_applications__in=mine)
        )
        return rows.filter(pk__in=in_my_applications.values("pk"))

    def is_mine(self, request: HttpRequest, obj: Any) -> bool:
        return obj is None or self.get_queryset(request).filter(pk=obj.pk).exists()

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_admin(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_admin(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_admin(request)

    @display(description="people", ordering="number")
    def people(self, row: Any) -> int:
        return int(row.number)

    @display(description="designs")
    def designs(self, row: Any) -> str:
        return _named(row.designed_applications.all()) if row.pk else told.NOTHING

    @display(description="member of")
    def member_of(self, row: Any) -> str:
        return _named(row.member_applications.all()) if row.pk else told.NOTHING

    @display(description="people in it")
    def who(self, row: Any) -> str:
        if not row.pk:
            return told.NOTHING
        names = row.user_set.order_by("username").values_list("username", flat=True)
        return ", ".join(names) or "nobody"


def _where(connections: list[Authorization]) -> str:
    """``12 connections at 9 systems``."""
    systems = len({row.system_id for row in connections})
    number = len(connections)
    return (
        f"{number} connection{'s' if number != 1 else ''}"
        f" at {systems} system{'s' if systems != 1 else ''}"
    )


def _announce(request: HttpRequest, person: Any, left: Left) -> None:
    """Say what was ended, here and over there."""
    if not left.forgotten:
        messages.info(request, f"{person} was connected to nothing.")
    elif not left.unconfirmed:
        messages.success(
            request, f"{person}: {left.forgotten} disconnected, forgotten here and revoked there."
        )
    else:
        messages.warning(
            request,
            f"{person}: {left.forgotten} disconnected and forgotten here; {left.unconfirmed} of"
            " them could not be revoked there, or it was not confirmed. The audit names each.",
        )


def _named(applications: Any) -> str:
    return ", ".join(str(application) for application in applications) or told.NOTHING
