"""The people of the demo: who they are, and passwords that stay the same without being kept."""

from dataclasses import dataclass, field

from django.contrib.auth.models import Group, User
from django.utils.crypto import salted_hmac


@dataclass(frozen=True)
class Person:
    """A user of the demo; `password` follows from SECRET_KEY, so every run prints the same."""

    name: str
    role: str
    groups: tuple[str, ...] = ()
    is_admin: bool = False
    password: str = field(default="", repr=False)


def settle() -> list[Person]:
    """Make the users and groups that are missing, and the passwords what `Person` says."""
    return [_settle(person) for person in _people()]


def _people() -> list[Person]:
    return [
        Person("alice", "uses the CRM", ("crm-users",), password=_password("alice")),
        Person("bob", "uses the CRM, too", ("crm-users",), password=_password("bob")),
        Person("dora", "designs its connections", ("crm-designers",), password=_password("dora")),
        Person("admin", "sees everything but tokens", is_admin=True, password=_password("admin")),
    ]


def _password(name: str) -> str:
    digest = salted_hmac("demo.people", name).hexdigest()
    return f"{name}-{digest[:4]}-{digest[4:8]}"


def _settle(person: Person) -> Person:
    user, _ = User.objects.get_or_create(username=person.name)
    user.is_active = True
    user.is_staff = user.is_superuser = person.is_admin
    if not user.check_password(person.password):
        user.set_password(person.password)
    user.save()
    user.groups.add(*(Group.objects.get_or_create(name=name)[0] for name in person.groups))
    return person
