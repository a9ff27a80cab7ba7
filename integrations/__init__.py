"""Call other systems as the person at the keyboard: what a customer's page imports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from connectedsystems.errors import InsideTransaction, UnknownIntegration

if TYPE_CHECKING:
    from integrations.response import IntegrationResponse

__all__ = ["InsideTransaction", "UnknownIntegration", "call_integration"]


def call_integration(
    slug: str,
    user: Any,
    /,
    *,
    inputs: Mapping[str, Any] | None = None,
    hold: bool = False,
    **more_inputs: Any,
) -> IntegrationResponse:
    """Call an integration as ``user``, with this user's own authorization.

    ``inputs`` and ``more_inputs`` fill the integration's inputs. ``hold``: where a write meets a
    missing authorization, keep its inputs, sealed, until they are delivered once.

    What the other system, the network or a user can cause is a response. What a programmer gets
    wrong raises: UnknownIntegration (no such slug), InsideTransaction (call before the block, or
    from ``transaction.on_commit``), TypeError (an input that the integration does not have).
    """
    # Imported late: Django loads this module before the models it leads to.
    from integrations.call import call

    return call(slug, user, {**(inputs or {}), **more_inputs}, hold=hold)
