"""``prune``: delete what is kept for a time only."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime, timedelta
from typing import Any

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.sessions.models import Session
from django.core.management.base import BaseCommand
from django.utils import timezone

from authlinks import endings, revoking
from authlinks.models import AuthorizationAttempt, EndingClient
from authlinks.revoking import Outcome
from integrations.models import CallRecord, HeldState, HeldSubmission, SentForm, TriedInputs

DRAFT_HOURS = 24
LOG_IN_DAYS = 30
"""How long config.loginlimits knows from where somebody logged in."""


class Command(BaseCommand):
    help = (
        "Delete attempts, call records and inputs of tests older than --days, held submissions"
        " that ran out, what drafts brought more than a day ago, sessions that have ended, and"
        " what limits of log-ins no longer count; go on with revocations that wait. Audit events"
        " are kept."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--days", type=int, default=30, help="how long records are kept (default: %(default)s)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        before = now - timedelta(days=max(1, options["days"]))
        day_ago = now - timedelta(hours=DRAFT_HOURS)
        old_tries = AuthorizationAttempt.objects.filter(
            begun_at__lt=day_ago, draft_answer__isnull=False
        )
        done = HeldSubmission.objects.exclude(state=HeldState.SENDING)
        counts = {
            "drafts' tokens": endings.end_drafts(old_tries),
            "attempts": AuthorizationAttempt.objects.filter(begun_at__lt=before).delete()[0],
            "call records": CallRecord.objects.filter(at__lt=before).delete()[0],
            "inputs of tests": TriedInputs.objects.filter(at__lt=before).delete()[0],
            "sent forms": SentForm.objects.filter(at__lt=day_ago).delete()[0],
            "held submissions": HeldSubmission.objects.filter(
                state=HeldState.WAITING, ends_at__lt=now
            ).delete()[0]
            + done.exclude(state=HeldState.WAITING).filter(held_at__lt=before).delete()[0],
            "finished revocations": EndingClient.objects.filter(finished_at__lt=before).delete()[0],
            "revoked": revoking.empty(revoking.JOB_SECONDS)[Outcome.CONFIRMED],
        }
        counts |= self._prune_log_ins(now, day_ago)
        for what, count in counts.items():
            self.stdout.write(f"{what}: {count}")

    @staticmethod
    def _prune_log_ins(now: datetime, day_ago: datetime) -> dict[str, int]:
        known = now - timedelta(days=LOG_IN_DAYS)
        return {
            "sessions": Session.objects.filter(expire_date__lt=now).delete()[0],
            "failed log-ins": AccessFailureLog.objects.filter(attempt_time__lt=day_ago).delete()[0]
            + AccessAttempt.objects.filter(attempt_time__lt=day_ago).delete()[0],
            "addresses of log-ins": AccessLog.objects.filter(attempt_time__lt=known).delete()[0],
        }
