"""``rotate_vault_keys``: seal every secret again under the first key, or declare a key lost."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from connectedsystems import lostkeys
from connectedsystems.models import AuditEvent
from connectedsystems.rotation import rotate


class Command(BaseCommand):
    help = (
        "Seal every stored secret again under the first key of VAULT_KEYS. First add the new key at"
        " the end, on every machine, and restart all processes; then put it first, restart, run"
        " this, and take the old one out."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--lost",
            metavar="ID",
            help="declare the key of this id lost for ever: what it sealed is not opened again, and"
            " its users are asked to authorize anew. Nothing is deleted",
        )
        parser.add_argument(
            "--yes",
            "--no-input",
            "--noinput",
            action="store_true",
            dest="yes",
            help="declare it lost without asking first",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["lost"] is None:
            self._rotate()
        else:
            self._declare_lost(options["lost"], sure=options["yes"])

    def _rotate(self) -> None:
        for key_id in lostkeys.take_back():
            AuditEvent.objects.record("key_found", facts={"key": key_id})
            self.stdout.write(f"{key_id} was declared lost, and is in VAULT_KEYS again.")
        counts = rotate()
        words = [
            f"resealed: {counts['resealed']}",
            f"under the first key already: {counts['under the first key']}",
            f"not opened: {counts['not opened']}",
            *([f"under a lost key: {counts['lost']}"] if counts["lost"] else []),
        ]
        self.stdout.write(", ".join(words))
        outcome = "done" if not counts["not opened"] else "not complete"
        AuditEvent.objects.record("keys_rotated", outcome=outcome, facts=dict(counts))
        if counts["not opened"]:
            raise CommandError(
                f"{counts['not opened']} secrets do not open with the present keys. Put the key"
                " they were sealed with back into VAULT_KEYS and run this again; where it is lost"
                " for ever, run rotate_vault_keys --lost ID. A text that was damaged stays as it"
                " is, and its owner is asked to authorize again."
            )

    def _declare_lost(self, key_id: str, *, sure: bool) -> None:
        found = lostkeys.names_of(key_id)
        if not found:
            raise CommandError(self._why_not(key_id))
        number = sum(sum(lostkeys.sealed_under(name).values()) for name in found)
        self.stdout.write(
            f"{number} stored secrets were sealed under the key {key_id}, which this process does"
            " not have. Once it is declared lost, in all processes, whoever they belong to is asked"
            " to authorize again, or to enter a secret again. If the key is in any copy of"
            " VAULT_KEYS still, put it here too instead, at the end."
        )
        if not sure and not self._confirmed(key_id):
            raise CommandError("Nothing was changed.")
        with transaction.atomic():
            counts = lostkeys.declare(key_id)
            AuditEvent.objects.record("key_lost", facts={"key": key_id, "sealed": dict(counts)})
        self.stdout.write(f"{key_id} is declared lost.")

    def _confirmed(self, key_id: str) -> bool:
        self.stdout.write(f"Type {key_id} to declare it lost: ", ending="")
        self.stdout.flush()
        try:
            return input().strip() == key_id
        except EOFError:
            raise CommandError(
                "Nobody can be asked here, and nothing was changed. Add --yes if you are sure."
            ) from None

    @staticmethod
    def _why_not(key_id: str) -> str:
        known = {name.partition(".")[0] for name in lostkeys.names()}
        if key_id in known:
            return f"{key_id} is declared lost already."
        missing = sorted({name.partition(".")[0] for name in lostkeys.unknown_names()})
        return (
            f"No stored secret lacks a key called {key_id}."
            f" Keys that are missing here: {', '.join(missing) or 'none'}."
        )
