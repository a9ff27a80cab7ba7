"""What tests run under: fixed settings, and which services this machine has."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path
from urllib.parse import urlsplit

CHROMIUM = "/usr/bin/chromium"
POSTGRES_URL = os.environ.get("TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres")
REDIS_URL = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/0")
OTHER_SERVER = Path(__file__).resolve().parent.parent / ".venv/otherserver"
FETCHED = OTHER_SERVER.parent / "proxies"
PROXIES = {
    name: shutil.which(
        name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:{FETCHED}/usr/sbin:{FETCHED}/usr/bin"
    )
    for name in ("nginx", "caddy")
}
REQUIRED = {name for name in os.environ.get("TESTS_REQUIRE", "").split(",") if name}

# Neither the process's environment nor .env is read.
VALUES = {
    "SECRET_KEY": "tests-only-5b1f0c9a7e3d48f2b6a1-0123456789",
    "VAULT_KEYS": "tests:MTIzNDU2Nzg5MGFiY2RlZmdoaWprbG1ub3BxcnN0dXY=",
    "PUBLIC_BASE_URL": "http://testserver",
    "DATABASE_URL": "sqlite://:memory:",
    "OUTBOUND_ALLOW": "127.0.0.1,localhost",
    "RATE_LIMITS": "off",
    "EMAIL_URL": "memorymail://",
    "EXTRA_APPS": "demo.pages",
    "LOG_LEVEL": "DEBUG",
}


def left_out() -> dict[str, str]:
    """Services some tests need and this machine lacks: name to the reason."""
    missing: dict[str, str] = {}
    if not Path(CHROMIUM).is_file():
        missing["chromium"] = f"no {CHROMIUM}"
    if not _answers(POSTGRES_URL):
        missing["postgresql"] = "nothing answers at TEST_POSTGRES_URL"
    if not _answers(REDIS_URL):
        missing["redis"] = "nothing answers at TEST_REDIS_URL"
    if why := _no_other_server():
        missing["oidc-provider"] = why
    for name, path in PROXIES.items():
        if path is None:
            missing[name] = "not there: make proxies"
    return missing


def _no_other_server() -> str:
    if not shutil.which("node"):
        return "no node"
    installed = OTHER_SERVER / "node_modules/oidc-provider/package.json"
    return "" if installed.is_file() else "not installed: make otherserver"


def _answers(url: str) -> bool:
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 5432), 2):
            return True
    except OSError:
        return False
