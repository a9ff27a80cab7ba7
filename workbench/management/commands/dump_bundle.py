"""Writes connected systems and integrations as a bundle file, without any secret."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

import yaml
from django.core.management.base import BaseCommand, CommandError

from connectedsystems.models import Application
from workbench import bundle


class Command(BaseCommand):
    help = (
        "Prints applications, connected systems and integrations as a bundle file (YAML), in a "
        "stable order. Secrets are never written, nor values of variables marked environment: "
        "where the file is loaded, those that are there stay."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--application",
            metavar="SLUG",
            action="append",
            help="only this application; may be repeated",
        )
        parser.add_argument("--json", action="store_true", help="print JSON instead of YAML")

    def handle(self, *args: Any, **options: Any) -> None:
        tree = bundle.dump(_chosen(options["application"]))
        if options["json"]:
            self.stdout.write(json.dumps(tree, indent=2, ensure_ascii=False))
        else:
            self.stdout.write(
                yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=100), ending=""
            )


def _chosen(slugs: list[str] | None) -> list[Application] | None:
    if not slugs:
        return None
    found = {each.slug: each for each in Application.objects.filter(slug__in=slugs)}
    if missing := [slug for slug in slugs if slug not in found]:
        known = ", ".join(Application.objects.values_list("slug", flat=True)) or "none"
        raise CommandError(f"There is no application {missing[0]}. Applications: {known}.")
    return list(found.values())
