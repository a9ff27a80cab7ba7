"""Tokens that renew once: every rule of renewal, against a real token endpoint."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from authlinks.models import Authorization
from connectedsystems.models import ConnectedSystem
from integrations import InsideTransaction, call_integration
from integrations.models import Integration
from tests.acme import Visitor
from tests.thirdparty import ThirdParty

Makes = Callable[..., Visitor]


@pytest.fixture
def alice(acme: ConnectedSystem, visitor: Makes, thirdparty: ThirdParty) -> Visitor:
    """Alice, connected, with the other system's log empty."""
    someone = visitor("alice")
    someone.authorizes()
    mark(thirdparty)
    return someone


def mark(thirdparty: ThirdParty) -> None:
    """Forget the requests so far, and leave every switch as it is."""
    path = thirdparty.data / "requests.log"
    thirdparty._read = path.stat().st_size


def expire_here(seconds: float = 3600.0) -> None:
    Authorization.objects.update(expires_at=timezone.now() - timedelta(seconds=seconds))


def refreshes(thirdparty: ThirdParty) -> int:
    return thirdparty.count(grant_type="refresh_token")


def test_D1_an_expired_token_is_renewed_once(alice: Visitor, thirdparty: ThirdParty) -> None:
    expire_here()
    answer = call_integration("list-contacts", alice.person, limit=3)
    assert answer.success
    assert refreshes(thirdparty) == 1
    assert thirdparty.count(path="/api/contacts") == 1
    assert call_integration("list-contacts", alice.person).success
    assert refreshes(thirdparty) == 1


def test_D4_a_refresh_token_that_does_not_come_again_is_kept(
    alice: Visitor, thirdparty: ThirdParty
) -> None:
    thirdparty.control(token={"change": {"refresh_token": None}})
    before = Authorization.objects.get().refresh_token.stored
    expire_here()
    assert call_integration("list-contacts", alice.person).success
    assert Authorization.objects.get().refresh_token.stored == before


def test_D5_invalid_grant_is_final(alice: Visitor, thirdparty: ThirdParty) -> None:
    thirdparty.control(revoke_user="ada")
    expire_here()
    answer = call_integration("list-contacts", alice.person)
    assert answer.needs_authorization
    assert answer.error.code == "needs_authorization"
    for _ in range(10):
        assert call_integration("list-contacts", alice.person).needs_authorization
    assert refreshes(thirdparty) == 1
    assert Authorization.objects.get().refresh_token is not None
    assert alice.status()["state"] == "needs_authorization"


def test_D6_a_passing_failure_keeps_the_tokens(alice: Visitor, thirdparty: ThirdParty) -> None:
    thirdparty.control(token={"status": 503})
    expire_here()
    answer = call_integration("list-contacts", alice.person)
    assert answer.error.code == "temporarily_unavailable"
    assert not answer.needs_authorization
    assert answer.authorize_url is None
    for _ in range(5):
        again = call_integration("list-contacts", alice.person)
        assert again.error.code == "temporarily_unavailable"
    assert refreshes(thirdparty) == 1
    row = Authorization.objects.get()
    pause = (row.next_try_at - timezone.now()).total_seconds()
    assert 25 < pause < 31
    thirdparty.reset()
    Authorization.objects.update(next_try_at=timezone.now() - timedelta(seconds=1))
    assert call_integration("list-contacts", alice.person).success


def test_D6_a_token_that_is_still_good_goes_on(alice: Visitor, thirdparty: ThirdParty) -> None:
    thirdparty.control(token={"status": 503})
    Authorization.objects.update(expires_at=timezone.now() + timedelta(seconds=2), lifetime=3600)
    assert call_integration("list-contacts", alice.person).success
    assert refreshes(thirdparty) == 1


def test_D7_a_wrong_secret_keeps_the_tokens(alice: Visitor, thirdparty: ThirdParty) -> None:
    system = ConnectedSystem.objects.get(slug="acme")
    system.seal_secrets({"client_secret": "wrong-secret-1234"})
    system.version += 1
    system.save()
    expire_here()
    answer = call_integration("list-contacts", alice.person)
    assert answer.error.code == "client_auth_failed"
    assert not answer.needs_authorization
    assert Authorization.objects.get().access_token is not None
    system.seal_secrets({"client_secret": "tests-only-secret-Zq8"})
    system.version += 1
    system.save()
    assert call_integration("list-contacts", alice.person).success


