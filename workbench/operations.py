"""Many integrations at once: the operations of an OpenAPI document, shown, chosen, created."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode

from connectedsystems import json as strict_json
from connectedsystems.bounds import POSTED
from connectedsystems.errors import ConfigurationInvalid
from connectedsystems.models import ConnectedSystem
from integrations.definition import parse
from integrations.models import Integration
from workbench import bundle, reading
from workbench.openapi import NotADocument, Operation
from workbench.reading import Reading
from workbench.roles import designed_ids, is_admin

if TYPE_CHECKING:
    from workbench.integrations import Integrations

MOST_SHOWN: Final = 500
MOST_CHECKED: Final = 20
"""A list that is no longer than this comes with everything chosen."""
MOST_SYSTEMS: Final = 2_000
MOST_WAITED: Final = 10.0
"""Seconds for which a posted document is waited for; longer ones have a page of progress."""
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
    """Take a document, show its operations, create those that were chosen.

    ``?reading=`` is the page of a document that is being read, or was; as JSON ``under_way`` and
    ``says``.
    """
    given = request.POST if request.method == "POST" else request.GET
    wanted = given.get("connected_system", "")
    context: dict[str, Any] = {
        **screen.admin_site.each_context(request),
        "title": "From an OpenAPI document",
        "opts": screen.opts,
        "systems": _systems(request).order_by("name").only("name", "slug")[:MOST_SYSTEMS],
        "wanted": wanted,
        "typed": request.POST.get("document", ""),
        "only": request.POST.get("only", "")[:200],
    }
    status = 200
    try:
        if request.method == "POST":
            if request.POST.get("action") == "create":
                return _created(request, _system(request, wanted))
            system = _system(request, wanted)
            begun = _begun(request, system)
            if begun.is_under_way:
                return HttpResponseRedirect(_address(begun.token))
            context |= _shown(begun, system)
        elif token := request.GET.get("reading", ""):
            found = _found(request, token)
            if request.headers.get("Accept") == "application/json":
                return JsonResponse({"under_way": found.is_under_way, "says": _progress(found)})
            context |= {"wanted": found.system, "only": found.only}
            if found.is_under_way:
                context |= {"progress": _progress(found)}
            else:
                context |= _shown(found, _system(request, found.system))
    except NotADocument as mistake:
        context["problem"], status = str(mistake), 400
    except _Refused as refused:
        context |= {"system": refused.system, "rows": refused.rows, "mistakes": refused.sentences}
        context |= {"operations": request.POST.get("operations", "")}
        status = 400
    response = render(request, _PAGE, context, status=status)
    response["Cache-Control"] = "no-store"
    return response


class _Refused(Exception):
    """Chosen operations that cannot be created; the list stays as it was posted."""

    def __init__(self, system: ConnectedSystem, rows: list[Row], sentences: list[str]) -> None:
        super().__init__()
        self.system, self.rows, self.sentences = system, rows, sentences


def _systems(request: HttpRequest) -> QuerySet[ConnectedSystem]:
    return ConnectedSystem.objects.for_designer(request.user).exclude(base_url="")


def _system(request: HttpRequest, slug: str) -> ConnectedSystem:
    system = _systems(request).filter(slug=slug).first()
    if system is None:
        raise NotADocument("Choose the connected system that the document is about.")
    return system


def _begun(request: HttpRequest, system: ConnectedSystem) -> Reading:
    """Have the document read, and wait a little: most are there at once.

    Where another one of this person's is being read, it is that one.
    """
    file: Any = request.FILES.get("file")
    pasted = request.POST.get("document", "")
    try:
        begun = reading.begin(
            request.user,
            file.chunks() if file is not None else [pasted.encode("utf-8", "replace")],
            system=system.slug,
            base_url=system.base_url,
            taken=system.parsed().declared,
            only=request.POST.get("only", "").strip()[:200],
        )
    except reading.Busy as busy:
        messages.warning(request, "Another document of yours is still being read: this is it.")
        return _found(request, busy.token)
    begun.wait(MOST_WAITED)
    return begun


def _address(token: str) -> str:
    return f"{reverse('admin:integrations_openapi')}?{urlencode({'reading': token})}"


def _found(request: HttpRequest, token: str) -> Reading:
    found = reading.find(request.user, token)
    if found is None:
        raise NotADocument("This document is not kept any more: choose it again.")
    return found


def _progress(found: Reading) -> str:
    values = found.values
    if values is None:
        return f"It waits for its turn, {found.seconds} seconds so far."
    read = f"{values:,} values so far, " if values else ""
    return f"It is being read: {read}{found.seconds} seconds."


def _shown(found_at: Reading, system: ConnectedSystem) -> dict[str, Any]:
    document = found_at.document()
    only = found_at.only.lower()
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
        raise _Refused(system, rows, ["Choose at least one operation."])
    slugs = [str(row.definition.get("slug")) for row in chosen]
    taken = Integration.objects.filter(slug__in=slugs).values_list("slug", flat=True)
    if taken:
        names = ", ".join(sorted(taken))
        raise _Refused(system, rows, [f"Meanwhile there is {names}: take it out of the choice."])
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
        raise _Refused(system, rows, said) from None
    number = len(slugs)
    words = "One integration is" if number == 1 else f"{number} integrations are"
    messages.success(request, f"{words} created. Try each on its page before others use it.")
    listed = reverse("admin:integrations_integration_changelist")
    return HttpResponseRedirect(f"{listed}?connected_system__id__exact={system.pk}")


def _posted(request: HttpRequest) -> list[Row]:
    """The list as it was shown, with the choice that was made. Raises NotADocument."""
    try:
        boxes = strict_json.read(request.POST.get("operations", ""), POSTED)
    except strict_json.NotJson:
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
