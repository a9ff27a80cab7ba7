"""A body of fields and files (RFC 7578), each name and value escaped for its place.

A member is a parameter (text, a number, a list of them), or a file:
``{filename, content, content_type}``.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Mapping
from typing import Any, Final

from connectedsystems import placeholders
from connectedsystems.placeholders import OMIT, as_text
from connectedsystems.written import Box
from integrations import files

ESSENCE: Final = "multipart/form-data"
FILE_KEYS: Final = ("filename", "content", "content_type")
LONGEST_NAME: Final = files.LONGEST_NAME

_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+(; charset=utf-8)?", re.IGNORECASE)
_UNFIT = re.compile(r'[\x00-\x1f\x7f"\\/]')


def check(box: Box, key: str, declared: Collection[str]) -> None:
    """Notes what is wrong with the fields and files of a written body."""
    fields = box.box(key)
    plain = {name: item for name, item in fields.data.items() if not isinstance(item, Mapping)}
    Box({key: plain}, box.path, box.errors).parameters(key, declared)
    for name, item in fields.data.items():
        if not isinstance(item, Mapping):
            continue
        if not name or not name.isprintable():
            fields.refuse(name, "A field's name is text without control characters.")
        file = fields.box(name)
        file.only(FILE_KEYS)
        filename = file.text("filename", required=True, longest=LONGEST_NAME)
        file.template("filename", filename, declared)
        content = file.text("content", required=True, lines=True, longest=100_000)
        file.template("content", content, declared)
        kind = file.text("content_type", longest=LONGEST_NAME)
        if kind and not _TYPE.fullmatch(kind):
            file.refuse("content_type", "is a type such as text/plain.")


def write(fields: Mapping[str, Any], values: Mapping[str, Any]) -> tuple[str, bytes]:
    """The content type with its random boundary, and the body."""
    boundary = secrets.token_hex(24)
    parts: list[bytes] = []
    for name, template in fields.items():
        if isinstance(template, Mapping):
            parts += _file(name, template, values)
            continue
        filled = placeholders.fill(template, values)
        items = filled if isinstance(filled, list) else [filled]
        parts += [_member(name, item) for item in items if item not in (None, OMIT)]
    lines = [b"--%s\r\n%s\r\n" % (boundary.encode(), part) for part in parts]
    return f"{ESSENCE}; boundary={boundary}", b"".join([*lines, b"--%s--\r\n" % boundary.encode()])


def _member(name: str, item: Any) -> bytes:
    if not files.is_file(item):
        return _part(name, as_text(item))
    filename = _UNFIT.sub("_", item["filename"])
    return _part(name, files.content_of(item), f'; filename="{filename}"', item["content_type"])


def _file(name: str, file: Mapping[str, Any], values: Mapping[str, Any]) -> list[bytes]:
    content = placeholders.fill(file["content"], values)
    if content is OMIT:
        return []
    filename = _UNFIT.sub("_", placeholders.fill_text(file["filename"], values))[:LONGEST_NAME]
    more, kind = f'; filename="{filename}"', file.get("content_type")
    if files.is_file(content):
        return [_part(name, files.content_of(content), more, kind or content["content_type"])]
    return [_part(name, as_text(content), more, kind or "text/plain; charset=utf-8")]


def _part(name: str, content: str | bytes, more: str = "", kind: str = "") -> bytes:
    escaped = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    head = f'Content-Disposition: form-data; name="{escaped}"{more}\r\n'
    head += f"Content-Type: {kind}\r\n" if kind else ""
    return f"{head}\r\n".encode() + (content if isinstance(content, bytes) else content.encode())
