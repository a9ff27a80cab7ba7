"""When a user or a system is deleted, its authorizations become rows that are still to be revoked.

In the transaction of the deletion, so that either both happen or neither.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.db.models.signals import pre_delete
from django.dispatch import receiver

from authlinks import endings, revoking
from authlinks.models import Authorization, AuthorizationAttempt, EndingKind
from connectedsystems.models import ConnectedSystem


@receiver(pre_delete, sender=get_user_model())
def end_of_user(instance: Any, **_named: Any) -> None:
    # Whoever authorizes at this moment waits for this row, and finds it gone.
    get_user_model()._default_manager.select_for_update().filter(pk=instance.pk).first()
    endings.end_drafts(AuthorizationAttempt.objects.filter(user=instance))
    endings.end_of_user(instance, kind=EndingKind.USER_DELETED, actor=_deleted_by(instance))
    revoking.empty_after_commit()


@receiver(pre_delete, sender=ConnectedSystem)
def end_of_system(instance: ConnectedSystem, **_named: Any) -> None:
    ConnectedSystem.objects.select_for_update().filter(pk=instance.pk).values("pk").first()
    endings.end_drafts(AuthorizationAttempt.objects.filter(system_id=instance.pk))
    endings.end(
        instance,
        Authorization.objects.all(),
        kind=EndingKind.SYSTEM_DELETED,
        actor=_deleted_by(instance),
    )
    revoking.empty_after_commit()


def _deleted_by(instance: Any) -> Any:
    """Who deletes it, where that was noted on the object; nobody names a user who is going."""
    actor = getattr(instance, "deleted_by", None)
    return None if actor == instance else actor
