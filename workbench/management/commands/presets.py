"""``presets``: the well-known systems that a connected system can start from."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from connectedsystems import presets
from workbench import facts


class Command(BaseCommand):
    help = (
        "List well-known systems, or print one as a bundle's entry. Confirmed ones are told by two"
        " sources; the others by one, so check their endpoints."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("key", nargs="?", help="print this one as JSON")
        parser.add_argument("--search", default="", help="only those whose name holds this text")
        parser.add_argument(
            "--facts",
            metavar="FILE",
            help="compare what the presets would send with this file of facts about providers",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["facts"]:
            self._compare(options["facts"])
        elif options["key"]:
            self._print(options["key"])
        else:
            self._list(options["search"])

    def _list(self, text: str) -> None:
        for each in presets.search(text):
            mark = "confirmed" if each.confirmed else "one source"
            self.stdout.write(f"{each.key:<32}{mark:<12}{each.name}")

    def _print(self, key: str) -> None:
        found = presets.preset(key)
        if found is None:
            near = ", ".join(each.key for each in presets.search(key[:4])[:8]) or "none"
            raise CommandError(f"There is no preset {key}. Near to it: {near}.")
        self.stdout.write(json.dumps(found.data(), indent=2, ensure_ascii=False))
        for sentence in filter(None, [found.caution, *found.traps]):
            self.stderr.write(sentence)

    def _compare(self, path: str) -> None:
        try:
            providers = json.loads(Path(path).read_text(encoding="utf-8"))["providers"]
        except (OSError, ValueError, KeyError, TypeError) as mistake:
            raise CommandError(f"{path} holds no facts: {mistake}. See docs/presets.md.") from None
        compared = {each["key"]: facts.differences(each) for each in providers}
        for key, reasons in compared.items():
            for reason in reasons:
                self.stdout.write(f"{key}: {reason}")
        matching = sum(not reasons for reasons in compared.values())
        self.stdout.write(
            f"{matching} of {len(compared)}: the four requests are as the facts say;"
            f" {len(compared) - matching} are not."
        )
