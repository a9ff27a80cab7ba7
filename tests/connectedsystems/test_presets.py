"""Every preset can be configured, and leads where its facts say."""

from __future__ import annotations

from io import StringIO
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.core.management import CommandError, call_command

from connectedsystems import configuration, placeholders
from connectedsystems.oauth import authorization
from connectedsystems.presets import Preset, preset, presets, search

AUTHORIZE = "https://found.example/authorize"
IDS = [each.key for each in presets()]


def filled(each: Preset) -> configuration.Configuration:
    values = {name: f"my{number}" for number, name in enumerate(each.variables)}
    if "app_public_link" in values:
        values["app_public_link"] = "https://github.com/apps/mine"
    data = each.data(values)
    data["slug"] = "known"
    data["oauth"]["client_id"] = "our-client-id"
    address = configuration.address_of(configuration.parse(data))
    found = {"authorization_endpoint": AUTHORIZE, "token_endpoint": "https://found.example/token"}
    discovered = {"address": address, "settings": found} if address else None
    return configuration.parse(data, discovered=discovered)


@pytest.mark.parametrize("each", presets(), ids=IDS)
def test_it_sets_out_as_its_facts_say(each: Preset) -> None:
    system = filled(each)
    client = system.client(redirect_uri="https://ours.example/callback/", secrets={})
    url = urlsplit(authorization.begin(client).url)
    template = placeholders.fill_url(
        str(each.system["oauth"].get("authorization_endpoint", AUTHORIZE)),
        {**client.known(), "query": "", "state": "s"},
    )
    expected = urlsplit(template)
    assert (url.scheme, url.netloc, url.path) == (
        expected.scheme,
        expected.netloc,
        expected.path,
    )
    query = url.query or url.fragment.partition("?")[2]
    sent = dict(parse_qsl(query, keep_blank_values=True))
    written = each.system["oauth"].get("authorization_parameters") or {}
    for name, value in written.items():
        if value is None:
            assert name not in sent
        elif value and "{" not in str(value):
            assert sent[name] == str(value)
    assert "our-client-id" in sent.values()
    assert ("code_challenge" in sent) == (each.system["oauth"].get("pkce") != "off")


def test_every_one_says_where_its_endpoints_are() -> None:
    for each in presets():
        oauth = each.system["oauth"]
        endpoints = {"authorization_endpoint", "token_endpoint"} <= set(oauth)
        assert endpoints or oauth["discovery_url"], each.key
        if not endpoints:
            assert any("metadata" in sentence for sentence in each.traps)


def test_no_secret_stands_in_the_data() -> None:
    for each in presets():
        assert "client_secret" not in each.system["oauth"]
        assert "client_id" not in each.system["oauth"]


def test_confirmed_ones_come_first() -> None:
    found = search("a")
    marks = [each.confirmed for each in found]
    assert marks == sorted(marks, reverse=True)


def test_the_command_lists_and_prints() -> None:
    out = StringIO()
    call_command("presets", "--search", "github", stdout=out)
    assert "github" in out.getvalue()
    out = StringIO()
    call_command("presets", "github", stdout=out)
    assert '"authorization_endpoint"' in out.getvalue()
    with pytest.raises(CommandError, match="no preset nosuch"):
        call_command("presets", "nosuch")


def test_an_unconfirmed_one_says_so() -> None:
    one = next(each for each in presets() if not each.confirmed)
    assert "check the endpoints" in one.caution
    assert preset(one.key) == one
