"""Whether each host can be reached: name, connection, TLS, an answer; what its clock says."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from connectedsystems import outbound
from connectedsystems.errors import OutboundFailure

from .step import MOST_BYTES, SECONDS, Step, failed, label

CLOCK_SECONDS = 60

_NAME = ("its name", "name not found", "name lookup")
_READ = frozenset({"redirect_refused", "too_large", "bad_response"})
"""Failures of an answer: by then there was a connection."""


def reached(addresses: Mapping[str, str], dead: set[str]) -> Iterator[Step]:
    """Each origin once, with the field that names it first; puts the dead ones in ``dead``."""
    seen: set[str] = set()
    for key, url in addresses.items():
        origin = origin_of(url)
        if origin in seen:
            continue
        seen.add(origin)
        for step in _reach(key, f"{origin}/"):
            if step.outcome == "fail":
                dead.add(origin)
            yield step


def origin_of(url: str) -> str:
    """Scheme, host and port as they are written."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def base_url(url: str) -> Step:
    """Whether the Base URL itself answers, without credentials."""
    name, key = "answer of Base URL", "base_url"
    try:
        status = outbound.send(_request(url)).status
    except OutboundFailure as failure:
        if failure.code == "redirect_refused":
            target = failure.facts.get("target_host") or "another address"
            sentence = f"The Base URL leads on to {target}, where no call would follow."
            fix = "Enter the address it leads to, if that is the other system's API."
            return Step(name, "unknown", sentence, failure.code, key, "", fix)
        return failed(name, failure, key)
    if status in (401, 403):
        return Step(name, "ok", f"It answers {status} to us, who show no token: right.", "", key)
    if status == 404:
        sentence = "It answers 404. Many APIs have nothing at their own root, so it may be right."
        fix = "If calls answer 404 as well, compare the Base URL with the API's documentation."
        return Step(name, "unknown", sentence, "", key, "", fix)
    if status >= 500:
        sentence = f"It answers {status}: the other system has a fault of its own there."
        return Step(name, "unknown", sentence, "", key)
    return Step(name, "ok", f"It answers {status}.", "", key)


def _request(url: str) -> outbound.Request:
    return outbound.Request(
        "GET",
        url,
        {},
        deadline=outbound.deadline_in(SECONDS),
        max_bytes=MOST_BYTES,
        follow_same_origin=True,
        repeatable=True,
    )


def _reach(key: str, url: str) -> Iterator[Step]:
    host = outbound.host_of(url)
    date, failure = "", None
    try:
        date = outbound.send(_request(url)).headers.get("Date", "")
    except OutboundFailure as caught:
        failure = None if caught.code in _READ else caught
    rungs = [f"name of {host}", f"reach {host}"]
    if url.startswith("https:"):
        rungs.append(f"TLS of {host}")
    stopped = len(rungs) if failure is None or failure.sent else _rung(failure)
    words = (f"{host} has an address.", f"{host} takes connections.", "Its certificate is good.")
    for rung, sentence in zip(rungs[:stopped], words, strict=False):
        yield Step(rung, "ok", sentence, "", key)
    if failure is not None:
        name = rungs[stopped] if stopped < len(rungs) else f"answer of {host}"
        step = failed(name, failure, key)
        yield replace(step, fix=f"{step.fix} It stands in {label(key)}.")
        return
    yield from _clock(host, date)


def _rung(failure: OutboundFailure) -> int:
    """How far it came: 0 the name, 1 the connection, 2 TLS."""
    reason = str(failure.facts.get("reason") or "")
    if failure.code == "tls_error" or "TLS" in reason:
        return 2
    return 0 if failure.code == "address_refused" or reason.startswith(_NAME) else 1


def _clock(host: str, date: str) -> Iterator[Step]:
    try:
        difference = parsedate_to_datetime(date).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return
    if abs(difference) > CLOCK_SECONDS:
        sentence = f"The clock of {host} and ours differ by {abs(difference):.0f} seconds."
        cause = "One of the two is not set by the network: tokens seem expired, or not valid yet."
        yield Step(f"clock of {host}", "warn", sentence, "", "", cause, "Set the one that is off.")
    else:
        yield Step(f"clock of {host}", "ok", f"The clock of {host} agrees with ours.")
