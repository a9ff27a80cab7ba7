"""Versions: each save is kept without its secrets, compared, and brought back as a new one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from authlinks.models import Authorization
from connectedsystems.models import AuditEvent, ConfigurationVersion
from integrations.models import IntegrationVersion
from tests.desk import CLIENT_SECRET, House
from tests.workbench.test_affected import _form
from workbench import bundle

SYSTEMS = "/admin/connectedsystems/connectedsystem/"
INTEGRATIONS = "/admin/integrations/integration/"


@pytest.fixture
def client(house: House) -> Client:
    client = Client()
    client.force_login(house.crm.designer)
    return client


def _saves(client: Client, house: House, **typed: str) -> ConfigurationVersion:
    system = house.crm.system
    system.refresh_from_db()
    form = _form(system, house.crm.designer, **typed)
    answer = client.post(f"{SYSTEMS}{system.pk}/change/", form)
    assert answer.status_code == 302, answer.context["says"]
    version = system.versions.first()
    assert version is not None
    return version


def _history(client: Client, house: House, query: str = "") -> str:
    answer = client.get(f"{SYSTEMS}{house.crm.system.pk}/history/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def _restore(house: House, version: ConfigurationVersion) -> str:
    return f"{SYSTEMS}{house.crm.system.pk}/versions/{version.pk}/restore/"


def test_each_save_of_a_system_is_kept_without_its_secrets(client: Client, house: House) -> None:
    kept = _saves(client, house, scope="read", client_secret="typed-secret-Kw7")
    assert (kept.number, kept.actor_name, kept.source) == (2, "dora", "desk")
    assert kept.configuration["oauth"]["scope"] == "read"
    written = json.dumps([kept.configuration, kept.secret_marks])
    assert "typed-secret-Kw7" not in written and CLIENT_SECRET not in written
    assert kept.secret_marks != house.crm.system.versions.last().secret_marks


def test_a_save_that_changes_nothing_keeps_no_version(client: Client, house: House) -> None:
    _saves(client, house)
    assert house.crm.system.versions.count() == 1


@pytest.mark.parametrize("part", ["system", "integration"])
def test_the_form_leads_to_its_versions(client: Client, house: House, part: str) -> None:
    obj = getattr(house.crm, part)
    start = SYSTEMS if part == "system" else INTEGRATIONS
    page = client.get(f"{start}{obj.pk}/change/").content.decode()
    assert f'href="{start}{obj.pk}/history/"' in page


@pytest.mark.parametrize("part", ["system", "integration"])
def test_what_was_there_before_versions_is_kept_at_its_first_change(
    client: Client, house: House, part: str
) -> None:
    obj = getattr(house.crm, part)
    obj.versions.all().delete()
    if part == "system":
        _saves(client, house, description="new words")
    else:
        tree = bundle.dump([house.crm.application])
        tree["integrations"][0]["name"] = "new words"
        bundle.load(tree)
    last, first = obj.versions.all()
    assert (first.number, first.source, first.actor) == (1, "found", None)
    assert "new words" not in json.dumps(first.configuration)
    assert "new words" in json.dumps(last.configuration)


def test_a_bundle_keeps_versions(house: House) -> None:
    tree = bundle.dump([house.crm.application])
    bundle.load(tree, actor=house.root)
    assert house.crm.system.versions.count() == 1
    tree["connected_systems"][0]["description"] = "loaded"
    tree["integrations"][0]["name"] = "Loaded"
    bundle.load(tree, actor=house.root)
    versions = (house.crm.system.versions.first(), house.crm.integration.versions.first())
    assert [(each.number, each.actor_name, each.source) for each in versions] == [
        (2, "root", "bundle")
    ] * 2


def test_two_versions_stand_side_by_side(client: Client, house: House) -> None:
    first = house.crm.system.versions.get()
    _saves(client, house, scope="read", client_secret="typed-secret-Kw7")
    last = _saves(client, house, description="third")
    page = _history(client, house, f"?older={last.pk}&newer={first.pk}")
    for path in ("oauth.scope", "client_secret", "description"):
        assert f'data-changed="{path}"' in page
    assert 'data-changed="oauth.client_id"' not in page
    for secret in ("typed-secret-Kw7", CLIENT_SECRET, *last.secret_marks.values()):
        assert secret not in page


@pytest.mark.parametrize("query", ["?older=x&newer=²", "?older=999999", "?page=77", "?older="])
def test_odd_questions_are_no_error(client: Client, house: House, query: str) -> None:
    assert "Version 1" in _history(client, house, query)


def test_the_list_asks_no_more_for_more_versions(client: Client, house: House) -> None:
    _saves(client, house, description="2")
    with CaptureQueriesContext(connection) as few:
        _history(client, house)
    for number in range(3, 7):
        _saves(client, house, description=str(number))
    with CaptureQueriesContext(connection) as many:
        _history(client, house)
    assert len(many) == len(few)


def test_a_version_comes_back_and_secrets_stay(client: Client, house: House) -> None:
    first = house.crm.system.versions.get()
    _saves(client, house, scope="read", client_secret="typed-secret-Kw7")
    page = client.get(_restore(house, first)).content.decode()
    assert 'data-changed="oauth.scope"' in page
    assert client.post(_restore(house, first)).status_code == 302
    system = house.crm.system
    system.refresh_from_db()
    assert (system.version, system.configuration["oauth"]["scope"]) == (3, "read write")
    assert system.opened_secrets() == {"client_secret": "typed-secret-Kw7"}
    assert system.versions.first().source == "Version 1 restored"
    assert AuditEvent.objects.filter(action="system_restored").count() == 1


def test_a_version_of_another_fingerprint_asks_first(client: Client, house: House) -> None:
    first = house.crm.system.versions.get()
    _saves(client, house, client_id="b", end_authorizations="on")
    system = house.crm.system
    system.refresh_from_db()
    Authorization.objects.filter(system=system).update(fingerprint=system.parsed().fingerprint())
    answer = client.post(_restore(house, first))
    assert answer.status_code == 200
    assert "Saving this ends 1 authorization" in answer.content.decode()
    system.refresh_from_db()
    assert system.configuration["oauth"]["client_id"] == "b"
    said = client.post(_restore(house, first), {"end_authorizations": "on"})
    assert said.status_code == 302
    system.refresh_from_db()
    assert system.configuration["oauth"]["client_id"] == "desk"


def test_a_version_that_no_longer_fits_is_refused(client: Client, house: House) -> None:
    first = house.crm.system.versions.get()
    _saves(client, house, slug="crm-two")
    house.hr.system.slug = "crm"
    house.hr.system.save()
    answer = client.post(_restore(house, first))
    assert answer.status_code == 200
    assert "has been taken" in answer.content.decode()


def test_an_integration_comes_back(client: Client, house: House) -> None:
    integration = house.crm.integration
    first = integration.versions.get()
    integration.definition["path"] = "/other"
    integration.version = 2
    integration.save()
    IntegrationVersion.objects.write(integration, None, "bundle")
    path = f"{INTEGRATIONS}{integration.pk}/versions/{first.pk}/restore/"
    assert 'data-changed="path"' in client.get(path).content.decode()
    assert client.post(path).status_code == 302
    integration.refresh_from_db()
    assert (integration.version, integration.definition["path"]) == (3, "/list")
    assert integration.versions.count() == 3


def test_another_designer_restores_nothing(house: House) -> None:
    version = house.crm.system.versions.get()
    stranger = Client()
    stranger.force_login(house.hr.designer)
    assert stranger.post(_restore(house, version)).status_code == 404
    own = f"{SYSTEMS}{house.hr.system.pk}/versions/{version.pk}/restore/"
    assert stranger.post(own).status_code == 404
    assert house.crm.system.versions.count() == 1


def test_deleting_forgets_the_versions(house: House, user: Callable[..., Any]) -> None:
    house.crm.integration.delete()
    house.crm.system.delete()
    assert not ConfigurationVersion.objects.filter(configuration__slug="crm").exists()
