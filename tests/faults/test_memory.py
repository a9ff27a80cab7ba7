"""Memory and open files through every misbehaviour there is, in one process."""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path
from typing import Any

import pytest

from connectedsystems.models import Circuit
from tests.faults.room import Guest, Room, expire, granted, said
from tests.faults.test_calls import ODD as ODD_CALLS
from tests.faults.token_answers import ODD as ODD_TOKENS

MOST_GROWTH = 64 * 2**20


def resident() -> int:
    """Bytes of memory that this process has now."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def anew(room: Room, guest: Guest, settings: Any) -> None:
    """Connected, as if nothing had gone wrong: what went wrong before keeps us from asking."""
    settings.TIME_LIMITS = 1
    room.token, room.api = granted(), said({"contacts": ["Ada"]})
    Circuit.objects.all().delete()
    guest.connects()


@pytest.mark.once
def test_K5_memory_stays_flat(room: Room, guest: Guest, settings: Any) -> None:
    anew(room, guest, settings)
    guest.lists()
    guest.adds()
    memory, files = resident(), open_files()
    grown = {}
    for odd in ODD_TOKENS:
        anew(room, guest, settings)
        expire()
        settings.TIME_LIMITS = 0.05 if odd.quick else 1
        room.token = odd.wire
        guest.lists()
        played = room.exchanges
        assert played, f"{odd}: never played at a refresh"
        guest.authorizes()
        assert room.exchanges > played, f"{odd}: never played at an exchange"
        grown[f"token endpoint: {odd}"] = resident() - memory
    for each in ODD_CALLS:
        anew(room, guest, settings)
        settings.TIME_LIMITS = 0.02 if each.quick else 1
        room.api = each.wire
        guest.lists()
        assert room.calls, f"{each}: never played"
        grown[f"API: {each}"] = resident() - memory
    worst = max(grown, key=lambda name: grown[name])
    assert grown[worst] < MOST_GROWTH, worst
    # The other side's threads end by themselves, a moment after we have hung up.
    ends = time.monotonic() + 20
    while open_files() > files + 10 and time.monotonic() < ends:
        time.sleep(0.1)
    assert open_files() <= files + 10
