"""What our scripts may say to other windows, and what they may keep: next to nothing."""

from __future__ import annotations

import re
from pathlib import Path

SCRIPTS = sorted((Path(__file__).resolve().parent.parent / "static" / "js").glob("*.js"))


def test_G5_messages_go_to_our_own_pages_and_carry_no_data() -> None:
    said = [
        found
        for path in SCRIPTS
        for found in re.findall(r"(\w+)\.postMessage\((.*?)\)", path.read_text())
    ]
    assert said == [("channel", '"look"')]
    for path in SCRIPTS:
        assert "opener" not in re.sub(
            r"//.*|/\*.*?\*/|noopener", "", path.read_text(), flags=re.S
        ), path


def test_G10_scripts_keep_nothing() -> None:
    assert len(SCRIPTS) > 10
    for path in SCRIPTS:
        assert not re.search(
            r"localStorage|sessionStorage|indexedDB|document\.cookie", path.read_text()
        ), path
