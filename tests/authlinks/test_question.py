"""Walks that end in a question: another account, one of several."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from authlinks.models import Authorization, AuthorizationAttempt
from connectedsystems.models import ConnectedSystem
from integrations import call_integration
from tests.acme import Visitor
from tests.thirdparty import ThirdParty

Makes = Callable[..., Visitor]


@pytest.fixture
def knowing(acme: ConnectedSystem, thirdparty: ThirdParty) -> ConnectedSystem:
    """Acme, asked after each walk who approved."""
    acme.configuration["oauth"]["scope"] += " profile"
    acme.configuration["oauth"]["after_authorization"] = {
        "path": "/me",
        "captures": {"account": "account"},
    }
    acme.version += 1
    acme.save()
    return acme


def test_another_account_is_asked_about(knowing: ConnectedSystem, visitor: Makes) -> None:
    alice = visitor("alice")
    assert alice.authorizes(next_path="/x/")["Location"] == "/x/"
    stored = Authorization.objects.get()
    assert stored.opened_captures() == {"account": "ada"}
    alice.as_ = "ben"
    answer = alice.authorizes(next_path="/x/")
    assert answer["Location"] == "/connections/acme/question/"
    assert Authorization.objects.get().version == stored.version
    assert alice.status()["attempt"] == "open"
    page = alice.client.get(answer["Location"]).content.decode()
    assert "ada" in page
    assert "ben" in page
    done = alice.client.post(answer["Location"], {"action": "replace"})
    assert done["Location"] == "/x/"
    assert Authorization.objects.get().opened_captures() == {"account": "ben"}
    assert alice.status()["attempt"] == "succeeded"


def test_the_old_account_can_stay(knowing: ConnectedSystem, visitor: Makes) -> None:
    alice = visitor("alice")
    alice.authorizes()
    alice.as_ = "ben"
    path = alice.authorizes(next_path="/connections/?from=here")["Location"]
    kept = alice.client.post(path, {"action": "keep"})
    assert (kept.status_code, kept["Location"]) == (303, "/connections/?from=here")
    page = alice.client.get(kept["Location"]).content.decode()
    assert "Nothing was changed: Acme CRM still knows you as ada." in page
    assert "data-code" not in page
    assert Authorization.objects.get().opened_captures() == {"account": "ada"}
    assert not AuthorizationAttempt.objects.filter(draft_answer__isnull=False).exists()
    assert call_integration("list-contacts", alice.person).success
    assert alice.client.post(path, {"action": "replace"})["Location"] == "/connections/"
    assert Authorization.objects.get().opened_captures() == {"account": "ada"}


def test_nobody_else_answers(knowing: ConnectedSystem, visitor: Makes) -> None:
    alice, bob = visitor("alice"), visitor("bob")
    alice.authorizes()
    alice.as_ = "ben"
    path = alice.authorizes()["Location"]
    assert bob.client.post(path, {"action": "replace"})["Location"] == "/connections/"
    assert Authorization.objects.get().opened_captures() == {"account": "ada"}
