"""Lines of other packages look like ours, and say no more."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from connectedsystems import redact


def test_I1_a_query_is_cut_from_foreign_lines(log_lines: Any) -> None:
    logging.getLogger("gunicorn.error").warning("Error handling request %s", "/a?code=planted-1 x")
    assert log_lines()[0]["event"] == "Error handling request /a x"


def test_I1_a_remembered_value_is_redacted_in_tracebacks_too(log_lines: Any) -> None:
    with redact.scope():
        redact.remember("planted-value-1")
        try:
            raise ValueError("planted-value-1")
        except ValueError:
            logging.getLogger("somewhere").exception("it said %s", "planted-value-1")
    line = log_lines()[0]
    assert line["event"] == "it said [redacted]"
    assert "ValueError: [redacted]" in line["exception"]
    assert "planted" not in json.dumps(line)


@pytest.mark.parametrize(
    "name", ["django.server", "django.request", "urllib3.connectionpool", "django.db.backends"]
)
def test_I1_packages_that_write_addresses_or_values_are_quiet(log_lines: Any, name: str) -> None:
    logging.getLogger(name).debug("GET /?code=planted-1")
    assert log_lines() == []


def test_I4_control_characters_are_escaped(log_lines: Any) -> None:
    logging.getLogger("somewhere").info("a\r\n\x1b[31mb\u2028c")
    assert [line["event"] for line in log_lines()] == ["a\r\n\x1b[31mb\u2028c"]
