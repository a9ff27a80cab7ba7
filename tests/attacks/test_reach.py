"""What a designer can still do, pointing a system elsewhere, is there for everybody to see."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from tests.acme import OWN_CLICK
from tests.workbench.test_systems import LIST, OAUTH, Desk, crm, dora  # noqa: F401

OVERVIEW = "/admin/"
EVIL = "https://crm.attacker.example"


@pytest.fixture
def root(admin: Any, as_user: Callable[[Any], Client]) -> Client:
    return as_user(admin)


def audited(root: Client) -> str:
    """The audit's events of changed origins, whole."""
    listed = root.get("/admin/connectedsystems/auditevent/", {"q": "origin_change"})
    pages = re.findall(
        r'href="(/admin/connectedsystems/auditevent/[0-9]+/change/[^"]*)"', listed.content.decode()
    )
    return "".join(root.get(page.replace("&amp;", "&")).content.decode() for page in pages)


def test_G1_another_host_is_audited_and_shown_until_an_admin_has_looked(
    dora: Desk,  # noqa: F811
    root: Client,
) -> None:
    system = dora.system()
    typed = {**OAUTH, "client_secret": "", "confirm_ending": "on"}
    assert audited(root) == ""
    assert dora.changes(system, **{**typed, "base_url": "https://api.acme.example/v2"}).status_code
    assert "lead to other hosts now" not in root.get(OVERVIEW).content.decode()

    typed |= {"client_secret": OAUTH["client_secret"]}
    answer = dora.changes(system, **{**typed, "base_url": f"{EVIL}/api"})
    assert answer.status_code == 302, answer.context["says"]
    event = audited(root)
    assert EVIL in event
    assert "https://api.acme.example" in event
    page = root.get(OVERVIEW).content.decode()
    assert "lead to other hosts now" in page
    assert EVIL in page
    assert "dora" in page
    assert "lead to other hosts now" not in dora.client.get(OVERVIEW).content.decode()

    # Back again, and what happened in between still stands there.
    dora.changes(system, **{**typed, "base_url": "https://api.acme.example/v2"})
    page = root.get(OVERVIEW).content.decode()
    assert EVIL in page

    looked = f"{LIST}{system.pk}/looked-at/"
    assert dora.client.post(looked).status_code == 403
    assert root.get(looked).status_code == 405
    assert root.post(looked).status_code == 302
    assert "lead to other hosts now" not in root.get(OVERVIEW).content.decode()
    assert "origin_change_seen" in audited(root)


def test_G1_link_and_confirmation_name_the_hosts(
    dora: Desk,  # noqa: F811
) -> None:
    dora.system(base_url=f"{EVIL}/api")
    page = dora.client.get("/connections/acme/authorize/").content.decode()
    shown = re.search(r"<p[^>]*data-hosts>(.*?)</p>", page, re.S)
    assert shown
    assert "acme.example" in shown[1]
    assert "crm.attacker.example" in shown[1]
    assert dora.client.get("/connections/acme/authorize/", **OWN_CLICK).status_code == 302
