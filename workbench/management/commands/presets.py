"""``presets``: the well-known systems that a connected system can start from."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from connectedsystems import presets


class Command(BaseCommand):
    help = (
        "List well-known systems, or print one as a bundle's entry. Confirmed ones are told by two"
        " sources; the others by one, so check their endpoints."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("key", nargs="?", help="print this one as JSON")
        parser.add_argument("--search", default="", help="only those whose name holds this text")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["key"]:
            self._print(options["key"])
            return
        for each in presets.search(options["search"]):
            mark = "confirmed" if each.confirmed else "one source"
            self.stdout.write(f"{each.key:<32}{mark:<12}{each.name}")

    def _print(self, key: str) -> None:
        found = presets.preset(key)
        if found is None:
            near = ", ".join(each.key for each in presets.search(key[:4])[:8]) or "none"
            raise CommandError(f"There is no preset {key}. Near to it: {near}.")
        self.stdout.write(json.dumps(found.data(), indent=2, ensure_ascii=False))
        if found.caution:
            self.stderr.write(found.caution)
