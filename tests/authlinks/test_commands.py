"""Commands that look after tokens: renewing what is due, rotating keys, pruning."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from authlinks.models import Authorization, AuthorizationAttempt
from connectedsystems.models import ConnectedSystem
from integrations import call_integration
from tests.acme import Visitor
from tests.thirdparty import ThirdParty

Makes = Callable[..., Visitor]


def said(*arguments: str, **options: Any) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out, **options)
    return out.getvalue()


def test_refresh_tokens_renews_what_is_due(
    acme: ConnectedSystem, visitor: Makes, thirdparty: ThirdParty
) -> None:
    visitor("alice").authorizes()
    visitor("bob", "ben").authorizes()
    Authorization.objects.filter(user__username="alice").update(expires_at=timezone.now())
    Authorization.objects.filter(user__username="bob").update(
        expires_at=timezone.now() + timedelta(hours=1)
    )
    assert said("refresh_tokens") == "renewed: 1, not renewed: 0\n"
    assert thirdparty.count(grant_type="refresh_token") == 1


def test_refresh_tokens_names_cause_and_fix(
    acme: ConnectedSystem, visitor: Makes, thirdparty: ThirdParty
) -> None:
    visitor("alice").authorizes()
    Authorization.objects.update(expires_at=timezone.now())
    thirdparty.control(token={"status": 503})
    with pytest.raises(CommandError, match="acme: 1 × temporarily_unavailable"):
        said("refresh_tokens")


def test_C6_keys_rotate_and_nothing_is_lost(
    acme: ConnectedSystem, visitor: Makes, settings: Any
) -> None:
    alice = visitor("alice")
    alice.authorizes()
    old = settings.VAULT_KEYS
    new = f"new:{base64.b64encode(os.urandom(32)).decode()}"
    settings.VAULT_KEYS = f"{new},{old}"
    assert "resealed: 4" in said("rotate_vault_keys")
    assert "resealed: 0" in said("rotate_vault_keys")
    settings.VAULT_KEYS = new
    assert call_integration("list-contacts", alice.person).success
    settings.VAULT_KEYS = old
    with pytest.raises(CommandError, match="do not open"):
        settings.VAULT_KEYS = f"other:{base64.b64encode(os.urandom(32)).decode()}"
        said("rotate_vault_keys")
    answer = call_integration("list-contacts", alice.person)
    assert answer.error is not None
    assert answer.error.code == "key_missing"
    assert not answer.needs_authorization
    assert alice.status()["state"] == "key_missing"


def test_prune_deletes_old_attempts(acme: ConnectedSystem, visitor: Makes) -> None:
    visitor("alice").authorizes()
    assert "attempts: 0" in said("prune")
    AuthorizationAttempt.objects.update(begun_at=timezone.now() - timedelta(days=31))
    assert "attempts: 1" in said("prune")
