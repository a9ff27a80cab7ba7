"""Whatever the token endpoint answers to a code: a code of ours, nothing stored, nothing leaked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from authlinks.models import Authorization
from tests.faults.room import Guest, Room, alert_of, attempt, leaks
from tests.faults.token_answers import ODD, Odd

STATUS = {"timeout": 504}


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_an_odd_answer_stores_nothing(
    odd: Odd,
    room: Room,
    guest: Guest,
    settings: Any,
    log_lines: Callable[[], list[dict[str, Any]]],
) -> None:
    if odd.quick:
        settings.TIME_LIMITS = 0.05
    room.token = odd.wire
    page = guest.authorizes()
    alert = alert_of(page)
    assert (alert["code"], page.status_code) == (odd.exchange, STATUS.get(odd.exchange, 502))
    assert alert["reference"] == attempt().reference
    assert room.exchanges == 1
    assert room.elsewhere.told == []
    assert not Authorization.objects.exists()
    assert (attempt().code, attempt().verifier, attempt().outcome) == (odd.exchange, None, "failed")
    assert (guest.status()["code"], guest.status()["attempt"]) == (odd.exchange, "failed")
    assert b'data-authorize="odd"' in page.content
    assert b"next=%2Fintegrations%2Flist%2F" in page.content
    assert odd.words in page.content.decode()
    assert leaks(page.content.decode(), str(attempt().facts), str(log_lines())) == []
    assert len(page.content) < 20_000
    reference = guest.client.get(f"/references/{alert['reference']}/")
    assert reference.status_code == 200
    assert leaks(reference.content.decode()) == []
    assert guest.client.get("/connections/").status_code == 200
