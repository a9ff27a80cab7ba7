"""What a preset would send is what the facts say, and a difference is noticed."""

from __future__ import annotations

import copy
import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from connectedsystems.presets import preset
from workbench import facts

FILE = Path(__file__).parent / "facts.json"
FACTS: dict[str, dict[str, Any]] = {
    each["key"]: each for each in json.loads(FILE.read_text(encoding="utf-8"))["providers"]
}


@pytest.mark.parametrize("key", FACTS)
def test_the_four_requests_are_as_the_facts_say(key: str) -> None:
    assert facts.differences(FACTS[key]) == []


@pytest.mark.parametrize(
    ("key", "path", "value", "noticed"),
    [
        ("google", ["authorization_endpoint"], "https://elsewhere.example/", "authorization"),
        ("google", ["authorization", "extra_params", "access_type"], "online", "access_type"),
        ("google", ["authorization", "rename_params", "scope"], "scopes", "scopes"),
        ("google", ["pkce"], "disabled", "PKCE has to be off"),
        ("apollo-oauth", ["pkce"], "required", "PKCE has to be on"),
        ("google", ["token_endpoint"], "https://elsewhere.example/token", "token request"),
        ("google", ["token", "request_format"], "json", "form instead of json"),
        ("google", ["token", "client_auth"], "basic", "Authorization"),
        ("google", ["token", "omit_params"], ["grant_type"], "grant_type is not expected"),
        ("google", ["token", "extra_headers"], {"X-Own": "1"}, "X-Own"),
        ("qq", ["token", "method"], "POST", "GET instead of POST"),
        ("figma", ["refresh_endpoint"], "https://elsewhere.example/refresh", "refresh request"),
        ("figma", ["refresh", "omit"], [], "refresh request: grant_type"),
        ("instagram", ["refresh", "extra_params"], {"grant_type": "other"}, "refresh request"),
        ("google", ["api_base_url"], "https://elsewhere.example", "API request"),
        ("google", ["api", "token_header"], "x-token: {access_token}", "x-token"),
        ("foursquare", ["api", "token_header"], "query token", "API request: token"),
        ("helmholtz", ["discovery_url"], "https://elsewhere.example/x", "metadata: asked for at"),
        ("helmholtz", ["token", "client_auth"], "basic", "Authorization"),
        ("apple", ["authorization", "extra_params"], {}, "response_mode is not expected"),
    ],
)
def test_a_difference_is_noticed(key: str, path: list[str], value: Any, noticed: str) -> None:
    fact: Any = copy.deepcopy(FACTS[key])
    place = fact
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    assert any(noticed in reason for reason in facts.differences(fact))


def test_the_command_counts_and_gives_reasons(tmp_path: Path) -> None:
    told = StringIO()
    unknown = {**FACTS["google"], "key": "nobody-knows-it"}
    file = tmp_path / "facts.json"
    file.write_text(json.dumps({"providers": [*FACTS.values(), unknown]}))
    call_command("presets", "--facts", str(file), stdout=told)
    assert "nobody-knows-it: there is no preset with this key" in told.getvalue()
    assert f"{len(FACTS)} of {len(FACTS) + 1}: the four requests are as" in told.getvalue()


def test_a_file_without_facts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="holds no facts"):
        call_command("presets", "--facts", str(tmp_path / "none.json"))


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("apollo-oauth", "PKCE is off"),
        ("google", "access_type=offline asks for a refresh token"),
        ("salesforce", "The base URL holds instance_url"),
        ("instagram", "no refresh token"),
        ("deezer", "client_id under the name app_id"),
        ("linear-mcp", "no Client Secret"),
    ],
)
def test_a_preset_tells_its_traps(key: str, words: str) -> None:
    found = preset(key)
    assert found is not None
    assert any(words in sentence for sentence in found.traps)
