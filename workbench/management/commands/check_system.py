"""``check_system SLUG``: what is wrong with a configuration, step by step."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from connectedsystems import doctor
from connectedsystems.errors import VaultFailure
from connectedsystems.models import ConnectedSystem


class Command(BaseCommand):
    help = (
        "Check a connected system: one line per step with ok, warn, fail or unknown, the failure"
        " code or -, and a sentence. No token is spent or changed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("--json", action="store_true", help="print the steps as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        system = ConnectedSystem.objects.filter(slug=options["slug"]).first()
        if system is None:
            known = ", ".join(ConnectedSystem.objects.values_list("slug", flat=True)[:20]) or "none"
            raise CommandError(f"There is no connected system {options['slug']}. Known: {known}.")
        try:
            secrets = system.opened_secrets()
        except VaultFailure:
            raise CommandError(
                "The secrets of this system do not open with the present VAULT_KEYS. Put the key"
                " back, or enter the secrets again."
            ) from None
        steps = []
        for step in doctor.examine(system.parsed(), secrets, system.redirect_uri):
            steps.append(step)
            if not options["json"]:
                self.stdout.write(
                    f"{step.outcome:<8}{step.code or '-':<24}{step.name}: {step.words}"
                )
        if options["json"]:
            self.stdout.write(json.dumps([asdict(step) for step in steps], indent=2))
        failed = [step.name for step in steps if step.outcome == "fail"]
        if failed:
            raise CommandError(f"{len(failed)} steps failed: {', '.join(failed)}.")
