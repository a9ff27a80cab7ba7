"""``refresh_tokens``: renew what is due, row by row, under the same lease as a call."""

from __future__ import annotations

from argparse import ArgumentParser
from collections import Counter
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q
from django.db.models.functions import Now

from authlinks import revoking, tokens
from authlinks.models import Authorization
from authlinks.rows import read_row
from connectedsystems import noticed, outbound, redact
from connectedsystems.diagnosis import diagnose
from connectedsystems.errors import ConfigurationInvalid, TokenUnavailable

SECONDS = 15.0


class Command(BaseCommand):
    help = (
        "Renew the tokens that are due, so that nobody's call has to wait for it; then go on with"
        " the revocations that wait."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--within",
            type=int,
            default=60,
            metavar="SECONDS",
            help="look at tokens that end within so many seconds (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        due = (
            Authorization.objects.filter(ended_code="", refresh_token__isnull=False)
            .filter(Q(expires_at__lte=Now() + timedelta(seconds=options["within"])))
            .acted_for()
            .select_related("system", "user")
            .order_by("expires_at")
        )
        counts: Counter[str] = Counter()
        codes: Counter[tuple[str, str]] = Counter()
        for authorization in due.iterator(chunk_size=100):
            with redact.scope():
                outcome = _renewed(authorization)
            counts["renewed" if not outcome else "not renewed"] += 1
            if outcome:
                codes[(authorization.system.slug, outcome)] += 1
        self.stdout.write(f"renewed: {counts['renewed']}, not renewed: {counts['not renewed']}")
        done = revoking.empty(revoking.JOB_SECONDS)
        if done:
            self.stdout.write(
                ", ".join(f"{outcome}: {number}" for outcome, number in sorted(done.items()))
            )
        if codes:
            raise CommandError("\n".join(_told(slug, code, n) for (slug, code), n in codes.items()))


def _renewed(authorization: Authorization) -> str:
    """Renew one that is due; the failure code, or "" where its token is good now."""
    try:
        party = tokens.party_of(authorization.system, authorization.user_id)
        row = read_row(authorization.system_id, authorization.user_id)
        if row is not None:
            tokens.usable_token(party, row, deadline=outbound.deadline_in(SECONDS))
    except (TokenUnavailable, ConfigurationInvalid) as failure:
        noticed.note(
            failure.code,
            failure.facts,
            system_id=authorization.system_id,
            subject=authorization.user,
        )
        return failure.code
    return ""


def _told(slug: str, code: str, count: int) -> str:
    diagnosis = diagnose(code, {"stage": "refresh"})
    return f"{slug}: {count} × {code}: {diagnosis.cause} {diagnosis.fix}"
