"""The scene of an attack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.scene import Scene, running_host


@pytest.fixture
def scene(alice: Any, tmp_path: Path, transactional_db: None) -> Iterator[Scene]:
    with running_host("honest") as honest, running_host("attacker") as attacker:
        yield Scene(honest, attacker, alice, tmp_path)
