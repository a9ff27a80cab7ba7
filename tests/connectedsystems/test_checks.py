"""Start-up checks: each has an id and a hint."""

from __future__ import annotations

from typing import Any

import pycurl
import pytest
from axes.models import AccessLog
from django.conf import settings
from django.core.checks import run_checks
from django.test import override_settings

from connectedsystems import checks

# One of them looks at where people logged in from.
pytestmark = pytest.mark.django_db


def found(**changed: Any) -> set[str]:
    with override_settings(**changed):
        messages = run_checks(tags=[checks.TAG], include_deployment_checks=True)
    assert all(message.hint for message in messages)
    return {str(message.id).partition(".")[2] for message in messages}


def test_nothing_is_wrong_to_begin_with() -> None:
    # That it cannot be known whether the proxy buffers is said (H16).
    assert found(PUBLIC_BASE_URL="https://connect.example.org", TRUSTED_PROXY=True) == {"I016"}


def test_H16_https_without_a_known_proxy_is_unwise() -> None:
    assert found(PUBLIC_BASE_URL="https://connect.example.org") == {"W016"}


@pytest.mark.parametrize(
    ("addresses", "unwise"),
    [
        (["10.0.0.7", "10.0.0.7"], True),
        (["127.0.0.1", "127.0.0.1"], True),
        (["fd00:1:2:3::", "fd00:1:2:3::"], True),
        ([None, None], True),
        (["10.0.0.7", "10.0.0.8"], False),
        (["93.184.215.14", "93.184.215.14"], False),
        (["10.0.0.7"], False),
        ([], False),
    ],
)
def test_H15_everybody_at_one_private_address_is_unwise(
    addresses: list[str | None], unwise: bool
) -> None:
    for number, address in enumerate(addresses):
        AccessLog.objects.create(username=f"name-{number}", ip_address=address)
    site = {"PUBLIC_BASE_URL": "https://connect.example.org", "TRUSTED_PROXY": True}
    assert ("W015" in found(**site)) is unwise
    assert "W015" not in found(PUBLIC_BASE_URL="http://localhost:8000")


def test_D10_requests_in_a_transaction_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.DATABASES["default"], "ATOMIC_REQUESTS", True)
    assert "E001" in found()


@pytest.mark.parametrize("keys", ["", "k1", "k1:c2hvcnQ="])
def test_C5_keys_that_cannot_be_read_are_an_error(keys: str) -> None:
    assert "E002" in found(VAULT_KEYS=keys)


def test_C5_a_key_that_serves_twice_is_an_error() -> None:
    assert "E002" in found(SECRET_KEY=settings.VAULT_KEYS.partition(":")[2])


@pytest.mark.parametrize(
    ("place", "value", "lacking"),
    [
        (4, pycurl.VERSION_SSL, "asynchronous name lookups"),
        (4, pycurl.VERSION_ASYNCHDNS, "TLS"),
        (8, ("http",), "TLS"),
        (2, 0x075800, "the age of 8.23"),
    ],
)
def test_a_libcurl_that_is_not_fit_is_an_error_that_names_it(
    monkeypatch: pytest.MonkeyPatch, place: int, value: Any, lacking: str
) -> None:
    build = list(pycurl.version_info())
    build[place] = value
    monkeypatch.setattr(pycurl, "version_info", lambda: tuple(build))
    (message,) = run_checks(tags=[checks.TAG])
    assert str(message.id) == "connectedsystems.E011"
    assert message.is_serious()
    assert f"libcurl {build[1]} with {build[5]}" in message.msg
    assert message.msg.endswith(f"it lacks: {lacking}.")


def test_an_address_that_is_none_is_an_error() -> None:
    assert "E003" in found(PUBLIC_BASE_URL="")
    assert "E003" in found(PUBLIC_BASE_URL="https://connect.example.org/path")


def test_what_is_unwise_in_service_is_said() -> None:
    assert found(DEBUG=True, PUBLIC_BASE_URL="http://localhost:8000") == {"E004"}
    assert found(PUBLIC_BASE_URL="http://connect.example.org") == {"W001", "I016"}
    here = {"PUBLIC_BASE_URL": "http://127.0.0.1", "RATE_LIMITS": {"call": (1, 60)}}
    assert found(**here) == {"W002"}
    assert found(**here, CACHE_IS_SHARED=True) == set()
    assert found(**here, WEB_CONCURRENCY=1) == set()
