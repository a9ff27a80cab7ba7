"""``{% authorization_link response %}``: the link, or nothing."""

from __future__ import annotations

from typing import Any

from django import template

from authlinks.link import Link, link_to, links_for

register = template.Library()


@register.inclusion_tag("authlinks/_links.html", takes_context=True)
def authorization_link(
    context: template.Context,
    response: Any = None,
    *,
    system: str = "",
    label: str = "",
    message: str = "",
    form: str = "block",
    next: str = "",
) -> dict[str, Any]:
    """Render the authorization link for a response, a list of them, or a ``system``'s slug.

    Nothing is rendered where authorizing would not help. ``form`` is ``block``, ``inline`` or
    ``button``; ``next`` is where the walk ends, this page unless given.
    """
    request = context["request"]
    back = next or request.get_full_path()
    if system:
        one = link_to(system, request.user, back, label=label, message=message)
        links: list[Link] = [one] if one else []
    else:
        given = response if isinstance(response, (list, tuple)) else [response]
        links = links_for(given, request.user, back, label=label, message=message)
    return {"links": links, "form": form, "user": request.user, "request": request}
