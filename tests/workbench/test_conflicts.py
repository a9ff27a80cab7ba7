"""Somebody saved first: told on the form, at a restored version, in a file; nothing typed is lost."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client
from PIL import Image

from connectedsystems import saving
from connectedsystems.errors import ConfigurationInvalid, SecretWithheld
from connectedsystems.models import AuditEvent, ConfigurationVersion, ConnectedSystem
from connectedsystems.saving import By, Conflict, Wanted
from tests.desk import House
from tests.workbench.test_known import Filled
from workbench import bundle

LIST = "/admin/connectedsystems/connectedsystem/"
THEIRS, OURS = "their-new-secret-Jk4", "our-new-secret-Pw2"


class Form:
    """The form of crm's system as it was opened at some time, in one browser."""

    def __init__(self, house: House, person: Any) -> None:
        self.client = Client()
        self.client.force_login(person)
        self.path = f"{LIST}{house.crm.system.pk}/change/"
        self.reads(self.client.get(self.path))

    def reads(self, answer: Any) -> None:
        self.values = Filled(answer.content.decode()).values
        self.values.pop("csrfmiddlewaretoken", None)

    def saves(self, **typed: Any) -> Any:
        return self.client.post(self.path, {**self.values, **typed})


@pytest.fixture
def forms(house: House, user: Callable[..., Any]) -> tuple[Form, Form]:
    """Two designers who opened the same form."""
    dirk = user("dirk", groups=["crm-designers"])
    return Form(house, house.crm.designer), Form(house, dirk)


def test_the_second_sees_both_values_and_saves_on_top(
    forms: tuple[Form, Form], house: House
) -> None:
    first, second = forms
    assert first.saves(scope="read", description="first", client_secret=THEIRS).status_code == 302
    typed = {"scope": "write", "name": "Second & sons", "client_secret": OURS}
    said = second.saves(**typed)
    page = said.content.decode()
    assert said.status_code == 200
    assert 'data-code="saved_meanwhile"' in page and "dora" in page
    rows = dict(re.findall(r'data-changed="([^"]+)">(.*?)</tr>', page, re.DOTALL))
    assert set(rows) == {"name", "oauth.scope", "description", "client_secret"}
    assert "read" in rows["oauth.scope"] and "write" in rows["oauth.scope"]
    assert rows["client_secret"].count("changed") >= 2
    assert THEIRS not in page and OURS not in page
    stored = ConnectedSystem.objects.get(pk=house.crm.system.pk)
    assert (stored.description, stored.version) == ("first", 2)
    second.reads(said)
    assert second.values["name"] == "Second & sons"
    assert second.values["scope"] == "write"
    assert second.saves(description="first").status_code == 302
    stored.refresh_from_db()
    assert (stored.name, stored.description, stored.version) == ("Second & sons", "first", 3)
    assert stored.configuration["oauth"]["scope"] == "write"
    assert stored.opened_secrets()["client_secret"] == OURS
    actions = AuditEvent.objects.filter(action="system_changed")
    assert sorted(each.actor_name for each in actions) == ["dirk", "dora"]


def test_the_same_values_are_no_conflict(forms: tuple[Form, Form]) -> None:
    first, second = forms
    assert first.saves(scope="read").status_code == 302
    assert second.saves(scope="read").status_code == 302
    assert ConfigurationVersion.objects.filter(system__slug="crm").count() == 2


def test_a_mistake_in_between_does_not_hide_it(forms: tuple[Form, Form]) -> None:
    first, second = forms
    assert first.saves(scope="read").status_code == 302
    wrong = second.saves(name="")
    assert 'data-code="configuration_invalid"' in wrong.content.decode()
    second.reads(wrong)
    assert 'data-code="saved_meanwhile"' in second.saves(name="Right").content.decode()


def test_who_is_overtaken_between_look_and_write_is_told_too(
    forms: tuple[Form, Form], monkeypatch: Any
) -> None:
    """The compare-and-set fails: as on PostgreSQL, where the other one commits at that moment."""
    first, second = forms
    real = saving.save
    picture = io.BytesIO()
    Image.new("RGB", (8, 8), "teal").save(picture, format="PNG")

    class Overtaken(Conflict):
        """Somebody saves while this is on its way out of the transaction, which is undone."""

        def __init__(self) -> None:
            Exception.__init__(self)

        @property
        def read(self) -> int:  # type: ignore[override]
            assert first.saves(description="first").status_code == 302
            return 1

    def overtaken(*args: Any, **named: Any) -> Any:
        monkeypatch.setattr(saving, "save", real)
        raise Overtaken

    monkeypatch.setattr(saving, "save", overtaken)
    logo = SimpleUploadedFile("logo.png", picture.getvalue())
    said = second.saves(description="second", logo=logo)
    page = said.content.decode()
    assert 'data-code="saved_meanwhile"' in page
    assert "first" in page and "second" in page
    second.reads(said)
    assert second.saves().status_code == 302
    assert ConnectedSystem.objects.get(slug="crm").description == "second"


def test_a_version_is_restored_over_what_was_seen_alone(
    forms: tuple[Form, Form], house: House
) -> None:
    first, second = forms
    assert first.saves(scope="read").status_code == 302
    oldest = house.crm.system.versions.last()
    assert oldest is not None
    path = f"{LIST}{house.crm.system.pk}/versions/{oldest.pk}/restore/"
    seen = Filled(second.client.get(path).content.decode()).values["read"]
    assert first.saves(
        **Filled(first.client.get(first.path).content.decode()).values | {"scope": "x"}
    )
    said = second.client.post(path, {"read": seen, "end_authorizations": "on"})
    page = said.content.decode()
    assert said.status_code == 200 and 'data-code="saved_meanwhile"' in page
    again = Filled(page).values["read"]
    assert again != seen
    assert second.client.post(path, {"read": again, "end_authorizations": "on"}).status_code == 302


def test_a_file_that_is_overtaken_writes_nothing(house: House, monkeypatch: Any) -> None:
    def overtaken(*args: Any, **named: Any) -> Any:
        raise Conflict(house.crm.system, 1)

    monkeypatch.setattr(saving, "save", overtaken)
    with pytest.raises(ConfigurationInvalid, match="by somebody else"):
        bundle.load({"connected_systems": [{"slug": "crm", "description": "new"}]})
    assert not ConnectedSystem.objects.filter(description="new").exists()


def test_a_save_is_one_savepoint_and_says_who_holds_the_place(house: House) -> None:
    system = house.crm.system
    data = {**system.as_data(), "slug": "hr"}
    by = By(None, "desk", "system_changed")
    events = AuditEvent.objects.count()
    with transaction.atomic():
        with pytest.raises(Conflict) as caught:
            saving.save(system.pk, Wanted(system.application_id, data), read=1, by=by)
        assert caught.value.stored == house.hr.system
        with pytest.raises(Conflict):
            saving.save(system.pk, Wanted(system.application_id, data), read=None, by=by)
        with pytest.raises(Conflict):
            fresh = {**system.as_data(), "description": "z"}
            saving.save(system.pk, Wanted(system.application_id, fresh), read=7, by=by)
        moved = {**fresh, "oauth": {**fresh["oauth"], "token_endpoint": "https://e.example/t"}}
        kept = system.opened_secrets()
        with pytest.raises(SecretWithheld):
            saving.save(system.pk, Wanted(system.application_id, moved, kept), read=1, by=by)
    assert AuditEvent.objects.count() == events
    assert ConfigurationVersion.objects.filter(system=system).count() == 1
    system.refresh_from_db()
    assert (system.slug, system.version) == ("crm", 1)
