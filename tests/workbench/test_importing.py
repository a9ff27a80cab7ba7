"""An integration that begins as a pasted cURL command, or as a copy of another."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from integrations.models import Integration
from tests.desk import House
from workbench import curl

ADDRESS = "/admin/integrations/integration/from-curl/"
ADD = "/admin/integrations/integration/add/"
PLANTED = "planted-credential-Yx72"


def read(text: str, base_url: str = "https://acme.example/api") -> dict[str, Any]:
    return curl.definition(curl.read(text), base_url)


def test_a_write_with_json() -> None:
    written = read(
        """curl -X PUT 'https://acme.example/api/notes/7?tag=a&tag=b' \\
             -H 'Content-Type: application/json' -H "X-Own: {1}" --compressed -sS \\
             --data-raw '{"text": "a {b}", "n": [1]}'"""
    )
    assert written == {
        "usage": "modify",
        "method": "PUT",
        "path": "/notes/7",
        "parameters": {"tag": ["a", "b"]},
        "headers": {"X-Own": "{{1}}"},
        "content_type": "application/json",
        "body": {"text": "a {{b}}", "n": [1]},
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("curl https://acme.example/api/contacts", {"method": "GET", "usage": "query"}),
        ("curl acme.example/api/x -dtext=1", {"method": "POST", "body": {"text": "1"}}),
        (
            "curl -G https://acme.example/api/find --data-urlencode 'q=a b' -d n=1",
            {"method": "GET", "parameters": {"q": "a b", "n": "1"}},
        ),
        ("curl --json '[1]' https://acme.example/api/x", {"body": [1], "usage": "modify"}),
        ("curl -I https://acme.example/api/x", {"method": "HEAD"}),
        ("curl -XDELETE --url=https://acme.example/api/x", {"method": "DELETE", "path": "/x"}),
        (
            "curl https://acme.example/api/x -H 'Content-Type: text/plain' -d hello",
            {"body": "hello", "content_type": "text/plain"},
        ),
    ],
)
def test_what_commands_say(text: str, expected: dict[str, Any]) -> None:
    written = read(text)
    assert {name: written.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "begins with curl"),
        ("wget https://acme.example", "begins with curl"),
        ("curl 'https://acme.example", "not closed"),
        ("curl -X GET", "no address"),
        ("curl ftp://acme.example/x", "not an http or https address"),
        ("curl https://me:pw@acme.example/x", "user name"),
        ("curl https://acme.example/x -d @secret.json", "file"),
        ("curl https://acme.example/x -F a=b", "multipart"),
        ("curl https://[acme/x", "not an http or https address"),
        ("curl https://acme.example/x --json '{'", "no JSON"),
        ("curl " + "x" * 64_000, "longer"),
    ],
)
def test_what_is_no_command_is_told(text: str, words: str) -> None:
    with pytest.raises(curl.NotACommand, match=words):
        read(text)


def as_designer(house: House) -> Client:
    client = Client()
    client.force_login(house.crm.designer)
    return client


def test_a_command_fills_the_form_without_its_credentials(house: House) -> None:
    desk, system = as_designer(house), house.crm.system
    command = (
        f"curl -u me:{PLANTED} '{system.base_url}/find?limit=3&access_token={PLANTED}'"
        f" -H 'Authorization: Bearer {PLANTED}' -b sid={PLANTED}"
    )
    form = desk.post(ADDRESS, {"command": command}, follow=True)
    page = form.content.decode()
    assert form.redirect_chain[0][0].startswith(ADD)
    assert f'value="{system.pk}" selected' in page
    assert 'value="/find"' in page
    assert "Left out: user name and password, Authorization, Cookie, access_token" in page
    assert PLANTED not in page


def test_a_mistake_keeps_what_was_pasted(house: House) -> None:
    said = as_designer(house).post(ADDRESS, {"command": "curl https://nobody.example/x"})
    page = said.content.decode()
    assert said.status_code == 400
    assert "None of your connected systems has a base URL" in page
    assert "curl https://nobody.example/x</textarea>" in page


def test_another_applications_system_is_not_found(house: House) -> None:
    said = as_designer(house).post(ADDRESS, {"command": f"curl {house.hr.system.base_url}/x"})
    assert said.status_code == 400


def test_a_copy_begins_as_its_original(house: House) -> None:
    original = Integration.objects.filter(connected_system=house.crm.system).first()
    assert original is not None
    page = as_designer(house).get(ADD, {"copy_of": original.slug}).content.decode()
    assert f'value="Copy of {original.name}"' in page
    assert f'value="{house.crm.system.pk}" selected' in page
    theirs = Integration.objects.filter(connected_system=house.hr.system).first()
    assert theirs is not None
    page = as_designer(house).get(ADD, {"copy_of": theirs.slug}).content.decode()
    assert "Copy of" not in page
