"""What stands on the desk: each of these modules registers its screens when it is imported."""

from __future__ import annotations

from workbench import (  # noqa: F401
    applications,
    attempts,
    audit,
    authorizations,
    calls,
    integrations,
    people,
    revocations,
    systems,
)
