"""`python -m demo.first_env`: writes the demo's `.env` once, before any settings can load."""

import base64
import os
import secrets
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent / ".env"


def write(path: Path) -> str:
    """Write generated values where there is no file yet; a sentence on what was done.

    SystemExit, with what to do, where a file stands that is not the demo's.
    """
    if path.exists():
        if "DEMO=1" not in path.read_text().splitlines():
            sys.exit(
                f"{path} exists and is not the demo's (it has no line DEMO=1). "
                "Move it away, or run the demo in a clone of its own."
            )
        return f"Settings are kept from an earlier run: {path}"
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(_values())
    return f"Settings with generated keys are written: {path}"


def _values() -> str:
    vault_key = base64.b64encode(secrets.token_bytes(32)).decode()
    return "\n".join(
        [
            "# Written by `make demo`, once; for the demo on this machine alone.",
            f"SECRET_KEY={secrets.token_urlsafe(48)}",
            f"VAULT_KEYS=k1:{vault_key}",
            "DEBUG=0",
            "PUBLIC_BASE_URL=http://localhost:8000",
            "OUTBOUND_ALLOW=localhost:9400",
            "DEMO=1",
            "EXTRA_APPS=demo.pages",
            "LOG_LEVEL=WARNING",
            "WEB_CONCURRENCY=2",
            "# What demo/bundle.yaml fills in: Acme CRM's address, and our client secret there.",
            "BUNDLE_ACME_URL=http://localhost:9400",
            f"BUNDLE_ACME_SECRET={secrets.token_urlsafe(24)}",
            "",
        ]
    )


if __name__ == "__main__":
    print(write(HERE))
