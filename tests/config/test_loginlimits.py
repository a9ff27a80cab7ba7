"""Many names, one address: passwords are tried no further, and whoever is known there goes on."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.test import Client, RequestFactory, override_settings
from django.utils import timezone

from config.loginlimits import limited_address

pytestmark = pytest.mark.django_db


def log_in(name: str, word: str, address: str = "203.0.113.9") -> Any:
    client = Client(REMOTE_ADDR=address)
    return client.post("/accounts/login/", {"username": name, "password": word})


def attack(names: int = 40, address: str = "203.0.113.9", failures: int = 40) -> None:
    for number in range(failures):
        answer = log_in(f"name-{number % names}", "Winter2026", address)
        assert answer.status_code == 200, number


def test_G10_many_names_from_one_address_are_stopped(alice: Any, bob: Any) -> None:
    assert log_in("bob", "bob").status_code == 302
    attack()
    answer = log_in("alice", "alice")
    assert (answer.status_code, int(answer["Retry-After"])) == (429, 900)
    assert b"came from where you are" in answer.content
    assert log_in("name-77", "Winter2026").status_code == 429
    assert log_in("bob", "bob").status_code == 302
    assert log_in("alice", "alice", "203.0.113.10").status_code == 302


def test_H15_few_names_are_people_who_mistype(alice: Any) -> None:
    for number in range(60):
        log_in(f"name-{number % 9}", "wrong")
    assert log_in("alice", "alice").status_code == 302


def test_H15_it_ends_after_fifteen_minutes(alice: Any) -> None:
    attack()
    assert log_in("alice", "alice").status_code == 429
    count = AccessFailureLog.objects.count()
    assert count == 40  # what is not looked at is not counted
    AccessFailureLog.objects.update(attempt_time=timezone.now() - timedelta(minutes=16))
    assert log_in("alice", "alice").status_code == 302


def test_H15_who_was_there_long_ago_is_not_known(alice: Any) -> None:
    log_in("alice", "alice")
    AccessLog.objects.update(attempt_time=timezone.now() - timedelta(days=31))
    attack()
    assert log_in("alice", "alice").status_code == 429


def test_H15_a_known_name_has_its_own_limit_still(bob: Any) -> None:
    log_in("bob", "bob")
    attack()
    for _ in range(8):
        answer = log_in("bob", "wrong")
    assert answer.status_code == 429
    assert b"The password was wrong too often" in answer.content


def test_G10_a_64_is_one_address(alice: Any) -> None:
    for number in range(40):
        log_in(f"name-{number}", "Winter2026", f"2001:db8:1:2:{number:x}::1")
    assert log_in("alice", "alice", "2001:db8:1:2:ffff::1").status_code == 429
    assert log_in("alice", "alice", "2001:db8:1:3::1").status_code == 302


def test_G10_the_desks_log_in_is_the_same(alice: Any) -> None:
    attack()
    client = Client(REMOTE_ADDR="203.0.113.9")
    answer = client.post("/admin/login/", {"username": "alice", "password": "alice"})
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/")
    assert "_auth_user_id" not in client.session


def test_a_log_in_without_an_address_is_counted_too(alice: Any) -> None:
    attack(address="")
    assert log_in("alice", "alice", "").status_code == 429


@pytest.mark.parametrize(
    ("given", "counted"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("64:ff9b::203.0.113.9", "203.0.113.9"),
        ("::1", "::"),
        ("", None),
    ],
)
def test_whom_a_limit_counts(given: str, counted: str | None) -> None:
    assert limited_address(RequestFactory().get("/", REMOTE_ADDR=given)) == counted
    forwarded = RequestFactory().get(
        "/", REMOTE_ADDR="127.0.0.1", HTTP_X_FORWARDED_FOR=f"198.51.100.1, {given}"
    )
    with override_settings(TRUSTED_PROXY=True):
        assert limited_address(forwarded) == counted


def test_prune_deletes_what_counts_no_longer(alice: Any, as_user: Callable[..., Client]) -> None:
    log_in("alice", "alice")
    log_in("alice", "wrong")

    def pruned() -> str:
        said = io.StringIO()
        call_command("prune", stdout=said)
        return said.getvalue()

    assert "sessions: 0\nfailed log-ins: 0\naddresses of log-ins: 0" in pruned()
    old = timezone.now() - timedelta(days=31)
    AccessLog.objects.update(attempt_time=old)
    AccessAttempt.objects.update(attempt_time=old)
    AccessFailureLog.objects.update(attempt_time=old)
    Session.objects.update(expire_date=old)
    assert "sessions: 1\nfailed log-ins: 2\naddresses of log-ins: 1" in pruned()
