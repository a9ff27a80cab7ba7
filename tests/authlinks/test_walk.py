"""The walk to the other system and back, over real HTTP."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from authlinks.models import Authorization, AuthorizationAttempt
from connectedsystems.models import ConnectedSystem
from tests.acme import OWN_CLICK, Visitor
from tests.thirdparty import ThirdParty

Makes = Callable[..., Visitor]


def test_it_brings_the_user_back_to_the_page(acme: ConnectedSystem, visitor: Makes) -> None:
    alice = visitor("alice")
    answer = alice.authorizes(next_path="/integrations/list-contacts/")
    assert answer.status_code == 303
    assert answer["Location"] == "/integrations/list-contacts/"
    page = alice.client.get(answer["Location"])
    assert page.status_code == 200
    assert b"data-result" in page.content
    assert b"<td>" in page.content


def test_it_shows_the_link_before(acme: ConnectedSystem, visitor: Makes) -> None:
    page = visitor("bob").client.get("/integrations/list-contacts/")
    assert page.status_code == 200
    assert b'data-code="needs_authorization"' in page.content
    assert b'data-authorize="acme"' in page.content


def test_it_never_gives_one_user_the_others_data(
    acme: ConnectedSystem, visitor: Makes, thirdparty: ThirdParty
) -> None:
    visitor("alice").authorizes()
    thirdparty.reset()
    page = visitor("bob").client.get("/integrations/list-contacts/")
    assert b"data-result" not in page.content
    assert thirdparty.count() == 0


def test_A1_login_csrf(acme: ConnectedSystem, visitor: Makes, thirdparty: ThirdParty) -> None:
    mallory, alice = visitor("mallory"), visitor("alice")
    callback = mallory.approves(mallory.sets_out())
    thirdparty.reset()
    answer = alice.client.get(callback)
    assert answer.status_code == 400
    assert b'data-code="state_unknown"' in answer.content
    assert thirdparty.count(path="/oauth/token") == 0
    assert not Authorization.objects.exists()
    assert mallory.client.get(callback).status_code == 303


def test_A2_the_user_switches_in_between(
    acme: ConnectedSystem, visitor: Makes, thirdparty: ThirdParty
) -> None:
    alice, bob = visitor("alice"), visitor("bob")
    callback = alice.approves(alice.sets_out())
    session = alice.client.session
    session["_auth_user_id"] = str(bob.person.pk)
    session["_auth_user_hash"] = bob.person.get_session_auth_hash()
    session.save()
    thirdparty.reset()
    answer = alice.client.get(callback)
    assert answer.status_code == 403
    assert b'data-code="state_user_mismatch"' in answer.content
    assert thirdparty.count(path="/oauth/token") == 0


def test_A19_begun_in_another_session(acme: ConnectedSystem, visitor: Makes) -> None:
    alice = visitor("alice")
    callback = alice.approves(alice.sets_out())
    elsewhere = Visitor.__new__(Visitor)
    elsewhere.__dict__.update(alice.__dict__)
    from django.test import Client

    other = Client()
    other.force_login(alice.person)
    answer = other.get(callback)
    assert answer.status_code == 400
    assert b'data-code="state_missing_session"' in answer.content


def test_a_state_serves_once(acme: ConnectedSystem, visitor: Makes, thirdparty: ThirdParty) -> None:
    alice = visitor("alice")
    callback = alice.approves(alice.sets_out(next_path="/integrations/list-contacts/"))
    assert alice.client.get(callback).status_code == 303
    version = Authorization.objects.get().version
    thirdparty.reset()
    again = alice.client.get(callback)
    assert again.status_code == 303
    assert again["Location"] == "/integrations/list-contacts/"
    assert thirdparty.count() == 0
    assert Authorization.objects.get().version == version


def test_A4_a_second_arrival_elsewhere_or_later_is_refused(
    acme: ConnectedSystem, visitor: Makes, thirdparty: ThirdParty
) -> None:
    alice, bob = visitor("alice"), visitor("bob")
    callback = alice.approves(alice.sets_out())
    assert alice.client.get(callback).status_code == 303
    thirdparty.reset()
    elsewhere = Client()
    elsewhere.force_login(alice.person)
    assert b'data-code="state_used"' in elsewhere.get(callback).content
    assert b'data-code="state_unknown"' in bob.client.get(callback).content
    assert b'data-code="state_missing_session"' in Client().get(callback).content
    AuthorizationAttempt.objects.update(ends_at=timezone.now())
    late = alice.client.get(callback)
    assert late.status_code == 400
    assert b'data-code="state_used"' in late.content
    assert thirdparty.count() == 0


def test_A4_a_second_arrival_after_a_failure_is_refused(
    acme: ConnectedSystem, visitor: Makes
) -> None:
    alice = visitor("alice")
    callback = alice.approves(alice.sets_out(), allow=False)
    assert b'data-code="access_denied"' in alice.client.get(callback).content
    assert b'data-code="state_used"' in alice.client.get(callback).content


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Sec-Purpose", "prefetch"),
        ("Sec-Purpose", "prefetch;prerender"),
        ("Sec-Purpose", "Prefetch; anonymous-client-ip"),
        ("Purpose", "prefetch"),
        ("X-Moz", "prefetch"),
    ],
)
def test_A4_a_prefetch_uses_nothing_up(
    acme: ConnectedSystem, visitor: Makes, thirdparty: ThirdParty, header: str, value: str
) -> None:
    alice = visitor("alice")
    callback = alice.approves(alice.sets_out())
    thirdparty.reset()
    ahead = alice.client.get(callback, headers={header: value})
    assert (ahead.status_code, ahead["Cache-Control"]) == (503, "no-store")
    assert b'data-code="opened_ahead"' in ahead.content
    assert thirdparty.count() == 0
    assert not AuthorizationAttempt.objects.get().claimed
    assert alice.client.get(callback).status_code == 303


def test_A20_the_user_denies(acme: ConnectedSystem, visitor: Makes, thirdparty: ThirdParty) -> None:
    alice = visitor("alice")
    callback = alice.approves(alice.sets_out(next_path="/integrations/list-notes/"), allow=False)
    answer = alice.client.get(callback)
    assert answer.status_code == 400
    assert b'data-code="access_denied"' in answer.content
    assert b"next=%2Fintegrations%2Flist-notes%2F" in answer.content
    assert thirdparty.count(path="/oauth/token") == 0
    assert alice.status()["code"] == "access_denied"


def test_A23_the_callback_is_not_kept(acme: ConnectedSystem, visitor: Makes) -> None:
    answer = visitor("alice").authorizes()
    assert answer["Cache-Control"] == "no-store"
    assert answer["Referrer-Policy"] == "no-referrer"
    assert answer["Cross-Origin-Opener-Policy"] == "unsafe-none"


def test_A25_a_callback_is_a_get(acme: ConnectedSystem, visitor: Makes) -> None:
    alice = visitor("alice")
    callback = alice.approves(alice.sets_out())
    assert alice.client.head(callback).status_code == 405
    assert alice.client.post(callback.partition("?")[0]).status_code == 405
    assert alice.client.get(callback).status_code == 303


def test_G2_a_click_elsewhere_is_asked_about(acme: ConnectedSystem, visitor: Makes) -> None:
    alice = visitor("alice")
    page = alice.client.get("/connections/acme/authorize/?next=/x/")
    assert page.status_code == 200
    assert not AuthorizationAttempt.objects.exists()
    assert "form-action 'self' https: http:" in page["Content-Security-Policy"]
    prefetch = alice.client.get(
        "/connections/acme/authorize/", HTTP_SEC_PURPOSE="prefetch", **OWN_CLICK
    )
    assert prefetch.status_code == 200
    gone = alice.client.post("/connections/acme/authorize/", {"next": "/x/"})
    assert gone.status_code == 302


def test_status_says_how_the_walk_stands(acme: ConnectedSystem, visitor: Makes) -> None:
    alice = visitor("alice")
    assert alice.status() == {
        "connected": False,
        "state": "never_authorized",
        "code": "",
        "reference": "",
        "attempt": "",
    }
    url = alice.sets_out()
    under_way = alice.status()
    assert (under_way["attempt"], under_way["code"]) == ("open", "attempt_not_finished")
    alice.client.get(alice.approves(url))
    done = alice.status()
    assert (done["connected"], done["state"], done["attempt"]) == (True, "connected", "succeeded")
    assert done["reference"] == under_way["reference"]


def test_disconnect_revokes_there_and_forgets_here(
    acme: ConnectedSystem, visitor: Makes, thirdparty: ThirdParty
) -> None:
    alice = visitor("alice")
    alice.authorizes()
    answer = alice.client.post("/connections/acme/disconnect/", {"next": "/"})
    assert (answer.status_code, answer["Location"]) == (303, "/")
    assert thirdparty.count(path="/oauth/revoke") == 2
    assert not Authorization.objects.exists()
    assert alice.status()["state"] == "never_authorized"


def test_J10_the_session_is_lost_on_the_way(
    acme: ConnectedSystem, visitor: Makes, thirdparty: ThirdParty
) -> None:
    alice = visitor("alice")
    callback = alice.approves(alice.sets_out(next_path="/integrations/list-notes/"))
    alice.client.logout()
    thirdparty.reset()
    answer = alice.client.get(callback)
    assert answer.status_code == 400
    assert b'data-code="state_missing_session"' in answer.content
    assert b"next=%2Fintegrations%2Flist-notes%2F" in answer.content
    assert thirdparty.count() == 0


def test_A31_a_role_is_lost_on_the_way(
    acme: ConnectedSystem, visitor: Makes, thirdparty: ThirdParty
) -> None:
    alice = visitor("alice")
    callback = alice.approves(alice.sets_out())
    alice.person.groups.clear()
    thirdparty.reset()
    assert alice.client.get(callback).status_code == 404
    assert thirdparty.count() == 0
    assert not Authorization.objects.exists()
