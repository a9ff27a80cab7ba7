"""``rotate_vault_keys``: seal every secret again under the first key of VAULT_KEYS."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from connectedsystems.rotation import rotate


class Command(BaseCommand):
    help = (
        "Seal every stored secret again under the first key of VAULT_KEYS. Put the new key first"
        " and keep the old ones behind it; restart; run this; then remove the old ones."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        counts = rotate()
        self.stdout.write(
            f"resealed: {counts['resealed']}, under the first key already:"
            f" {counts['under the first key']}, not opened: {counts['not opened']}"
        )
        if counts["not opened"]:
            raise CommandError(
                f"{counts['not opened']} secrets do not open with the present keys. Put the key"
                " they were sealed with back into VAULT_KEYS and run this again; a text that was"
                " damaged stays as it is, and its owner is asked to authorize again."
            )
