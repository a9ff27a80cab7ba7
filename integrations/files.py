"""A file among the inputs: a value that JSON can hold, and the text that a form carries it in.

The value is ``{"filename": str, "content_type": str, "base64": str}``; its text is that as JSON.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

LARGEST: Final = 2_000_000
"""Bytes of one file."""
LONGEST_NAME: Final = 200
KEYS: Final = frozenset({"filename", "content_type", "base64"})
WISH: Final = f"a file of at most {LARGEST // 1_000_000} MB"

_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+", re.IGNORECASE)
_UNKNOWN = "application/octet-stream"


class Upload(Protocol):
    """What a browser sent."""

    name: str | None
    content_type: str | None
    size: int | None

    def read(self) -> bytes: ...


class Named(Protocol):
    """An input."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...


def value_of(filename: str, content: bytes, content_type: str = "") -> dict[str, str]:
    """A file as a value."""
    kind = content_type if _TYPE.fullmatch(content_type or "") else _UNKNOWN
    encoded = base64.b64encode(content).decode()
    return {"filename": filename[:LONGEST_NAME], "content_type": kind, "base64": encoded}


def text_of(upload: Upload) -> str:
    """A file of a browser as text; of one that is too large the name alone."""
    if (upload.size or 0) > LARGEST:
        return json.dumps({"filename": upload.name or ""})
    return json.dumps(value_of(upload.name or "file", upload.read(), upload.content_type or ""))


def texts_of(
    inputs: Iterable[Named], uploads: Mapping[str, Any], prefix: str = ""
) -> dict[str, str]:
    """Those of a request's files that are for these inputs, by name."""
    return {
        each.name: text_of(uploads[prefix + each.name])
        for each in inputs
        if each.type == "file" and prefix + each.name in uploads
    }


def fit(value: object) -> dict[str, str]:
    """The value, checked. Raises ValueError."""
    if not is_file(value):
        raise ValueError
    assert isinstance(value, Mapping)
    content = content_of(value)
    if len(content) > LARGEST or not str(value["filename"]).strip():
        raise ValueError
    return value_of(str(value["filename"]), content, str(value["content_type"]))


def is_file(value: object) -> bool:
    """Whether a filled placeholder is a file."""
    return (
        isinstance(value, Mapping)
        and value.keys() == KEYS
        and all(isinstance(each, str) for each in value.values())
    )


def content_of(value: Mapping[str, Any]) -> bytes:
    """The file's bytes. Raises ValueError."""
    try:
        return base64.b64decode(value["base64"], validate=True)
    except binascii.Error:
        raise ValueError from None


def told(value: Any) -> str:
    """``report.pdf (12 KB)``, for people."""
    if not is_file(value):
        return ""
    size = len(value["base64"]) * 3 // 4
    return f"{value['filename']} ({max(1, round(size / 1000))} KB)"
