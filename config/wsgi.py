"""The entry of WSGI servers: what would fail at the first request fails at the start instead."""

import structlog
from django.conf import settings
from django.core import checks
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.urls import get_resolver

from config import env
from connectedsystems import share

env.choose_settings()
application = get_wsgi_application()

for _found in checks.run_checks(tags=["connectedsystems"], databases=["default"]):
    _sentence = f"{_found.msg} {_found.hint or ''}".strip()
    if _found.is_serious():
        env.stop(_sentence)
    structlog.get_logger("config.wsgi").warning("start_up_check", id=_found.id, told=_sentence)
connection.close()
share.divide(settings.WEB_THREADS)
_ = get_resolver().url_patterns
