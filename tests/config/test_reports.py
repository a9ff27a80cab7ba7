"""Error reports, as they would be mailed: no forms, no locals, no cookies, no settings."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from django.conf import settings
from django.test import RequestFactory
from django.views.debug import get_exception_reporter_class

PLANTED = [
    "planted-form-1",
    "planted-query-2",
    "planted-cookie-3",
    "planted-local-4",
    "planted-file-5",
]


@pytest.mark.parametrize("kind", ["get_traceback_html", "get_traceback_text"])
def test_I7_a_report_holds_no_values(rf: RequestFactory, kind: str) -> None:
    form, query, cookie, local, file = PLANTED
    request: Any = rf.post(f"/somewhere/?code={query}", {"password": form, "note": file})
    request.COOKIES["sessionid"] = cookie
    request.META["HTTP_AUTHORIZATION"] = f"Bearer {query}"

    def fails(token: str) -> None:
        held = {"token": token}
        raise RuntimeError(f"something of {len(held)}")

    try:
        fails(local)
    except RuntimeError:
        report = get_exception_reporter_class(request)(request, *sys.exc_info())
    text = str(getattr(report, kind)())
    assert "RuntimeError" in text and "/somewhere/" in text
    found = [planted for planted in PLANTED if planted in text.replace(__file__, "")]
    # The lines of this file stand in the trace: what is planted is named there by its number alone.
    assert found == []
    assert settings.SECRET_KEY not in text and settings.VAULT_KEYS not in text
