"""``in_state()``: each state, offline, with rows of the system and without, and nothing left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from authlinks.models import Authorization, AuthorizationAttempt, State
from authlinks.standing import standing_of
from connectedsystems import outbound
from connectedsystems.diagnosis import CATALOGUE
from connectedsystems.models import Application, ConnectedSystem
from integrations import UnknownIntegration, call_integration
from integrations.models import HeldState, HeldSubmission, Integration
from integrations.testing import STATES, client_for, in_state
from tests.acme import NOTE, make_integration, make_system

TO_AUTHORIZE = (
    "never_authorized",
    "needs_authorization",
    "configuration_changed",
    "cannot_be_opened",
)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("in_state() reached the network")

    monkeypatch.setattr(outbound, "send", refuse)


@pytest.fixture
def acme_rows(db: None) -> Iterator[ConnectedSystem]:
    system = make_system("https://acme.example")
    make_integration(system, "list-contacts")
    make_integration(system, "add-note", **NOTE)
    yield system


@pytest.mark.parametrize("state", TO_AUTHORIZE)
def test_the_user_is_asked_to_authorize(alice: Any, state: str) -> None:
    with in_state("acme", alice, state):
        response = call_integration("list-contacts", alice, limit=3)
    assert response.needs_authorization
    assert response.authorize_url
    assert response.result is None


@pytest.mark.parametrize("state", ["connected", "refresh_due"])
def test_calls_succeed_with_the_data_that_was_given(alice: Any, state: str) -> None:
    with in_state("acme", alice, state, results={"list-contacts": {"contacts": [1]}}):
        response = call_integration("list-contacts", alice)
        other = call_integration("list-notes", alice)
    assert response.result and response.result.data == {"contacts": [1]}
    assert other.result and other.result.data == {}


@pytest.mark.parametrize("state", State.values)
def test_the_authorization_stands_as_told(
    alice: Any, acme_rows: ConnectedSystem, state: str
) -> None:
    with in_state("acme", alice, state) as scene:
        assert scene.system == acme_rows
        assert standing_of(acme_rows, alice).state == state


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_every_failure_code_can_be_shown(alice: Any, code: str) -> None:
    with in_state("acme", alice, code) as scene:
        response = call_integration("list-contacts", alice)
        standing = standing_of(scene.system, alice)
    assert not response.success
    assert response.error and code in (response.error.code, standing.code)


def test_facts_tell_a_failure_more_exactly(alice: Any) -> None:
    with in_state("acme", alice, "rate_limited", retry_after=30):
        response = call_integration("list-contacts", alice)
    assert response.error and response.error.retry_after == 30
    assert response.result and response.result.status_code == 429


def test_a_write_is_held(alice: Any) -> None:
    with in_state("acme", alice, "needs_authorization"):
        response = call_integration("add-note", alice, hold=True, text="Call Ada")
        assert response.held.opened_inputs() == {"text": "Call Ada"}


@pytest.mark.parametrize("state", HeldState.values)
def test_a_held_submission_stands_as_told(
    alice: Any, acme_rows: ConnectedSystem, state: str
) -> None:
    client = Client()
    client.force_login(alice)
    alice.groups.add(*acme_rows.application.members.all())
    with in_state("acme", alice, state, inputs={"text": "Call Ada"}) as scene:
        assert scene.held is not None
        page = client.get(scene.held.url)
        assert scene.held.present_state == state
        assert page.status_code == 200
        assert "Call Ada" in page.content.decode()
    assert not HeldSubmission.objects.exists()


def test_others_are_not_meant(
    user: Callable[..., Any], alice: Any, acme_rows: ConnectedSystem
) -> None:
    bob = user("bob", groups=["crm-users"])
    with in_state("acme", alice, "connected"):
        assert call_integration("list-contacts", bob).needs_authorization


def test_members_alone_may_call_what_exists(alice: Any, acme_rows: ConnectedSystem) -> None:
    with in_state("acme", alice, "connected"):
        error = call_integration("list-contacts", alice).error
    assert error and error.code == "not_allowed"


def test_two_systems_stand_side_by_side(alice: Any) -> None:
    with (
        in_state("acme", alice, "connected", results={"list-contacts": {}}),
        in_state("globex", alice, "never_authorized", results={"list-orders": {}}),
    ):
        assert call_integration("list-contacts", alice).success
        assert call_integration("list-orders", alice).needs_authorization


def test_a_wrong_slug_is_still_a_mistake(alice: Any, acme_rows: ConnectedSystem) -> None:
    with in_state("acme", alice, "connected"), pytest.raises(UnknownIntegration):
        call_integration("list-contact", alice)


def test_a_state_that_does_not_exist_is_named(alice: Any) -> None:
    with pytest.raises(ValueError, match="'conected'"), in_state("acme", alice, "conected"):
        pass


@pytest.mark.parametrize("state", STATES)
def test_nothing_is_left(alice: Any, state: str) -> None:
    with in_state("acme", alice, state, results={"list-contacts": {}}):
        call_integration("add-note", alice, hold=True, text="x")
    left: list[Any] = [
        Application,
        ConnectedSystem,
        Integration,
        Authorization,
        AuthorizationAttempt,
        HeldSubmission,
    ]
    assert not [model for model in left if model.objects.exists()]


def test_the_authorization_that_was_there_comes_back(
    alice: Any, acme_rows: ConnectedSystem
) -> None:
    with in_state("acme", alice, "connected"):
        before = str(Authorization.objects.get().pk)
        with in_state("acme", alice, "never_authorized"):
            assert not Authorization.objects.exists()
        assert str(Authorization.objects.get().pk) == before


@pytest.mark.parametrize("address", ["http://localhost:8000", "https://crm.example"])
def test_a_client_is_at_the_sites_own_address(alice: Any, settings: Any, address: str) -> None:
    settings.PUBLIC_BASE_URL = address
    settings.ALLOWED_HOSTS = ["localhost", "crm.example"]
    page = client_for(alice).get("/")
    assert page.status_code == 200
    assert page.wsgi_request.user == alice
