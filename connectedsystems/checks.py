"""Start-up checks, each with an id and a hint: what settings must not say, and what is unwise."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Warning, register
from django.db import DatabaseError

from connectedsystems import lostkeys, vault
from connectedsystems.network import curl

TAG = "connectedsystems"


@register(TAG)
def no_atomic_requests(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A roll-back of the request would take a renewed token with it, for ever."""
    return [
        Error(
            f"ATOMIC_REQUESTS is on for the database {alias!r}.",
            hint="Leave it off: a request that fails would roll back a token that was renewed.",
            id="connectedsystems.E001",
        )
        for alias, database in settings.DATABASES.items()
        if database.get("ATOMIC_REQUESTS")
    ]


@register(TAG)
def keys(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The ring can be read, and no key of it serves for anything else."""
    hint = "VAULT_KEYS is a comma list of id:base64 of 32 random bytes."
    try:
        vault.parse_keys(settings.VAULT_KEYS)
    except ValueError as refusal:
        sentence = f"VAULT_KEYS cannot be used: {refusal}"
    else:
        if settings.SECRET_KEY not in settings.VAULT_KEYS:
            return []
        sentence = "VAULT_KEYS holds the SECRET_KEY."
    return [Error(sentence, hint=hint, id="connectedsystems.E002")]


@register(TAG)
def public_base_url(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Redirect URIs are made of it."""
    parts = urlsplit(settings.PUBLIC_BASE_URL)
    if parts.scheme in ("http", "https") and parts.hostname and not parts.path:
        return []
    return [
        Error(
            "PUBLIC_BASE_URL is no address of a web site.",
            hint="Write scheme and host alone, such as https://connect.example.org.",
            id="connectedsystems.E003",
        )
    ]


@register(TAG)
def missing_keys(
    app_configs: Any, databases: Collection[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """What is stored can be opened; asked where a database may be, and no reason not to start.

    In the middle of a rotation one process has the new key before the others.
    """
    if not databases:
        return []
    try:
        unknown = lostkeys.unknown_names()
    except (DatabaseError, ValueError):  # no table yet; a ring that cannot be read is E002
        return []
    if not unknown:
        return []
    return [
        Warning(
            "Stored secrets need keys that VAULT_KEYS lacks.",
            hint=lostkeys.told(unknown),
            id="connectedsystems.W003",
        )
    ]


@register(TAG)
def libcurl(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """It speaks HTTP for us; a build that lacks what our rules need is refused."""
    lacking = curl.lacking()
    if not lacking:
        return []
    return [
        Error(
            f"{curl.about()} cannot be used; it lacks: {lacking}.",
            hint="Install pycurl as requirements.txt names it: its wheel brings a fit libcurl.",
            id="connectedsystems.E011",
        )
    ]


@register(TAG, deploy=True)
def no_debug(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if not settings.DEBUG:
        return []
    return [
        Error(
            "DEBUG is on.",
            hint="Unset DEBUG wherever others can open the pages.",
            id="connectedsystems.E004",
        )
    ]


@register(TAG, deploy=True)
def encrypted_in_transit(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    parts = urlsplit(settings.PUBLIC_BASE_URL)
    if parts.scheme == "https" or _is_loopback(parts.hostname or ""):
        return []
    return [
        Warning(
            "PUBLIC_BASE_URL is http: passwords, cookies and codes travel in clear.",
            hint="Serve https (behind a proxy: TRUSTED_PROXY=1) and write it in PUBLIC_BASE_URL.",
            id="connectedsystems.W001",
        )
    ]


@register(TAG, deploy=True)
def shared_cache(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if settings.CACHE_IS_SHARED or settings.WEB_CONCURRENCY == 1 or not settings.RATE_LIMITS:
        return []
    return [
        Warning(
            f"Limits of calls are counted in each of {settings.WEB_CONCURRENCY} processes apart.",
            hint="Set CACHE_URL, such as redis://localhost:6379/0, to count them together.",
            id="connectedsystems.W002",
        )
    ]


@register(TAG, deploy=True)
def proxy_in_front(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Each thread serves one request: those that are sent slowly have to wait elsewhere."""
    parts = urlsplit(settings.PUBLIC_BASE_URL)
    if _is_loopback(parts.hostname or ""):
        return []
    files = "deploy/nginx.conf and deploy/Caddyfile are made for it"
    if parts.scheme == "https" and not settings.TRUSTED_PROXY:
        return [
            Warning(
                "PUBLIC_BASE_URL is https and TRUSTED_PROXY is not set: no proxy is known that"
                " stands in front and reads requests whole, so slow clients can hold all threads.",
                hint=f"Put such a proxy in front ({files}) and set TRUSTED_PROXY=1.",
                id="connectedsystems.W016",
            )
        ]
    return [
        Info(
            "Whether a proxy in front reads requests whole cannot be known from here.",
            hint=f"One should: {files}. Where requests come without their X-Buffered-By, the log"
            " says proxy_may_not_buffer.",
            id="connectedsystems.I016",
        )
    ]


@register(TAG, deploy=True)
def addresses_of_log_ins(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Where a proxy's own address counts as everybody's, one attacker locks everybody out."""
    if _is_loopback(urlsplit(settings.PUBLIC_BASE_URL).hostname or ""):
        return []
    address = _only_address_of_log_ins()
    if address is None or not _is_private(address):
        return []
    return [
        Warning(
            f"All log-ins come from one private address ({address or 'none is known'}): limits of"
            " log-ins take everybody for one.",
            hint="If that is a proxy of yours, set TRUSTED_PROXY=1 and let it write"
            " X-Forwarded-For, as deploy/nginx.conf and deploy/Caddyfile do. If TRUSTED_PROXY is"
            " set, another proxy stands before that one, and has to hand the address on.",
            id="connectedsystems.W015",
        )
    ]


def _only_address_of_log_ins() -> str | None:
    """The one address that several people logged in from; None where there are more, or none."""
    if not apps.is_installed("axes"):
        return None
    from axes.models import AccessLog

    try:
        rows = AccessLog.objects.order_by()
        addresses = list(rows.values_list("ip_address", flat=True).distinct()[:2])
        people = len(rows.values_list("username", flat=True).distinct()[:2])
    except DatabaseError:  # before the first migrate, or it does not answer: /readyz says so
        return None
    return (addresses[0] or "") if len(addresses) == 1 and people > 1 else None


def _is_private(address: str) -> bool:
    return not address or ipaddress.ip_address(address).is_private


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
