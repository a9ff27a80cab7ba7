"""Files among the inputs: chosen, kept, held, sent, each byte as it was."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client

from connectedsystems.errors import ConfigurationInvalid
from connectedsystems.models import ConnectedSystem
from integrations import call_integration
from integrations.definition import parse
from integrations.files import LARGEST
from integrations.models import CallRecord, HeldSubmission
from tests.acme import make_integration
from tests.faults.room import Guest, Room, code_of

CONTENT = bytes(range(256)) + b"\r\n--boundary--\r\n"
SENDS = {
    "usage": "modify",
    "method": "POST",
    "path": "/files",
    "content_type": "multipart/form-data",
    "body": {"title": "{title}", "file": "{report}"},
    "inputs": [
        {"name": "title", "required": True},
        {"name": "report", "type": "file", "required": True, "label": "Report"},
    ],
}
PAGE = "/integrations/send/"


@pytest.fixture
def alice(room: Room, guest: Guest) -> Guest:
    """Connected, at a system that takes files."""
    make_integration(ConnectedSystem.objects.get(), "send", **SENDS)
    return guest.connects()


def upload(content: bytes = CONTENT, name: str = "report.pdf") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content, "application/pdf")


def sent(room: Room) -> bytes:
    (told,) = room.asked("/api/files")
    return bytes(told.body)


def test_a_chosen_file_arrives_byte_for_byte(room: Room, alice: Guest) -> None:
    form = alice.client.get(PAGE).content.decode()
    assert 'enctype="multipart/form-data"' in form
    assert re.search(r'<input type="file" name="report"[^>]*required', form)
    page = alice.client.post(PAGE, {"title": "T", "report": upload()})
    assert page.status_code == 200 and code_of(page) is None
    body = sent(room)
    assert b'name="file"; filename="report.pdf"\r\nContent-Type: application/pdf\r\n\r\n' in body
    assert CONTENT in body
    assert b'name="title"\r\n\r\nT\r\n' in body


def test_a_mistake_elsewhere_keeps_the_file(room: Room, alice: Guest) -> None:
    page = alice.client.post(PAGE, {"title": "", "report": upload()})
    assert page.status_code == 400
    text = page.content.decode()
    assert "Kept: <bdi>report.pdf (1 KB)</bdi>" in text
    kept = re.search(r'<input type="hidden" name="report" value="([^"]+)">', text)
    assert kept
    again = {"title": "T", "report": unescape(kept[1])}
    assert alice.client.post(PAGE, again).status_code == 200
    assert CONTENT in sent(room)


def test_a_missing_file_is_named(room: Room, alice: Guest) -> None:
    page = alice.client.post(PAGE, {"title": "T"})
    assert (page.status_code, code_of(page)) == (400, "input_invalid")
    assert "“Report” (report) needs a value." in unescape(page.content.decode())
    assert room.calls == 0


def test_a_large_file_is_refused_and_the_largest_is_sent(
    room: Room,
    alice: Guest,
) -> None:
    page = alice.client.post(PAGE, {"title": "T", "report": upload(b"x" * (LARGEST + 1))})
    assert (page.status_code, code_of(page)) == (400, "input_invalid")
    assert "a file of at most 2 MB" in page.content.decode()
    assert 'value="T"' in page.content.decode()
    assert room.calls == 0
    assert (
        alice.client.post(PAGE, {"title": "T", "report": upload(b"x" * LARGEST)}).status_code == 200
    )
    assert len(sent(room)) > LARGEST


def test_the_largest_that_was_kept_is_sent(room: Room, alice: Guest) -> None:
    page = alice.client.post(PAGE, {"title": "", "report": upload(b"x" * LARGEST)})
    kept = re.search(r'name="report" value="([^"]+)"', page.content.decode())
    assert page.status_code == 400 and kept
    again = alice.client.post(PAGE, {"title": "T", "report": unescape(kept[1])})
    assert again.status_code == 200
    assert len(sent(room)) > LARGEST


def test_a_held_file_is_delivered_later(
    room: Room,
    alice: Guest,
    member: Callable[[str], Any],
) -> None:
    bob = Guest(member("bob"), room)
    page = bob.client.post(PAGE, {"title": "T", "report": upload()})
    assert code_of(page) == "needs_authorization"
    held = HeldSubmission.objects.get()
    shown = bob.client.get(held.url).content.decode()
    assert "<bdi>report.pdf" in shown
    assert base64.b64encode(CONTENT).decode()[:40] not in held.inputs.stored
    editing = bob.client.post(held.url, {"action": "edit"}).content.decode()
    assert "Kept: <bdi>report.pdf" in editing and 'enctype="multipart/form-data"' in editing
    changed = {"action": "save", "title": "Other", "report": upload(b"new bytes", "new.txt")}
    assert bob.client.post(held.url, changed).status_code == 302
    bob.connects()
    assert bob.client.post(held.url, {"action": "deliver"}).status_code == 200
    body = sent(room)
    assert b'filename="new.txt"' in body and b"new bytes" in body and b"Other" in body


def test_python_json_and_the_command_line(
    room: Room,
    alice: Guest,
    tmp_path: Path,
) -> None:
    for value in (("a.txt", b"one"), b"two"):
        assert call_integration("send", alice.person, title="T", report=value).success
    encoded = base64.b64encode(b"three").decode()
    tree = {"filename": "c.txt", "content_type": "text/plain", "base64": encoded}
    answer = alice.client.post(
        PAGE,
        json.dumps({"title": "T", "report": tree}),
        content_type="application/json",
        HTTP_ACCEPT="application/json",
    )
    assert answer.status_code == 200
    path = tmp_path / "d.csv"
    path.write_bytes(b"four")
    given = ["--user", "alice", "--input", "title=T", "--input", f"report={path}"]
    call_command("call_integration", "send", *given, stdout=io.StringIO())
    bodies = [told.body for told in room.asked("/api/files")]
    for content, body in zip((b"one", b"two", b"three", b"four"), bodies, strict=True):
        assert content in body
    assert b'filename="report"' in bodies[1] and b'filename="d.csv"' in bodies[3]
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("call_integration", "send", *given[:4], "--input", "report=/no/such/file")


@pytest.mark.parametrize(
    "value",
    ["text", 5, {}, [], {"filename": "x"}, ("x",), ("", b"x"), ("x", "text"),
     {"filename": "x", "content_type": "", "base64": "not base64!"},
     {"filename": "x", "content_type": "", "base64": "", "more": 1}],
    ids=range(10),
)  # fmt: skip
def test_what_is_no_file_is_told(room: Room, alice: Guest, value: Any) -> None:
    answer = call_integration("send", alice.person, title="T", report=value)
    assert answer.error is not None and answer.error.code == "input_invalid"
    assert room.calls == 0


def test_an_odd_name_and_type_stay_in_their_place(room: Room, alice: Guest) -> None:
    name = 'a"\r\nX-Evil: 1\r\n/b.txt'
    tree = {"filename": name, "content_type": "text/html\r\nX-Evil: 1", "base64": ""}
    assert call_integration("send", alice.person, title="T", report=tree).success
    head = sent(room)
    assert b"X-Evil: 1\r\n" not in head
    assert b"Content-Type: application/octet-stream\r\n" in head


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"usage": "query", "method": "GET", "body": None}, "usage: modify"),
        ({"content_type": "application/json"}, "is a file"),
        ({"path": "/files/{report}"}, "is a file"),
        ({"parameters": {"x": "{report}"}}, "is a file"),
        ({"headers": {"X-File": "{report}"}}, "is a file"),
        ({"body": {"file": "My {report}"}}, "is a file"),
        ({"body": {"file": {"filename": "{report}.txt", "content": "x"}}}, "is a file"),
        ({"inputs": [{"name": "report", "type": "file", "default": "x"}]}, "no default"),
        ({"inputs": 5}, ""),
        ({"body": {"file": ["{report}", {"a": "{report}"}]}}, ""),
    ],
    ids=range(10),
)
def test_where_a_file_may_stand(alice: Guest, more: dict[str, Any], words: str) -> None:
    system = ConnectedSystem.objects.get()
    whole = {"slug": "x", "name": "X", "connected_system": system.slug, **SENDS, **more}
    with pytest.raises(ConfigurationInvalid) as refused:
        parse(whole, system.parsed())
    assert words in str(refused.value.errors)


def test_a_files_content_may_be_named_by_the_designer(room: Room, alice: Guest) -> None:
    named = {"filename": "{title}.pdf", "content": "{report}", "content_type": "image/png"}
    system = ConnectedSystem.objects.get()
    whole = {**SENDS, "body": {"many": ["{report}", "{report}"], "file": named}}
    parse({"slug": "y", "name": "Y", "connected_system": system.slug, **whole}, system.parsed())
    make_integration(system, "named", **whole)
    assert call_integration("named", alice.person, title="T", report=("x", b"abc")).success
    body = sent(room)
    assert b'name="file"; filename="T.pdf"\r\nContent-Type: image/png\r\n\r\nabc' in body
    assert body.count(b'name="many"; filename="x"') == 2


def test_a_failed_write_with_a_file_leaks_none_of_it(room: Room, alice: Guest) -> None:
    room.api = b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n"
    alice.client.post(PAGE, {"title": "T", "report": upload()})
    record = CallRecord.objects.get()
    client = Client()
    client.force_login(alice.person)
    assert client.get(f"/references/{record.reference}/").status_code == 200
