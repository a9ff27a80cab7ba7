"""Burdens and slips that an attacker with the source thought of: each comes to nothing."""

from __future__ import annotations

import pytest

from authlinks.models import Authorization
from tests.faults.room import ACCESS, Guest, Room, expire, granted, guest, room  # noqa: F401

# What another system answers


@pytest.mark.parametrize(
    "waits",
    [
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2026 99999999999999999999:00:00 GMT",
        "Mon, 01 Jan 2026 00:00:00 +99999999999999999999",
        "9" * 4400,
        "Mon, 01 Jan 0001 00:00:00 +2359",
        "Mon, 01 Jan 2026 00:00:00 -",
    ],
)
def test_G7_an_absurd_date_beside_fresh_tokens_loses_none(
    waits: str,
    room: Room,  # noqa: F811
    guest: Guest,  # noqa: F811
) -> None:
    """The pair of before is worth nothing any more once this answer is on its way."""

    def with_header(access_token: str) -> bytes:
        plain = granted(access_token=access_token)
        return plain.replace(b"\r\n", f"\r\nRetry-After: {waits}\r\n".encode(), 1)

    room.token = with_header("planted-access-first")
    assert guest.authorizes().status_code == 303
    room.token = with_header("planted-access-next")
    expire()
    assert guest.lists_as_json().status_code == 200
    assert room.asked("/api")[-1].header("Authorization") == "Bearer planted-access-next"
    row = Authorization.objects.get()
    assert (row.lease_owner, row.failure_code) == ("", "")
