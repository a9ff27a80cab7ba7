"""What a reference stands for, attempt or call: the page, and the box that finds it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from authlinks.models import AttemptOutcome, AuthorizationAttempt
from connectedsystems import evidence
from connectedsystems.diagnosis import Diagnosis, diagnose, quote
from connectedsystems.errors import VaultFailure
from connectedsystems.models import AuditEvent, ConnectedSystem
from integrations.models import CallRecord
from integrations.timeline import Story, Told, told

_LONGEST = 40


@dataclass(frozen=True)
class Entry:
    """An attempt or a call, as one person may read it; ``steps`` None: nothing was kept of them."""

    kind: str
    record: Any
    system: ConnectedSystem | None
    at: datetime
    user: Any
    outcome: str
    diagnosis: Diagnosis | None
    quote: str
    shows_detail: bool
    steps: list[Told] | None
    shut: Diagnosis | None = None
    """Why the steps that were kept cannot be shown."""

    def as_text(self, reference: str) -> str:
        """What somebody who helps needs to know; no more than is on the page."""
        lines = [
            f"Reference: {reference}",
            f"What: {self.kind}" + (f" at {self.system.name}" if self.system else ""),
            f"Who: {self.user.get_username() if self.user else '–'}",
            f"When: {self.at:%Y-%m-%d %H:%M:%S} UTC",
            f"Outcome: {self.outcome}",
        ]
        if self.diagnosis:
            lines += [f"Failure code: {self.diagnosis.code}", f"Reason: {self.diagnosis.title}"]
            if self.shows_detail:
                lines += [f"Seen: {self.diagnosis.seen}"]
        for number, step in enumerate(self.steps or [], start=1):
            lines += ["", f"{number}. {step.as_text()}"]
        return "\n".join(lines)


@login_required
@require_safe
def find(request: HttpRequest) -> HttpResponse:
    """One box for the references of attempts and of calls."""
    typed = request.GET.get("q", "")[:_LONGEST].replace("\x00", "")
    code = written(typed)
    if code and entries_of(code, request.user):
        return redirect("integrations:reference", reference=code)
    missed = bool(typed.strip())
    context = {"typed": typed, "missed": missed}
    return render(request, "integrations/references.html", context, status=404 if missed else 200)


@login_required
@require_safe
def reference(request: HttpRequest, reference: str) -> HttpResponse:
    """What happened: for the person concerned, the system's designers, admins."""
    code = written(reference)
    entries = entries_of(code, request.user)
    if not entries:
        raise Http404("no such reference")
    for entry in entries:
        if entry.user is not None and entry.user != request.user:
            AuditEvent.objects.record_hourly(
                "looked_at_reference",
                actor=request.user,
                subject=entry.user,
                system=entry.system,
                outcome="done",
                reference=code,
                about=code,
            )
    context = {
        "code": code,
        "entries": entries,
        "support": "\n\n".join(entry.as_text(code) for entry in entries),
    }
    return render(request, "integrations/reference.html", context)


def written(typed: str) -> str:
    """A reference as we write it, however it was typed: ``k7 42qx`` is ``K7-42QX``."""
    letters = re.sub(r"[\s-]", "", typed).upper()
    return f"{letters[:2]}-{letters[2:]}" if re.fullmatch("[A-Z0-9]{6}", letters) else ""


def entries_of(code: str, user: Any) -> list[Entry]:
    """The attempts and calls under a reference that this person may read."""
    if not code:
        return []
    designed = ConnectedSystem.objects.for_designer(user)
    attempts = AuthorizationAttempt.objects.filter(reference=code).select_related("user")
    calls = CallRecord.objects.filter(reference=code).select_related(
        "user", "system", "integration"
    )
    found = [_of_attempt(attempt, user, designed) for attempt in attempts]
    found += [_of_call(record, user, designed) for record in calls]
    return [entry for entry in found if entry.shows_detail or entry.record.user_id == user.pk]


def _of_attempt(attempt: AuthorizationAttempt, reader: Any, designed: Any) -> Entry:
    system = ConnectedSystem.objects.filter(pk=attempt.system_id).first()
    tries_it = attempt.draft is not None and attempt.user_id == reader.pk
    return _entry(
        attempt,
        reader,
        kind="Authorization attempt",
        system=system,
        at=attempt.begun_at,
        outcome=str(AttemptOutcome(attempt.present_outcome).label),
        code=attempt.present_code,
        detail=tries_it or designed.filter(pk=attempt.system_id).exists(),
    )


def _of_call(record: CallRecord, reader: Any, designed: Any) -> Entry:
    return _entry(
        record,
        reader,
        kind=f"Call of {record.integration_slug}",
        system=record.system,
        at=record.at,
        outcome="Succeeded" if record.success else "Failed",
        code=record.code,
        detail=reader.is_superuser or designed.filter(pk=record.system_id).exists(),
    )


def _entry(
    record: Any,
    reader: Any,
    *,
    kind: str,
    system: ConnectedSystem | None,
    at: datetime,
    outcome: str,
    code: str,
    detail: bool,
) -> Entry:
    steps, shut = _steps(record, reader, system, detail)
    return Entry(
        kind=kind,
        record=record,
        system=system,
        at=at,
        user=record.user,
        outcome=outcome,
        diagnosis=diagnose(code, record.facts) if code else None,
        quote=quote(record.facts),
        shows_detail=detail,
        steps=steps,
        shut=shut,
    )


def _steps(
    record: Any, reader: Any, system: ConnectedSystem | None, detail: bool
) -> tuple[list[Told] | None, Diagnosis | None]:
    """What happened, step by step; where it was kept and does not open, why."""
    try:
        steps = evidence.opened(record.timeline, record.place("timeline"))
    except VaultFailure as failure:
        return None, diagnose(failure.code, {**failure.facts, "subject": "timeline"})
    story = Story(
        system=system.name if system else "the other system",
        who="" if record.user in (None, reader) else record.user.get_username(),
        own=system is not None and not system.has_user_authorizations,
    )
    return (None if steps is None else told(steps, story, detail=detail)), None
