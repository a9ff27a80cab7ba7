"""The desk's list of revocations: how far each is, for whom it concerns."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from authlinks.models import EndingAuthorization, EndingClient
from tests.desk import House, make_authorization, make_ending

LIST = "/admin/authlinks/endingclient/"
AUDIT = "/admin/connectedsystems/auditevent/"


def test_designers_see_those_of_their_applications(house: House, as_user: Any) -> None:
    mine = make_ending(house.crm.system, total=9, confirmed=4, not_revoked=1, finished_at=None)
    theirs = make_ending(house.hr.system, total=7, confirmed=0, finished_at=None)
    for ending, number in ((mine, 4), (theirs, 7)):
        EndingAuthorization.objects.bulk_create(
            EndingAuthorization(client=ending, system_id=ending.system_id) for _ in range(number)
        )
    client = as_user(house.crm.designer)
    page = client.get(f"{LIST}?finished=no").content.decode()
    assert "under way" in page
    assert 'class="field-left' in page
    assert f"{LIST}{theirs.pk}" not in page
    assert client.get(f"{LIST}{mine.pk}/change/").status_code == 200
    assert client.get(f"{LIST}{theirs.pk}/change/").status_code == 404
    assert "4 authorizations ended and are still to be revoked" in (
        client.get(AUDIT).content.decode()
    )
    root = as_user(house.root)
    assert f"{LIST}{theirs.pk}" in root.get(f"{LIST}?finished=no").content.decode()
    assert "11 authorizations ended" in root.get(AUDIT).content.decode()
    # Nobody changes or deletes one.
    assert root.post(f"{LIST}{mine.pk}/delete/", {"post": "yes"}).status_code == 403


@pytest.mark.django_db(transaction=True)
def test_a_deletion_leads_to_its_progress(house: House) -> None:
    client = Client()
    client.force_login(house.root)
    make_authorization(house.crm.system, house.eve)
    house.crm.integration.delete()
    path = f"/admin/connectedsystems/connectedsystem/{house.crm.system.pk}/delete/"
    page = client.post(path, {"post": "yes"}, follow=True).content.decode()
    assert "2 authorizations ended here" in page
    assert f'href="{LIST}"' in page
    ending = EndingClient.objects.get(kind="system_deleted")
    assert (ending.actor_name, ending.total, ending.left) == ("root", 2, 0)
    # Nobody could be asked: the system has no revocation endpoint.
    assert ending.not_revoked == 2


@pytest.mark.django_db(transaction=True)
def test_users_deleted_together_are_named(house: House) -> None:
    client = Client()
    client.force_login(house.root)
    chosen = [house.crm.member.pk, house.hr.member.pk]
    answer = client.post(
        "/admin/auth/user/",
        {"action": "delete_selected", "_selected_action": chosen, "post": "yes"},
    )
    assert answer.status_code == 302
    found = EndingClient.objects.filter(kind="user_deleted", not_revoked=1)
    assert sorted(found.values_list("system_slug", flat=True)) == ["crm", "hr"]
    assert not EndingAuthorization.objects.exists()
