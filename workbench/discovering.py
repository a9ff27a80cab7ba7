"""What Discovery URLs say, fetched before a transaction begins: for a form, for a bundle."""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from connectedsystems import configuration, outbound
from connectedsystems.configuration import Configuration
from connectedsystems.diagnosis import diagnose
from connectedsystems.errors import ConfigurationInvalid, DiscoveryFailure, Failure
from connectedsystems.models import ConnectedSystem
from workbench import merging

Answer = Mapping[str, Any] | Failure | None
"""What ``configuration.discover`` gave or raised."""


SECONDS: Final = 60.0
"""For all systems of a file; one request begun before it ends in its own time."""
_TOO_MANY: Final = DiscoveryFailure(
    "discovery_failed", stage="discovery", reason="no time was left to ask: load fewer systems"
)


def asked(written: Configuration) -> Answer:
    """What the Discovery URL of a written system says now; None where it has none."""
    try:
        return configuration.discover(written)
    except Failure as failure:
        return failure


def of_bundle(tree: object, within: Collection[uuid.UUID] | None = None) -> dict[str, Answer]:
    """What the Discovery URLs of a bundle's systems say now, by slug.

    A system that cannot be loaded is not asked for: loading says what is wrong with it.
    ``within``: as for ``bundle.load``.
    """
    boxes = tree.get("connected_systems") if isinstance(tree, Mapping) else None
    deadline = outbound.deadline_in(SECONDS)
    found: dict[str, Answer] = {}
    for slug, written in _written(boxes if isinstance(boxes, list) else [], within):
        if written.oauth.get("discovery_url"):
            found[slug] = asked(written) if time.monotonic() < deadline else _TOO_MANY
    return found


def _written(
    boxes: list[Any], within: Collection[uuid.UUID] | None
) -> Iterator[tuple[str, Configuration]]:
    by_slug = {
        box["slug"]: box
        for box in boxes
        if isinstance(box, Mapping) and isinstance(box.get("slug"), str) and len(box["slug"]) <= 64
    }
    rows = ConnectedSystem.objects.filter(slug__in=by_slug).defer("logo")
    stored = {row.slug: row for row in rows}
    for slug, box in by_slug.items():
        found = stored.get(slug)
        if found and within is not None and found.application_id not in within:
            continue
        try:
            data, _ = configuration.split(box)
            yield slug, configuration.parse(merging.merged(found.as_data() if found else {}, data))
        except ConfigurationInvalid:
            continue


def remembered(
    written: Configuration, *found: Mapping[str, Any] | None
) -> Mapping[str, Any] | None:
    """The first of these that came from where the written system's metadata stands."""
    return next((each for each in found if configuration.still_stands(each, written)), None)


def heard_before(written: Configuration, system_id: uuid.UUID) -> Mapping[str, Any] | None:
    """What the same address said at this system's last save, if all that is open stands in it."""
    stored = ConnectedSystem.objects.filter(pk=system_id).first()
    found = remembered(written, stored.configuration.get("discovered") if stored else None)
    is_whole = found is not None and not configuration.lacking(written, found["settings"])
    return found if is_whole else None


def sentence(failure: Failure) -> str:
    """Why metadata cannot be used, with its code before it."""
    told = diagnose(failure.code, failure.facts)
    return f"{failure.code}: {told.seen} {told.cause} {told.fix}"


def moved(now: Configuration, before: Configuration) -> DiscoveryFailure | None:
    """Why a document that was used before may not be followed unseen; None where it may."""
    hosts = configuration.strange_hosts(now, before)
    if not hosts or now.discovered_at != before.discovered_at:
        return None
    return DiscoveryFailure(
        "discovery_mismatch",
        changed=f"it leads to {', '.join(hosts)}, where nothing of this system was sent before",
        host=outbound.host_of(now.discovered_at),
        path=urlsplit(now.discovered_at).path,
    )
