"""Start from a known system: the list, and the form that is filled already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.test import Client

from connectedsystems.models import Application

BASE = "/admin/connectedsystems/connectedsystem"


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
