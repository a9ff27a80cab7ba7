"""The product's own pages for what goes wrong around a view: 400, 403, 404, 500."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import structlog
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import loader
from django.utils.html import escape

from connectedsystems.models import new_reference

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Fault:
    """What such a page says; ``bare`` pages ask no database who is looking."""

    status: int
    code: str
    title: str
    message: str
    bare: bool = False


_BAD_REQUEST = Fault(
    400,
    "bad_request",
    "This request cannot be answered",
    "Something in its address or form is not as it should be. Open the page again from the start.",
    bare=True,
)
_FORBIDDEN = Fault(
    403,
    "not_allowed",
    "This page is not for you",
    "You are logged in, but may not do this. Ask an administrator if you think you should.",
)
_CSRF = Fault(
    403,
    "form_expired",
    "This form can no longer be sent",
    "It was open too long, you logged in again meanwhile, or it came from another site. "
    "Nothing was done. Go back, reload the page and send it again.",
)
_NOT_FOUND = Fault(
    404,
    "not_found",
    "There is nothing here",
    "The address may be mistyped, or what was here is gone, or is not shared with you.",
)
_BROKEN = Fault(
    500,
    "internal_error",
    "Something went wrong on our side",
    "It has been recorded. Try again in a moment; if it stays, quote the reference below.",
    bare=True,
)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _answer(request, _BAD_REQUEST)


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _answer(request, _FORBIDDEN)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return _answer(request, _CSRF)


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _answer(request, _NOT_FOUND)


def server_error(request: HttpRequest) -> HttpResponse:
    """Needs neither database nor session, and falls back to plain text of its own."""
    reference = reference_of(request)
    _log.error("server_error", reference=reference)
    try:
        return _answer(request, _BROKEN)
    except Exception:
        _log.exception("error_page_failed", reference=reference)
        return HttpResponse(
            f"<!doctype html><title>{escape(_BROKEN.title)}</title>"
            f'<p role="alert" data-code="{_BROKEN.code}" data-reference="{reference}">'
            f"{escape(_BROKEN.title)}. {escape(_BROKEN.message)} Reference: {reference}</p>",
            status=_BROKEN.status,
        )


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


def _answer(request: HttpRequest, fault: Fault) -> HttpResponse:
    reference = reference_of(request)
    if wants_json(request):
        response: HttpResponse = JsonResponse(
            {
                "success": False,
                "result": None,
                "error": {
                    "code": fault.code,
                    "title": fault.title,
                    "message": fault.message,
                    "detail": "",
                    "next_steps": [],
                },
                "reference": reference,
            },
            status=fault.status,
        )
    else:
        layout = "layouts/bare.html" if fault.bare else "layouts/page.html"
        context = {**asdict(fault), "layout": layout, "reference": reference}
        page = loader.get_template("error.html").render(context, None if fault.bare else request)
        response = HttpResponse(page, status=fault.status)
    response["Cache-Control"] = "no-store"
    return response