def test_D11_a_rejected_token_is_renewed_once(alice: Visitor, thirdparty: ThirdParty) -> None:
    thirdparty.control(expire=True)
    answer = call_integration("list-contacts", alice.person)
    assert answer.success
    assert refreshes(thirdparty) == 1
    assert thirdparty.count(path="/api/contacts") == 2


def test_D11_a_write_is_repeated_too(alice: Visitor, thirdparty: ThirdParty) -> None:
    thirdparty.control(expire=True)
    assert call_integration("add-note", alice.person, text="once").success
    assert thirdparty.count(path="/api/notes", method="POST", status=201) == 1


def test_D12_a_token_that_is_never_accepted(alice: Visitor, thirdparty: ThirdParty) -> None:
    thirdparty.control(api={"status": 401})
    answer = call_integration("list-contacts", alice.person)
    assert answer.error.code == "needs_authorization"
    assert answer.needs_authorization
    assert thirdparty.count(path="/api/contacts") == 2
    assert refreshes(thirdparty) == 1
    call_integration("list-contacts", alice.person)
    assert refreshes(thirdparty) == 1


def test_D10_no_call_inside_a_transaction(alice: Visitor, thirdparty: ThirdParty) -> None:
    with transaction.atomic(), pytest.raises(InsideTransaction, match="on_commit"):
        call_integration("list-contacts", alice.person)
    assert thirdparty.count() == 0


def test_C12_an_old_token_does_not_meet_a_new_configuration(
    alice: Visitor, thirdparty: ThirdParty
) -> None:
    system = ConnectedSystem.objects.get(slug="acme")
    system.configuration["oauth"]["client_id"] = "another"
    system.version += 1
    system.save()
    answer = call_integration("list-contacts", alice.person)
    assert answer.error.code == "configuration_changed"
    assert answer.needs_authorization
    assert thirdparty.count() == 0


def test_C3_a_damaged_token(alice: Visitor, thirdparty: ThirdParty) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("UPDATE authlinks_authorization SET access_token = 'broken'")
    answer = call_integration("list-contacts", alice.person)
    assert answer.error.code == "decrypt_failed"
    assert answer.needs_authorization
    assert alice.status()["state"] == "cannot_be_opened"
    assert alice.client.get("/connections/").status_code == 200
    assert thirdparty.count() == 0


def test_E23_a_plain_403_is_tried_once_per_token(alice: Visitor, thirdparty: ThirdParty) -> None:
    thirdparty.control(api={"status": 403})
    answer = call_integration("list-contacts", alice.person)
    assert answer.error.code == "call_refused"
    assert not answer.needs_authorization
    assert answer.authorize_url is None
    assert refreshes(thirdparty) == 1
    call_integration("list-contacts", alice.person)
    assert refreshes(thirdparty) == 1


def test_E23_without_a_refresh_token_both_are_named(alice: Visitor, thirdparty: ThirdParty) -> None:
    Authorization.objects.update(refresh_token=None)
    thirdparty.control(api={"status": 403})
    answer = call_integration("list-contacts", alice.person)
    assert answer.error.code == "call_refused"
    assert answer.authorize_url
    assert not answer.needs_authorization
    page = alice.client.get("/integrations/list-contacts/")
    assert page.status_code == 502
    assert b'data-authorize="acme"' in page.content


def test_D17_a_disconnect_during_the_renewal(
    alice: Visitor, thirdparty: ThirdParty, monkeypatch: pytest.MonkeyPatch
) -> None:
    from connectedsystems.oauth import token

    genuine = token.refresh

    def slow(client: object, refresh_token: str, deadline: float) -> object:
        answer = genuine(client, refresh_token, deadline)  # type: ignore[arg-type]
        Authorization.objects.all().delete()
        return answer

    monkeypatch.setattr(token, "refresh", slow)
    expire_here()
    answer = call_integration("list-contacts", alice.person)
    assert answer.error.code == "needs_authorization"
    assert thirdparty.count(path="/oauth/revoke") == 2
    assert not Authorization.objects.exists()


def test_one_query_before_the_request(
    alice: Visitor, django_assert_num_queries: Callable[..., object]
) -> None:
    call_integration("list-contacts", alice.person)
    with django_assert_num_queries(1):  # type: ignore[attr-defined]
        assert call_integration("list-contacts", alice.person).success
    assert Integration.objects.count() == 3
