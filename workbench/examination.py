"""Check configuration: the doctor's steps on values that are not saved, shown one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.http import HttpRequest, StreamingHttpResponse
from django.template.loader import render_to_string
from django.views.decorators.debug import sensitive_variables

from connectedsystems import doctor, noticed, person, redact, share
from connectedsystems.configuration import Configuration
from connectedsystems.errors import CallFailure
from connectedsystems.models import redirect_uri_of
from workbench import offers
from workbench.systemfields import labelled

_PAGE = "workbench/systems/check.html"
_STEP = "workbench/systems/_step.html"
_MARKS = {"ok": ("✓", "Good"), "warn": ("!", "Warning"), "fail": ("✗", "Wrong")}
_HERE = "%steps-stand-here%"


@sensitive_variables()
def stream(
    request: HttpRequest,
    parsed: Configuration,
    secrets: Mapping[str, Any],
    public_id: Any,
    *,
    bare: bool,
) -> StreamingHttpResponse:
    """The steps as list items, each sent when it is known; a whole page unless ``bare``."""
    head, tail = "", ""
    if not bare:
        head, tail = render_to_string(_PAGE, {"here": _HERE}, request).split(_HERE)
    uri = redirect_uri_of(public_id)
    address = person.address()

    def pieces() -> Iterator[str]:
        # When this runs the request's own scope of redaction has ended, and who asks is forgotten.
        with redact.scope():
            yield head
            for step in _steps(parsed, secrets, uri, request.user.pk):
                with person.at(address, lambda: request.user):
                    noticed.note(
                        step.code, {"field": step.look_at or step.name}, system_id=public_id
                    )
                yield _item(step)
            yield tail

    response = StreamingHttpResponse(pieces(), content_type="text/html; charset=utf-8")
    response["X-Accel-Buffering"] = "no"
    return response


def _steps(
    parsed: Configuration, secrets: Mapping[str, Any], redirect_uri: str, user: Any
) -> Iterator[doctor.Step]:
    """The doctor's, as far as this process has a thread to spare for this designer."""
    try:
        with share.at_desk(doctor.SECONDS, user):
            yield from doctor.examine(parsed, secrets, redirect_uri)
    except CallFailure as busy:
        yield doctor.failed("check of the configuration", busy, "")


def _item(step: doctor.Step) -> str:
    mark, word = _MARKS.get(step.outcome, ("?", "Not known"))
    context = {
        "step": step,
        "mark": mark,
        "word": word,
        "looks": [(key, labelled(key)) for key in (step.look_at, *step.also) if key],
        "offers": offers.of(step.offers),
    }
    return f"{render_to_string(_STEP, context).strip()}\n"
