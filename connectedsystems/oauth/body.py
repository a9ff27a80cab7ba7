"""The body of an answer as an object: strict JSON, or a form where it is one, by content."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from connectedsystems import json
from connectedsystems.bounds import ANSWERS

FORM_TYPE = "application/x-www-form-urlencoded"

_PAIR = r"[A-Za-z0-9_.~*%+\-\[\]]+=[^&\s<>{}\"]*"
_FORM = re.compile(f"{_PAIR}(&{_PAIR})*")


def parse(body: bytes, content_type: str = "") -> dict[str, Any] | None:
    """The object in ``body``, or None where there is none.

    NaN and Infinity, members given twice, bytes that are not UTF-8 and what is beyond bounds are
    no JSON. Two parsers must not be able to read two tokens from one answer.
    """
    try:
        found = _strict(body)
    except ValueError:
        return _form(body, content_type)
    return found if isinstance(found, dict) else None


def tree(body: bytes) -> Any:
    """The JSON in ``body``, of any kind, read as strictly; None where there is none."""
    try:
        return _strict(body)
    except ValueError:
        return None


def _strict(body: bytes) -> Any:
    return json.read(body.decode("utf-8-sig"), ANSWERS, unstorable=True)


def _form(body: bytes, content_type: str) -> dict[str, Any] | None:
    try:
        text = body.decode("utf-8").strip()
        if not _FORM.fullmatch(text):
            return None
        found = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=200)
        members = _once(found)
    except ValueError:
        return None
    spoken = "access_token" in members or "error" in members or content_type == FORM_TYPE
    return members if spoken else None


def _once(found: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(found)
    if len(members) != len(found):
        raise ValueError("a member is given twice")
    return members
