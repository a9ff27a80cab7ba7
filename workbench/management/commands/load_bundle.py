"""Loads connected systems and integrations from a bundle file."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from connectedsystems import noticed
from connectedsystems.errors import ConfigurationInvalid
from workbench import bundle, bundlefile


class Command(BaseCommand):
    help = (
        "Creates or updates applications, connected systems and integrations from FILE (YAML or "
        "JSON), by slug, all or nothing. A key in the file is written, an absent one stays as it "
        "is; nothing is deleted. ${NAME} is filled from environment variables that begin with "
        "BUNDLE_ or are named in BUNDLE_ENV_ALLOW. Prints one line per system: slug, redirect URI."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", help="the bundle file; - reads standard input")
        parser.add_argument("--json", action="store_true", help="print what was done as JSON")
        parser.add_argument(
            "--accept-reauthorization",
            action="store_true",
            help="go on although users must authorize again; without it such a change is refused",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        file = str(options["file"])
        try:
            tree = bundlefile.read(_bytes(file), settings.BUNDLE_VALUES)
            loaded = bundle.load(tree, accept_reauthorization=options["accept_reauthorization"])
        except ConfigurationInvalid as invalid:
            noticed.note_mistakes(invalid.errors)
            raise CommandError(_report(file, invalid)) from None
        if options["json"]:
            self.stdout.write(json.dumps(loaded.to_json(), indent=2))
            return
        for system in loaded.systems:
            self.stdout.write(f"{system.slug} {system.redirect_uri}")
            self._note(system)

    def _note(self, system: bundle.LoadedSystem) -> None:
        if system.missing:
            self.stderr.write(f"{system.slug}: still without a value: {', '.join(system.missing)}")
        if system.reauthorizations:
            self.stderr.write(
                f"{system.slug}: {system.reauthorizations} users or systems must authorize again"
            )


def _bytes(file: str) -> bytes:
    """The file's bytes, no more of them than show that it is too large."""
    try:
        if file == "-":
            return sys.stdin.buffer.read(bundlefile.LARGEST + 1)
        with Path(file).open("rb") as opened:
            return opened.read(bundlefile.LARGEST + 1)
    except OSError as error:
        raise CommandError(
            f"{file} cannot be read: {error.strerror}. Give the path of a bundle file."
        ) from None


def _report(file: str, invalid: ConfigurationInvalid) -> str:
    lines = [
        f"{file}: {path}: {sentence}" if path else f"{file}: {sentence}"
        for path, sentences in invalid.errors.items()
        for sentence in sentences
    ]
    return "\n".join([*lines, "Nothing was changed. Correct the file and load it again."])
