"""The room that all misbehaviours are played in."""

from tests.faults.room import guest, room  # noqa: F401
