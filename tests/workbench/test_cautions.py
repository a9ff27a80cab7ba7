"""Warnings while configuring: offline access at a system that is known to need it."""

from __future__ import annotations

import pytest

from connectedsystems.configuration import read
from connectedsystems.presets import preset, presets, traps
from workbench import cautions

KNOWN = [each.key for each in presets() if traps.offline(each.system.get("oauth") or {})[0]]


@pytest.mark.parametrize("key", KNOWN[:5])
def test_offline_access_that_is_not_asked_for_is_noticed(key: str) -> None:
    chosen = preset(key)
    assert chosen
    data = chosen.data()
    names = [each.name for each in cautions.of_settings(read(data), {"client_secret": "x"})]
    assert "offline_not_asked" not in names
    data["oauth"].pop("authorization_parameters", None)
    data["oauth"]["scope"] = "some"
    found = {each.name: each for each in cautions.of_settings(read(data), {})}
    assert found["offline_not_asked"].field in ("scope", "authorization_parameters")


def test_there_are_such_systems() -> None:
    assert len(KNOWN) >= 5
