"""Log-in: where it leads, whose address counts, and what a locked account sees."""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.template import loader
from django.views.decorators.debug import sensitive_variables

CALLBACK = "/connections/callback/"
_LONGEST_NAME = 150


class LogInForm(AuthenticationForm):
    """Django's, but a name longer than any user's is wrong before it is counted as a try."""

    def clean_username(self) -> str:
        name: str = self.cleaned_data["username"]
        if len(name) > _LONGEST_NAME:
            raise self.get_invalid_login_error()
        return name


class LogIn(LoginView):
    """Django's, but a callback's query (code, state) is never carried through it."""

    authentication_form = LogInForm

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # django-axes writes down what came with a wrong password: nothing but this.
        request.GET = _only(request.GET, "next")
        request.POST = _only(request.POST, "next", "username", "password")
        return super().dispatch(request, *args, **kwargs)


def _only(given: QueryDict, *names: str) -> Any:
    kept = QueryDict(mutable=True)
    for name in names:
        if name in given:
            value = str(given[name])
            kept[name] = _without_callback_query(value) if name == "next" else value
    kept._mutable = False
    return kept


def _without_callback_query(url: str) -> str:
    try:
        path = urlsplit(url).path
    except ValueError:
        return ""
    return path if path.startswith(CALLBACK) else url.replace("\0", "")


@sensitive_variables()
def locked_out(
    request: HttpRequest, response: HttpResponse | None = None, credentials: Any = None
) -> HttpResponse:
    """The answer after too many wrong passwords from this address, for this name or for many."""
    wait = settings.AXES_COOLOFF_TIME
    page = loader.render_to_string(
        "registration/locked_out.html",
        {
            "minutes": round(wait.total_seconds() / 60),
            "by_address": getattr(request, "shut_out", "") == "address",
        },
    )
    answer = HttpResponse(page, status=429)
    answer["Retry-After"] = str(round(wait.total_seconds()))
    answer["Cache-Control"] = "no-store"
    return answer


def client_address(request: HttpRequest) -> str | None:
    """The peer's; behind a trusted proxy, the last one that the proxy itself wrote down."""
    address = request.META.get("REMOTE_ADDR", "")
    if settings.TRUSTED_PROXY:
        address = request.META.get("HTTP_X_FORWARDED_FOR", address).rpartition(",")[2].strip()
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return None
