"""The desk: our admin site, which asks the roles instead of ``is_staff``."""

from __future__ import annotations

from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.templatetags.static import static
from django.urls import reverse
from unfold.sites import UnfoldAdminSite

from workbench.navigation import sidebar
from workbench.overview import overview
from workbench.roles import may_use_desk

# Both answer questions about objects and addresses that no page of the desk asks.
_LEFT_OUT = {"search", "view_on_site"}


class Desk(UnfoldAdminSite):
    """Where designers and admins work; anybody else who is logged in gets 403."""

    index_title = "Desk"
    index_template = "workbench/desk.html"
    enable_nav_sidebar = True

    def has_permission(self, request: HttpRequest) -> bool:
        return may_use_desk(request)

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        guarded = super().admin_view(view, cacheable)

        @wraps(guarded)
        def asked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            if not self.has_permission(request):
                raise PermissionDenied
            return guarded(request, *args, **kwargs)

        return asked

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Lead to the product's one log-in."""
        index = reverse("admin:index")
        if self.has_permission(request):
            return HttpResponseRedirect(index)
        query = urlencode({REDIRECT_FIELD_NAME: request.GET.get(REDIRECT_FIELD_NAME, index)})
        return HttpResponseRedirect(f"{resolve_url(settings.LOGIN_URL)}?{query}")

    def index(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return super().index(request, {**(extra_context or {}), "overview": overview(request)})

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        context: dict[str, Any] = super().each_context(request)
        return {**context, "styles": [*context["styles"], static("css/desk.css")]}

    def get_sidebar_list(self, request: HttpRequest) -> list[dict[str, Any]]:
        return sidebar(self, request)

    def get_urls(self) -> list[Any]:
        return [url for url in super().get_urls() if getattr(url, "name", "") not in _LEFT_OUT]


desk = Desk(name="admin")
