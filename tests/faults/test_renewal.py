"""Whatever the token endpoint answers to a refresh: the old pair stays, one request, no storm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from authlinks.models import Authorization
from tests.faults.room import Guest, Room, code_of, expire, leaks
from tests.faults.token_answers import ODD, Odd

STATUS = {"needs_authorization": 200}


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_an_odd_answer_keeps_the_old_pair(
    odd: Odd,
    room: Room,
    guest: Guest,
    settings: Any,
    log_lines: Callable[[], list[dict[str, Any]]],
) -> None:
    guest.connects()
    expire()
    before = Authorization.objects.get()
    if odd.quick:
        settings.TIME_LIMITS = 0.05
    room.token = odd.wire
    page = guest.lists()
    # A time-out is one at the exchange, too; the other system's slowness is 504.
    status = 504 if odd.exchange == "timeout" else STATUS.get(odd.refresh, 502)
    assert (code_of(page), page.status_code) == (odd.refresh, status)
    ended = odd.refresh == "needs_authorization"
    assert (b"data-authorize" in page.content) is ended
    assert room.calls == 0
    assert room.exchanges == 1
    assert room.elsewhere.told == []
    row = Authorization.objects.get()
    assert row.access_token.stored == before.access_token.stored
    assert row.refresh_token.stored == before.refresh_token.stored
    assert (row.version, row.lease_owner, row.lease_ends) == (before.version, "", None)
    again = guest.lists_as_json()
    assert again.json()["error"]["code"] == odd.refresh
    assert again.json()["needs_authorization"] is ended
    assert again.status_code == page.status_code
    assert room.exchanges == 1
    assert guest.status()["code"] == odd.refresh
    texts = [
        page.content.decode(),
        again.content.decode(),
        str(row.failure_facts),
        str(log_lines()),
    ]
    assert leaks(*texts) == []
    assert guest.client.get("/connections/").status_code == 200
