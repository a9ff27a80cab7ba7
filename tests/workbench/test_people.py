"""Users and groups on the desk."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group, User

from connectedsystems.models import AuditEvent
from tests.desk import House

USERS = "/admin/auth/user/"


def test_an_admin_makes_a_user_who_can_log_in(house: House, as_user: Any) -> None:
    answer = as_user(house.root).post(
        f"{USERS}add/",
        {
            "username": "nina",
            "usable_password": "true",
            "password1": "bright-quiet-otter-9",
            "password2": "bright-quiet-otter-9",
        },
    )
    nina = User.objects.get(username="nina")
    assert answer["Location"] == f"{USERS}{nina.pk}/change/"
    assert nina.check_password("bright-quiet-otter-9")


def test_the_form_of_a_new_user_asks_for_a_password(house: House, as_user: Any) -> None:
    page = as_user(house.root).get(f"{USERS}add/").content.decode()
    for name in ("username", "password1", "password2"):
        assert f'name="{name}"' in page


def test_a_user_is_put_into_a_group_and_made_admin(house: House, as_user: Any) -> None:
    as_user(house.root).post(
        f"{USERS}{house.eve.pk}/change/",
        {
            "username": "eve",
            "is_active": "on",
            "is_superuser": "on",
            "groups": [house.crm.designers.pk],
        },
    )
    eve = User.objects.get(pk=house.eve.pk)
    assert eve.is_superuser
    assert list(eve.groups.all()) == [house.crm.designers]
    assert eve.has_usable_password()


def test_no_page_shows_part_of_a_password_hash(house: House, as_user: Any) -> None:
    client = as_user(house.root)
    hashed = house.eve.password.split("$")[-1]
    for path in (USERS, f"{USERS}{house.eve.pk}/change/", f"{USERS}{house.eve.pk}/password/"):
        assert hashed[:6] not in client.get(path).content.decode()


def test_the_list_says_who_is_admin_or_designer(house: House, as_user: Any) -> None:
    rows = as_user(house.root).get(USERS).context["cl"].result_list
    assert {row.username: row.designs for row in rows} == {
        "alice": False,
        "dora": True,
        "eve": False,
        "hanna": False,
        "hector": True,
        "root": False,
    }


def test_an_admin_makes_a_group(house: House, as_user: Any) -> None:
    as_user(house.root).post("/admin/auth/group/add/", {"name": "new-group"})
    assert Group.objects.filter(name="new-group").exists()


def test_a_designer_changes_no_group(house: House, as_user: Any) -> None:
    path = f"/admin/auth/group/{house.crm.members.pk}/change/"
    client = as_user(house.crm.designer)
    assert client.get(path).status_code == 200
    assert client.post(path, {"name": "other"}).status_code == 403


def test_the_audit_tells_who_changed_which_person(house: House, as_user: Any) -> None:
    client = as_user(house.root)
    client.post(
        f"{USERS}{house.eve.pk}/change/",
        {"username": "eve", "is_active": "on", "groups": [house.crm.designers.pk]},
    )
    client.post(f"{USERS}{house.eve.pk}/delete/", {"post": "yes"})
    deleted, changed = AuditEvent.objects.all()[:2]
    assert (changed.action, changed.actor_name, changed.subject_name) == (
        "user_changed",
        "root",
        "eve",
    )
    assert changed.facts == {"fields": ["Groups"]}
    assert (deleted.action, deleted.subject_name) == ("user_deleted", "eve")


def test_a_designer_reads_what_was_changed_of_the_application(house: House, as_user: Any) -> None:
    path = f"/admin/connectedsystems/application/{house.crm.application.pk}/change/"
    as_user(house.root).post(
        path, {"name": "Renamed", "slug": "crm", "designers": [house.crm.designers.pk]}
    )
    text = as_user(house.crm.designer).get("/admin/connectedsystems/auditevent/").content.decode()
    assert "application_changed" in text
    text = as_user(house.hr.designer).get("/admin/connectedsystems/auditevent/").content.decode()
    assert "application_changed" not in text
