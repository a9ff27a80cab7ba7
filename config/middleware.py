"""What every request passes: redaction, its line in the log, its address, its policy."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import structlog
from csp.middleware import CSPMiddleware, PolicyParts
from django.conf import settings
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.core.exceptions import SuspiciousOperation
from django.dispatch import receiver
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
)
from django.utils.cache import add_never_cache_headers
from django_structlog.middlewares import RequestMiddleware

from config import errorpages
from config.accounts import client_address
from connectedsystems import person, redact

type_of_view = Callable[[HttpRequest], HttpResponse]

DESK = "/admin/"
HEALTH = ("/healthz", "/readyz")
_FORWARDED = "X-Forwarded-Proto"
_SECRET_PARAMETERS = ("code", "state", "access_token", "id_token", "refresh_token")
_log = structlog.get_logger(__name__)


class SecretsStayInside:
    """Whatever a request opens or receives is redacted until its end, and forgotten then.

    That begins with what another system may have written into the address.
    """

    def __init__(self, get_response: type_of_view) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with redact.scope():
            if request.META.get("QUERY_STRING"):
                redact.remember_given(*self._secrets_in(request))
            return self.get_response(request)

    @staticmethod
    def _secrets_in(request: HttpRequest) -> list[str]:
        # Of eight characters and more: shorter ones hide words of ours, and are no secrets.
        values = [value for name in _SECRET_PARAMETERS for value in request.GET.getlist(name)]
        return [value for value in values if 8 <= len(value) <= 65536]


class RequestLog(RequestMiddleware):
    """One line a request, with its path and never its query, headers or form."""

    def prepare(self, request: HttpRequest) -> None:
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=uuid.uuid4().hex)
        request.began = time.monotonic()  # type: ignore[attr-defined]

    def handle_response(self, request: HttpRequest, response: HttpResponseBase) -> None:
        self.bind_user_id(request)
        took = time.monotonic() - request.began  # type: ignore[attr-defined]
        _log.log(
            self._level(request, response),
            "request_finished",
            request=self.format_request(request),
            code=response.status_code,
            ms=round(took * 1000),
        )
        structlog.contextvars.clear_contextvars()

    def _level(self, request: HttpRequest, response: HttpResponseBase) -> int:
        if response.status_code < 400 and request.path.startswith((*HEALTH, settings.STATIC_URL)):
            return logging.DEBUG
        return self._log_level_for_status_code(response.status_code)

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        return f"{request.method} {request.path[:200]}"

    @staticmethod
    def bind_user_id(request: HttpRequest) -> None:
        # Only a user whom the request has met: a line in the log is worth no query.
        user = getattr(request, "_cached_user", None)
        if user is not None:
            structlog.contextvars.bind_contextvars(user_id=user.pk)

    def _process_exception(self, request: HttpRequest, exception: Exception) -> None:
        errorpages.reference_of(request)
        super()._process_exception(request, exception)


class PublicAddress:
    """Leads a reader who came by another allowed host, or by http where it is https, to ours."""

    def __init__(self, get_response: type_of_view) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path in HEALTH:
            return self.get_response(request)
        if request.method in ("GET", "HEAD") and self._came_elsewhere(request):
            response = HttpResponseRedirect(settings.PUBLIC_BASE_URL + request.get_full_path())
            add_never_cache_headers(response)
            response["Referrer-Policy"] = "no-referrer"
            return response
        return self.get_response(request)

    @staticmethod
    def _came_elsewhere(request: HttpRequest) -> bool:
        ours = urlsplit(settings.PUBLIC_BASE_URL)
        theirs = urlsplit(f"//{request.get_host()}").hostname or ""
        return theirs.rstrip(".") != ours.hostname or (
            ours.scheme == "https" and not request.is_secure()
        )


class ProxySeen:
    """Says once in the log where the proxy in front is set up by none of the files in deploy/.

    Whether a proxy holds back requests until they are whole cannot be seen from here; those files
    make it do so, and have it send X-Buffered-By.
    """

    def __init__(self, get_response: type_of_view) -> None:
        self.get_response = get_response
        self._has_looked = False

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # What came without this header came round the proxy, such as a health check beside it.
        if not self._has_looked and settings.TRUSTED_PROXY and _FORWARDED in request.headers:
            self._has_looked = True
            if "X-Buffered-By" not in request.headers:
                _log.warning(
                    "proxy_may_not_buffer",
                    hint="The proxy in front sends no X-Buffered-By. Compare its configuration with"
                    " deploy/: it has to read requests whole before it passes them on.",
                )
        return self.get_response(request)


class NoZeroBytes:
    """Refuses what no database of ours takes as text, where no view of ours looks first.

    Queries of our own pages reach their views, which have a better sentence.
    """

    def __init__(self, get_response: type_of_view) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        texts = [request.path, *request.COOKIES.values()]
        if request.path.startswith(DESK):
            texts += [text for pair in request.GET.lists() for text in (pair[0], *pair[1])]
        if any("\0" in text for text in texts):
            raise SuspiciousOperation("a zero byte")
        return self.get_response(request)


class WhoAsks:
    """Lets the audit know whose request this is, and from which network address."""

    def __init__(self, get_response: type_of_view) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with person.at(client_address(request) or "", lambda: request.user):
            return self.get_response(request)


class PermissionsPolicy:
    """Asks the browser for none of its devices, on every page that does not say otherwise."""

    def __init__(self, get_response: type_of_view) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Permissions-Policy", settings.PERMISSIONS_POLICY)
        return response


class NotKept:
    """Lets nobody keep what somebody who is logged in was shown, and leaves nothing at log-out.

    Stands within WhiteNoise, so that static files, which are the same for everybody, are kept.
    """

    def __init__(self, get_response: type_of_view) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        # The cookie is enough: whether its session is still good would be a question to the
        # database, and would make every answer depend on the cookie (Vary).
        name = settings.SESSION_COOKIE_NAME
        if name in request.COOKIES or name in response.cookies:
            self._mark(response)
        if getattr(request, "logs_out", False):
            self._clear(response)
        return response

    @staticmethod
    def _mark(response: HttpResponse) -> None:
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if not (kind == "text/html" or kind.endswith(("/json", "+json"))):
            # Logos and downloads say themselves how long; one that is silent is its reader's own.
            response.headers.setdefault("Cache-Control", "private")
        elif "no-store" not in response.headers.get("Cache-Control", ""):
            response["Cache-Control"] = "no-store"

    @staticmethod
    def _clear(response: HttpResponse) -> None:
        # The word "storage" alone: "cookies" would reach our neighbours on this domain, and
        # "cache" holds a browser up for seconds.
        response["Clear-Site-Data"] = '"storage"'
        for name in (
            settings.SESSION_COOKIE_NAME,
            settings.CSRF_COOKIE_NAME,
            settings.MESSAGES_COOKIE_NAME,
        ):
            response.delete_cookie(name, samesite="Lax")


# By the signals, so that it holds for every road: our page, the admin site's, EXTRA_APPS' own.
@receiver(user_logged_out)
def _note_log_out(sender: Any, request: HttpRequest, **kwargs: Any) -> None:
    request.logs_out = True  # type: ignore[attr-defined]


@receiver(user_logged_in)
def _note_log_in(sender: Any, request: HttpRequest, **kwargs: Any) -> None:
    request.logs_out = False  # type: ignore[attr-defined]


class ContentSecurityPolicy(CSPMiddleware):
    """The strict policy everywhere, and the desk's own under /admin/."""

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        if request.path.startswith(DESK) and not report_only and parts.config is None:
            parts.config = settings.CONTENT_SECURITY_POLICY_DESK
        return parts


class OwnPages:
    """Shows our page for what a view does not find, with DEBUG too: Django's shows the query."""

    def __init__(self, get_response: type_of_view) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> Any:
        if isinstance(exception, Http404):
            return errorpages.page_not_found(request, exception)
        return None
