"""What is tried again, how often, and what counts as done."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import IntegrityError, InterfaceError, OperationalError, transaction

from authlinks import fresh
from authlinks.models import Authorization
from connectedsystems.models import ConnectedSystem
from tests.acme import Visitor


def failing(times: int, error: type[Exception]) -> Callable[[bool], list[bool]]:
    """Fails so often, then gives what each try was told."""
    told: list[bool] = []

    def act(again: bool) -> list[bool]:
        told.append(again)
        if len(told) <= times:
            raise error
        return told

    return act


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_lost_connection_is_no_end(error: type[Exception]) -> None:
    assert fresh.insist(failing(3, error)) == [False, True, True, True]


@pytest.mark.django_db(transaction=True)
def test_another_mistake_is_raised_at_once() -> None:
    with pytest.raises(IntegrityError):
        fresh.insist(failing(1, IntegrityError))


@pytest.mark.django_db(transaction=True)
def test_inside_a_transaction_there_is_one_try() -> None:
    with pytest.raises(OperationalError), transaction.atomic():
        fresh.insist(failing(1, OperationalError))


@pytest.mark.django_db(transaction=True)
def test_it_ends() -> None:
    with pytest.raises(OperationalError):
        fresh.insist(failing(1000, OperationalError), 0.3)


def test_a_save_that_was_committed_unheard_is_a_success(
    acme: ConnectedSystem, visitor: Callable[..., Visitor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one thing that no wire does on request: the answer to COMMIT is lost."""
    alice = visitor("alice")
    alice.authorizes()
    Authorization.objects.update(expires_at="2020-01-01T00:00:00Z")
    genuine = transaction.Atomic.__exit__
    left = [True]

    def lost(self: transaction.Atomic, *raised: object) -> None:
        genuine(self, *raised)  # type: ignore[arg-type]
        row = Authorization.objects.get()
        if left and row.version == 2:
            left.clear()
            raise OperationalError("the answer to COMMIT was lost")

    with monkeypatch.context() as patched:
        patched.setattr(transaction.Atomic, "__exit__", lost)
        assert alice.client.get("/integrations/list-contacts/").status_code == 200
    assert not left
    assert Authorization.objects.get().version == 2
    assert alice.thirdparty.count(path="/oauth/token", grant_type="refresh_token") == 1
