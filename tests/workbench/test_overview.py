"""The desk's first page: what is wrong, for whom it is worth knowing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.desk import House, make_attempt, make_authorization
from workbench import told
from workbench.authorizations import present_state


def test_it_counts_states_as_the_rows_tell_them(house: House, as_user: Any, user: Any) -> None:
    past = timezone.now() - timedelta(minutes=1)
    system = house.crm.system
    rows = [
        house.crm.authorization,
        make_authorization(system, user("due"), expires_at=past),
        make_authorization(system, user("over"), expires_at=past, refresh_token=None),
        make_authorization(system, user("ended"), ended_code="token_refused"),
        make_authorization(system, user("changed"), fingerprint="other"),
        make_authorization(system, user("broken"), failure_code="decrypt_failed"),
    ]
    answer = as_user(house.crm.designer).get("/admin/")
    counted = {words: number for words, _, number in answer.context["overview"].states}
    expected = dict.fromkeys(told.STATES.values(), 0)
    for row in rows:
        expected[told.STATES[present_state(row)]] += 1
    assert counted == expected


def test_C7_tokens_of_a_lost_key_are_counted_as_closed(
    house: House, as_user: Any, settings: Any
) -> None:
    settings.VAULT_KEYS = "other:" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU="
    states = as_user(house.root).get("/admin/").context["overview"].states
    assert {words: number for words, _, number in states if number} == {"cannot be opened now": 2}


def test_it_names_systems_in_trouble_and_why(house: House, as_user: Any) -> None:
    house.crm.authorization.failure_code = "client_auth_failed"
    house.crm.authorization.save()
    troubles = as_user(house.root).get("/admin/").context["overview"].troubles
    assert [trouble.system.slug for trouble in troubles] == ["crm", "hr"]
    assert any(reason.startswith("1 authorization: not renewed") for reason in troubles[0].reasons)
    assert any(reason.startswith("1 failed call: ") for reason in troubles[0].reasons)


def test_it_lists_failures_with_their_references(house: House, as_user: Any) -> None:
    text = as_user(house.root).get("/admin/").content.decode()
    assert house.crm.call.reference in text
    assert house.hr.attempt.reference in text


def test_a_walk_that_did_not_come_back_counts(house: House, as_user: Any, user: Any) -> None:
    ended = timezone.now() - timedelta(minutes=1)
    lost = make_attempt(
        house.crm.system.pk, user("lost"), outcome="open", code="", ends_at=ended, finished_at=None
    )
    answer = as_user(house.crm.designer).get("/admin/")
    codes = {row.reference: row.code for row in answer.context["overview"].failures}
    assert codes[lost.reference] == "attempt_not_finished"


def test_a_designer_sees_nothing_of_other_applications(house: House, as_user: Any) -> None:
    text = as_user(house.crm.designer).get("/admin/").content.decode()
    assert "Crm system" in text
    assert "Hr system" not in text
    assert "hanna" not in text
    assert house.hr.call.reference not in text


def test_an_empty_desk_says_how_to_begin(user: Any, as_user: Any) -> None:
    page = as_user(user("root", is_superuser=True)).get("/admin/")
    assert "Nothing is connected yet" in page.content.decode()


def test_the_number_of_queries_stays_the_same(house: House, as_user: Any, user: Any) -> None:
    client = as_user(house.root)

    def queries() -> int:
        with CaptureQueriesContext(connection) as caught:
            assert client.get("/admin/").status_code == 200
        return len(caught)

    queries()
    few = queries()
    for number in range(15):
        person = user(f"user{number}")
        make_authorization(house.crm.system, person, fingerprint=f"other{number}")
        make_attempt(house.crm.system.pk, person)
    assert queries() == few


def test_G3_it_names_a_stored_pattern_that_cannot_be_used(house: House, as_user: Any) -> None:
    system = house.hr.system
    system.configuration["oauth"]["captures"] = {"token": {"site": "site"}}
    system.configuration["oauth"]["capture_patterns"] = {"site": "(?=a)a+"}
    system.version += 1
    system.save()
    worst = as_user(house.root).get("/admin/").context["overview"].troubles[0]
    assert worst.system == system
    assert "site; (?= looks ahead or behind" in worst.reasons[0]
