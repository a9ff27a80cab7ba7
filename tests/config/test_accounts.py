"""Log-in: the page it leads back to, and what happens after too many wrong passwords."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from axes.models import AccessAttempt
from django.test import Client, RequestFactory, override_settings

from config.accounts import client_address

pytestmark = pytest.mark.django_db


def log_in(client: Client, name: str = "alice", word: str = "alice", **more: str) -> Any:
    return client.post("/accounts/login/", {"username": name, "password": word, **more})


def test_the_page_that_was_asked_for_is_kept(client: Client, alice: Any) -> None:
    wanted = "/pages/contacts/?page=2"
    page = client.get(f"/accounts/login/?next={quote(wanted)}")
    assert f'name="next" value="{wanted}"' in page.text
    assert log_in(client, next=wanted)["Location"] == wanted


def test_a_callbacks_query_is_not_carried_through(client: Client, alice: Any) -> None:
    path = "/connections/callback/7d1c0000-0000-4000-8000-000000000000/"
    wanted = f"{path}?code=planted-code-1&state=planted-state-1"
    page = client.get(f"/accounts/login/?next={quote(wanted)}")
    assert "planted" not in page.text
    assert log_in(client, next=wanted)["Location"] == path


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "javascript:x"])
def test_the_way_leads_to_no_other_site(client: Client, alice: Any, elsewhere: str) -> None:
    assert log_in(client, next=elsewhere)["Location"] == "/"


def test_A28_log_in_changes_the_session(client: Client, alice: Any) -> None:
    client.session.save()
    before = client.session.session_key
    log_in(client)
    assert client.session.session_key != before


def test_log_out_is_a_post(client: Client, alice: Any) -> None:
    log_in(client)
    assert client.get("/accounts/logout/").status_code == 405
    assert client.post("/accounts/logout/")["Location"] == "/accounts/login/"


def test_H10_a_user_who_is_deactivated_is_out_at_once(client: Client, alice: Any) -> None:
    log_in(client)
    alice.is_active = False
    alice.save()
    assert client.get("/connections/").status_code in (302, 404)


def test_too_many_wrong_passwords_lock_this_name_from_this_address(
    client: Client, alice: Any, bob: Any
) -> None:
    for _ in range(8):
        answer = log_in(client, word="wrong")
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) == 900
    assert log_in(client).status_code == 429
    assert log_in(client, "bob", "bob").status_code == 302
    elsewhere = Client(REMOTE_ADDR="192.0.2.7")
    assert log_in(elsewhere).status_code == 302


def test_the_forwarded_address_counts_behind_a_trusted_proxy_alone() -> None:
    request = RequestFactory().get(
        "/", REMOTE_ADDR="192.0.2.1", HTTP_X_FORWARDED_FOR="203.0.113.9, 198.51.100.4"
    )
    assert client_address(request) == "192.0.2.1"
    with override_settings(TRUSTED_PROXY=True):
        assert client_address(request) == "198.51.100.4"
    assert client_address(RequestFactory().get("/", REMOTE_ADDR="")) is None


@pytest.mark.parametrize("name", ["\x00", "a\x00b", "x" * 5000, "‮alice"])
def test_odd_names_are_no_failure_of_ours(client: Client, name: str) -> None:
    assert log_in(client, name).status_code == 200


def test_A24_what_is_written_down_of_a_wrong_password_holds_no_query(
    client: Client, alice: Any
) -> None:
    back = "/connections/callback/7d1c/?code=planted-code-1"
    client.post(
        f"/accounts/login/?x=%00planted-query-1&next={quote(back)}",
        {"username": "alice", "password": "planted-word-1", "next": back, "y": "\0planted-form-1"},
    )
    attempt = AccessAttempt.objects.get()
    assert attempt.username == "alice"
    assert "planted" not in str(vars(attempt))
