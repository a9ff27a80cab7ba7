"""A bundle on the desk: downloaded without secrets, compared, loaded whole or not at all."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from connectedsystems.models import Application, AuditEvent, ConnectedSystem
from tests.desk import CLIENT_SECRET, House
from workbench import bundle

LOAD = "/admin/connectedsystems/application/load/"
FILE_SECRET = "secret-in-the-file-Px4"


@pytest.fixture
def client(house: House) -> Client:
    client = Client()
    client.force_login(house.crm.designer)
    return client


@pytest.fixture
def tree(house: House) -> dict[str, Any]:
    return copy.deepcopy(bundle.dump([house.crm.application]))


def _uploads(client: Client, tree: Any) -> Any:
    text = tree if isinstance(tree, bytes) else yaml.safe_dump(tree).encode()
    return client.post(LOAD, {"file": SimpleUploadedFile("crm.yaml", text)})


def _loads(client: Client, **typed: str) -> Any:
    return client.post(LOAD, {"action": "load", **typed})


def test_a_download_is_what_dump_bundle_writes(client: Client, house: House) -> None:
    system = house.crm.system
    system.configuration["variables"] = {"tenant": {"environment": True, "value": "only-here-7"}}
    system.save()
    answer = client.get(f"/admin/connectedsystems/application/{house.crm.application.pk}/bundle/")
    assert 'filename="crm.yaml"' in answer["Content-Disposition"]
    text = answer.content.decode()
    assert yaml.safe_load(text) == bundle.dump([house.crm.application])
    for secret in (CLIENT_SECRET, "only-here-7", "hr-list"):
        assert secret not in text


def test_an_upload_shows_what_would_change_and_writes_nothing(
    client: Client, house: House, tree: dict[str, Any]
) -> None:
    tree["connected_systems"][0]["description"] = "from the file"
    tree["connected_systems"][0]["oauth"]["client_secret"] = FILE_SECRET
    tree["integrations"].append(
        {"slug": "crm-new", "name": "New", "connected_system": "crm", "path": "/new"}
    )
    events = AuditEvent.objects.count()
    page = _uploads(client, tree).content.decode()
    assert 'data-changed="description"' in page
    assert 'data-item="crm-new"' in page and "change new" in page
    assert 'data-item="crm-list"' in page and "change unchanged" in page
    assert FILE_SECRET not in page and CLIENT_SECRET not in page
    assert FILE_SECRET not in str(dict(client.session))
    house.crm.system.refresh_from_db()
    assert (house.crm.system.version, house.crm.system.description) == (1, "")
    assert (AuditEvent.objects.count(), house.crm.system.versions.count()) == (events, 1)


def test_a_yes_loads_it_and_says_what_is_left_to_do(
    client: Client, house: House, tree: dict[str, Any]
) -> None:
    new = {**copy.deepcopy(tree["connected_systems"][0]), "slug": "second", "name": "Second"}
    new["oauth"]["client_authentication"] = "client_secret_post"
    new["base_url"] = "https://second.example"
    del new["public_id"]
    tree["connected_systems"].append(new)
    _uploads(client, tree)
    answer = _loads(client)
    assert answer.status_code == 200
    second = ConnectedSystem.objects.get(slug="second")
    page = answer.content.decode()
    assert second.redirect_uri in page
    assert "Enter here:</strong> Client Secret" in page
    assert "nobody is authorized yet" in page
    assert "1 authorization still good" in page
    event = AuditEvent.objects.get(action="load_bundle")
    assert event.actor == house.crm.designer
    assert _loads(client).status_code == 400, "the file is forgotten once it is loaded"


def test_ending_authorizations_needs_a_yes_to_their_number(
    client: Client, house: House, tree: dict[str, Any]
) -> None:
    tree["connected_systems"][0]["oauth"]["client_id"] = "other"
    assert b"ends 1 authorization" in _uploads(client, tree).content
    for typed in ({}, {"end_authorizations": "7"}):
        answer = _loads(client, **typed)
        assert b"Confirm it below" in answer.content
    house.crm.system.refresh_from_db()
    assert house.crm.system.configuration["oauth"]["client_id"] == "desk"
    assert b"The file is loaded" in _loads(client, end_authorizations="1").content
    house.crm.system.refresh_from_db()
    assert house.crm.system.configuration["oauth"]["client_id"] == "other"


def test_a_designer_loads_only_into_their_applications(client: Client, house: House) -> None:
    foreign = bundle.dump([house.hr.application])
    foreign["connected_systems"][0]["description"] = "taken over"
    answer = _uploads(client, foreign)
    assert answer.status_code == 400
    page = answer.content.decode()
    for path in ("applications[0].slug", "connected_systems[0].slug", "integrations[0].slug"):
        assert path in page
    assert "hr.example" not in page


@pytest.mark.parametrize("section", ["connected_systems", "integrations"])
def test_a_designer_hands_nothing_to_another_application(
    client: Client, house: House, tree: dict[str, Any], section: str
) -> None:
    key = "application" if section == "connected_systems" else "connected_system"
    tree[section][0][key] = "hr"
    answer = _uploads(client, tree)
    assert answer.status_code == 400
    assert f"{section}[0].{key}" in answer.content.decode()


def test_a_designer_changes_no_people(client: Client, house: House, tree: dict[str, Any]) -> None:
    tree["applications"][0]["designers"] = ["crm-designers", "crm-users"]
    tree["applications"][0]["members"] = "everyone"
    _uploads(client, tree)
    assert _loads(client).status_code == 200
    application = Application.objects.get(slug="crm")
    assert [group.name for group in application.designers.all()] == ["crm-designers"]
    assert not application.open_to_everyone


def test_an_admin_loads_a_new_application(house: House) -> None:
    client = Client()
    client.force_login(house.root)
    _uploads(client, {"applications": [{"slug": "new", "name": "New"}]})
    assert _loads(client).status_code == 200
    assert Application.objects.filter(slug="new").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "mapping"),
        (b"\xff\xfe", "UTF-8"),
        (b"connected_systems: 7", "connected_systems"),
        (b"connected_systems: [{slug: x, name: '${BUNDLE_SECRET}'}]", "BUNDLE_SECRET"),
        (b"x" * 1_000_001, "larger than"),
        (b"a: [", "Line 1"),
    ],
    ids=["empty", "no text", "wrong shape", "environment", "large", "no yaml"],
)
def test_what_is_no_bundle_is_told(client: Client, text: bytes, said: str, settings: Any) -> None:
    settings.BUNDLE_VALUES = {"BUNDLE_SECRET": "the-operator's-secret"}
    answer = _uploads(client, text)
    assert answer.status_code == 400
    assert 'data-code="configuration_invalid"' in answer.content.decode()
    assert b"the-operator" not in answer.content
