"""What all tests share: users by name, and an honest last line about what was left out."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from django.conf import settings
from django.test import Client
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from tests import environment
from tests.acme import acme, member, visitor  # noqa: F401
from tests.desk import house  # noqa: F401
from tests.thirdparty import running_thirdparty, thirdparty  # noqa: F401

# No test fails because the machine is busy.
hypothesis_settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("unhurried")

_DATABASE_FIXTURES = {"db", "transactional_db", "django_db_setup", "live_server"}


def pytest_configure(config: pytest.Config) -> None:
    missing = environment.REQUIRED & environment.left_out().keys()
    if missing:
        raise pytest.UsageError(
            f"TESTS_REQUIRE names what is missing: {', '.join(sorted(missing))}"
        )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On PostgreSQL only what touches the database runs: the rest ran before."""
    if not settings.DATABASES["default"]["ENGINE"].endswith("postgresql"):
        return
    chosen = [item for item in items if _uses_database(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(chosen)])
    items[:] = chosen


def pytest_unconfigure(config: pytest.Config) -> None:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or hasattr(config, "workerinput"):
        return
    missing = [f"{name} ({why})" for name, why in environment.left_out().items()]
    missing += sorted(_found_missing(reporter))
    reporter.write_line(f"left out: {', '.join(missing) or 'nothing'}")


def _found_missing(reporter: Any) -> set[str]:
    """What a test itself found to be missing: it skips with the words ``left out here: ...``."""
    reasons = [str(report.longrepr[2]) for report in reporter.stats.get("skipped", [])]
    begins = "Skipped: left out here: "
    return {reason.removeprefix(begins) for reason in reasons if reason.startswith(begins)}


def _uses_database(item: pytest.Item) -> bool:
    if item.get_closest_marker("processes") is not None:
        return False  # has been on both databases, each its own
    if item.get_closest_marker("once") is not None:
        return False
    return item.get_closest_marker("django_db") is not None or bool(
        _DATABASE_FIXTURES & set(getattr(item, "fixturenames", ()))
    )


@pytest.fixture
def user(db: None, django_user_model: Any) -> Callable[..., Any]:
    """Makes a user: ``user("alice")``, ``user("dora", groups=["crm-designers"])``."""

    def make(name: str, groups: list[str] | None = None, **fields: Any) -> Any:
        from django.contrib.auth.models import Group

        made = django_user_model.objects.create_user(username=name, password=name, **fields)
        made.groups.set([Group.objects.get_or_create(name=group)[0] for group in groups or []])
        return made

    return make


@pytest.fixture
def alice(user: Callable[..., Any]) -> Any:
    return user("alice")


@pytest.fixture
def bob(user: Callable[..., Any]) -> Any:
    return user("bob")


@pytest.fixture
def admin(user: Callable[..., Any]) -> Any:
    return user("admin", is_superuser=True, is_staff=True)


@pytest.fixture
def as_user() -> Callable[[Any], Client]:
    """A client that is logged in: ``as_user(alice).get("/")``."""

    def log_in(person: Any) -> Client:
        client = Client()
        client.force_login(person)
        return client

    return log_in


@pytest.fixture
def log_lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What has been logged so far, as the product writes it: a list of parsed lines."""
    loggers = [logging.getLogger(name) for name in ("", "gunicorn.error")]
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(
        next(
            existing.formatter
            for existing in loggers[0].handlers
            if isinstance(existing.formatter, structlog.stdlib.ProcessorFormatter)
        )
    )
    for logger in loggers:
        logger.addHandler(handler)
    yield lambda: [json.loads(line) for line in written.getvalue().split("\n")[:-1]]
    for logger in loggers:
        logger.removeHandler(handler)
