"""What a designer sees and chooses on the desk, and what only an admin may do there."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.admin import RelatedOnlyFieldListFilter
from django.contrib.admin.utils import get_fields_from_path
from django.contrib.auth.models import Group, User
from django.core.exceptions import FieldDoesNotExist
from django.test import RequestFactory

from connectedsystems.models import Application, ConnectedSystem
from integrations.models import Integration
from tests.desk import House
from workbench.roles import OfMyApplications, designed_ids, may_use_desk
from workbench.site import desk


def _asked_by(person: Any) -> Any:
    request = RequestFactory().get("/admin/")
    request.user = person
    return request


@pytest.mark.parametrize("model", list(desk._registry), ids=lambda model: model.__name__)
def test_a_designer_is_shown_no_row_of_others(house: House, model: Any) -> None:
    screen = desk.get_model_admin(model)
    shown = screen.get_queryset(_asked_by(house.crm.designer))
    theirs = set(screen.get_queryset(_asked_by(house.hr.designer)))
    assert not set(shown) & theirs
    assert screen.get_queryset(_asked_by(house.root)).count() > shown.count()


@pytest.mark.parametrize("model", list(desk._registry), ids=lambda model: model.__name__)
def test_every_screen_asks_the_roles(model: Any) -> None:
    assert isinstance(desk.get_model_admin(model), OfMyApplications)


@pytest.mark.parametrize("model", list(desk._registry), ids=lambda model: model.__name__)
def test_filters_name_nothing_of_others(house: House, model: Any) -> None:
    screen = desk.get_model_admin(model)
    for entry in screen.get_list_filter(_asked_by(house.crm.designer)):
        name = entry[0] if isinstance(entry, tuple) else entry
        try:
            field = get_fields_from_path(model, str(name))[-1]
        except FieldDoesNotExist:
            continue
        if field.is_relation:
            assert issubclass(entry[1], RelatedOnlyFieldListFilter)


def test_a_form_offers_what_the_person_sees(house: House, as_user: Any) -> None:
    client = as_user(house.crm.designer)
    page = client.get("/admin/integrations/integration/add/").content.decode()
    assert "Crm system" in page
    assert "Hr system" not in page
    page = client.get("/admin/connectedsystems/connectedsystem/add/").content.decode()
    assert str(house.crm.application.pk) in page
    assert str(house.hr.application.pk) not in page
    page = client.get(
        f"/admin/connectedsystems/application/{house.crm.application.pk}/change/"
    ).content.decode()
    assert "crm-users" in page
    assert "hr-users" not in page


def test_a_forged_choice_is_refused(house: House, as_user: Any) -> None:
    client = as_user(house.crm.designer)
    path = f"/admin/integrations/integration/{house.crm.integration.pk}/change/"
    client.post(path, {"connected_system": str(house.hr.system.pk), "name": "x", "slug": "x"})
    house.crm.integration.refresh_from_db()
    assert house.crm.integration.connected_system == house.crm.system


def test_autocomplete_finds_nothing_of_others(house: House, as_user: Any) -> None:
    query = {
        "app_label": "integrations",
        "model_name": "integration",
        "field_name": "connected_system",
        "term": "system",
    }
    answer = as_user(house.crm.designer).get("/admin/autocomplete/", query)
    assert [found["text"] for found in answer.json()["results"]] == ["Crm system"]


def test_autocomplete_of_users_is_for_admins(house: House, as_user: Any) -> None:
    query = {"app_label": "authlinks", "model_name": "authorization", "field_name": "user"}
    assert as_user(house.crm.designer).get("/admin/autocomplete/", query).status_code == 403
    assert as_user(house.root).get("/admin/autocomplete/", query).status_code == 200


def test_an_action_reaches_no_row_of_others(house: House, as_user: Any) -> None:
    other = str(house.hr.integration.pk)
    as_user(house.crm.designer).post(
        "/admin/integrations/integration/",
        {"action": "delete_selected", "_selected_action": other, "post": "yes"},
    )
    assert Integration.objects.filter(pk=other).exists()


def test_the_side_bar_shows_what_one_may_open(house: House, as_user: Any) -> None:
    page = as_user(house.crm.designer).get("/admin/").content.decode()
    assert "/admin/authlinks/authorization/" in page
    assert "/admin/auth/user/" not in page
    assert "/admin/auth/user/" in as_user(house.root).get("/admin/").content.decode()


def test_a_designer_looks_after_members_and_not_after_designers(house: House, as_user: Any) -> None:
    other = Group.objects.get(name="hr-users")
    path = f"/admin/connectedsystems/application/{house.crm.application.pk}/change/"
    answer = as_user(house.crm.designer).post(
        path,
        {"name": "CRM two", "slug": "taken", "designers": [house.crm.members.pk], "members": []},
    )
    assert answer.status_code == 302
    application = Application.objects.get(pk=house.crm.application.pk)
    assert (application.name, application.slug) == ("CRM two", "crm")
    assert list(application.designers.all()) == [house.crm.designers]
    assert list(application.members.all()) == []
    as_user(house.crm.designer).post(path, {"name": "CRM", "members": [other.pk]})
    assert list(application.members.all()) == []


def test_a_group_says_nothing_of_applications_of_others(house: House, as_user: Any) -> None:
    house.hr.application.members.add(house.crm.members)
    path = f"/admin/auth/group/{house.crm.members.pk}/change/"
    names = re.compile(r"\bHR\b")  # not two letters within some token
    assert not names.search(as_user(house.crm.designer).get(path).content.decode())
    assert names.search(as_user(house.root).get(path).content.decode())


def test_a_group_of_designers_makes_a_designer(house: House) -> None:
    request = _asked_by(house.eve)
    assert not may_use_desk(request)
    house.eve.groups.add(house.crm.designers)
    request = _asked_by(User.objects.get(pk=house.eve.pk))
    assert designed_ids(request) == {house.crm.application.pk}


def test_deleting_a_user_says_how_many_authorizations_go(house: House, as_user: Any) -> None:
    path = f"/admin/auth/user/{house.crm.member.pk}/delete/"
    client = as_user(house.root)
    text = client.get(path).content.decode()
    assert "1 authorization: revoked at the other system" in text
    assert client.post(path, {"post": "yes"}).status_code == 302
    assert not User.objects.filter(pk=house.crm.member.pk).exists()


def test_an_application_in_use_cannot_be_deleted(house: House, as_user: Any) -> None:
    path = f"/admin/connectedsystems/application/{house.crm.application.pk}/delete/"
    client = as_user(house.root)
    assert "1 connected system" in client.get(path).content.decode()
    client.post(path, {"post": "yes"})
    assert ConnectedSystem.objects.filter(pk=house.crm.system.pk).exists()


def test_log_in_returns_to_the_page_of_the_desk(client: Any, house: House) -> None:
    house.root.set_password("root")
    house.root.save()
    answer = client.get("/admin/auth/user/")
    assert answer["Location"] == "/accounts/login/?next=/admin/auth/user/"
    answer = client.post(answer["Location"], {"username": "root", "password": "root"})
    assert answer["Location"] == "/admin/auth/user/"


def test_the_admins_own_log_in_takes_no_password(client: Any, house: House) -> None:
    answer = client.post("/admin/login/", {"username": "root", "password": "root"})
    assert answer["Location"] == "/accounts/login/?next=%2Fadmin%2F"
    assert "_auth_user_id" not in client.session
