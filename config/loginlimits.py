"""How many wrong passwords may come from one address: a limit beside that of name and address.

Whoever tries one password with many names meets no limit of any name. So failures are counted by
address as well, in the database, which all processes share. Behind one address there may also be
an office full of people: names that have logged in from it lately go on.
"""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from typing import Any

import structlog
from axes.handlers.database import AxesDatabaseHandler
from axes.helpers import get_client_username
from axes.models import AccessFailureLog, AccessLog
from axes.signals import user_locked_out
from django.db.models import Count
from django.http import HttpRequest
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from config.accounts import client_address

MOST_FAILURES = 40
LEAST_NAMES = 10
"""Fewer names are people who mistype: each of them has a limit of their own."""
WINDOW = timedelta(minutes=15)
KNOWN_FOR = timedelta(days=30)

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_log = structlog.get_logger(__name__)


def limited_address(request: HttpRequest) -> str | None:
    """Whom a limit counts: an IPv4 address, or the /64 that one subscriber of IPv6 has.

    None where the server does not say; that counts as one address too.
    """
    address = client_address(request)
    if address is None:
        return None
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    # Two forms of IPv4 addresses, all of which would be in one /64.
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    # 6to4: each IPv4 address has 65,536 networks there.
    if parsed.sixtofour:
        return str(parsed.sixtofour)
    if parsed in _NAT64:
        return str(ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF))
    return str(ipaddress.ip_network((int(parsed), 64), strict=False).network_address)


class Handler(AxesDatabaseHandler):
    """django-axes' limit of name and address, and ours. Every ``authenticate()`` comes by here.

    Rows: AccessFailureLog has one for each wrong password, AccessLog one for each name and
    address, the last log-in. ``prune`` deletes what is too old to count.
    """

    def is_locked(self, request: Any, credentials: Any = None) -> bool:
        """Whether no password is looked at; ``request`` then knows for which of the limits."""
        request.shut_out = ""
        if super().is_locked(request, credentials):
            request.shut_out = "name"
        elif _is_shut_out(request.axes_ip_address, get_client_username(request, credentials)):
            request.shut_out = "address"
        return bool(request.shut_out)

    @sensitive_variables()
    def user_login_failed(
        self, sender: Any, credentials: Any, request: Any = None, **kwargs: Any
    ) -> None:
        shut_out = getattr(request, "shut_out", "")
        if shut_out == "address":
            # No password was looked at: nothing to count, or the limit would never end for an
            # office in which one program goes on trying.
            request.axes_locked_out = True
            request.axes_credentials = credentials
            name = get_client_username(request, credentials)
            user_locked_out.send(
                "axes", request=request, username=name, ip_address=request.axes_ip_address
            )
            _log.warning("log_in_refused", limit="address")
            return
        super().user_login_failed(sender, credentials, request, **kwargs)
        if request is not None and not shut_out:
            AccessFailureLog.objects.create(
                username=get_client_username(request, credentials),
                ip_address=request.axes_ip_address,
            )

    def user_logged_in(self, sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
        super().user_logged_in(sender, request, user, **kwargs)
        who = {"username": user.get_username(), "ip_address": request.axes_ip_address}
        if not AccessLog.objects.filter(**who).update(attempt_time=timezone.now()):
            AccessLog.objects.create(**who)


def _is_shut_out(address: str | None, name: str | None) -> bool:
    now = timezone.now()
    failures = AccessFailureLog.objects.filter(ip_address=address, attempt_time__gt=now - WINDOW)
    seen = failures.aggregate(count=Count("pk"), names=Count("username", distinct=True))
    if seen["count"] < MOST_FAILURES or seen["names"] < LEAST_NAMES:
        return False
    return not AccessLog.objects.filter(
        ip_address=address, username=name, attempt_time__gt=now - KNOWN_FOR
    ).exists()
