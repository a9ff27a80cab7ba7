"""A bundle file on the desk: downloaded, compared with what is here, loaded after a yes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import yaml
from django.contrib.admin.utils import unquote
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from authlinks.models import Authorization
from connectedsystems import noticed, vault
from connectedsystems.errors import ConfigurationInvalid, VaultFailure
from connectedsystems.models import ConnectedSystem
from workbench import bundle, bundlefile, bundlewriting, differences
from workbench.roles import designed_ids, is_admin

if TYPE_CHECKING:
    from workbench.applications import ApplicationAdmin

SESSION_KEY: Final = "uploaded_bundle"
LIFETIME: Final = 3600
"""Seconds between the upload and the yes."""
_PAGE = "workbench/promotion.html"
_WORDS = {"created": "new", "updated": "changed", "unchanged": "unchanged"}


@dataclass(frozen=True, slots=True)
class Item:
    """One system or integration of the file, and what loading it would change."""

    kind: str
    slug: str
    change: str
    """``new``, ``changed`` or ``unchanged``."""
    ends: int
    rows: list[differences.Row]


@dataclass(frozen=True, slots=True)
class Ready:
    """One loaded system, and what is still to be done for it."""

    system: ConnectedSystem
    missing: list[str]
    reauthorizations: int
    authorized: int

    @property
    def redirect_uri(self) -> str:
        return self.system.redirect_uri if self.system.has_user_authorizations else ""


def download(request: HttpRequest, screen: ApplicationAdmin, object_id: str) -> HttpResponse:
    """An application's bundle file, as ``dump_bundle`` writes it: no secret is in it."""
    application = screen.get_object(request, unquote(object_id))
    if application is None or not screen.has_view_permission(request, application):
        raise Http404("no such application, or not of this person's")
    tree = bundle.dump([application])
    text = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=100)
    response = HttpResponse(text, content_type="application/yaml; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{application.slug}.yaml"'
    response["Cache-Control"] = "no-store"
    return response


@sensitive_post_parameters()
@sensitive_variables()
def upload(request: HttpRequest, screen: ApplicationAdmin) -> HttpResponse:
    """Take a file; show what it would change; load it after a yes, all or nothing."""
    context: dict[str, Any] = {
        **screen.admin_site.each_context(request),
        "opts": screen.opts,
        "title": "Load a bundle",
        "people": is_admin(request),
    }
    if request.method != "POST":
        return render(request, _PAGE, context)
    raw = _given(request)
    if raw is None:
        return _refused(request, context, {"": ["Choose a bundle file first."]})
    within = None if is_admin(request) else designed_ids(request)
    try:
        # The environment's values are the operator's: no file from a browser may read them.
        tree = bundlefile.read(raw, {})
        prepared = bundle.prepare(
            tree, accept_reauthorization=True, actor=request.user, within=within
        )
    except ConfigurationInvalid as invalid:
        noticed.note_mistakes(invalid.errors)
        return _refused(request, context, invalid.errors)
    items = items_of(prepared)
    ended = sum(item.ends for item in items)
    agreed = request.POST.get("action") == "load" and _agrees(request, ended)
    if not agreed:
        _keep(request, raw)
        asked = request.POST.get("action") == "load"
        return render(request, _PAGE, {**context, "items": items, "ended": ended, "asked": asked})
    try:
        bundlewriting.write(prepared.plan)
    except ConfigurationInvalid as invalid:
        noticed.note_mistakes(invalid.errors)
        return _refused(request, context, invalid.errors)
    request.session.pop(SESSION_KEY, None)
    ready = readiness(prepared.loaded)
    return render(request, _PAGE, {**context, "title": "Loaded", "ready": ready})


def items_of(prepared: bundle.Prepared) -> list[Item]:
    """What loading would change, for the page; nothing was written to learn it."""
    loaded = prepared.loaded
    systems = {each.slug: (each.change, each.reauthorizations) for each in loaded.systems}
    others = {slug: (change, 0) for slug, change in loaded.integrations.items()}
    known = {"Connected system": systems, "Integration": others}
    return [
        Item(
            kind,
            slug,
            _WORDS[known[kind][slug][0]],
            known[kind][slug][1],
            differences.changed(before, after),
        )
        for kind, slug, before, after in prepared.changes
    ]


def readiness(loaded: bundle.Loaded) -> list[Ready]:
    """What is still to be done for each loaded system; two queries, however many there are."""
    slugs = [each.slug for each in loaded.systems]
    found = {row.slug: row for row in ConnectedSystem.objects.filter(slug__in=slugs)}
    live = Authorization.objects.filter(system__in=found.values(), ended_code="")
    counts = live.values_list("system_id", "fingerprint").annotate(number=Count("pk"))
    standing = {(system, under): number for system, under, number in counts.order_by()}
    return [
        Ready(
            system=found[each.slug],
            missing=[differences.label_of(path) for path in each.missing],
            reauthorizations=each.reauthorizations,
            authorized=standing.get(
                (found[each.slug].pk, found[each.slug].parsed().fingerprint()), 0
            ),
        )
        for each in loaded.systems
    ]


def _agrees(request: HttpRequest, ended: int) -> bool:
    """Whether the person said yes to just this number of ended authorizations."""
    return not ended or request.POST.get("end_authorizations") == str(ended)


def _refused(
    request: HttpRequest, context: dict[str, Any], errors: Mapping[str, Any]
) -> HttpResponse:
    lines = [(path, text) for path, texts in errors.items() for text in texts]
    return render(request, _PAGE, {**context, "mistakes": lines}, status=400)


@sensitive_variables()
def _given(request: HttpRequest) -> bytes | None:
    """The uploaded file, no more of it than shows that it is too large; else the one kept."""
    chosen: Any = request.FILES.get("file")
    if chosen is not None:
        return bytes(chosen.read(bundlefile.LARGEST + 1))
    box = request.session.get(SESSION_KEY)
    if box is None or timezone.now().timestamp() - float(box["at"]) > LIFETIME:
        return None
    try:
        return vault.Sealed.from_stored(box["sealed"]).open(_place(request)).encode()
    except VaultFailure:
        return None


@sensitive_variables()
def _keep(request: HttpRequest, raw: bytes) -> None:
    """The file may hold secrets: until the yes it waits sealed, in this session."""
    sealed = vault.seal(raw.decode("utf-8-sig"), _place(request))
    request.session[SESSION_KEY] = {"sealed": sealed.stored, "at": timezone.now().timestamp()}


def _place(request: HttpRequest) -> str:
    return vault.place("session", SESSION_KEY, request.user.pk)
