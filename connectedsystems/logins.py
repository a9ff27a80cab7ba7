"""Who came in, who did not, and what was done to people: written into the audit on any road.

Signals tell of log-ins and of saved users, so the admin's screens, a shell and a command are heard
alike. What somebody typed as a name is kept only where there is such a user: people type their
password there.
"""

from __future__ import annotations

from typing import Any

from axes.signals import user_locked_out
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models.signals import m2m_changed, post_save, pre_save
from django.dispatch import receiver

from connectedsystems import person
from connectedsystems.models import AuditEvent

MOST_NAMED = 100
"""Of more people put into a group in one go, the audit has their number."""

# What an auditor asks of an account, and how a change of it is called.
_SWITCHES = {
    "is_active": ("user_reactivated", "user_deactivated"),
    "is_superuser": ("admin_rights_given", "admin_rights_taken"),
}
_MEMBERSHIPS = {"post_add": "joined_group", "post_remove": "left_group"}


@receiver(user_logged_in)
def logged_in(user: Any, **_kwargs: Any) -> None:
    AuditEvent.objects.record("logged_in", actor=user, subject=user)


@receiver(user_logged_out)
def logged_out(user: Any, **_kwargs: Any) -> None:
    if user is not None:
        AuditEvent.objects.record("logged_out", actor=user, subject=user)


@receiver(user_login_failed)
def log_in_failed(credentials: dict[str, Any], request: Any = None, **_kwargs: Any) -> None:
    """A wrong password, or a name that nobody has; a name that is locked out is told once."""
    if getattr(request, "axes_locked_out", False):
        return
    _failed("log_in_failed", credentials.get(get_user_model().USERNAME_FIELD))


@receiver(user_locked_out)
def locked_out(username: str | None = None, **_kwargs: Any) -> None:
    _failed("locked_out", username, hourly=True)


def _failed(action: str, typed: object, *, hourly: bool = False) -> None:
    """Somebody who is not known to be anybody: told by the address they sit at."""
    name = str(typed or "")[:150]
    subject = get_user_model().objects.filter(username=name).first() if name else None
    facts = {} if subject is not None else {"name": "nobody's"}
    if hourly:
        AuditEvent.objects.record_hourly(
            action, subject=subject, facts=facts, address=person.address()
        )
        return
    AuditEvent.objects.record(
        action, subject=subject, outcome="failed", facts=facts, address=person.address()
    )


@receiver(pre_save, sender=get_user_model())
def remember_before(instance: Any, update_fields: Any = None, **_kwargs: Any) -> None:
    """What the switches of an account stand at before it is saved."""
    instance._switches_before = None
    if instance.pk is None or (update_fields and not set(update_fields) & set(_SWITCHES)):
        return
    stored = get_user_model().objects.filter(pk=instance.pk).values(*_SWITCHES).first()
    instance._switches_before = stored


@receiver(post_save, sender=get_user_model())
def account_changed(instance: Any, created: bool, **_kwargs: Any) -> None:
    # Django keeps the new password here until its validators are told, and at a mere upgrade of
    # the hash it is None: the one place that knows of every road by which a password is changed.
    if not created and instance._password is not None:
        AuditEvent.objects.record("password_changed", actor=person.actor(), subject=instance)
    before = instance._switches_before
    if before is None:
        return
    for name, (on, off) in _SWITCHES.items():
        if before[name] != getattr(instance, name):
            action = on if getattr(instance, name) else off
            AuditEvent.objects.record(action, actor=person.actor(), subject=instance)


@receiver(m2m_changed, sender=get_user_model().groups.through)
def membership_changed(
    instance: Any, action: str, reverse: bool, model: Any, pk_set: Any, **_kwargs: Any
) -> None:
    """Somebody joined a group, or left one; ``clear`` is told before it is done."""
    if action == "pre_clear":
        there = instance.user_set if reverse else instance.groups
        pk_set, what = set(there.values_list("pk", flat=True)), "left_group"
    else:
        what = _MEMBERSHIPS.get(action, "")
    if not what or not pk_set:
        return
    facts: dict[str, Any]
    others = list(model._default_manager.filter(pk__in=pk_set)[: MOST_NAMED + 1])
    actor = person.actor()
    if not reverse:
        facts = {"groups": sorted(group.name for group in others)}
        AuditEvent.objects.record(what, actor=actor, subject=instance, facts=facts)
    elif len(others) > MOST_NAMED:
        facts = {"groups": [instance.name], "people": len(pk_set)}
        AuditEvent.objects.record(what, actor=actor, facts=facts)
    else:
        for user in others:
            facts = {"groups": [instance.name]}
            AuditEvent.objects.record(what, actor=actor, subject=user, facts=facts)
