"""The product's own pages for what goes wrong around a view, told by the catalogue."""

from __future__ import annotations

import sys
from typing import Any

import structlog
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import loader
from django.utils.html import escape

from authlinks import fresh
from connectedsystems.diagnosis import diagnose
from connectedsystems.errors import InsideTransaction
from connectedsystems.models import new_reference

_log = structlog.get_logger(__name__)


_BARE = frozenset(
    {
        "bad_request",
        "database_unavailable",
        "in_transaction",
        "internal_error",
        "request_too_large",
    }
)
"""Pages that ask no database who is looking."""


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _answer(request, "bad_request")


def request_too_large(request: HttpRequest, limit: str) -> HttpResponse:
    """``limit`` in words, such as ``64 KB``."""
    return _answer(request, "request_too_large", limit=limit)


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _answer(request, "not_allowed")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return _answer(request, "form_expired")


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _answer(request, "not_found")


def server_error(request: HttpRequest) -> HttpResponse:
    """Needs neither database nor session, and falls back to plain text of its own."""
    reference = reference_of(request)
    code = _code_of(sys.exc_info()[1])
    _log.error("server_error", reference=reference, code=code)
    try:
        return _answer(request, code)
    except Exception:
        _log.exception("error_page_failed", reference=reference)
        told = diagnose(code)
        return HttpResponse(
            f"<!doctype html><title>{escape(told.title)}</title>"
            f'<p role="alert" tabindex="-1" data-code="{told.code}" data-reference="{reference}">'
            f"{escape(told.title)}. {escape(told.user)} Reference: {reference}</p>"
            '<p><a href="/">Go to the start page</a></p>',
            status=told.status,
        )


def _code_of(raised: BaseException | None) -> str:
    if isinstance(raised, InsideTransaction):
        return "in_transaction"
    return "database_unavailable" if isinstance(raised, fresh.LOST) else "internal_error"


def reference_of(request: HttpRequest) -> str:
    """This request's reference, the same on its page and in every later line of its log."""
    reference: str | None = getattr(request, "reference", None)
    if reference is None:
        reference = new_reference()
        request.reference = reference  # type: ignore[attr-defined]
        structlog.contextvars.bind_contextvars(reference=reference)
    return reference


def wants_json(request: HttpRequest) -> bool:
    """Whether the client would rather read JSON than a page."""
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"


def _answer(request: HttpRequest, code: str, **facts: Any) -> HttpResponse:
    told, reference = diagnose(code, facts), reference_of(request)
    if wants_json(request):
        response: HttpResponse = JsonResponse(
            {
                "success": False,
                "result": None,
                "error": {
                    "code": code,
                    "title": told.title,
                    "message": told.user,
                    "detail": None,
                    "next_steps": [],
                },
                "reference": reference,
            },
            status=told.status,
        )
    else:
        bare = code in _BARE
        context = {
            "layout": "layouts/bare.html" if bare else "layouts/page.html",
            "code": code,
            "title": told.title,
            "message": told.user,
            "reference": reference,
        }
        page = loader.get_template("error.html").render(context, None if bare else request)
        response = HttpResponse(page, status=told.status)
    response["Cache-Control"] = "no-store"
    return response
