"""Every address of the product, asked by everybody: who may open what."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from tests.desk import House

ROLES = ("anonymous", "outsider", "member", "designer", "other designer", "admin")
Row = tuple[int, int, int, int, int, int]

PUBLIC: Row = (200, 200, 200, 200, 200, 200)
ONE_S_OWN: Row = (302, 200, 200, 200, 200, 200)
OF_MEMBERS: Row = (302, 404, 200, 200, 404, 200)
OF_MEMBERS_BY_POST: Row = (302, 405, 405, 405, 405, 405)
OF_ITS_USER: Row = (302, 404, 200, 404, 404, 404)
DESK: Row = (302, 403, 403, 200, 200, 200)
DESK_BY_POST: Row = (302, 403, 403, 405, 405, 405)
DESK_LEADS_ON: Row = (302, 403, 403, 302, 302, 302)
MINE_LEADS_ON: Row = (302, 403, 403, 302, 404, 302)
MINE: Row = (302, 403, 403, 200, 404, 200)
ADMINS: Row = (302, 403, 403, 403, 403, 200)
ADMINS_BY_POST: Row = (302, 403, 403, 403, 403, 405)
NOBODY: Row = (302, 403, 403, 403, 403, 403)

# Addresses by their route. One that is missing here fails the test.
ADDRESSES: dict[str, Row] = {
    "accounts/login/": PUBLIC,
    "accounts/logout/": (405, 405, 405, 405, 405, 405),
    "healthz": PUBLIC,
    "readyz": PUBLIC,
    "favicon.ico": PUBLIC,
    "": ONE_S_OWN,
    "connections/": ONE_S_OWN,
    "connections/closing/": PUBLIC,
    "connections/callback/<uuid:public_id>/": (400, 404, 400, 400, 404, 400),
    "connections/<slug:slug>/authorize/": OF_MEMBERS,
    "connections/<slug:slug>/question/": (302, 404, 303, 303, 404, 303),
    "connections/<slug:slug>/status/": (401, 404, 200, 200, 404, 200),
    "connections/<slug:slug>/disconnect/": OF_MEMBERS_BY_POST,
    "systems/<uuid:public_id>/logo/": (404, 404, 404, 404, 404, 404),
    "integrations/held/": ONE_S_OWN,
    "integrations/held/<uuid:held_id>/": OF_ITS_USER,
    "integrations/<slug:slug>/": OF_MEMBERS,
    "references/": ONE_S_OWN,
    "references/<str:reference>/": OF_MEMBERS,
    "admin/": DESK,
    "admin/login/": (302, 302, 302, 302, 302, 302),
    "admin/logout/": DESK_BY_POST,
    "admin/password_change/": DESK,
    "admin/password_change/done/": DESK,
    "admin/autocomplete/": DESK,
    "admin/jsi18n/": DESK,
    "admin/<app_label>/": DESK,
    "admin/<url>": (302, 403, 403, 404, 404, 404),
    "admin/auth/user/<id>/password/": ADMINS,
    "admin/authlinks/authorization/<path:object_id>/disconnect/": ADMINS,
    "admin/integrations/integration/test/": DESK_LEADS_ON,
    "admin/integrations/integration/preview/": DESK_LEADS_ON,
    "admin/integrations/integration/<path:object_id>/forget-inputs/": MINE_LEADS_ON,
    "admin/integrations/integration/from-curl/": DESK,
    "admin/integrations/integration/from-openapi/": DESK,
    "admin/connectedsystems/application/load/": DESK,
    "admin/connectedsystems/application/<path:object_id>/bundle/": MINE,
    "admin/connectedsystems/connectedsystem/known/": DESK,
    "admin/connectedsystems/connectedsystem/<uuid:public_id>/looked-at/": ADMINS_BY_POST,
    "admin/connectedsystems/connectedsystem/draft/authorize/": DESK_BY_POST,
    "admin/connectedsystems/connectedsystem/draft/done/": DESK_BY_POST,
    "admin/connectedsystems/connectedsystem/draft/check/": DESK_BY_POST,
    "admin/connectedsystems/connectedsystem/draft/affected/": DESK_BY_POST,
    "admin/connectedsystems/connectedsystem/draft/preview/": DESK_BY_POST,
    "admin/connectedsystems/connectedsystem/draft/find/": DESK_BY_POST,
    "admin/connectedsystems/connectedsystem/draft/<uuid:public_id>/status/": DESK,
    "admin/connectedsystems/connectedsystem/draft/<uuid:public_id>/back/": DESK,
}

# The desk's screens of a model, by who may do what with its rows.
SCREENS = ("", "add/", "<path:object_id>/change/", "<path:object_id>/delete/")
READ_ONLY = (DESK, NOBODY, MINE, NOBODY)
OF_DESIGNERS = (DESK, DESK, MINE, MINE)
OF_ADMINS = (DESK, ADMINS, MINE, ADMINS)
FOR_ADMINS = (ADMINS, ADMINS, ADMINS, ADMINS)
MODELS: dict[str, tuple[Row, ...]] = {
    "connectedsystems/connectedsystem": OF_DESIGNERS,
    "integrations/integration": OF_DESIGNERS,
    "connectedsystems/application": OF_ADMINS,
    "auth/group": OF_ADMINS,
    "auth/user": FOR_ADMINS,
    "authlinks/authorization": READ_ONLY,
    "authlinks/authorizationattempt": READ_ONLY,
    "integrations/callrecord": READ_ONLY,
    "connectedsystems/auditevent": READ_ONLY,
}
for _model, _rows in MODELS.items():
    for _screen, _row in zip(SCREENS, _rows, strict=True):
        ADDRESSES[f"admin/{_model}/{_screen}"] = _row
    ADDRESSES[f"admin/{_model}/<path:object_id>/history/"] = _rows[2]
    ADDRESSES[f"admin/{_model}/<path:object_id>/"] = DESK_LEADS_ON
for _model in ("connectedsystems/connectedsystem", "integrations/integration"):
    ADDRESSES[f"admin/{_model}/<path:object_id>/versions/<int:version>/restore/"] = MINE
ADDRESSES["admin/auth/user/<path:object_id>/history/"] = (302, 403, 403, 404, 404, 200)

QUERIES = {
    "admin/autocomplete/": {
        "app_label": "integrations",
        "model_name": "integration",
        "field_name": "connected_system",
    },
}


def _routes(patterns: Any, before: str = "") -> Iterator[str]:
    for pattern in patterns:
        route = before + re.sub(r"\(\?P(<\w+>)[^)]*\)|[\^$]", r"\1", str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route


def _path(route: str, house: House) -> str:
    crm = house.crm
    rows = {
        "connectedsystems/connectedsystem": crm.system,
        "integrations/integration": crm.integration,
        "connectedsystems/application": crm.application,
        "auth/group": crm.members,
        "auth/user": crm.member,
        "authlinks/authorization": crm.authorization,
        "authlinks/authorizationattempt": crm.attempt,
        "integrations/callrecord": crm.call,
        "connectedsystems/auditevent": crm.event,
    }
    model = "/".join(route.split("/")[1:3])
    values = {
        "object_id": rows[model].pk if model in rows else "",
        "id": crm.member.pk,
        "version": rows[model].versions.get().pk if route.endswith("/restore/") else "",
        "public_id": crm.system.pk,
        "held_id": crm.held.pk,
        "reference": crm.attempt.reference,
        "slug": crm.integration.slug if route.startswith("integrations") else crm.system.slug,
        "app_label": "authlinks",
        "url": "no/such/address",
    }
    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda found: str(values[found[1]]), route)


@pytest.fixture
def people(house: House) -> dict[str, Any]:
    return {
        "anonymous": None,
        "outsider": house.eve,
        "member": house.crm.member,
        "designer": house.crm.designer,
        "other designer": house.hr.designer,
        "admin": house.root,
    }


def _client(person: Any) -> Client:
    client = Client()
    if person is not None:
        client.force_login(person)
    return client


def test_every_address_has_an_expectation() -> None:
    # What is under pages/ is the customer's own.
    found = _routes(get_resolver().url_patterns)
    routes = {route for route in found if not route.startswith("pages/")}
    assert sorted(routes - ADDRESSES.keys()) == [], "say in ADDRESSES who may open these"
    assert sorted(ADDRESSES.keys() - routes) == [], "these are gone"


@pytest.mark.parametrize("role", ROLES)
def test_H1_H6_everybody_opens_what_they_may(
    house: House, people: dict[str, Any], role: str
) -> None:
    client = _client(people[role])
    wrong = {}
    for route, row in ADDRESSES.items():
        answer = client.get(_path(route, house), QUERIES.get(route, {}))
        expected = row[ROLES.index(role)]
        if answer.status_code != expected:
            wrong[route] = f"{answer.status_code} instead of {expected}"
    assert wrong == {}


def test_every_page_of_the_desk_shows_without_script(house: House) -> None:
    client = _client(house.root)
    pages = 0
    for route in [route for route in ADDRESSES if route.startswith("admin/")]:
        answer = client.get(_path(route, house), QUERIES.get(route, {}))
        if answer.status_code == 200 and b"x-cloak" in answer.content:
            pages += 1
            sheet = rb'<noscript><link rel="stylesheet" href="[^"]*/no-script[.\w]*css"></noscript>'
            assert re.search(sheet, answer.content), route
    assert pages > 20


def test_whoever_is_not_logged_in_is_led_to_the_log_in(house: House) -> None:
    wrong = {}
    for route, row in ADDRESSES.items():
        if row[0] != 302 or route == "admin/login/":
            continue
        answer = Client().get(_path(route, house))
        if not answer["Location"].startswith("/accounts/login/?next=/"):
            wrong[route] = answer["Location"]
    assert wrong == {}


@pytest.mark.parametrize("role", ROLES)
def test_who_may_not_open_may_not_post(house: House, people: dict[str, Any], role: str) -> None:
    wrong = {}
    for route, row in ADDRESSES.items():
        refused = row[ROLES.index(role)] in (401, 403, 404) or (
            role == "anonymous" and row[0] == 302 and route != "admin/login/"
        )
        if not refused or route.startswith("connections/callback"):
            continue
        answer = _client(people[role]).post(_path(route, house), {"post": "yes"})
        to_log_in = answer.headers.get("Location", "").startswith("/accounts/login/")
        if answer.status_code not in (401, 403, 404, 405) and not to_log_in:
            wrong[route] = answer.status_code
    assert wrong == {}


def test_nobody_ends_the_connection_of_another_application(house: House) -> None:
    for person in (house.eve, house.hr.designer):
        assert _client(person).post("/connections/crm/disconnect/").status_code == 404


def test_a_deactivated_user_is_refused_at_once(house: House) -> None:
    client = _client(house.crm.designer)
    assert client.get("/admin/").status_code == 200
    house.crm.designer.is_active = False
    house.crm.designer.save()
    for path in ("/admin/", "/connections/", f"/integrations/{house.crm.integration.slug}/"):
        assert client.get(path).status_code == 302


def test_staff_and_model_permissions_open_nothing(house: House) -> None:
    house.eve.is_staff = True
    house.eve.save()
    house.eve.user_permissions.set(Permission.objects.all())
    assert _client(house.eve).get("/admin/").status_code == 403
