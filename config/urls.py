"""Every address of the product, and those of the customer's own apps under /pages/."""

from __future__ import annotations

from importlib.util import find_spec

from django.apps import AppConfig, apps
from django.conf import settings
from django.contrib.auth.views import LogoutView
from django.urls import URLPattern, URLResolver, include, path

from config import env
from config.accounts import LogIn
from config.favicon import favicon
from config.password import OwnPassword
from workbench.site import desk

handler400 = "config.errorpages.bad_request"
handler403 = "config.errorpages.permission_denied"
handler404 = "config.errorpages.page_not_found"
handler500 = "config.errorpages.server_error"

urlpatterns: list[URLPattern | URLResolver] = [
    path("accounts/login/", LogIn.as_view(), name="login"),
    path("accounts/logout/", LogoutView.as_view(), name="logout"),
    path("accounts/password/", OwnPassword.as_view(), name="password"),
    path("favicon.ico", favicon),
    path("admin/", desk.urls),
    path("", include("connectedsystems.health")),
    path("", include("connectedsystems.logos")),
    path("connections/", include("authlinks.urls")),
    path("", include("integrations.urls")),
]


def _pages_of(app: AppConfig) -> URLResolver:
    try:
        pages = path(f"pages/{app.label}/", include(f"{app.name}.urls"))
        wrong = [found.msg for found in pages.check() if found.is_serious()]
    except Exception as broken:
        wrong = [repr(broken)]
    if wrong:
        env.stop(f"EXTRA_APPS names {app.name}, whose urls cannot be used: {wrong[0]}")
    return pages


def _is_extra(app: AppConfig) -> bool:
    config = type(app)
    return bool({app.name, f"{config.__module__}.{config.__qualname__}"} & set(settings.EXTRA_APPS))


urlpatterns += [
    _pages_of(app)
    for app in apps.get_app_configs()
    if _is_extra(app) and find_spec(f"{app.name}.urls")
]
