"""The entry of WSGI servers: what would fail at the first request fails at the start instead."""

import structlog
from django.conf import settings
from django.core import checks
from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from config import env
from connectedsystems import share
from connectedsystems.network import curl

env.choose_settings()
application = get_wsgi_application()

for _found in checks.run_checks(tags=["connectedsystems"]):
    if _found.is_serious():
        env.stop(f"{_found.msg} {_found.hint or ''}".strip())
share.divide(settings.WEB_THREADS)
_ = get_resolver().url_patterns
structlog.get_logger(__name__).info("started", http=curl.about())
