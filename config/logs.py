"""One event, one line of JSON on stderr: redacted by value, no queries, headers or forms."""

from __future__ import annotations

import logging.config
import re
from collections.abc import MutableMapping
from typing import Any

import structlog

from connectedsystems import redact

# Each of these writes addresses with their query, statements with their values, or what
# config.middleware.RequestLog says already.
_QUIETER = {
    "django.db.backends": "INFO",
    "django.request": "CRITICAL",
    "django.server": "CRITICAL",
    "django.template": "INFO",
    "gunicorn.access": "CRITICAL",
    "asyncio": "INFO",
    "authlib": "WARNING",
    "axes": "WARNING",
    "oauthlib": "WARNING",
    "PIL": "WARNING",
    "psycopg": "WARNING",
    "requests": "ERROR",
    "urllib3": "ERROR",
}
_QUERY = re.compile(r"\?[^\s'\",)]*")


def configure(level: str) -> None:
    """Set up structlog and the standard library's logging, whose records look the same."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_every_event(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(as_dict(level))


def as_dict(level: str) -> dict[str, Any]:
    """For ``logging.config.dictConfig``; gunicorn's master takes it too."""
    loggers: dict[str, Any] = {name: {"level": least} for name, least in _QUIETER.items()}
    loggers["gunicorn.error"] = {"level": level, "handlers": ["stderr"], "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": [*_every_event(), tidy],
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    redact.processor,
                    structlog.processors.JSONRenderer(),
                ],
            }
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "line",
                "stream": "ext://sys.stderr",
            }
        },
        "root": {"level": level, "handlers": ["stderr"]},
        "loggers": loggers,
    }


def tidy(logger: Any, name: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """For lines that another package wrote: no query in an address, no traceback of a refusal."""
    if "?" in (event := str(event_dict.get("event", ""))):
        event_dict["event"] = _QUERY.sub("", event)
    if str(event_dict.get("logger", "")).startswith("django.security"):
        event_dict.pop("exc_info", None)
    return event_dict


def _every_event() -> list[Any]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
