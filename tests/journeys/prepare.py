"""`python -m tests.journeys.prepare BUNDLE...`: the journeys' database, systems and people, as JSON.

Run with the environment of the server that will use them.
"""

from __future__ import annotations

import json
import sys
from io import StringIO

import django
from django.core.management import call_command

from config import env

EXTRA_GROUPS = {"carol": ("crm-users", "journey-users")}


def main(bundles: list[str]) -> None:
    env.choose_settings()
    django.setup()
    from django.contrib.auth.models import Group, User

    from connectedsystems.models import ConnectedSystem
    from demo import people

    call_command("migrate", verbosity=0, interactive=False)
    for bundle in bundles:
        call_command("load_bundle", bundle, stdout=StringIO())
    passwords = {person.name: person.password for person in people.settle()}
    for name, groups in EXTRA_GROUPS.items():
        passwords[name] = f"{name}-walks-too"
        user = User.objects.create_user(name, password=passwords[name])
        user.groups.set(Group.objects.filter(name__in=groups))
    clients = [
        system.client()
        for system in ConnectedSystem.objects.all()
        if system.has_user_authorizations
    ]
    registrations = [[each.client_id, each.client_secret, each.redirect_uri] for each in clients]
    print(json.dumps({"passwords": passwords, "registrations": registrations}))


if __name__ == "__main__":
    main(sys.argv[1:])
