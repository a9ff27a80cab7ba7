"""The mark of the product at the address that browsers ask of themselves."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe


@require_safe
@cache_control(max_age=86_400, public=True)
def favicon(request: HttpRequest) -> HttpResponse:
    """Asked for wherever a page names no icon, such as an image opened in a tab of its own."""
    mark = (settings.BASE_DIR / "static" / "img" / "mark.svg").read_bytes()
    return HttpResponse(mark, content_type="image/svg+xml")
