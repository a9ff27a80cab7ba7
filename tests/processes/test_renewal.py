"""One renewal across processes: whoever is killed, waits, hangs or writes meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from authlinks.models import Authorization
from connectedsystems.models import ConnectedSystem
from integrations import call_integration
from integrations.response import IntegrationResponse
from tests.acme import Visitor, make_integration
from tests.processes.started import Caller, mark, together, wait_for
from tests.thirdparty import ThirdParty

pytestmark = pytest.mark.processes

Starts = Callable[..., Caller]
Makes = Callable[..., Visitor]

BEFORE_REQUEST = "authlinks.renewal._ask"
BEFORE_SAVE = "authlinks.renewal._saved"
BEFORE_REFUSAL = "authlinks.renewal._note_failure"
AFTER_SAVE = "authlinks.tokens._opened"


@pytest.fixture
def alice(acme: ConnectedSystem, visitor: Makes, thirdparty: ThirdParty) -> Visitor:
    """Alice, connected, her token expired here and there; no refresh in the log yet."""
    someone = visitor("alice")
    someone.authorizes()
    thirdparty.control(expire=True)
    expire_here()
    mark(thirdparty)
    return someone


def expire_here() -> None:
    Authorization.objects.update(expires_at=timezone.now() - timedelta(hours=1))


def refreshes(thirdparty: ThirdParty) -> int:
    return thirdparty.count(path="/oauth/token", grant_type="refresh_token")


def codes(results: list[dict[str, object]]) -> set[object]:
    return {result.get("raised") or result["code"] for result in results}


def code_of(answer: IntegrationResponse) -> str:
    return answer.error.code if answer.error else ""


def end_the_lease(seconds: float = 0.0) -> None:
    Authorization.objects.update(lease_ends=timezone.now() + timedelta(seconds=seconds))


def test_D2_200_callers_in_4_processes_renew_once(
    alice: Visitor, caller: Starts, thirdparty: ThirdParty
) -> None:
    # 16 connections each are what a PostgreSQL with 100 has for four processes.
    values = {"WEB_THREADS": "12"}
    task = {"slug": "list-contacts", "users": ["alice"], "threads": 50, "values": values}
    # The answer is a while on its way, so that they meet.
    thirdparty.control(token={"delay": 0.5})
    results = together([caller(**task) for _ in range(4)])
    assert len(results) == 200
    assert codes(results) == {""}
    assert refreshes(thirdparty) == 1
    assert thirdparty.count(path="/api/contacts", status=200) == 200
    # The family lives: the newest refresh token is good.
    expire_here()
    thirdparty.control(token=None, expire=True)
    assert call_integration("list-contacts", alice.person).success


def test_D2_a_rejected_token_is_renewed_once(
    alice: Visitor, caller: Starts, thirdparty: ThirdParty
) -> None:
    Authorization.objects.update(expires_at=timezone.now() + timedelta(hours=1))
    task = {"slug": "add-note", "inputs": {"text": "once each"}, "users": ["alice"], "threads": 10}
    results = together([caller(**task) for _ in range(2)])
    assert codes(results) == {""}
    assert refreshes(thirdparty) == 1
    assert thirdparty.count(path="/api/notes", method="POST", status=201) == 20


def test_D6_20_callers_and_a_token_endpoint_that_is_down(
    alice: Visitor, caller: Starts, thirdparty: ThirdParty
) -> None:
    thirdparty.control(token={"status": 503})
    task = {"slug": "list-contacts", "users": ["alice"], "threads": 10}
    results = together([caller(**task) for _ in range(2)])
    assert codes(results) == {"temporarily_unavailable"}
    assert not any(result["needs_authorization"] for result in results)
    assert refreshes(thirdparty) == 1
    assert thirdparty.count(path="/api/contacts") == 0


def test_D8_an_answer_that_is_lost(alice: Visitor, caller: Starts, thirdparty: ThirdParty) -> None:
    thirdparty.control(token={"cut": True, "act_first": True, "times": 1})
    task = {"slug": "list-contacts", "users": ["alice"], "threads": 5}
    results = together([caller(**task) for _ in range(2)])
    assert codes(results) == {"refresh_outcome_unknown"}
    assert refreshes(thirdparty) == 1
    # Before the pause is over nobody asks; then one caller asks once more, and says the truth.
    assert code_of(call_integration("list-contacts", alice.person)) == "refresh_outcome_unknown"
    assert refreshes(thirdparty) == 1
    Authorization.objects.update(next_try_at=timezone.now())
    for _ in range(3):
        answer = call_integration("list-contacts", alice.person)
        assert code_of(answer) == "needs_authorization"
        assert answer.needs_authorization
    assert refreshes(thirdparty) == 2
    assert Authorization.objects.get().ended_code == "refresh_outcome_unknown"
    assert alice.authorizes().status_code == 303
    assert call_integration("list-contacts", alice.person).success


@pytest.mark.parametrize(
    ("place", "afterwards"),
    [
        (BEFORE_REQUEST, ""),
        (BEFORE_SAVE, "needs_authorization"),
        (AFTER_SAVE, ""),
    ],
)
def test_D9_J3_killed_while_renewing(
    alice: Visitor, caller: Starts, thirdparty: ThirdParty, place: str, afterwards: str
) -> None:
    before = Authorization.objects.get()
    victim = caller(slug="list-contacts", users=["alice"], hold_at=[place])
    victim.go_until(place)
    victim.kill()
    row = Authorization.objects.get()
    saved = place == AFTER_SAVE
    assert (row.version, row.lease_owner != "") == (before.version + saved, not saved)
    assert (row.access_token == before.access_token) == (not saved)
    if not saved:
        end_the_lease()
    answer = call_integration("list-contacts", alice.person)
    assert code_of(answer) == afterwards
    # The next caller asked once, unless the pair was there already; nobody asks for ever.
    for _ in range(3):
        call_integration("list-contacts", alice.person)
    assert refreshes(thirdparty) == (1 if place in (BEFORE_REQUEST, AFTER_SAVE) else 2)
    if afterwards:
        assert Authorization.objects.get().ended_code == "refresh_outcome_unknown"


def test_D9_waiters_take_over_when_the_lease_ends(
    alice: Visitor, caller: Starts, thirdparty: ThirdParty
) -> None:
    victim = caller(slug="list-contacts", users=["alice"], hold_at=[BEFORE_REQUEST])
    waiters = caller(slug="list-contacts", users=["alice"], threads=5)
    victim.hear("ready")
    waiters.hear("ready")
    victim.go()
    victim.hear("at")
    victim.kill()
    end_the_lease(seconds=1)
    waiters.go()
    results = waiters.results()
    assert codes(results) == {""}
    assert refreshes(thirdparty) == 1
    assert all(0.5 < result["seconds"] < 10 for result in results)


def test_D2_a_caller_whose_own_time_ends_first_gets_no_link(
    alice: Visitor, acme: ConnectedSystem, caller: Starts, thirdparty: ThirdParty
) -> None:
    make_integration(acme, "quick", timeout=1)
    victim = caller(slug="list-contacts", users=["alice"], hold_at=[BEFORE_REQUEST])
    victim.go_until(BEFORE_REQUEST)
    answer = call_integration("quick", alice.person)
    assert code_of(answer) == "refresh_in_progress"
    assert not answer.needs_authorization
    assert answer.authorize_url is None
    victim.go()
    assert codes(victim.results()) == {""}
    assert refreshes(thirdparty) == 1


def test_D17_a_disconnect_while_the_new_pair_is_on_its_way(
    alice: Visitor, caller: Starts, thirdparty: ThirdParty
) -> None:
    late = caller(slug="list-contacts", users=["alice"], hold_at=[BEFORE_SAVE])
    late.go_until(BEFORE_SAVE)
    assert alice.client.post("/connections/acme/disconnect/", {"next": "/"}).status_code == 303
    asked = thirdparty.count(path="/oauth/revoke")
    late.go()
    assert codes(late.results()) == {"needs_authorization"}
    assert not Authorization.objects.exists()
    assert refreshes(thirdparty) == 1
    assert thirdparty.count(path="/oauth/revoke", status=200) == asked + 2
    assert alice.status()["state"] == "never_authorized"


def test_D17_a_new_walk_while_the_new_pair_is_on_its_way(
    alice: Visitor, caller: Starts, thirdparty: ThirdParty
) -> None:
    late = caller(slug="list-contacts", users=["alice"], hold_at=[BEFORE_SAVE])
    late.go_until(BEFORE_SAVE)
    assert alice.authorizes().status_code == 303
    walked = Authorization.objects.get()
    late.go()
    assert codes(late.results()) == {""}
    row = Authorization.objects.get()
    assert (row.version, row.access_token) == (walked.version, walked.access_token)
    assert thirdparty.count(path="/oauth/revoke") == 0
    assert refreshes(thirdparty) == 1


@pytest.mark.parametrize("status", [400, 503])
def test_D17_a_new_walk_while_the_refusal_is_on_its_way(
    status: int, alice: Visitor, caller: Starts, thirdparty: ThirdParty
) -> None:
    """A refusal of the old token says nothing of the new one: the call goes on with that."""
    late = caller(slug="list-contacts", users=["alice"], hold_at=[BEFORE_REFUSAL])
    thirdparty.control(token={"status": status, "grant_type": "refresh_token"})
    late.go_until(BEFORE_REFUSAL)
    assert alice.authorizes().status_code == 303
    walked = Authorization.objects.get()
    late.go()
    assert codes(late.results()) == {""}
    row = Authorization.objects.get()
    assert (row.version, row.ended_code, row.failure_code) == (walked.version, "", "")
    assert refreshes(thirdparty) == 1


def test_D18_nobody_waits_for_the_renewal_of_another(
    alice: Visitor, visitor: Makes, caller: Starts, thirdparty: ThirdParty
) -> None:
    visitor("bob", "ben").authorizes()
    thirdparty.control(token={"delay": 4, "grant_type": "refresh_token"})
    # A fifth of every limit: her token request has two seconds.
    slow = caller(slug="list-contacts", users=["alice"], values={"TIME_LIMITS": "0.2"})
    quick = caller(slug="list-contacts", users=["bob"], threads=4)
    slow.hear("ready")
    quick.hear("ready")
    slow.go()
    while not Authorization.objects.filter(lease_owner__gt="").exists():
        time.sleep(0.02)
    quick.go()
    others = quick.results()
    assert codes(others) == {""}
    assert max(result["seconds"] for result in others) < 1
    (mine,) = slow.results()
    assert mine["seconds"] > max(result["seconds"] for result in others)
    assert mine["code"] == "temporarily_unavailable"
    assert mine["seconds"] < 3.5
    row = Authorization.objects.get(user=alice.person)
    assert (row.lease_owner, row.lease_ends) == ("", None)
    wait_for(thirdparty, grant_type="refresh_token")


def test_J1_J2_writers_do_not_wait_for_other_systems(
    alice: Visitor, visitor: Makes, caller: Starts, thirdparty: ThirdParty
) -> None:
    visitor("bob", "ben").authorizes()
    mark(thirdparty)
    thirdparty.control(token={"delay": 3}, api={"delay": 3})
    slow = caller(slug="add-note", users=["alice", "bob"], threads=6, inputs={"text": "slow"})
    writers = caller("write", threads=8, rows=40)
    slow.hear("ready")
    writers.hear("ready")
    slow.go()
    writers.go()
    written = writers.results()
    assert not [result for result in written if "raised" in result]
    assert max(result["slowest"] for result in written) < 2.5
    assert codes(slow.results()) == {""}
    assert refreshes(thirdparty) == 1
    assert thirdparty.count(path="/api/notes", method="POST", status=201) == 12
