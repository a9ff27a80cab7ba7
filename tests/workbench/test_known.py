"""Start from a known system: the list, and the form that is filled already."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from connectedsystems.models import Application, ConnectedSystem

BASE = "/admin/connectedsystems/connectedsystem"
FACTS: dict[str, dict[str, Any]] = {
    each["key"]: each
    for each in json.loads((Path(__file__).parent / "facts.json").read_text())["providers"]
}


def test_it_lists_and_fills(admin: Any, as_user: Callable[[Any], Client]) -> None:
    Application.objects.create(slug="crm", name="CRM")
    desk = as_user(admin)
    listed = desk.get(f"{BASE}/known/").content.decode()
    assert "?preset=github" in listed
    searched = desk.get(f"{BASE}/known/", {"q": "zoho"}).content.decode()
    assert "Zoho" in searched
    form = desk.get(f"{BASE}/add/", {"preset": "github"})
    text = form.content.decode()
    assert form.status_code == 200
    assert "https://github.com/login/oauth/access_token" in text
    assert "Filled in as" in text


def test_it_is_for_designers(alice: Any, as_user: Callable[[Any], Client]) -> None:
    assert as_user(alice).get(f"{BASE}/known/").status_code == 403


class Filled(HTMLParser):
    """The values that a page's fields would be posted with."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self._in = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name, kind = given.get("name") or "", given.get("type")
        if tag == "input" and name and kind not in ("checkbox", "submit", "file"):
            self.values[name] = given.get("value") or ""
        elif tag in ("textarea", "select"):
            self._in = name
            self.values[name] = ""
        elif tag == "option" and "selected" in given:
            self.values[self._in] = given.get("value") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag in ("textarea", "select"):
            self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in and self.lasttag == "textarea":
            self.values[self._in] += data


SIX = {
    "github": {},
    "google": {},
    "hubspot": {},
    "microsoft": {},
    "salesforce": {"hostname": "acme.my.salesforce.com"},
    "zendesk": {"subdomain": "acme"},
}
"""Well-known systems, and the variables that each asks for."""


def shown_in(preview: str, request: str) -> tuple[str, dict[str, str]]:
    """Address and parameters of one request of a preview's page."""
    section = preview.split(f'data-request="{request}"')[1].split("</section>")[0]
    lines = [html.unescape(text) for text in re.findall(r"<code>([^<]*)</code>", section)]
    return lines[0], dict(line.split("=", 1) for line in lines[1:] if ": " not in line)


@pytest.mark.parametrize("key", SIX)
def test_its_consoles_values_are_enough(
    key: str, user: Callable[..., Any], as_user: Callable[[Any], Client]
) -> None:
    application = Application.objects.create(slug="crm", name="CRM")
    dora = user("dora", groups=["crm-designers"])
    application.designers.set(dora.groups.all())
    desk = as_user(dora)
    assert f"?preset={key}" in desk.get(f"{BASE}/known/").content.decode()
    page = desk.get(f"{BASE}/add/", {"preset": key}).content.decode()
    assert ('class="desk-box desk-more" open' in page) == bool(SIX[key])
    typed = Filled(page).values
    typed |= {"client_id": "from-the-console", "client_secret": "console-secret-Yh2"}
    if SIX[key]:
        assert set(json.loads(typed["variables"])) == set(SIX[key])
        typed["variables"] = json.dumps(SIX[key])

    preview = desk.post(f"{BASE}/draft/preview/", typed).content.decode()
    address, sent = shown_in(preview, "authorization-request")
    fact = FACTS[key]
    assert address == "GET " + re.sub(
        r"\{(\w+)\}", lambda found: SIX[key][found[1]], fact["authorization_endpoint"]
    )
    assert f'value="{sent.pop("redirect_uri")}"' in page
    assert sent.pop("state") == "STATE"
    assert sent.pop("scope", "") == fact["scope"]["separator"].join(fact["scope"]["default"])
    proof = {name: sent.pop(name) for name in list(sent) if name.startswith("code_challenge")}
    assert bool(proof) == (fact["pkce"] != "disabled")
    expected = {"response_type": "code", "client_id": "from-the-console"}
    assert sent == {**expected, **fact["authorization"]["extra_params"]}

    answer = desk.post(f"{BASE}/add/", typed)
    assert answer.status_code == 302, answer.context["says"]
    system = ConnectedSystem.objects.get()
    assert system.opened_secrets() == {"client_secret": "console-secret-Yh2"}
    assert system.parsed().missing_secrets(system.opened_secrets()) == []
