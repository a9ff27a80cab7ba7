"""Five hundred systems and five thousand integrations: as many questions to the database as for ten."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from authlinks.models import Authorization
from connectedsystems import vault
from connectedsystems.models import Application, Circuit, ConnectedSystem
from integrations.models import CallRecord, Integration
from tests.desk import House, make_attempt

SYSTEMS, PER_SYSTEM = 500, 10
LARGEST_PAGE = 1_000_000

DESK = "/admin/connectedsystems/connectedsystem/"
LISTED = "/admin/integrations/integration/"
PAGES = [
    "/",
    "/?q=integration+00",
    "/?page=2",
    "/connections/",
    "/connections/?q=system+1",
    "/admin/",
    DESK,
    f"{DESK}?q=system+1",
    f"{DESK}?state=silent",
    f"{DESK}?host=host-1.example",
    f"{LISTED}?state=failed",
    f"{LISTED}?host=host-1.example",
    LISTED,
    f"{LISTED}?q=integration+1",
    f"{LISTED}?usage__exact=query",
    f"{LISTED}add/",
    f"{LISTED}from-openapi/",
    "/admin/authlinks/authorization/",
    "/admin/authlinks/authorizationattempt/",
    "/admin/integrations/callrecord/",
    "/admin/connectedsystems/application/",
]


def fill(application: Application, user: Any, systems: int, start: int = 0) -> None:
    """So many systems with their integrations, an authorization each, and some trouble."""
    made = [
        ConnectedSystem(
            application=application,
            slug=f"system-{number}",
            name=f"System {number}",
            base_url=f"https://host-{number}.example/api",
            authentication="oauth2_authorization_code",
            configuration={
                "oauth": {
                    "client_id": "many",
                    "authorization_endpoint": f"https://host-{number}.example/authorize",
                    "token_endpoint": f"https://host-{number}.example/token",
                }
            },
        )
        for number in range(start, systems)
    ]
    ConnectedSystem.objects.bulk_create(made)
    offered = [
        Integration(
            connected_system=system,
            slug=f"{system.slug}-{number}",
            name=f"Integration {number:02} of {system.name}",
            usage="query" if number % 2 else "modify",
            definition={"method": "GET", "path": f"/things/{number}"},
        )
        for system in made
        for number in range(PER_SYSTEM)
    ]
    Integration.objects.bulk_create(offered)
    rows = []
    for system in made:
        row = Authorization(
            system=system,
            user=user,
            fingerprint=system.parsed().fingerprint(),
            authorized_at=timezone.now() - timedelta(days=1),
        )
        row.access_token = vault.seal("scale-token", row.place("access_token"))
        rows.append(row)
    Authorization.objects.bulk_create(rows)
    Circuit.objects.bulk_create(
        Circuit(
            system=system,
            base_url=system.base_url,
            reason="timeout",
            since=timezone.now(),
            next_try_at=timezone.now(),
        )
        for system in made[::5]
    )
    CallRecord.objects.bulk_create(
        CallRecord(
            integration=each,
            system_id=each.connected_system_id,
            integration_slug=each.slug,
            user=user,
            success=False,
            code="call_failed",
        )
        for each in offered[::7]
    )
    for system in made[:30]:
        make_attempt(system.pk, user)


@pytest.fixture
def people(house: House) -> Iterator[dict[str, Client]]:
    """A designer of the application that grows, and an admin; both use it too."""
    clients = {}
    for name, person in (("designer", house.crm.designer), ("admin", house.root)):
        clients[name] = Client()
        clients[name].force_login(person)
    yield clients


def asked(client: Client, path: str) -> tuple[int, int]:
    """Questions to the database, and bytes of the page."""
    client.get(path)  # what is kept per process is there now
    with CaptureQueriesContext(connection) as queries:
        page = client.get(path)
    assert page.status_code == 200, (path, page.status_code)
    return len(queries), len(page.content)


def test_the_number_of_questions_does_not_grow(house: House, people: dict[str, Client]) -> None:
    fill(house.crm.application, house.crm.designer, 10)
    forms = [
        f"{DESK}{ConnectedSystem.objects.get(slug='system-1').pk}/change/",
        f"{LISTED}{Integration.objects.get(slug='system-1-1').pk}/change/",
    ]
    paths = [*PAGES, *forms]
    few = {(who, path): asked(people[who], path)[0] for who in people for path in paths}
    fill(house.crm.application, house.crm.designer, SYSTEMS, start=10)
    assert Integration.objects.count() >= SYSTEMS * PER_SYSTEM
    many, large = {}, {}
    for who in people:
        for path in paths:
            many[who, path], size = asked(people[who], path)
            if size > LARGEST_PAGE:
                large[who, path] = size
    grown = {key: (few[key], many[key]) for key in few if many[key] > few[key]}
    assert grown == {}
    assert large == {}


def test_a_long_list_is_searched_and_turned(house: House, people: dict[str, Client]) -> None:
    fill(house.crm.application, house.crm.designer, 10)
    client = people["designer"]
    home = client.get("/").content.decode()
    assert "1–48 of 101" in home
    last = client.get("/?page=3").content.decode()
    assert "97–101 of 101" in last
    found = client.get("/", {"q": "Integration 03 of System 7"}).content.decode()
    assert set(re.findall(r'href="/integrations/(system-\d+-\d+)/"', found)) == {"system-7-3"}
    assert 'value="Integration 03 of System 7"' in found
    assert "Nothing is found" in client.get("/", {"q": "no such thing"}).content.decode()
    for odd in ("\x00", "%", "_", "'", "x" * 5000):
        assert client.get("/", {"q": odd}).status_code == 200
        assert client.get("/connections/", {"q": odd, "page": odd}).status_code == 200


def test_filters_name_what_is_ones_own(house: House, people: dict[str, Client]) -> None:
    fill(house.crm.application, house.crm.designer, 10)
    page = people["designer"].get(DESK).content.decode()
    assert "host-3.example" in page
    assert house.hr.system.host not in page
    silent = people["designer"].get(f"{DESK}?state=silent").content.decode()
    assert set(re.findall(r">(System \d+)<", silent)) == {"System 0", "System 5"}
    one = people["designer"].get(f"{DESK}?host=host-3.example").content.decode()
    assert set(re.findall(r">(System \d+)<", one)) == {"System 3"}
    failed = people["designer"].get(f"{LISTED}?state=failed").content.decode()
    named = set(re.findall(r">(Integration \d\d of System \d+)<", failed))
    assert named == {
        each.name
        for each in Integration.objects.filter(records__success=False, slug__startswith="system-")
    }
    hosted = people["designer"].get(f"{LISTED}?host=host-3.example").content.decode()
    assert set(re.findall(r">Integration \d\d of (System \d+)<", hosted)) == {"System 3"}
    theirs = people["designer"].get(f"{DESK}?host={house.hr.system.host}").content.decode()
    assert house.hr.system.name not in theirs
