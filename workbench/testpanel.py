"""What the test panel shows of a call: result, request, response, times, next steps; no secret."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from django.urls import reverse

from connectedsystems import redact
from connectedsystems.diagnosis import Diagnosis, diagnose
from connectedsystems.errors import Failure
from connectedsystems.exact import ExactEncoder
from connectedsystems.models import ConnectedSystem
from connectedsystems.outbound import Reply, Request
from integrations.call import Outcome
from integrations.definition import Definition
from integrations.response import IntegrationResponse, Result, error_of, result_of
from integrations.trace import Trace
from workbench.integrationform import DEFINED, label_of

MOST_SHOWN: Final = 10_240
MOST_DOWNLOADED: Final = 2_000_000


@dataclass(frozen=True)
class Shown:
    """A text, cut at 10 KB; ``download`` is an address that holds more of it."""

    text: str
    size: int
    is_cut: bool = False
    download: str = ""
    download_is_cut: bool = False


@dataclass(frozen=True)
class Step:
    """What to do next; ``field`` is this form's field to look at, ``code`` something to copy."""

    label: str
    url: str = ""
    field: str = ""
    code: str = ""


@dataclass(frozen=True)
class Panel:
    """One test, ready to be shown."""

    response: IntegrationResponse | None = None
    diagnosis: Diagnosis | None = None
    problems: list[tuple[str, str, list[str]]] = field(default_factory=list)
    """Fields that keep the call from being made: name, label, sentences."""
    result: Shown | None = None
    request: Shown | None = None
    reply: Shown | None = None
    status_line: str = ""
    tries: list[str] = field(default_factory=list)
    times: list[tuple[str, str]] = field(default_factory=list)
    total: str = ""
    next_steps: list[Step] = field(default_factory=list)

    @property
    def looks(self) -> list[Step]:
        """Those steps that lead somewhere."""
        return [step for step in self.next_steps if step.field or step.url]


def panel_of(
    outcome: Outcome, trace: Trace, definition: Definition, system: ConnectedSystem, saved: bool
) -> Panel:
    """The panel of a call that was tried. To be called where the call's secrets are remembered."""
    response, failure = outcome.response, outcome.failure
    last = trace.exchanges[-1] if trace.exchanges else None
    result = response.result
    is_made = bool(definition.result or definition.pagination)
    raw = result
    if last is not None and last.reply is not None and (result is None or is_made):
        raw = result_of(last.reply)
    seconds = trace.seconds
    diagnosis = _diagnosis(failure, system) if failure else None
    return Panel(
        response=response,
        diagnosis=diagnosis,
        result=_data(response.result) if response.success and response.result else None,
        request=_text(_request(last.request)) if last else None,
        reply=_reply(raw, response.reference) if raw else None,
        status_line=_status_line(raw.status_code) if raw else "",
        tries=[_try(each.request, each.reply) for each in trace.exchanges],
        times=[(name.capitalize(), _milliseconds(spent)) for name, spent in seconds.items()],
        total=_milliseconds(trace.ended - trace.began),
        next_steps=_next_steps(response, diagnosis, definition, system, saved),
    )


def refusal(failure: Failure, system: ConnectedSystem) -> Panel:
    """The panel of a call that was not even made, such as with inputs that do not fit."""
    error = error_of(failure, system=system.name)
    response = IntegrationResponse(False, system.slug, "", error=error)
    diagnosis = _diagnosis(failure, system)
    looks = _looks(diagnosis, system)
    return Panel(response=response, diagnosis=diagnosis, next_steps=looks)


def _diagnosis(failure: Failure, system: ConnectedSystem) -> Diagnosis:
    return diagnose(failure.code, {"system": system.name, "stage": "call", **failure.facts})


def _request(request: Request) -> str:
    parts = urlsplit(request.url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = parts.netloc.rpartition("@")[2]
    lines = [f"{request.method} {target} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    body = request.body.decode("utf-8", "replace") if request.body else ""
    return "\n".join([*lines, "", body]).rstrip()


def _reply(result: Result, reference: str) -> Shown:
    told = result.to_json()["headers"]
    lines = [_status_line(result.status_code)]
    lines += [f"{name}: {value}" for name, value in told.items()]
    head = redact.redact("\n".join(lines))
    whole = redact.redact(result.body.decode("utf-8", "replace"))
    shown = _cut(whole)
    return Shown(
        text=f"{head}\n\n{shown}".rstrip(),
        size=len(result.body),
        is_cut=len(shown) < len(whole),
        download=_data_url(whole) if whole else "",
        download_is_cut=len(whole) > MOST_DOWNLOADED,
    )


def _data(result: Result) -> Shown:
    if result.data is None:
        return _text(result.text)
    return _text(json.dumps(result.data, indent=2, ensure_ascii=False, cls=ExactEncoder))


def _text(text: str) -> Shown:
    whole = redact.redact(text)
    shown = _cut(whole)
    return Shown(shown, len(whole.encode()), is_cut=len(shown) < len(whole))


def _cut(text: str) -> str:
    return text.encode()[:MOST_SHOWN].decode("utf-8", "ignore")


def _data_url(text: str) -> str:
    """The text as an address of its own: nothing of a test is kept on the server."""
    content = base64.b64encode(text[:MOST_DOWNLOADED].encode()).decode()
    return f"data:text/plain;charset=utf-8;base64,{content}"


def _status_line(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _try(request: Request, reply: Reply | None) -> str:
    return (
        _status_line(reply.status) if reply is not None else f"{request.method} without an answer"
    )


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.001 else "under 1 ms"


def _next_steps(
    response: IntegrationResponse,
    diagnosis: Diagnosis | None,
    definition: Definition,
    system: ConnectedSystem,
    saved: bool,
) -> list[Step]:
    if diagnosis is None:
        return _after_success(definition, saved)
    steps = [Step(diagnosis.fix)] if diagnosis.fix else []
    steps += _looks(diagnosis, system)
    if response.reference:
        steps.append(Step("See what was recorded", url=response.reference_path))
    return steps


def _looks(diagnosis: Diagnosis, system: ConnectedSystem) -> list[Step]:
    """The fields that may be wrong, here or in the system."""
    names = filter(None, (diagnosis.look_at, *diagnosis.also))
    return [
        Step(f"Look at {label_of(name)}", field=name)
        if name in DEFINED
        else _look_there(name, system)
        for name in names
    ]


def _look_there(name: str, system: ConnectedSystem) -> Step:
    label = f"Look at {label_of(name)} of {system.name}"
    return Step(label, url=f"{_address_of(system)}#id_{name}")


def _after_success(definition: Definition, saved: bool) -> list[Step]:
    arguments = ", ".join(f"{each.name}=…" for each in definition.inputs)
    hold = "hold=True" if definition.modifies else ""
    given = ", ".join(filter(None, [f'"{definition.slug}", request.user', hold, arguments]))
    steps = [] if saved else [Step("Save it: from then on members can use it.")]
    if saved:
        page = reverse("integrations:integration", args=[definition.slug])
        steps.append(Step("Open its page", url=page))
    return [
        *steps,
        Step("Call it in a view of your own:", code=f"response = call_integration({given})"),
        Step(
            "Show the link in its template, where it is needed:",
            code="{% load authlinks %}{% authorization_link response %}",
        ),
    ]


def _address_of(system: ConnectedSystem) -> str:
    return reverse("admin:connectedsystems_connectedsystem_change", args=[system.pk])
