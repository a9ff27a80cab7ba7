"""The audit: read by designers of the application and by admins, edited by nobody."""

from __future__ import annotations

from typing import Any

from connectedsystems.models import AuditEvent
from tests.desk import House

LIST = "/admin/connectedsystems/auditevent/"


def test_it_says_who_did_what_to_which_system(house: House, as_user: Any) -> None:
    text = as_user(house.root).get(f"{LIST}{house.crm.event.pk}/change/").content.decode()
    for words in ("disconnected", "alice", "crm", "done"):
        assert words in text


def test_a_designer_reads_events_of_their_applications(house: House, as_user: Any) -> None:
    text = as_user(house.crm.designer).get(LIST).content.decode()
    assert "alice" in text
    assert "hanna" not in text


def test_an_event_of_no_application_is_for_admins(house: House, as_user: Any) -> None:
    event = AuditEvent.objects.record("keys_rotated")
    path = f"{LIST}{event.pk}/change/"
    assert as_user(house.crm.designer).get(path).status_code == 404
    assert as_user(house.root).get(path).status_code == 200


def test_it_outlives_its_people(house: House, as_user: Any) -> None:
    house.crm.member.delete()
    assert "alice" in as_user(house.root).get(LIST).content.decode()


def test_I3_nobody_adds_changes_or_deletes_an_event(house: House, as_user: Any) -> None:
    event = house.crm.event
    for person in (house.root, house.crm.designer):
        client = as_user(person)
        assert client.get(f"{LIST}add/").status_code == 403
        assert client.post(f"{LIST}add/", {"action": "x"}).status_code == 403
        assert client.post(f"{LIST}{event.pk}/change/", {"action": "x"}).status_code == 403
        assert client.post(f"{LIST}{event.pk}/delete/", {"post": "yes"}).status_code == 403
        client.post(
            LIST, {"action": "delete_selected", "_selected_action": event.pk, "post": "yes"}
        )
    assert AuditEvent.objects.get(pk=event.pk).action == "disconnected"
