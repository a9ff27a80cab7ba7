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
        code = re.sub(r"(?m)^\s*//[^\n]*|/\*(?s:.*?)\*/", "", path.read_text())
        uses = re.findall(r"opener\b[^;\n]*", code)
        # An opener is taken away from a window, and nothing else is ever done with one.
        assert set(uses) <= {"opener = null"}, path


def test_G9_windows_are_opened_in_one_place_and_never_asked_whether_they_are_closed() -> None:
    opening = [path.name for path in SCRIPTS if "window.open(" in path.read_text()]
    assert opening == ["popup.js"]
    for path in SCRIPTS:
        assert not re.search(r"\.closed\b", path.read_text()), path


def test_G10_scripts_keep_nothing() -> None:
    assert len(SCRIPTS) > 10
    for path in SCRIPTS:
        assert not re.search(
            r"localStorage|sessionStorage|indexedDB|document\.cookie", path.read_text()
        ), path
