"""OpenAPI documents on the served site: read by a process of their own, seen from every process."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from tests.processes.started import Site
from tests.processes.test_files import LONGEST, Others, a_file, root, site  # noqa: F401
from tests.uploads import Person
from workbench import bundle

pytestmark = pytest.mark.processes

ADDRESS = "/admin/integrations/integration/from-openapi/"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "openapi"


@pytest.fixture
def designer(root: Person) -> Person:  # noqa: F811
    bundle.load(a_file(1, 1))
    return root


def upload(designer: Person, document: bytes, only: str = "") -> tuple[int, str]:
    """The page in the end, whether it was there at once or had to be polled."""
    form = {"connected_system": "s0", "only": only, "action": "show"}
    status, page = designer.posts(ADDRESS, form, file=document)
    return shown(designer, status, page)


def shown(designer: Person, status: int, page: str) -> tuple[int, str]:
    if status != 302:
        return status, page
    place = designer.last["location"]
    ends = time.monotonic() + 200
    while time.monotonic() < ends:
        status, page = designer.gets(place)
        if "data-reading-says" not in page:
            return status, page
        time.sleep(0.5)
    raise AssertionError("it is read for ever")


def long_document(operations: int, others: int) -> bytes:
    """YAML of a few megabytes."""
    paths = {f"/x{number}": {"get": {"summary": f"Get {number}"}} for number in range(operations)}
    schemas = {f"S{n}": {"type": "object", "description": "words " * 10} for n in range(others)}
    tree = {"openapi": "3.0.3", "paths": paths, "components": {"schemas": schemas}}
    return yaml.dump(tree, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper)).encode()


def test_H12_a_long_document_is_read_while_others_go_on(designer: Person) -> None:
    document = long_document(400, 30_000)
    assert 2_500_000 < len(document) < 10_000_000
    with Others(designer.port) as others:
        status, page = upload(designer, document)
    assert status == 200 and "400 operations for System 0" in page
    assert set(others.statuses) == {302} and others.slowest < LONGEST


def test_H12_yaml_means_what_yaml_1_2_says(designer: Person) -> None:
    document = b"""openapi: 3.0.3
x-shared: &shared {in: query, schema: {type: string}}
paths:
  /x:
    get:
      parameters:
        - {name: country, in: query, schema: {type: string, enum: [NO, on, off, y, 9:30, =]}}
        - {<<: *shared, name: merged}
"""
    status, page = upload(designer, document)
    assert status == 200
    found = re.search(r'<textarea name="operations".*?>(.*?)</textarea>', page, re.S)
    [operation] = json.loads(found[1].replace("&quot;", '"'))
    choices, merged = operation["inputs"]
    assert choices["choices"] == ["NO", "on", "off", "y", "9:30", "="]
    assert merged["name"] == "merged"


GROWING = b"openapi: 3.0.0\nb0: &b0 [x, x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"b%d: &b%d [%s]\n" % (n, n, b", ".join([b"*b%d" % (n - 1)] * 10)) for n in range(1, 20)
)
WORDS = {
    "anchors that grow": (GROWING, "more than 2,000,000 values"),
    "texts that grow": (
        b"t: &t " + b"a" * 900_000 + b"\nl: [" + b", ".join([b"*t"] * 1_000) + b"]",
        "longer than 20,000,000 characters",
    ),
    "an alias within itself": (b"a: &a [*a]", "alias"),
    "no YAML": (b"a: [1", "Line 1"),
    "not UTF-8": (b"\xff\xfe\x00", "UTF-8"),
    "too large": (b"#" * 10_000_001, "larger than 10 MB"),
    "too many values": (b'{"openapi": "3.0.0", "x": [' + b"[]," * 2_500_000 + b"[]]}", "2,000,000"),
    "too deep": (b"[" * 5_000_000, "nested more than 200"),
    "directives": (b"".join(b"%%TAG !a%d! x\n" % n for n in range(300_000)), "begin with %"),
    "a key twice": (b"openapi: 3.0.0\npaths: {}\npaths: {}\n", "the key paths stands there twice"),
}


def test_H12_each_way_it_ends_has_a_sentence(designer: Person) -> None:
    for name, (document, words) in WORDS.items():
        status, page = upload(designer, document)
        assert status == 400 and words in page, name
        assert 'role="alert"' in page


def test_H12_one_at_a_time_and_it_can_be_left(designer: Person) -> None:
    """Operations that take longer than is waited for: each refers to one large schema."""
    form = {"connected_system": "s0", "only": "", "action": "show"}
    status, page = designer.posts(ADDRESS, form, file=endless())
    assert status == 302, page[:500]
    place = designer.last["location"]
    status, page = designer.gets(place, Accept="application/json")
    assert json.loads(page)["under_way"] is True
    for _ in range(6):  # answered by either process
        status, page = designer.gets(place)
        assert status == 200 and "The document is being read" in page
        assert "Look again" in page
    status, page = designer.posts(ADDRESS, form, file=b"openapi: 3.0.0")
    assert (status, designer.last["location"]) == (302, place)
    [child] = children(designer)
    child.kill()
    status, page = waited(designer, place)
    assert status == 400 and "memory" in page
    status, page = upload(designer, long_document(3, 0))
    assert status == 200 and "3 operations" in page
    status, page = designer.gets(place)
    assert status == 400 and "not kept any more" in page


def test_H12_the_child_ends_with_its_parent(designer: Person, site: Site) -> None:  # noqa: F811
    form = {"connected_system": "s0", "only": "", "action": "show"}
    status, _ = designer.posts(ADDRESS, form, file=endless())
    assert status == 302
    place = designer.last["location"]
    [child] = children(designer)
    child.parent().kill()
    assert psutil.wait_procs([child], timeout=20)[0]
    status, page = waited(designer, place)
    assert status == 400 and "was stopped when the site was restarted" in page


def waited(designer: Person, place: str) -> tuple[int, str]:
    designer.last["location"] = place
    return shown(designer, 302, "")


def endless() -> bytes:
    properties = {f"p{n}": {"type": "string", "description": "x" * 200} for n in range(5_000)}
    schema = {"schema": {"$ref": "#/components/schemas/B"}}
    body = {"post": {"requestBody": {"content": {"application/json": schema}}}}
    return json.dumps(
        {
            "openapi": "3.0.0",
            "paths": {f"/x{number}": body for number in range(2_000)},
            "components": {"schemas": {"B": {"type": "object", "properties": properties}}},
        }
    ).encode()


def children(designer: Person) -> list[Any]:
    """The readers of this site, and of no other that a test runs beside it."""
    mine = [
        each.pid
        for each in psutil.process_iter()
        if f"127.0.0.1:{designer.port}" in " ".join(_command(each))
    ]
    return [
        child
        for pid in mine
        for child in psutil.Process(pid).children()
        if "workbench.openapichild" in _command(child)
    ]


def _command(process: Any) -> list[str]:
    try:
        found: list[str] = process.cmdline()
    except psutil.Error:
        return []
    return found


@pytest.mark.skipif(not SHARED.is_dir(), reason="left out: ../shared/openapi is not there")
@pytest.mark.parametrize("name", ["twilio.json", "plaid.yaml", "discord.json"])
def test_H12_real_documents_are_read(name: str, designer: Person) -> None:
    status, page = upload(designer, (SHARED / name).read_bytes(), only="list")
    assert status == 200 and "data-check-all" in page
