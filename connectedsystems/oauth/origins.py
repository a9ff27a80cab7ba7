"""Which URLs get a token, and what decides where they lead: settings alone, no values.

What a system's settings make of its URLs is compared by the fingerprint; what captured values make
of them, by ``standing``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectedsystems import domains, placeholders


def addresses(oauth: Mapping[str, Any], base_url: str) -> dict[str, str]:
    """The templates of the URLs to which a token is sent, by name. Revocation has its own rule."""
    second = oauth.get("second_exchange") or {}
    following = oauth.get("after_authorization") or {}
    written = {
        "base_url": base_url,
        "token_endpoint": oauth.get("token_endpoint"),
        "refresh_endpoint": oauth.get("refresh_endpoint"),
        "second_exchange": second.get("endpoint"),
        "after_authorization": following.get("url"),
    }
    return {name: text for name, text in written.items() if text}


def deciding(oauth: Mapping[str, Any], templates: Mapping[str, str]) -> list[list[str]]:
    """The capture expressions that decide a host: ``[where, name, expression]``, in order.

    A capture that is looked for in a chosen item depends on the list that the item comes from.
    """
    wanted = {name for text in templates.values() for name in placeholders.names_in_host(text)}
    captures = oauth.get("captures") or {}
    following = oauth.get("after_authorization") or {}
    boxes = {
        "token": captures.get("token"),
        "callback": captures.get("callback"),
        "second_exchange": (oauth.get("second_exchange") or {}).get("captures"),
        "after_authorization": following.get("captures"),
    }
    found = [
        [where, name, str(expression)]
        for where, box in boxes.items()
        for name, expression in (box or {}).items()
        if name in wanted
    ]
    choose = following.get("choose") or {}
    if choose and any(where == "after_authorization" for where, *_ in found):
        found.append(["choose", "list", str(choose.get("list"))])
    return sorted(found)


def unbounded_callback_capture(
    template: str, callback: Mapping[str, Any], patterns: Mapping[str, str]
) -> str:
    """The name of a callback's capture that could lead this URL anywhere; "" where there is none.

    Whoever opens the callback writes its parameters. One that stands in a host has to stay in a
    domain that is written down: behind it in the URL, or at the end of its pattern. Where it is
    or begins the whole URL it would choose scheme and port as well.
    """
    for name in sorted(placeholders.names_in_host(template) & set(callback)):
        leads = template.startswith(f"{{{name}}}")
        if leads or not tail_of(template, name, patterns.get(name, "")):
            return name
    return ""


def loose_sentence(name: str) -> str:
    """What to do about a capture that :func:`unbounded_callback_capture` names."""
    return (
        f"{{{name}}} comes from the callback, where anybody may write it, and stands in the host."
        " Write the other system's domain behind it (https://{name}.example.com/), or let its"
        r" pattern in oauth.capture_patterns end in that domain (…\.example\.com);"
        " it may not begin the URL."
    ).replace("{name}", f"{{{name}}}")


def tail_of(template: str, name: str, pattern: str) -> str:
    """The domain that a value of ``name`` in the host cannot leave: written behind it, or ending
    its pattern; "" where nothing says one."""
    _, found, behind = placeholders.authority(template).rpartition(f"{{{name}}}")
    if not found:
        return ""
    if behind and not behind.startswith(":"):
        return domains.tail_of_text(behind)
    return domains.tail_of_pattern(pattern)
