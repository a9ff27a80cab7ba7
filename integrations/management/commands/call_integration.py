"""``manage.py call_integration``: one call as one user, its answer as JSON."""

from __future__ import annotations

import json
import mimetypes
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from connectedsystems import redact
from connectedsystems.errors import InputInvalid
from connectedsystems.exact import ExactEncoder
from integrations import call_integration, files, inputs
from integrations.definition import parsed
from integrations.models import Integration
from integrations.response import IntegrationResponse, error_of

NEEDS_AUTHORIZATION = 3


class Command(BaseCommand):
    """Exit status: 0 success, 3 the user has to authorize first, 1 any other failure."""

    help = (
        "Call an integration as a user, with that user's own authorization, and print the answer"
        " as JSON. Exit status: 0 success, 3 the user has to authorize first, 1 other failures."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="the integration's slug, such as list-contacts")
        parser.add_argument("--user", required=True, metavar="NAME", help="whose name to log in by")
        parser.add_argument(
            "--input",
            action="append",
            default=[],
            metavar="K=V",
            help="the value of one input; may be repeated, for a list with the same K; of a file"
            " its path",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with redact.scope():
            response = _call(options["slug"], options["user"], _given(options["input"]))
            text = json.dumps(
                response.to_json(detail=True), indent=2, ensure_ascii=False, cls=ExactEncoder
            )
            self.stdout.write(redact.redact(text))
        if response.error is not None:
            code = NEEDS_AUTHORIZATION if response.needs_authorization else 1
            raise CommandError(_told(response), returncode=code)


def _call(slug: str, user_name: str, given: dict[str, list[str]]) -> IntegrationResponse:
    found = Integration.objects.filter(slug=slug).select_related("connected_system").first()
    if found is None:
        known = ", ".join(Integration.objects.order_by("slug").values_list("slug", flat=True)[:50])
        raise CommandError(f"There is no integration {slug!r}. There are: {known or 'none yet'}.")
    user = get_user_model().objects.filter(username=user_name).first()
    if user is None:
        raise CommandError(f"There is no user {user_name!r}. Give the name that they log in by.")
    system = found.connected_system
    try:
        definition = parsed(found.pk, found.version, found.as_data)
        unknown = {name: given[name][-1] for name in inputs.unknown(definition.inputs, given)}
        texts = {**inputs.texts_of(definition.inputs, given), **unknown}
        for each in definition.inputs:
            if each.type == "file" and texts.get(each.name):
                texts[each.name] = _file_at(texts[each.name])
        values = definition.read(texts, texts=True)
    except TypeError as mistake:
        raise CommandError(f"{mistake}") from None
    except InputInvalid as invalid:
        error = error_of(invalid, system=system.name)
        return IntegrationResponse(False, system.slug, "", error=error)
    return call_integration(slug, user, inputs=values)


def _file_at(path: str) -> str:
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from None
    guessed = mimetypes.guess_type(path)[0] or ""
    return json.dumps(files.value_of(Path(path).name, content, guessed))


def _given(pairs: list[str]) -> dict[str, list[str]]:
    given: dict[str, list[str]] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise CommandError("--input takes a name and a value, such as --input limit=20.")
        given.setdefault(name, []).append(value)
    return given


def _told(response: IntegrationResponse) -> str:
    error = response.error
    if error is None:
        return ""
    steps = [f"{step['label']}: {step['url']}" for step in error.next_steps if step["url"]]
    lines = [f"{error.title} ({error.code})", f"Cause: {error.cause}", f"Fix: {error.fix}", *steps]
    if response.reference:
        lines.append(f"Reference: {response.reference}")
    return "\n".join(lines)
