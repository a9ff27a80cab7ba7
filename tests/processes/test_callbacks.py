"""One attempt, answered twice at the same moment, by the site as it is served."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from authlinks.models import Authorization, AuthorizationAttempt
from connectedsystems.models import ConnectedSystem
from integrations import call_integration
from integrations.models import HeldState, HeldSubmission
from tests.acme import Visitor
from tests.processes.started import Answer, Site
from tests.thirdparty import ThirdParty

pytestmark = pytest.mark.processes

Serves = Callable[..., Site]
Makes = Callable[..., Visitor]


def at_once(ask: Callable[[], Answer], times: int = 6) -> list[Answer]:
    """The same request, several times at the same moment."""
    answers: list[Answer] = []
    start = threading.Barrier(times)

    def one() -> None:
        start.wait()
        answers.append(ask())

    threads = [threading.Thread(target=one) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def session_of(someone: Visitor) -> str:
    return someone.client.cookies["sessionid"].value


def test_two_callbacks_of_one_attempt_make_one_token_request(
    acme: ConnectedSystem, visitor: Makes, serve: Serves, thirdparty: ThirdParty
) -> None:
    alice = visitor("alice")
    # Slow enough that the second finds the first at work.
    thirdparty.control(token={"delay": 2})
    callback = alice.approves(alice.sets_out(next_path="/connections/"))
    site = serve(WEB_CONCURRENCY="2")
    answers = at_once(lambda: site.ask(callback, session_of(alice)))
    assert thirdparty.count(path="/oauth/token") == 1
    assert sorted(answer.status for answer in answers) == [303, *[400] * 5]
    refused = [answer.body.decode() for answer in answers if answer.status == 400]
    assert all('data-code="state_used"' in page for page in refused)
    assert Authorization.objects.count() == 1
    assert AuthorizationAttempt.objects.get().outcome == "succeeded"
    assert call_integration("list-contacts", alice.person).success


def test_two_deliveries_by_the_page_send_one_write(
    acme: ConnectedSystem, visitor: Makes, serve: Serves, thirdparty: ThirdParty
) -> None:
    alice = visitor("alice")
    site = serve(WEB_CONCURRENCY="2")
    page = site.ask(
        "/integrations/add-note/", session_of(alice), form={"text": "Only once, please."}
    )
    assert page.status == 200
    held = HeldSubmission.objects.get()
    callback = alice.approves(alice.sets_out(next_path=held.url))
    arrived = at_once(lambda: site.ask(callback, session_of(alice)), times=2)
    assert 303 in {answer.status for answer in arrived}
    thirdparty.control(api={"delay": 0.5})
    answers = at_once(lambda: site.ask(held.url, session_of(alice), form={"action": "deliver"}))
    assert all(answer.status < 500 for answer in answers)
    assert thirdparty.count(path="/api/notes", method="POST") == 1
    held.refresh_from_db()
    assert held.state == HeldState.DELIVERED
