"""The entry of WSGI servers: what would fail at the first request fails at the start instead."""

import structlog
from django.conf import settings
from django.core import checks
from django.core.wsgi import get_wsgi_application
from django.db import connections
from django.urls import get_resolver

from config import charsets, env
from connectedsystems import share
from connectedsystems.network import curl

env.choose_settings()
application = get_wsgi_application()
application.request_class = charsets.Request

for _found in checks.run_checks(tags=["connectedsystems"], databases=["default"]):
    if _found.is_serious():
        env.stop(f"{_found.msg} {_found.hint or ''}".strip())
share.divide(settings.WEB_THREADS)
charsets.forget_unknown_names()
_ = get_resolver().url_patterns

_log = structlog.get_logger("config.wsgi")
_log.info("started", http=curl.about())
# What is unwise stops nothing; whoever reads the log of a start should see it there.
for _found in checks.run_checks(
    tags=["connectedsystems"], include_deployment_checks=True, databases=["default"]
):
    if _found.level == checks.WARNING:
        _log.warning("start_up_check", id=_found.id, told=_found.msg, hint=_found.hint)
connections.close_all()
