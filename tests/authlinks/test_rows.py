"""One authorization a user and system; what happens to it when either is deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from authlinks.models import Authorization, AuthorizationAttempt
from connectedsystems.models import AuditEvent, ConnectedSystem
from integrations.models import Integration
from tests.acme import Visitor
from tests.desk import make_authorization
from tests.thirdparty import ThirdParty

Makes = Callable[..., Visitor]


@pytest.mark.parametrize("of_a_user", [True, False])
def test_C8_the_database_holds_one_row(acme: ConnectedSystem, alice: Any, of_a_user: bool) -> None:
    owner = alice if of_a_user else None
    make_authorization(acme, owner)
    with pytest.raises(IntegrityError), transaction.atomic():
        make_authorization(acme, owner)
    make_authorization(acme, None if of_a_user else alice)
    assert Authorization.objects.count() == 2


@pytest.fixture
def admin(transactional_db: None, django_user_model: Any) -> Client:
    client = Client()
    client.force_login(django_user_model.objects.create_superuser("root", password="root"))
    return client


@pytest.mark.parametrize("deleted", ["user", "system"])
def test_C9_I3_deleting_forgets_here_and_revokes_there(
    acme: ConnectedSystem, visitor: Makes, admin: Client, thirdparty: ThirdParty, deleted: str
) -> None:
    alice = visitor("alice")
    alice.authorizes()
    address = f"/admin/auth/user/{alice.person.pk}/delete/"
    if deleted == "system":
        Integration.objects.all().delete()
        address = f"/admin/connectedsystems/connectedsystem/{acme.pk}/delete/"
    assert "1 authorization" in admin.get(address).content.decode()
    before = AuditEvent.objects.count()
    assert thirdparty.count(path="/oauth/revoke") == 0
    assert admin.post(address, {"post": "yes"}).status_code == 302
    assert thirdparty.count(path="/oauth/revoke") >= 1
    assert not Authorization.objects.exists()
    assert not AuthorizationAttempt.objects.exists()
    assert AuditEvent.objects.count() > before
    assert AuditEvent.objects.filter(action="authorized", subject_name="alice").exists()
    told = AuditEvent.objects.get(action="disconnected by deletion")
    assert (told.outcome, told.subject_name, told.system_slug) == ("done", "alice", "acme")
