"""The list of attempts: reasons, times and references, without state or verifier."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connectedsystems import vault
from tests.desk import VERIFIER, House, make_attempt

LIST = "/admin/authlinks/authorizationattempt/"


def test_it_says_outcome_reason_and_reference(house: House, as_user: Any) -> None:
    text = as_user(house.root).get(LIST).content.decode()
    assert house.crm.attempt.reference in text
    assert "client_auth_failed" in text
    page = as_user(house.root).get(f"{LIST}{house.crm.attempt.pk}/change/").content.decode()
    assert "Fix:" in page
    assert f"/references/{house.crm.attempt.reference}/" in page


def test_one_that_did_not_come_back_says_so(house: House, as_user: Any) -> None:
    attempt = house.crm.attempt
    attempt.outcome, attempt.code = "open", ""
    attempt.ends_at = timezone.now() - timedelta(minutes=1)
    attempt.save()
    text = as_user(house.root).get(LIST).content.decode()
    assert "attempt_not_finished" in text


def test_no_page_holds_state_session_or_verifier(house: House, as_user: Any) -> None:
    attempt = house.crm.attempt
    client = as_user(house.root)
    for path in (LIST, f"{LIST}{attempt.pk}/change/"):
        text = client.get(path).content.decode()
        assert VERIFIER not in text
        assert attempt.verifier.stored[:12] not in text
        for hidden in (attempt.state_hash, attempt.session_hash, attempt.configuration_digest):
            assert hidden not in text


@pytest.mark.parametrize("column", ["state_hash", "session_hash", "configuration_digest"])
def test_no_hash_can_be_asked_for(house: House, as_user: Any, column: str) -> None:
    assert as_user(house.root).get(f"{LIST}?{column}__startswith=a").status_code == 400


def test_one_of_an_unsaved_system_is_its_designers(house: House, as_user: Any) -> None:
    draft = make_attempt(uuid.uuid4(), house.crm.designer)
    draft.draft = vault.seal("{}", draft.place("draft"))
    draft.save()
    page = as_user(house.crm.designer).get(f"{LIST}{draft.pk}/change/")
    assert page.status_code == 200
    assert "not saved yet" in page.content.decode()
    assert draft.reference in as_user(house.root).get(LIST).content.decode()
    assert as_user(house.hr.designer).get(f"{LIST}{draft.pk}/change/").status_code == 404


@pytest.mark.parametrize("words", ["alice", "Crm system", "crm"])
def test_it_is_found_by_person_and_system(house: House, as_user: Any, words: str) -> None:
    text = as_user(house.root).get(LIST, {"q": words}).content.decode()
    assert house.crm.attempt.reference in text
    assert house.hr.attempt.reference not in text


def test_it_is_found_by_reference(house: House, as_user: Any) -> None:
    text = as_user(house.root).get(LIST, {"q": house.crm.attempt.reference}).content.decode()
    assert "alice" in text
    assert "hanna" not in text


def test_a_search_finds_nothing_of_others(house: House, as_user: Any) -> None:
    text = as_user(house.crm.designer).get(LIST, {"q": "Hr system"}).content.decode()
    assert house.hr.attempt.reference not in text


def test_the_number_of_queries_stays_the_same(house: House, as_user: Any) -> None:
    client = as_user(house.crm.designer)

    def queries() -> int:
        with CaptureQueriesContext(connection) as caught:
            assert client.get(LIST).status_code == 200
        return len(caught)

    queries()
    few = queries()
    for _ in range(20):
        make_attempt(house.crm.system.pk, house.crm.member)
    assert queries() == few
