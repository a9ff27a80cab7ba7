"""The pages of a customer's own, in each state that they can meet; none needs a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from connectedsystems.diagnosis import GROUPS
from integrations.models import HeldState, HeldSubmission
from integrations.testing import in_state

CONTACTS = "/pages/pages/contacts/"
NOTE = "/pages/pages/note/"
ADA = {
    "contacts": [
        {"name": "Ada Lovelace", "company": "Analytical Engines", "email": "ada@example.com"}
    ]
}

AsUser = Callable[[Any], Client]


def test_it_shows_the_contacts(alice: Any, as_user: AsUser) -> None:
    with in_state("acme", alice, "connected", results={"list-contacts": ADA}):
        page = as_user(alice).get(CONTACTS)
    text = page.content.decode()
    assert page.status_code == 200
    assert "Ada Lovelace" in text
    assert "data-authorize" not in text
    assert "data-code" not in text


def test_a_renewal_is_not_seen(alice: Any, as_user: AsUser) -> None:
    with in_state("acme", alice, "refresh_due", results={"list-contacts": ADA}):
        page = as_user(alice).get(CONTACTS)
    assert "Ada Lovelace" in page.content.decode()


@pytest.mark.parametrize(
    "state",
    [
        "never_authorized",
        "needs_authorization",
        "configuration_changed",
        "cannot_be_opened",
        "insufficient_scope",
    ],
)
def test_it_shows_the_link_and_nothing_else(alice: Any, as_user: AsUser, state: str) -> None:
    with in_state("acme", alice, state):
        page = as_user(alice).get(CONTACTS)
    text = page.content.decode()
    assert page.status_code == 200
    assert text.count('<a data-authorize="acme"') == 1
    assert "next=%2Fpages%2Fpages%2Fcontacts%2F" in text
    assert 'role="alert"' not in text
    assert "data-result" not in text


FAILURES = sorted(
    {
        *GROUPS["Calls"],
        *GROUPS["The network"],
        "temporarily_unavailable",
        "refresh_in_progress",
        "refresh_failed",
        "client_auth_failed",
        "busy",
    }
    - {"input_invalid"}
)


@pytest.mark.parametrize("code", FAILURES)
def test_it_tells_a_failure_once(alice: Any, as_user: AsUser, code: str) -> None:
    with in_state("acme", alice, code):
        page = as_user(alice).get(CONTACTS)
    text = page.content.decode()
    assert page.status_code in (502, 503, 504)
    assert text.count('role="alert"') == 1
    assert text.count(f'data-code="{code}"') == 1
    assert "data-authorize" not in text


def test_a_refusal_without_refresh_token_has_the_link_second(alice: Any, as_user: AsUser) -> None:
    with in_state("acme", alice, "call_refused", refreshable=False):
        text = as_user(alice).get(CONTACTS).content.decode()
    assert text.index('role="alert"') < text.index("data-authorize")


def test_a_wrong_limit_is_the_readers_fault(alice: Any, as_user: AsUser) -> None:
    with in_state("acme", alice, "input_invalid", errors={"limit": ["“limit” takes a number."]}):
        page = as_user(alice).get(CONTACTS, {"limit": "many"})
    assert page.status_code == 400
    assert "takes a number" in page.content.decode()


def test_it_sends_a_note(alice: Any, as_user: AsUser) -> None:
    with in_state("acme", alice, "connected"):
        page = as_user(alice).post(NOTE, {"text": "Call Ada"}, follow=True)
    assert page.redirect_chain == [(NOTE, 302)]
    assert "Acme CRM has your note." in page.content.decode()


def test_it_keeps_a_note_that_needs_an_authorization(alice: Any, as_user: AsUser) -> None:
    with in_state("acme", alice, "never_authorized"):
        page = as_user(alice).post(NOTE, {"text": "Call Ada"})
        held = HeldSubmission.objects.get()
        text = page.content.decode()
        assert held.opened_inputs() == {"text": "Call Ada"}
        assert "and send</a>" in text
        assert text.count(f'href="{held.url}"') == 1


def test_the_same_note_is_kept_once(alice: Any, as_user: AsUser) -> None:
    with in_state("acme", alice, "never_authorized"):
        for _ in range(2):
            as_user(alice).post(NOTE, {"text": "Call Ada"})
        assert HeldSubmission.objects.count() == 1


@pytest.mark.parametrize("code", ["call_failed", "timeout", "temporarily_unavailable"])
def test_what_was_typed_stays_where_it_was_not_sent(alice: Any, as_user: AsUser, code: str) -> None:
    with in_state("acme", alice, code):
        page = as_user(alice).post(NOTE, {"text": "Call Ada"})
    assert page.status_code in (502, 503, 504)
    assert f'data-code="{code}"' in page.content.decode()
    assert "Call Ada</textarea>" in page.content.decode()


@pytest.mark.parametrize("state", HeldState.values)
def test_the_page_of_a_kept_note_tells_its_fate(alice: Any, as_user: AsUser, state: str) -> None:
    with in_state(
        "acme", alice, state, integration="add-note", inputs={"text": "Call Ada"}
    ) as scene:
        assert scene.held is not None
        page = as_user(alice).get(scene.held.url)
    assert f'data-state="{state}"' in page.content.decode()


def test_an_empty_note_is_refused_here(alice: Any, as_user: AsUser) -> None:
    page = as_user(alice).post(NOTE, {"text": ""})
    assert page.status_code == 400
    assert "required" in page.content.decode()


def test_a_stranger_is_asked_to_log_in(client: Client, db: None) -> None:
    assert client.get(CONTACTS)["Location"].startswith("/accounts/login/")
    assert client.get(NOTE)["Location"].startswith("/accounts/login/")
