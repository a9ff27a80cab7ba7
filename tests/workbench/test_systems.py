"""The desk's form of a connected system: what Save writes, asks and never shows."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from authlinks.models import Authorization
from connectedsystems import configuration
from connectedsystems.models import Application, AuditEvent, ConnectedSystem
from integrations.models import Integration
from tests.desk import make_authorization
from workbench import logos, systemfields

LIST = "/admin/connectedsystems/connectedsystem/"
ADD = f"{LIST}add/"
SECRET = "form-client-secret-Hj6"

OAUTH = {
    "authentication": "oauth2_authorization_code",
    "client_id": "abc",
    "client_secret": SECRET,
    "authorization_endpoint": "https://acme.example/oauth/authorize",
    "token_endpoint": "https://acme.example/oauth/token",
    "scope": "read write",
}


@pytest.fixture
def crm(db: None) -> Application:
    application = Application.objects.create(slug="crm", name="CRM", open_to_everyone=False)
    application.designers.add(Group.objects.get_or_create(name="crm-designers")[0])
    return application


class Desk:
    """A designer at the forms of connected systems."""

    def __init__(self, person: Any, application: Application) -> None:
        self.person, self.application = person, application
        self.client = Client()
        self.client.force_login(person)

    def page(self, path: str = ADD) -> str:
        answer = self.client.get(path)
        assert answer.status_code == 200
        return answer.content.decode()

    def adds(self, **typed: Any) -> Any:
        return self._posts(ADD, **typed)

    def changes(self, system: ConnectedSystem, **typed: Any) -> Any:
        return self._posts(f"{LIST}{system.pk}/change/", **typed)

    def _posts(self, path: str, **typed: Any) -> Any:
        hidden = re.search(r'name="public_id" value="([^"]+)"', self.page(path))
        assert hidden
        whole = {
            "public_id": hidden[1],
            "application": str(self.application.pk),
            "name": "Acme",
            "slug": "acme",
            "base_url": "https://api.acme.example/v1",
            "authentication": "none",
            **typed,
        }
        return self.client.post(path, whole)

    def system(self, **typed: Any) -> ConnectedSystem:
        answer = self.adds(**{**OAUTH, **typed})
        assert answer.status_code == 302, answer.context["says"]
        return ConnectedSystem.objects.get()


@pytest.fixture
def dora(user: Callable[..., Any], crm: Application) -> Desk:
    return Desk(user("dora", groups=["crm-designers"]), crm)


def test_the_form_is_born_with_its_redirect_uri(dora: Desk) -> None:
    found = re.search(r'value="(http://testserver/connections/callback/[^"]+)"', dora.page())
    assert found
    assert found[1] not in dora.page()


def test_every_key_has_a_field(dora: Desk) -> None:
    page = dora.page()
    for key in configuration.EVERYTHING["oauth"]:
        assert f'name="{key}"' in page, key
    for name in ("api_key_name", "api_key_value", "api_key_place", "basic_username"):
        assert f'name="{name}"' in page, name


@pytest.mark.parametrize(
    ("typed", "stored", "secrets"),
    [
        ({"authentication": "none"}, {}, {}),
        (
            {
                "authentication": "api_key",
                "api_key_name": "X-Api-Key",
                "api_key_place": "header",
                "api_key_value": "k-1234",
            },
            {"api_key": {"name": "X-Api-Key"}},
            {"api_key": "k-1234"},
        ),
        (
            {"authentication": "basic", "basic_username": "me", "basic_password": "p-1234"},
            {"basic": {"username": "me"}},
            {"password": "p-1234"},
        ),
        (
            {
                "authentication": "oauth2_client_credentials",
                "client_id": "abc",
                "client_secret": "s-1234",
                "token_endpoint": "https://acme.example/oauth/token",
            },
            {"oauth": {"client_id": "abc", "token_endpoint": "https://acme.example/oauth/token"}},
            {"client_secret": "s-1234"},
        ),
    ],
)
def test_each_authentication_is_written_as_the_bundle_has_it(
    dora: Desk, typed: dict[str, str], stored: dict[str, Any], secrets: dict[str, str]
) -> None:
    assert dora.adds(**typed).status_code == 302
    system = ConnectedSystem.objects.get()
    assert system.configuration == stored
    assert system.opened_secrets() == secrets
    assert system.parsed().authentication == typed["authentication"]


def test_fields_of_another_authentication_are_left_out(dora: Desk) -> None:
    dora.adds(**{**OAUTH, "authentication": "basic"}, basic_username="me", basic_password="p-12")
    system = ConnectedSystem.objects.get()
    assert system.configuration == {"basic": {"username": "me"}}
    assert system.opened_secrets() == {"password": "p-12"}


def test_json_settings_are_stored_as_json(dora: Desk) -> None:
    system = dora.system(
        authorization_parameters='{"access_type": "offline"}',
        default_expires_in="3600",
        pkce="off",
        request_headers='{"Accept": "application/json"}',
    )
    oauth = system.configuration["oauth"]
    assert oauth["authorization_parameters"] == {"access_type": "offline"}
    assert oauth["default_expires_in"] == 3600
    assert oauth["pkce"] == "off"
    assert system.configuration["request_headers"] == {"Accept": "application/json"}
    page = dora.page(f"{LIST}{system.pk}/change/")
    assert "access_type" in page


def test_a_broken_json_is_said_at_its_field(dora: Desk) -> None:
    answer = dora.adds(**OAUTH, token_parameters="{audience: x}")
    assert answer.status_code == 200
    assert answer.context["says"].fields == ("token_parameters",)
    assert b"{audience: x}" in answer.content
    assert b'data-code="configuration_invalid"' in answer.content


def test_a_mistake_marks_its_field_and_keeps_what_was_typed(dora: Desk) -> None:
    answer = dora.adds(**{**OAUTH, "client_id": "", "description": "kept words"})
    page = answer.content.decode()
    assert 'role="alert"' in page
    assert "Client ID needs a value." in page
    field = re.search(r'<input[^>]*name="client_id"[^>]*>', page)
    assert field and 'aria-invalid="true"' in field[0]
    assert "kept words" in page
    assert not ConnectedSystem.objects.exists()


def test_a_slug_is_made_of_the_name(dora: Desk) -> None:
    dora.adds(slug="", name="Acme & Sons")
    assert ConnectedSystem.objects.get().slug == "acme-sons"


def test_a_taken_slug_is_said_and_the_secret_survives(dora: Desk) -> None:
    dora.system()
    answer = dora.adds(**OAUTH, name="Second")
    assert answer.context["says"].fields == ("slug",)
    typed = {**OAUTH, "client_secret": "", "slug": "second", "name": "Second"}
    hidden = re.search(r'name="public_id" value="([^"]+)"', answer.content.decode())
    assert hidden
    again = dora.client.post(
        ADD,
        {
            **typed,
            "public_id": hidden[1],
            "application": str(dora.application.pk),
            "base_url": "https://api.acme.example",
        },
    )
    assert again.status_code == 302
    assert ConnectedSystem.objects.get(slug="second").opened_secrets()["client_secret"] == SECRET


@pytest.mark.parametrize(
    "text", ["http://10.0.0.1/x", "http://0x7f.1/", "https://u:p@acme.example"]
)
def test_E1_addresses_are_checked_at_save(dora: Desk, text: str) -> None:
    answer = dora.adds(**{**OAUTH, "token_endpoint": text})
    assert "token_endpoint" in answer.context["says"].fields
    assert b'data-code="address_refused"' in answer.content
    assert not ConnectedSystem.objects.exists()


def test_G1_a_secret_is_never_shown(dora: Desk) -> None:
    system = dora.system()
    page = dora.page(f"{LIST}{system.pk}/change/")
    assert SECRET not in page
    assert "Stored. Type here to replace it." in page
    field = re.search(r'<input[^>]*name="client_secret"[^>]*>', page)
    assert field and 'autocomplete="off"' in field[0] and " value=" not in field[0]


def test_a_secret_left_empty_stays_and_can_be_replaced_and_removed(dora: Desk) -> None:
    system = dora.system()
    dora.changes(system, **{**OAUTH, "client_secret": "", "description": "more"})
    system.refresh_from_db()
    assert system.opened_secrets() == {"client_secret": SECRET}
    dora.changes(system, **{**OAUTH, "client_secret": "new-one-77"})
    system.refresh_from_db()
    assert system.opened_secrets() == {"client_secret": "new-one-77"}
    dora.changes(system, **{**OAUTH, "client_secret": ""}, client_secret_remove="on")
    system.refresh_from_db()
    assert system.opened_secrets() == {}


def test_a_secret_variable_is_sealed_and_not_shown(dora: Desk) -> None:
    variables = {"tenant": "acme", "key": {"secret": True, "value": "variable-secret-9"}}
    answer = dora.adds(**{**OAUTH, "base_url": ""}, variables=json.dumps(variables))
    assert answer.status_code == 200
    assert b"variable-secret-9" not in answer.content
    system = dora.system(variables=json.dumps(variables))
    assert system.opened_secrets()["variables"] == {"key": "variable-secret-9"}
    assert "variable-secret-9" not in json.dumps(system.configuration)
    assert "variable-secret-9" not in dora.page(f"{LIST}{system.pk}/change/")


def test_a_key_pasted_into_one_line_gets_its_lines_again() -> None:
    lines = ["-----BEGIN PRIVATE KEY-----", "A" * 64, "B" * 20, "-----END PRIVATE KEY-----"]
    assert systemfields.whole_key("".join(lines)) == "\n".join([*lines, ""])
    assert systemfields.whole_key("a secret") == "a secret"


def test_the_version_grows_with_what_changes(dora: Desk) -> None:
    system = dora.system()
    assert system.version == 1
    dora.changes(system, **{**OAUTH, "client_secret": ""})
    system.refresh_from_db()
    assert system.version == 1
    dora.changes(system, **{**OAUTH, "client_secret": ""}, description="new")
    system.refresh_from_db()
    assert system.version == 2
    assert AuditEvent.objects.filter(action="system_changed").count() == 1


def test_a_change_that_ends_authorizations_asks_first(dora: Desk, alice: Any) -> None:
    system = dora.system()
    make_authorization(system, alice)
    typed = {**OAUTH, "client_secret": "", "client_id": "other"}
    answer = dora.changes(system, **typed)
    assert answer.status_code == 200
    assert b"This change ends 1 authorization" in answer.content
    system.refresh_from_db()
    assert system.configuration["oauth"]["client_id"] == "abc"
    assert dora.changes(system, **typed, end_authorizations="on").status_code == 302
    system.refresh_from_db()
    assert system.configuration["oauth"]["client_id"] == "other"
    assert Authorization.objects.get().state(system.parsed().fingerprint()) == (
        "configuration_changed"
    )


def test_a_harmless_change_asks_nothing(dora: Desk, alice: Any) -> None:
    system = dora.system()
    make_authorization(system, alice)
    assert dora.changes(system, **{**OAUTH, "scope": "read"}).status_code == 302


@pytest.mark.parametrize(
    ("typed", "warning"),
    [
        ({"token_endpoint": "https://other.example/token"}, "different_hosts"),
        ({"token_endpoint": "http://localhost:9/token"}, "http"),
        ({"pkce": "off"}, "pkce_off"),
        ({"scope": "read,write"}, "scope_commas"),
        ({"client_secret": ""}, "no_secret"),
    ],
)
def test_a_setting_worth_a_second_look_is_warned_of(
    dora: Desk, typed: dict[str, str], warning: str
) -> None:
    system = dora.system(**typed)
    page = dora.page(f"{LIST}{system.pk}/change/")
    assert f'role="status" data-warning="{warning}"' in page


def test_what_the_last_authorization_lacked_is_warned_of(dora: Desk) -> None:
    system = dora.system()
    make_authorization(system, dora.person, refresh_token=None, scope="read")
    page = dora.page(f"{LIST}{system.pk}/change/")
    assert 'data-code="refresh_token_missing"' in page
    assert 'data-code="scope_reduced"' in page
    assert "not granted: write;" in page


def test_D7_the_system_says_that_its_secret_is_refused(dora: Desk, alice: Any) -> None:
    system = dora.system()
    make_authorization(system, alice, failure_code="client_auth_failed")
    page = dora.page(f"{LIST}{system.pk}/change/")
    assert 'data-failing="client_auth_failed"' in page
    assert "1 authorization cannot be renewed" in page


def test_save_leads_on_to_a_new_integration(dora: Desk) -> None:
    answer = dora.client.get(dora.adds(**OAUTH)["Location"])
    system = ConnectedSystem.objects.get()
    link = f"/admin/integrations/integration/add/?connected_system={system.pk}"
    assert link in answer.content.decode()


def test_deleting_says_what_goes_and_keeps_what_is_used(dora: Desk, alice: Any) -> None:
    system = dora.system()
    make_authorization(system, alice)
    page = dora.page(f"{LIST}{system.pk}/delete/")
    assert "1 authorization" in page
    Integration.objects.create(connected_system=system, slug="x", name="x", definition={})
    page = dora.page(f"{LIST}{system.pk}/delete/")
    assert "1 integration" in page
    dora.client.post(f"{LIST}{system.pk}/delete/", {"post": "yes"})
    assert ConnectedSystem.objects.exists()


def test_a_designer_chooses_only_their_applications(dora: Desk) -> None:
    foreign = Application.objects.create(slug="hr", name="Human Resources")
    assert "Human Resources" not in dora.page()
    assert dora.adds(application=str(foreign.pk)).status_code == 200
    assert not ConnectedSystem.objects.exists()


def test_secrets_that_do_not_open_are_kept_and_told(dora: Desk) -> None:
    system = dora.system()
    sealed = system.secrets
    assert sealed is not None
    other = ConnectedSystem(
        application=dora.application, slug="moved", name="Moved", base_url="https://x.example"
    )
    other.authentication = "oauth2_authorization_code"
    other.configuration = system.configuration
    other.secrets = sealed
    other.save(force_insert=True)
    page = dora.page(f"{LIST}{other.pk}/change/")
    assert 'data-warning="secrets_unreadable"' in page
    typed = {**OAUTH, "client_secret": "", "slug": "moved", "description": "x"}
    assert dora.changes(other, **typed).status_code == 302
    other.refresh_from_db()
    assert other.secrets is not None
    assert other.secrets.stored == sealed.stored


# Logos


def _picture(kind: str = "PNG", size: tuple[int, int] = (600, 300)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "teal").save(out, format=kind)
    return out.getvalue()


def _upload(content: bytes, name: str = "logo.png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def test_a_logo_is_drawn_anew_and_served_with_an_etag(dora: Desk, user: Callable[..., Any]) -> None:
    system = dora.system(logo=_upload(_picture("JPEG") + b"<script>alert(1)</script>"))
    assert system.logo_url == f"/systems/{system.pk}/logo/"
    answer = dora.client.get(system.logo_url)
    assert answer["Content-Type"] == "image/png"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert b"<script>" not in answer.content
    assert Image.open(io.BytesIO(answer.content)).size == (256, 128)
    again = dora.client.get(system.logo_url, HTTP_IF_NONE_MATCH=answer["ETag"])
    assert again.status_code == 304
    stranger = Client()
    assert stranger.get(system.logo_url).status_code == 404
    stranger.force_login(user("eve"))
    assert stranger.get(system.logo_url).status_code == 404


def test_a_logo_can_be_removed(dora: Desk) -> None:
    system = dora.system(logo=_upload(_picture()))
    dora.changes(system, **{**OAUTH, "client_secret": ""}, logo_remove="on")
    system.refresh_from_db()
    assert (system.logo, system.logo_url) == (None, "")


@pytest.mark.parametrize(
    "content",
    [b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"", _picture()[:60], b"x" * 5_000_000],
    ids=["svg", "empty", "cut", "large"],
)
def test_what_is_no_logo_is_refused(dora: Desk, content: bytes) -> None:
    answer = dora.adds(**OAUTH, logo=_upload(content))
    assert answer.context["says"].fields == ("logo",)
    assert not ConnectedSystem.objects.exists()


def test_a_huge_picture_is_not_unpacked() -> None:
    out = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(out, format="PNG")
    out.seek(0)
    with pytest.raises(logos.LogoRefused):
        logos.read(out)
