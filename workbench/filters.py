"""Filters of the desk's lists that Django's own do not say well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.contrib.admin import AllValuesFieldListFilter, SimpleListFilter
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from authlinks.models import Authorization
from connectedsystems.models import Circuit
from integrations.models import CallRecord

MOST_HOSTS = 50
LATELY = timedelta(hours=24)


class CodeFilter(AllValuesFieldListFilter):
    """Failure codes that occur in the person's own rows; an empty one is a row without failure."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        for choice in super().choices(changelist):
            yield {**choice, "display": choice["display"] or "no failure"}


class HostFilter(SimpleListFilter):
    """Hosts of the base URLs of the person's own systems; of very many, those used most."""

    title = "host"
    parameter_name = "host"
    base_url = "base_url"
    """The way from a row to its system's base URL."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        urls = model_admin.get_queryset(request).order_by().values_list(self.base_url, flat=True)
        hosts = Counter(_host(url) for url in urls)
        return [(host, host) for host in sorted(dict(hosts.most_common(MOST_HOSTS))) if host]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        host = self.value()
        if not host:
            return queryset
        fits = Q()
        for start in (f"http://{host}", f"https://{host}"):
            fits |= Q(**{f"{self.base_url}__iexact": start})
            for end in "/:":
                fits |= Q(**{f"{self.base_url}__istartswith": f"{start}{end}"})
        return queryset.filter(fits)


class IntegrationHostFilter(HostFilter):
    """The same of integrations, by their systems."""

    base_url = "connected_system__base_url"


class SystemStateFilter(SimpleListFilter):
    """How systems do, as far as their rows say."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("silent", "gives no answer"),
            ("refused", "refuses our client"),
            ("connected", "somebody is connected"),
            ("unused", "nobody is connected"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        rows = Authorization.objects.filter(system=OuterRef("pk"))
        live = Exists(rows.filter(ended_code=""))
        match self.value():
            case "silent":
                return queryset.filter(Exists(Circuit.objects.filter(system=OuterRef("pk"))))
            case "refused":
                return queryset.filter(Exists(rows.filter(failure_code="client_auth_failed")))
            case "connected":
                return queryset.filter(live)
            case "unused":
                return queryset.filter(~live)
        return queryset


class IntegrationStateFilter(SimpleListFilter):
    """How integrations do, as far as the records of their calls say."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("failed", "failed in the last 24 hours"), ("silent", "its system gives no answer")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "failed":
                since = timezone.now() - LATELY
                records = CallRecord.objects.filter(integration=OuterRef("pk"), success=False)
                return queryset.filter(Exists(records.filter(at__gt=since)))
            case "silent":
                return queryset.filter(
                    Exists(Circuit.objects.filter(system=OuterRef("connected_system")))
                )
        return queryset


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
