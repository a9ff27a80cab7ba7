"""Many integrations at once: the operations of an OpenAPI document, shown, chosen, created."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from connectedsystems.errors import ConfigurationInvalid
from connectedsystems.models import ConnectedSystem
from integrations.definition import parse
from integrations.models import Integration
from workbench import bundle, openapi
from workbench.openapi import Document, NotADocument, Operation
from workbench.roles import designed_ids, is_admin

if TYPE_CHECKING:
    from workbench.integrations import Integrations

MOST_SHOWN: Final = 500
MOST_CHECKED: Final = 20
"""A list that is no longer than this comes with everything chosen."""
MOST_SYSTEMS: Final = 2_000
LARGEST_LIST: Final = 2_000_000
"""Characters; a form takes little more."""
_PAGE = "workbench/from_openapi.html"


@dataclass(frozen=True)
class Row:
    """One operation in the list. ``problem``: why it cannot be chosen; ``number`` is its place."""

    number: int
    method: str
    path: str
    name: str
    notes: tuple[str, ...]
    problem: str
    chosen: bool
    definition: Mapping[str, Any] = field(repr=False)


def from_openapi(request: HttpRequest, screen: Integrations) -> HttpResponse:
    """Take a document, show its operations, create those that were chosen."""
    systems = ConnectedSystem.objects.for_designer(request.user).exclude(base_url="")
    given = request.POST if request.method == "POST" else request.GET
    wanted = given.get("connected_system", "")
    context: dict[str, Any] = {
        **screen.admin_site.each_context(request),
        "title": "From an OpenAPI document",
        "opts": screen.opts,
        "systems": systems.order_by("name").only("name", "slug")[:MOST_SYSTEMS],
        "wanted": wanted,
        "typed": request.POST.get("document", ""),
        "only": request.POST.get("only", "")[:200],
    }
    status = 200
    if request.method == "POST":
        try:
            system = systems.filter(slug=wanted).first()
            if system is None:
                raise NotADocument("Choose the connected system that the document is about.")
            if request.POST.get("action") == "create":
                return _created(request, system)
            context |= _shown(request, system)
        except NotADocument as mistake:
            context["problem"], status = str(mistake), 400
        except _Refused as refused:
            context |= {"system": system, "rows": refused.rows, "mistakes": refused.sentences}
            context |= {"operations": request.POST.get("operations", "")}
            status = 400
    response = render(request, _PAGE, context, status=status)
    response["Cache-Control"] = "no-store"
    return response


class _Refused(Exception):
    """Chosen operations that cannot be created; the list stays as it was posted."""

    def __init__(self, rows: list[Row], sentences: list[str]) -> None:
        super().__init__()
        self.rows, self.sentences = rows, sentences


def _shown(request: HttpRequest, system: ConnectedSystem) -> dict[str, Any]:
    document = _document(request, system)
    only = request.POST.get("only", "").strip().lower()
    found = [
        each
        for each in document.operations
        if only in f"{each.method} {each.path} {each.definition.get('name', '')}".lower()
    ]
    if not found:
        raise NotADocument(f"None of its {len(document.operations)} operations holds “{only}”.")
    rows = _rows(found[:MOST_SHOWN], system)
    operations = json.dumps([dict(row.definition) for row in rows], separators=(",", ":"))
    if len(operations) > LARGEST_LIST:
        raise NotADocument(
            f"Its {len(rows)} operations are more than one page can hold: say which you want."
        )
    return {
        "system": system,
        "document": document,
        "rows": rows,
        "more": len(found) - len(rows),
        "operations": operations,
    }


def _document(request: HttpRequest, system: ConnectedSystem) -> Document:
    file: Any = request.FILES.get("file")
    raw = (
        bytes(file.read(openapi.LARGEST + 1))
        if file is not None
        else request.POST.get("document", "").encode("utf-8", "replace")
    )
    return openapi.read(raw, system.base_url, frozenset(system.parsed().declared))


def _rows(found: list[Operation], system: ConnectedSystem) -> list[Row]:
    """The operations as they would be created, and what stands in the way of each."""
    fitting = [_fitting(each, system) for each in found]
    slugs = [each.definition["slug"] for each in fitting if each.definition]
    prefixed = {slug: f"{system.slug}-{slug}"[:64].rstrip("-") for slug in slugs}
    stored = Integration.objects.filter(slug__in=[*slugs, *prefixed.values()])
    owners = dict(stored.values_list("slug", "connected_system_id"))
    rows = []
    for number, each in enumerate(fitting):
        definition, problem = dict(each.definition), each.problem
        slug = definition.get("slug", "")
        if slug in owners and owners[slug] != system.pk:
            definition["slug"] = slug = prefixed[slug]
        if slug in owners:
            problem = f"There is an integration {slug} already: it stays as it is."
        rows.append(
            Row(
                number=number,
                method=each.method,
                path=each.path,
                name=str(definition.get("name", "")),
                notes=each.notes,
                problem=problem,
                chosen=not problem and len(found) <= MOST_CHECKED,
                definition={} if problem else definition,
            )
        )
    return rows


def _fitting(operation: Operation, system: ConnectedSystem) -> Operation:
    """The operation, checked as at a save; defaults that do not fit are left out."""
    if operation.problem:
        return operation
    configuration = system.parsed()
    definition = dict(operation.definition)
    for attempt in ("as it is", "without defaults"):
        if attempt == "without defaults":
            definition["inputs"] = [
                {key: value for key, value in box.items() if key != "default"}
                for box in definition.get("inputs", [])
            ]
        try:
            parse({**definition, "connected_system": system.slug}, configuration)
        except ConfigurationInvalid as invalid:
            sentences = [
                f"{path}: {text}" for path, texts in invalid.errors.items() for text in texts
            ]
            continue
        return replace(operation, definition=definition)
    return replace(operation, definition={}, problem=" ".join(sentences)[:300])


def _created(request: HttpRequest, system: ConnectedSystem) -> HttpResponse:
    rows = _posted(request)
    chosen = [row for row in rows if row.chosen]
    if not chosen:
        raise _Refused(rows, ["Choose at least one operation."])
    slugs = [str(row.definition.get("slug")) for row in chosen]
    taken = Integration.objects.filter(slug__in=slugs).values_list("slug", flat=True)
    if taken:
        names = ", ".join(sorted(taken))
        raise _Refused(rows, [f"Meanwhile there is {names}: take it out of the choice."])
    boxes = [{**row.definition, "connected_system": system.slug} for row in chosen]
    try:
        bundle.load(
            {"integrations": boxes},
            actor=request.user,
            within=None if is_admin(request) else designed_ids(request),
            audited_as="OpenAPI",
        )
    except ConfigurationInvalid as invalid:
        said = [f"{path}: {text}" for path, texts in invalid.errors.items() for text in texts]
        raise _Refused(rows, said) from None
    number = len(slugs)
    words = "One integration is" if number == 1 else f"{number} integrations are"
    messages.success(request, f"{words} created. Try each on its page before others use it.")
    listed = reverse("admin:integrations_integration_changelist")
    return HttpResponseRedirect(f"{listed}?connected_system__id__exact={system.pk}")


def _posted(request: HttpRequest) -> list[Row]:
    """The list as it was shown, with the choice that was made. Raises NotADocument."""
    try:
        boxes = json.loads(request.POST.get("operations", ""))
    except (ValueError, RecursionError):
        boxes = None
    if not isinstance(boxes, list) or not all(isinstance(box, dict) for box in boxes):
        raise NotADocument("The list of operations did not arrive whole: show it again.")
    chosen = set(request.POST.getlist("take"))
    return [
        Row(
            number=number,
            method=str(box.get("method", "")),
            path=str(box.get("path", "")),
            name=str(box.get("name", "")),
            notes=(),
            problem="" if box else "It cannot be taken over, or is there already.",
            chosen=bool(box) and str(number) in chosen,
            definition=box,
        )
        for number, box in enumerate(boxes[:MOST_SHOWN])
    ]
