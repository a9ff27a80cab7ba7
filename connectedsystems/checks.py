"""Start-up checks, each with an id and a hint: what settings must not say, and what is unwise."""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from connectedsystems import vault
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


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
