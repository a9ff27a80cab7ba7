"""Why a save of a connected system waits for a yes: boxes, each with the checkbox that gives it."""

from __future__ import annotations

from collections.abc import Sequence

from connectedsystems.configuration import Configuration
from connectedsystems.outbound import host_of
from workbench import says, systemfields
from workbench.affected import Affected
from workbench.says import Says


def untried(changed: Sequence[str], confirm: str) -> Says:
    """What was tried is not what would be saved; ``changed``: labels of what differs."""
    return Says(
        tone="bad",
        title="Authorize again: the settings changed since you did",
        code="configuration_changed",
        lines=(
            ("", f"Changed since you authorized: {', '.join(changed)}. Nothing is lost."),
            ("Cause", "An authorization holds only for the settings it was given under."),
            ("Fix", "Click Authorize again, then Save. Or save without an authorization."),
        ),
        confirm=(confirm, "Save without authorizing again"),
    )


def type_again(hosts: Sequence[str], parsed: Configuration) -> str:
    """What stands at a secret's field where metadata leads elsewhere: both hosts by name."""
    facts = {"entered": host_of(parsed.discovered_at), "now": ", ".join(hosts)}
    return says.sentence("secret_not_for_host", facts)


def elsewhere(
    hosts: Sequence[str], parsed: Configuration, fields: Sequence[str] = (), confirm: str = ""
) -> Says:
    """Metadata names hosts that stand nowhere else: codes, tokens and the secret would go there.

    ``fields``: of the secrets that are typed again to go on; a client without one has ``confirm``.
    """
    found = tuple(
        (systemfields.labelled(key), value)
        for key, value in parsed.discovered.items()
        if key.endswith("_endpoint")
    )
    how = "confirm below and save again" if confirm else "type the secret again and save"
    return Says(
        tone="due",
        code="" if confirm else "secret_not_for_host",
        fields=tuple(fields),
        title=f"The metadata leads to {', '.join(hosts)}",
        lines=(
            ("", "Neither this form nor the last save names that host. Nothing is saved yet."),
            *found,
            (
                "Fix",
                f"If it belongs to the other system, {how}: the Client Secret and users' tokens are"
                " sent there. If not, enter the endpoints by hand.",
            ),
        ),
        confirm=(confirm, f"Send them to {', '.join(hosts)}, and save") if confirm else None,
    )


def ending(affected: Affected, confirm: str) -> Says:
    """Authorizations would end."""
    many = f"{affected.ended} authorization{'s' if affected.ended > 1 else ''}"
    return Says(
        tone="bad",
        title=f"This change ends {many}",
        code="configuration_changed",
        lines=(
            (
                "",
                f"{many} {'were' if affected.ended > 1 else 'was'} given under the settings"
                " as they are now. Nothing has been saved yet.",
            ),
            (
                "Cause",
                "The Client ID, an endpoint, the Authentication or the origin of the"
                " Base URL is another one: a token is never sent to an address its"
                " user did not approve.",
            ),
            (
                "Fix",
                "Take the change back; or confirm below, and save again. These users"
                " then have to authorize again.",
            ),
            *affected.lines,
        ),
        confirm=(confirm, f"End {many} and save"),
    )
