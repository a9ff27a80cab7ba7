"""The authorizations as designers and admins see them: state, age and the next step, no token."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.decorators import action, display

from authlinks.disconnect import Ended, disconnect
from authlinks.models import CONNECTED_STATES, Authorization, AuthorizationAttempt, State
from connectedsystems import lostkeys
from connectedsystems.diagnosis import diagnose
from connectedsystems.errors import ConfigurationInvalid
from workbench import looked, told
from workbench.columns import key_prefix, shut_by_key
from workbench.filters import CodeFilter
from workbench.roles import ReadOnly, is_admin
from workbench.site import desk

ITS_OWN = "the system's own"


def present_state(authorization: Authorization) -> State:
    """The state by the columns alone; nothing is opened, and no query is made."""
    try:
        fingerprint = authorization.system.parsed().fingerprint()
    except ConfigurationInvalid:
        return State.CONFIGURATION_CHANGED
    return authorization.state(fingerprint)


def unreadable(*states: State) -> int:
    """How many authorizations no present key opens, told by the prefix of their sealed tokens.

    ``states``: only those whose key is missing here, or only those that nothing opens again.
    """
    found = (
        Authorization.objects.filter(access_token__isnull=False)
        .order_by()
        .annotate(prefix=key_prefix())
        .values_list("prefix")
        .annotate(number=Count("pk"))
    )
    shut = [(shut_by_key(prefix), number) for prefix, number in found]
    return sum(number for state, number in shut if state and state in (states or (state,)))


def _told_above() -> dict[str, Any]:
    """What stands above the whole list of tokens that do not open."""
    # By the prefix alone a text that is cut off looks like one of a missing key.
    if missing := lostkeys.unknown_names():
        return {
            "key_missing": unreadable(State.KEY_MISSING),
            "what_to_do": lostkeys.told(missing),
            "unreadable": unreadable(State.CANNOT_BE_OPENED),
        }
    return {"unreadable": unreadable()}


class Ends(admin.SimpleListFilter):
    """Whether an authorization is over for good, until its user authorizes again."""

    title = "whether it is over"
    parameter_name = "over"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("no", "Goes on"), ("yes", "Over, needs its user")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        expired = Q(expires_at__lte=timezone.now(), refresh_token__isnull=True)
        over = ~Q(ended_code="") | Q(access_token__isnull=True) | expired
        if self.value() == "yes":
            return queryset.filter(over)
        return queryset.exclude(over) if self.value() == "no" else None


@admin.register(Authorization, site=desk)
class AuthorizationAdmin(ReadOnly):
    """States, scopes, times and failures of authorizations; an admin may disconnect anyone."""

    application_path = "system__application"
    list_display = ("whose", "at_system", "state", "used", "failed", "attempt")
    list_filter = ("system", Ends, ("failure_code", CodeFilter))
    list_per_page = 50
    list_before_template = "workbench/_unreadable.html"
    search_fields = ("user__username", "user__email", "system__name", "system__slug")
    search_help_text = "User, e-mail or connected system"
    ordering = ("-authorized_at",)
    actions_detail = ("disconnect",)
    fieldsets = (
        (None, {"fields": ("whose", "at_system", "state", "goes_on", "failure", "attempt")}),
        ("Scope", {"fields": ("granted", "asked", "missing")}),
        ("Times", {"fields": ("authorized", "renewed", "used", "expires", "next_try")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        walks = AuthorizationAttempt.objects.filter(
            system=OuterRef("system_id"), user=OuterRef("user_id")
        ).order_by("-begun_at")
        return (
            super()
            .get_queryset(request)
            .select_related("system", "user")
            .defer("captures", "system__secrets", "system__logo")
            .annotate(last_attempt=Subquery(walks.values("reference")[:1]))
        )

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        looked.for_somebody(request)
        above = _told_above() if is_admin(request) and not request.GET else {}
        return super().changelist_view(request, {**(extra_context or {}), **above})

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            looked.at_connections(request, row.user, row.system)
            row.desk_title = f"{self.whose(row)} at {row.system}"
        return row

    @display(description="user", ordering="user__username")
    def whose(self, row: Authorization) -> str:
        return row.user.get_username() if row.user else ITS_OWN

    @display(description="connected system", ordering="system__name")
    def at_system(self, row: Authorization) -> str:
        path = reverse("admin:connectedsystems_connectedsystem_change", args=[row.system_id])
        return format_html('<a class="underline" href="{}">{}</a>', path, row.system)

    @display(description="state")
    def state(self, row: Authorization) -> str:
        state = present_state(row)
        return told.badge(told.STATES[state], told.STATE_TONES[state])

    @display(description="how it goes on")
    def goes_on(self, row: Authorization) -> str:
        if present_state(row) == State.KEY_MISSING:
            return "Waits for its key in VAULT_KEYS"
        if present_state(row) not in CONNECTED_STATES:
            return "Over, until its user authorizes again"
        if row.refresh_token is not None:
            return "Renewed by itself"
        return "Ends with its access token"

    @display(description="granted scope")
    def granted(self, row: Authorization) -> str:
        return row.scope or told.NOTHING

    @display(description="scope asked for")
    def asked(self, row: Authorization) -> str:
        return row.scope_requested or told.NOTHING

    @display(description="missing scope")
    def missing(self, row: Authorization) -> str:
        return row.missing_scope or told.NOTHING

    @display(description="authorized", ordering="authorized_at")
    def authorized(self, row: Authorization) -> str:
        return told.moment(row.authorized_at)

    @display(description="renewed", ordering="renewed_at")
    def renewed(self, row: Authorization) -> str:
        return told.moment(row.renewed_at)

    @display(description="last used", ordering=F("last_used").desc(nulls_last=True))
    def used(self, row: Authorization) -> str:
        return told.moment(row.last_used)

    @display(description="access token expires")
    def expires(self, row: Authorization) -> str:
        return told.moment(row.expires_at) if row.expires_at else "No end announced"

    @display(description="next try to renew")
    def next_try(self, row: Authorization) -> str:
        return told.moment(row.next_try_at)

    @display(description="last failure", ordering="failure_code")
    def failed(self, row: Authorization) -> str:
        return told.failure(row.failure_code, row.failure_facts)

    @display(description="last failure")
    def failure(self, row: Authorization) -> str:
        return told.diagnosis(row.failure_code, row.failure_facts)

    @display(description="last attempt")
    def attempt(self, row: Any) -> str:
        return told.reference_link(row.last_attempt)

    def has_disconnect_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_admin(request)

    # An address of its own: the forms of the desk run in a transaction, and this asks the network.
    @action(description="Disconnect…", permissions=["disconnect"], icon="link_off")
    def disconnect(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, and on POST end the authorization here and over there."""
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404("no such authorization")
        if request.method == "POST":
            ended = disconnect(row.system, row.user, actor=request.user)
            _announce(request, self.whose(row), row.system.name, ended)
            return HttpResponseRedirect(
                reverse("admin:authlinks_authorization_changelist"), status=303
            )
        context = {
            **self.admin_site.each_context(request),
            "title": f"Disconnect {self.whose(row)} from {row.system.name}?",
            "opts": self.opts,
            "row": row,
            "whose": self.whose(row),
        }
        return TemplateResponse(request, "workbench/disconnect.html", context)


def _announce(request: HttpRequest, whose: str, system: str, ended: Ended) -> None:
    """Say which of the two happened: forgotten here, revoked there."""
    what = f"{whose} at {system}"
    if not ended.forgotten:
        messages.info(request, f"{what}: there was no authorization any more.")
    elif ended.confirmed:
        messages.success(request, f"{what}: forgotten here, and revoked there.")
    elif ended.confirmed is None:
        messages.warning(
            request,
            f"{what}: forgotten here. It could not be revoked there: the connected system has no"
            " revocation endpoint, or the tokens could not be opened.",
        )
    else:
        told_of = diagnose(ended.code, ended.facts)
        there = "did not confirm that it is revoked there."
        if ended.code == "not_revoked":
            there = "was not asked to revoke it."
        messages.warning(
            request,
            f"{what}: forgotten here, but {system} {there} {told_of.cause} {told_of.fix}",
        )
