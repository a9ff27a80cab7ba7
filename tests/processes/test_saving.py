"""Two saves of one system in one moment, on the site as it is served, while others read."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from connectedsystems.models import ConfigurationVersion, ConnectedSystem
from tests.acme import make_integration, make_system
from tests.otherside import OtherSide, answer, other_side
from tests.processes.started import Answer, Site

pytestmark = pytest.mark.processes

CHANGE = "/admin/connectedsystems/connectedsystem/{}/change/"
ROUNDS = 6


@pytest.fixture
def sides() -> Iterator[list[OtherSide]]:
    """Three systems that answer with their own number; the last one is where it begins."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                other_side(
                    lambda told, sock, name=name: sock.sendall(
                        answer(b'{"at": %d}' % name, "200 OK", "Content-Type: application/json")
                    )
                )
            )
            for name in range(3)
        ]


def session(person: Any) -> str:
    from django.test import Client

    client = Client()
    client.force_login(person)
    return client.cookies["sessionid"].value


def posted(page: str, **typed: str) -> dict[str, str]:
    hidden = re.search(r'name="public_id" value="([^"]+)"', page)
    assert hidden, page[:500]
    return {"public_id": hidden[1], "authentication": "none", **typed}


def test_G16_of_two_saves_at_once_one_is_told_and_calls_go_where_the_row_says(
    user: Callable[..., Any], serve: Callable[..., Site], sides: list[OtherSide]
) -> None:
    system = make_system(sides[2].url(), authentication="none", base_url=sides[2].url("/"))
    make_integration(system, "where", path="/x")
    designers = [session(user(name, groups=["crm-designers"])) for name in ("dora", "dirk")]
    readers = [session(user(name, groups=["crm-users"])) for name in ("alice", "bob", "carol")]
    site = serve(WEB_CONCURRENCY="1", RATE_LIMITS="off")
    change = CHANGE.format(system.pk)

    def form(number: int, typed_name: str) -> dict[str, str]:
        page = site.ask(change, designers[number]).body.decode()
        return posted(
            page,
            application=str(system.application_id),
            name=typed_name,
            slug="acme",
            base_url=sides[number].url("/"),
        )

    def asks(who: str) -> Answer:
        return site.ask("/integrations/where/", who, headers={"Accept": "application/json"})

    for round_ in range(ROUNDS):
        forms = [form(number, f"Acme {round_}-{number}") for number in (0, 1)]
        answers: list[Answer | None] = [None, None]
        done = threading.Event()

        def saves(number: int, forms: Any = forms, answers: Any = answers) -> None:
            answers[number] = site.ask(change, designers[number], form=forms[number])

        def reads(who: str, done: threading.Event = done) -> None:
            while not done.is_set():
                assert asks(who).status == 200

        saving = [threading.Thread(target=saves, args=(number,)) for number in (0, 1)]
        reading = [threading.Thread(target=reads, args=(who,)) for who in readers]
        for each in [*reading, *saving]:
            each.start()
        for each in saving:
            each.join()
        done.set()
        for each in reading:
            each.join()

        statuses = sorted(each.status for each in answers if each)
        assert statuses == [200, 302]
        lost = next(number for number in (0, 1) if answers[number].status == 200)  # type: ignore[union-attr]
        told = answers[lost].body.decode()  # type: ignore[union-attr]
        assert 'data-code="saved_meanwhile"' in told
        assert sides[0].url("/") in told and sides[1].url("/") in told
        assert f'value="Acme {round_}-{lost}"' in told, "what was typed is lost"
        row = ConnectedSystem.objects.get()
        assert row.base_url == sides[1 - lost].url("/")
        for side in sides:
            side.told.clear()
        for _ in range(4):
            assert asks(readers[0]).status == 200
        assert [len(side.told) for side in sides] == [4 if n == 1 - lost else 0 for n in range(3)]
        # The second designer has seen both, and saves on top.
        again = {**forms[lost], **posted(told)}
        assert site.ask(change, designers[lost], form=again).status == 302
        assert ConnectedSystem.objects.get().base_url == sides[lost].url("/")
    numbers = list(ConfigurationVersion.objects.values_list("number", flat=True))
    assert len(numbers) == len(set(numbers)) == 2 * ROUNDS + 1


def test_G16_what_is_typed_beside_a_mistake_reaches_no_call(
    user: Callable[..., Any], serve: Callable[..., Site], sides: list[OtherSide]
) -> None:
    """The form's page shows what was typed; the process must not call by it."""
    system = make_system(sides[2].url(), authentication="none", base_url=sides[2].url("/"))
    make_integration(system, "where", path="/x")
    dora = session(user("dora", groups=["crm-designers"]))
    site = serve(WEB_CONCURRENCY="1")
    change = CHANGE.format(system.pk)
    page = site.ask(change, dora).body.decode()
    wrong = posted(page, application=str(system.application_id), name="", slug="acme")
    refused = site.ask(change, dora, form={**wrong, "base_url": sides[0].url("/")})
    assert refused.status == 200 and b"data-code" in refused.body
    site.ask("/connections/", dora)
    assert site.ask("/integrations/where/", dora).status == 200
    assert not sides[0].told and sides[2].told


def test_G16_a_system_made_anew_under_its_old_id_is_not_taken_for_the_old_one(
    user: Callable[..., Any], serve: Callable[..., Site], sides: list[OtherSide]
) -> None:
    from workbench import bundle

    system = make_system(sides[0].url(), authentication="none", base_url=sides[0].url("/"))
    tree = {
        "connected_systems": [
            {
                "slug": "acme",
                "name": "Acme",
                "application": "crm",
                "public_id": str(system.pk),
                "base_url": sides[1].url("/"),
            }
        ],
        "integrations": [
            {"slug": "where", "name": "Where", "connected_system": "acme", "path": "/x"}
        ],
    }
    make_integration(system, "where", path="/x")
    dora = session(user("dora", groups=["crm-designers"]))
    site = serve(WEB_CONCURRENCY="1")
    assert site.ask("/integrations/where/", dora).status == 200
    system.integrations.all().delete()
    deleted = site.ask(
        CHANGE.format(system.pk).replace("change", "delete"), dora, form={"post": "yes"}
    )
    assert deleted.status == 302
    bundle.load(tree)
    assert site.ask("/integrations/where/", dora).status == 200
    assert (len(sides[0].told), len(sides[1].told)) == (1, 1)
