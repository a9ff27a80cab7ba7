"""The list of authorizations: states without tokens, and an admin's disconnect."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from authlinks.models import Authorization
from connectedsystems import vault
from connectedsystems.models import AuditEvent
from tests.desk import ACCESS_TOKEN, House, make_authorization
from workbench import authorizations, told

LIST = "/admin/authlinks/authorization/"


def _page(row: Authorization) -> str:
    return f"{LIST}{row.pk}/change/"


def test_states_are_told_in_words(house: House, as_user: Any, user: Any) -> None:
    past = timezone.now() - timedelta(minutes=1)
    system = house.crm.system
    make_authorization(system, user("due"), expires_at=past)
    make_authorization(system, user("over"), expires_at=past, refresh_token=None)
    make_authorization(system, user("changed"), fingerprint="other")
    make_authorization(system, user("broken"), failure_code="decrypt_failed")
    away = vault.Sealed.from_stored("1:elsewhere.00000000:AAAA")
    make_authorization(system, user("away"), access_token=away)
    text = as_user(house.root).get(LIST).content.decode()
    for words in told.STATES.values():
        assert words in text


def test_B10_a_page_says_scope_times_and_failure(house: House, as_user: Any) -> None:
    row = house.crm.authorization
    row.failure_code = "client_auth_failed"
    row.failure_facts = {"status": 401}
    row.last_used = timezone.now() - timedelta(hours=2)
    row.save()
    text = as_user(house.root).get(_page(row)).content.decode()
    assert "missing scope" in text.lower()
    assert "write" in text
    assert "2\xa0hours ago" in text
    assert "client_auth_failed" in text
    assert house.crm.attempt.reference in text


def test_no_page_holds_a_token_or_its_sealed_text(house: House, as_user: Any) -> None:
    row = house.crm.authorization
    client = as_user(house.root)
    for path in (LIST, _page(row), f"{LIST}?q=alice"):
        text = client.get(path).content.decode()
        assert ACCESS_TOKEN not in text
        assert row.access_token is not None and row.refresh_token is not None
        for sealed in (row.access_token.stored, row.refresh_token.stored):
            assert sealed[:12] not in text
            assert sealed[-12:] not in text
        assert row.fingerprint not in text


def test_K3_the_list_opens_no_token(house: House, as_user: Any, monkeypatch: Any) -> None:
    def refuse(*_args: Any) -> str:
        raise AssertionError("opened")

    client = as_user(house.root)
    monkeypatch.setattr("connectedsystems.vault.Sealed.open", refuse)
    assert client.get(LIST).status_code == 200
    assert client.get(_page(house.crm.authorization)).status_code == 200


def test_the_number_of_queries_stays_the_same(house: House, as_user: Any, user: Any) -> None:
    client = as_user(house.crm.designer)

    def queries() -> int:
        with CaptureQueriesContext(connection) as caught:
            assert client.get(LIST).status_code == 200
        return len(caught)

    queries()
    few = queries()
    for number in range(20):
        make_authorization(house.crm.system, user(f"user{number}"))
    assert queries() == few


def test_F12_columns_that_are_no_filter_answer_no_question(house: House, as_user: Any) -> None:
    client = as_user(house.root)
    for query in ("fingerprint__startswith=a", "access_token__isnull=0", "lease_owner=x"):
        assert client.get(f"{LIST}?{query}").status_code == 400


def test_a_designer_sees_those_of_their_applications(house: House, as_user: Any) -> None:
    client = as_user(house.crm.designer)
    text = client.get(LIST).content.decode()
    assert "alice" in text
    assert "hanna" not in text
    assert "Hr system" not in text
    assert client.get(_page(house.crm.authorization)).status_code == 200
    assert client.get(_page(house.hr.authorization)).status_code == 404
    theirs = f"{LIST}?system__id__exact={house.hr.system.pk}"
    assert "hanna" not in client.get(theirs).content.decode()


def test_nobody_adds_changes_or_deletes_one(house: House, as_user: Any) -> None:
    client = as_user(house.root)
    row = house.crm.authorization
    assert client.get(f"{LIST}add/").status_code == 403
    assert client.post(_page(row), {"scope": "all"}).status_code == 403
    assert client.post(f"{LIST}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    client.post(LIST, {"action": "delete_selected", "_selected_action": str(row.pk), "post": "1"})
    assert Authorization.objects.filter(pk=row.pk).exists()


def test_an_admin_disconnects_anyone_by_a_post_outside_a_transaction(
    house: House, as_user: Any, monkeypatch: Any
) -> None:
    row = house.crm.authorization
    client = as_user(house.root)
    page = client.get(f"{LIST}{row.pk}/disconnect/")
    assert page.status_code == 200
    assert Authorization.objects.filter(pk=row.pk).exists()
    blocks: list[bool] = []
    real = authorizations.disconnect

    def watched(*args: Any, **named: Any) -> Any:
        blocks.extend(not getattr(b, "_from_testcase", False) for b in connection.atomic_blocks)
        return real(*args, **named)

    monkeypatch.setattr(authorizations, "disconnect", watched)
    answer = client.post(f"{LIST}{row.pk}/disconnect/", follow=True)
    assert not any(blocks)
    assert "alice at Crm system: forgotten here" in answer.content.decode()
    assert not Authorization.objects.filter(pk=row.pk).exists()
    event = AuditEvent.objects.first()
    assert event is not None
    assert (event.action, event.actor_name, event.subject_name) == ("disconnected", "root", "alice")


def test_a_refused_revocation_is_said(house: House, as_user: Any, monkeypatch: Any) -> None:
    ended = authorizations.Ended(forgotten=True, confirmed=False, facts={"status": 503})
    monkeypatch.setattr(authorizations, "disconnect", lambda *_args, **_named: ended)
    path = f"{LIST}{house.crm.authorization.pk}/disconnect/"
    answer = as_user(house.root).post(path, follow=True)
    assert "did not confirm that it is revoked there" in answer.content.decode()


def test_a_designer_disconnects_nobody(house: House, as_user: Any) -> None:
    client = as_user(house.crm.designer)
    row = house.crm.authorization
    assert client.post(f"{LIST}{row.pk}/disconnect/").status_code == 403
    assert "Disconnect…" not in client.get(_page(row)).content.decode()
    assert Authorization.objects.filter(pk=row.pk).exists()


@pytest.mark.parametrize("damaged", ["", "x", "1:", "1:k.00000000:", "1::::", None])
def test_C3_a_damaged_token_leaves_the_list_standing(
    house: House, as_user: Any, damaged: str | None
) -> None:
    row = house.crm.authorization
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE authlinks_authorization SET access_token = %s WHERE user_id = %s",
            [damaged, row.user_id],
        )
    client = as_user(house.root)
    text = client.get(LIST).content.decode()
    assert "hanna" in text
    assert ("needs authorization" if damaged is None else "cannot be opened") in text
    assert client.get(_page(row)).status_code == 200
    assert client.get("/admin/").status_code == 200
    assert Authorization.objects.count() == 2


@pytest.mark.parametrize(
    "query",
    ["o=99", "o=-1.-2.x", "o=1;drop", "p=abc", "p=-5", "q=%00", "q=%27%3B--", "e=1", "all="]
    + ["over=maybe", "system__id__exact=x", "user__password__startswith=a", "_to_field=user"],
)
def test_F12_odd_queries_are_refused_or_ignored(house: House, as_user: Any, query: str) -> None:
    assert as_user(house.root).get(f"{LIST}?{query}").status_code in (200, 302, 400)


def test_C7_tokens_of_a_lost_key_are_counted_for_admins(
    house: House, as_user: Any, settings: Any
) -> None:
    settings.VAULT_KEYS = "other:" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU="
    text = as_user(house.root).get(LIST).content.decode()
    assert "2 authorizations cannot be decrypted with the current keys (2 rows)" in text
    assert "cannot be opened" in text
    assert "current keys" not in as_user(house.crm.designer).get(LIST).content.decode()


def test_no_key_is_lost_with_the_present_ring(house: House) -> None:
    assert settings.VAULT_KEYS
    assert authorizations.unreadable() == 0


@pytest.mark.parametrize("query", ["over=yes", "over=no", "failure_code=timeout", "q=alice"])
def test_filters_and_search_answer(house: House, as_user: Any, query: str) -> None:
    assert as_user(house.root).get(f"{LIST}?{query}").status_code == 200
