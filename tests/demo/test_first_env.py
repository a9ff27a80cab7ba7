"""The demo's `.env`: generated once, kept afterwards, never over somebody else's."""

import base64
import stat
from pathlib import Path

import pytest

from config import env
from demo.first_env import write


def values(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_it_writes_generated_keys_for_nobody_else_to_read(tmp_path: Path) -> None:
    write(tmp_path / ".env")
    written = values(tmp_path / ".env")
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    assert len(written["SECRET_KEY"]) >= 50
    assert len(base64.b64decode(written["VAULT_KEYS"].removeprefix("k1:"))) == 32
    write(tmp_path / "other.env")
    other = values(tmp_path / "other.env")
    for name in ("SECRET_KEY", "VAULT_KEYS", "BUNDLE_ACME_SECRET"):
        assert written[name] != other[name]


def test_what_it_writes_starts_the_product(tmp_path: Path) -> None:
    write(tmp_path / ".env")
    env.use({**values(tmp_path / ".env")})
    try:
        read = env.load()
    finally:
        env.use(_tests_own())
    assert read.demo
    assert not read.debug
    assert read.public_base_url == "http://localhost:8000"
    assert read.outbound_allow == ["localhost:9400"]


def _tests_own() -> dict[str, str]:
    from tests.environment import VALUES

    return VALUES


def test_it_keeps_what_an_earlier_run_wrote(tmp_path: Path) -> None:
    write(tmp_path / ".env")
    before = (tmp_path / ".env").read_text()
    assert "earlier run" in write(tmp_path / ".env")
    assert (tmp_path / ".env").read_text() == before


def test_it_leaves_a_file_alone_that_is_not_the_demos(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SECRET_KEY=mine\n")
    with pytest.raises(SystemExit, match="is not the demo's"):
        write(tmp_path / ".env")
    assert (tmp_path / ".env").read_text() == "SECRET_KEY=mine\n"
