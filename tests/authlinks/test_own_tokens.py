"""The system's own token (client credentials): fetched, kept and renewed once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from authlinks.models import Authorization
from connectedsystems.models import ConnectedSystem, redirect_uri_of
from integrations import call_integration
from tests.acme import CLIENT_SECRET, make_integration, make_system
from tests.thirdparty import ThirdParty

CLIENT_ID = "tests-own"


@pytest.fixture
def own(thirdparty: ThirdParty, transactional_db: None) -> ConnectedSystem:
    """A system that speaks for itself, and an integration that anybody may see."""
    system = make_system(
        thirdparty.url,
        "acme-own",
        authentication="oauth2_client_credentials",
        oauth={"client_id": CLIENT_ID, "authorization_endpoint": None},
    )
    thirdparty.register(
        CLIENT_ID,
        CLIENT_SECRET,
        [redirect_uri_of(system.id)],
        grant_type="client_credentials",
    )
    make_integration(system, "acme-status", path="/status")
    thirdparty.reset()
    return system


def fetched(thirdparty: ThirdParty) -> int:
    return thirdparty.count(path="/oauth/token", grant_type="client_credentials")


def test_one_token_is_fetched_and_kept(
    own: ConnectedSystem, member: Callable[[str], Any], thirdparty: ThirdParty
) -> None:
    for name in ("alice", "bob"):
        assert call_integration("acme-status", member(name)).success
    assert fetched(thirdparty) == 1
    assert Authorization.objects.get().user_id is None


def test_a_token_that_ends_at_once_serves_the_call_it_was_fetched_for(
    own: ConnectedSystem, member: Callable[[str], Any], thirdparty: ThirdParty
) -> None:
    thirdparty.control(token={"change": {"expires_in": 0}})
    alice = member("alice")
    assert call_integration("acme-status", alice).success
    assert fetched(thirdparty) == 1
    assert call_integration("acme-status", alice).success
    assert fetched(thirdparty) == 2
