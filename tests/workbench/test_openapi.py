"""Integrations from an OpenAPI document: what is read of it, the screen, the calls that come of it."""

from __future__ import annotations

import json
import re
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from html import unescape
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from connectedsystems.models import AuditEvent, ConnectedSystem
from integrations import call_integration
from integrations.definition import parse
from integrations.models import Integration, IntegrationVersion
from tests.acme import make_system
from tests.desk import House
from tests.otherside import OtherSide, Told, answer, other_side
from workbench import openapi
from workbench.openapi import NotADocument, Operation

ADDRESS = "/admin/integrations/integration/from-openapi/"
DOCUMENTS = Path(__file__).parent / "documents"
TRACKER = (DOCUMENTS / "tracker.yaml").read_bytes()
PETSTORE = (DOCUMENTS / "petstore.yaml").read_bytes()
BASE = "https://api.tracker.example/v3"


def document(paths: Any, **more: Any) -> bytes:
    return json.dumps({"openapi": "3.0.3", "info": {"title": "T"}, "paths": paths, **more}).encode()


def found(raw: bytes, base_url: str = BASE) -> dict[str, Operation]:
    """Operations by method and path."""
    read = openapi.read(raw, base_url)
    return {f"{each.method} {each.path}": each for each in read.operations}


def of_get(parameters: list[Any], **more: Any) -> dict[str, Any]:
    (only,) = found(document({"/x": {"get": {"parameters": parameters, **more}}})).values()
    return dict(only.definition)


def of_body(schema: Any, kind: str = "application/json", **more: Any) -> dict[str, Any]:
    body = {"content": {kind: {"schema": schema}}}
    (only,) = found(document({"/x": {"post": {"requestBody": body}}}, **more)).values()
    assert not only.problem, only.problem
    return dict(only.definition)


def test_a_query_of_a_real_document() -> None:
    operation = found(TRACKER)["GET /repos/{owner}/{repo-name}/issues"]
    assert operation.definition == {
        "slug": "issues-list-for-repo",
        "name": "List the issues of a repository",
        "usage": "query",
        "method": "GET",
        "path": "/repos/{owner}/{repo_name}/issues",
        "parameters": {
            "state": "{query_state}",
            "labels": "{labels}",
            "assignee": "{assignee}",
            "since": "{since}",
            "per_page": "{per_page}",
            "filter[deep]": "{filter_deep}",
        },
        "headers": {"X-Tracker-Version": "{X_Tracker_Version}"},
        "inputs": [
            {
                "name": "owner",
                "type": "text",
                "required": True,
                "label": "owner",
                "help": "Who owns it.",
            },
            {"name": "repo_name", "type": "text", "required": True, "label": "repo-name"},
            {
                "name": "query_state",
                "type": "choice",
                "required": False,
                "label": "state",
                "choices": ["open", "closed", "all"],
                "default": "open",
            },
            {
                "name": "labels",
                "type": "text",
                "required": False,
                "label": "labels",
                "help": "Several with commas between.",
            },
            {"name": "assignee", "type": "list", "required": False, "label": "assignee"},
            {"name": "since", "type": "datetime", "required": False, "label": "since"},
            {
                "name": "per_page",
                "type": "integer",
                "required": False,
                "label": "per_page",
                "default": 30,
            },
            {"name": "filter_deep", "type": "boolean", "required": False, "label": "filter[deep]"},
            {
                "name": "X_Tracker_Version",
                "type": "text",
                "required": False,
                "label": "X-Tracker-Version",
            },
        ],
    }
    assert operation.notes == (
        "Authorization is left to the connected system.",
        "The cookie session is left out: no cookies are sent.",
        "The parameter where is an object, and is left out.",
    )


def test_a_write_of_a_real_document() -> None:
    written = found(TRACKER)["POST /repos/{owner}/{repo-name}/issues"].definition
    assert written["body"] == {
        name: f"{{{name}}}" for name in ("title", "body", "labels", "milestone", "due", "meta")
    }
    kinds = {each["name"]: (each["type"], each["required"]) for each in written["inputs"]}
    assert kinds == {
        "owner": ("text", True),
        "repo_name": ("text", True),
        "title": ("text", True),
        "body": ("text", True),
        "labels": ("list", False),
        "milestone": ("integer", False),
        "due": ("date", False),
        "meta": ("json", False),
    }


def test_what_cannot_be_sent_says_why() -> None:
    read = found(TRACKER)
    assert read["POST /pictures"].problem == "Its body is image/png, which cannot be sent."
    assert "https://other.example/common.yaml" in read["GET /elsewhere"].problem
    patch = read["PATCH /repos/{owner}/{repo-name}/issues/{number}"]
    assert patch.definition["content_type"] == "application/merge-patch+json"
    assert patch.definition["body"]["number"] == "{body_number}"
    assert patch.notes == ("The document calls it deprecated.",)
    upload = read["POST /uploads"]
    assert upload.definition["body"] == {"file": "{file}", "note": "{note}"}
    assert upload.definition["inputs"][0]["type"] == "file"
    assert read["POST /render"].definition["body"] == "{body}"


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "string"}, "text"),
        ({"type": ["null", "number"]}, "number"),
        ({"type": "string", "format": "date"}, "date"),
        ({"enum": [1, 2]}, "choice"),
        ({"const": "only"}, "choice"),
        ({"type": "array", "items": {"enum": ["a", "b"], "type": "string"}}, "list"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "text"),
        ({}, "text"),
    ],
)
def test_the_type_of_an_input(schema: Any, kind: str) -> None:
    (only,) = of_get([{"name": "q", "in": "query", "schema": schema}])["inputs"]
    assert only["type"] == kind


@pytest.mark.parametrize(
    ("wire", "name"),
    [
        ("filter[name]", "filter_name"),
        ("2fa", "_2fa"),
        ("$top", "top"),
        ("é", "value"),
        ("next", "query_next"),
        ("state", "query_state"),
    ],
)
def test_a_name_is_made_fit_and_the_wire_keeps_its_own(wire: str, name: str) -> None:
    written = of_get([{"name": wire, "in": "query", "schema": {"type": "string"}}])
    assert written["parameters"] == {wire: f"{{{name}}}"}
    assert written["inputs"][0]["label"] == wire


@pytest.mark.parametrize(
    ("server", "base_url", "path"),
    [
        ("https://a.example/v1", "https://a.example/v1", "/x"),
        ("https://a.example/v1", "https://a.example", "/v1/x"),
        ("https://a.example", "https://a.example/v1", "/x"),
        ("/v1/deep", "https://a.example/v1", "/deep/x"),
        ("https://evil.example/v1", "https://a.example", "/x"),
        ("http://[broken", "https://a.example", "/x"),
        ("", "https://a.example/v1", "/x"),
    ],
)
def test_the_path_is_below_the_systems_base_url(server: str, base_url: str, path: str) -> None:
    raw = document({"/x": {"get": {}}}, servers=[{"url": server}])
    (only,) = openapi.read(raw, base_url).operations
    assert only.definition["path"] == path
    assert ("evil.example" in openapi.read(raw, base_url).caution) is ("evil" in server)


def test_two_operations_have_two_slugs() -> None:
    same = {"get": {"operationId": "list"}}
    read = found(document({"/a": same, "/b": same, "/c": {"get": {"operationId": "Ω"}}}))
    assert [each.definition["slug"] for each in read.values()] == ["list", "list-2", "operation"]


def test_circles_end() -> None:
    circle = {"schemas": {"A": {"$ref": "#/components/schemas/A"}}}
    raw = document(
        {
            "/x": {
                "get": {
                    "parameters": [
                        {"name": "q", "in": "query", "schema": {"$ref": "#/components/schemas/A"}}
                    ]
                }
            }
        },
        components=circle,
    )
    assert "circle" in found(raw)["GET /x"].problem
    tree = {
        "schemas": {
            "T": {"type": "object", "properties": {"t": {"$ref": "#/components/schemas/T"}}}
        }
    }
    assert (
        of_body({"$ref": "#/components/schemas/T"}, components=tree)["inputs"][0]["type"] == "json"
    )
    wide = {"schemas": {"W": {"allOf": [{"$ref": "#/components/schemas/W"}] * 2}}}
    assert of_body({"$ref": "#/components/schemas/W"}, components=wide)["body"] == "{body}"


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "Choose a file"),
        (b'{"swagger": "2.0", "paths": {}}', "Swagger 2"),
        (b"just words", "no object"),
        (b'{"info": {}}', "no OpenAPI 3"),
        (b"openapi: 3.0.0\n", "no paths"),
        (b'{"openapi": "3.0.0", "paths": {"/x": {}}}', "has an operation"),
        (b"openapi: [", "Line"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"a: &a [x, *a]", "alias"),
        (b"{" + b" " * 10_000_000, "larger than 10 MB"),
        (b"#" * 1_000_001, "no object"),
        (b'{"a": ' + b"[" * 100_000, "."),
        (b'{"openapi": "3.0.0", "paths": ' + b'{"/x": ' * 50_000, "."),
    ],
    ids=count(),
)
def test_what_is_no_document_is_told(raw: bytes, words: str) -> None:
    with pytest.raises(NotADocument, match=words):
        openapi.read(raw, BASE)


@pytest.mark.parametrize(
    "odd",
    [
        {"/x": {"get": []}},
        {"/x": {"get": {"parameters": {"a": 1}}}},
        {"/x": {"get": {"parameters": [1, None, {"name": 7, "in": "query"}]}}},
        {"/x": {"post": {"requestBody": {"content": {"application/json": []}}}}},
        {
            "/x": {
                "post": {
                    "requestBody": {
                        "content": {
                            "application/json": {
                                "schema": {"required": 3, "properties": {"a": None}}
                            }
                        }
                    }
                }
            }
        },
        {"/x": {"get": {"summary": {"a": 1}, "servers": ["x"]}}},
        {"x": {"get": {}}, "/y": 5, "/{a}/{a}/{": {"get": {}}},
        {"/x": {"$ref": "#/nowhere"}},
        {
            "/x": {
                "get": {
                    "parameters": [{"name": "a", "in": "query", "schema": {"enum": [None, {}]}}]
                }
            }
        },
    ],
)
def test_odd_documents_are_read_or_told(odd: Any) -> None:
    try:
        for each in openapi.read(document(odd), BASE).operations:
            assert each.problem or each.definition
    except NotADocument as told:
        assert str(told)


# The screen


def as_person(person: Any) -> Client:
    client = Client()
    client.force_login(person)
    return client


def operations_on(page: str) -> str:
    shown = re.search(r'<textarea name="operations".*?>(.*?)</textarea>', page, re.S)
    assert shown is not None
    return unescape(shown[1])


def test_a_designer_chooses_from_a_document(house: House) -> None:
    desk, system = as_person(house.crm.designer), house.crm.system
    Integration.objects.create(
        connected_system=system, slug="upload-file", name="Mine", definition={"path": "/mine"}
    )
    Integration.objects.create(
        connected_system=house.hr.system, slug="check-form", name="Theirs", definition={}
    )
    file = SimpleUploadedFile("tracker.yaml", TRACKER)
    shown = desk.post(
        ADDRESS, {"connected_system": system.slug, "file": file, "only": "", "action": "show"}
    )
    page = shown.content.decode()
    assert shown.status_code == 200
    assert "There is an integration upload-file already: it stays as it is." in page
    assert "api.tracker.example" in page  # the caution: another host
    boxes = json.loads(operations_on(page))
    chosen = [str(at) for at, box in enumerate(boxes) if box]
    created = desk.post(
        ADDRESS,
        {
            "connected_system": system.slug,
            "operations": operations_on(page),
            "take": chosen,
            "action": "create",
        },
    )
    assert created.status_code == 302, created.content.decode()
    new = Integration.objects.filter(connected_system=system).exclude(pk=house.crm.integration.pk)
    slugs = set(new.values_list("slug", flat=True))
    assert slugs == {
        *("issues-list-for-repo", "issues-create", "patch-repos-owner-repo-name-issues-number"),
        *("issues-delete", "upload-file", f"{system.slug}-check-form", "render-text"),
    }
    assert Integration.objects.get(slug="upload-file").name == "Mine"
    assert Integration.objects.get(slug="check-form").name == "Theirs"
    assert IntegrationVersion.objects.filter(integration__slug="issues-create").count() == 1
    events = AuditEvent.objects.filter(action="integration_created")
    assert events.count() == len(chosen) and events[0].facts["from"] == "OpenAPI"
    for each in new:
        parse({**each.as_data(), "connected_system": system.slug}, system.parsed())
    assert desk.get(created["Location"]).status_code == 200


def test_mistakes_lose_nothing(house: House) -> None:
    desk, system = as_person(house.crm.designer), house.crm.system
    typed = {"document": "openapi: 2", "only": "abc", "action": "show"}
    for slug in ("", house.hr.system.slug, "nobody"):
        said = desk.post(ADDRESS, {**typed, "connected_system": slug})
        assert said.status_code == 400
        assert "Choose the connected system" in said.content.decode()
        assert ">openapi: 2</textarea>" in said.content.decode()
    said = desk.post(ADDRESS, {**typed, "connected_system": system.slug})
    page = said.content.decode()
    assert (said.status_code, 'role="alert"' in page) == (400, True)
    assert ">openapi: 2</textarea>" in page and 'value="abc"' in page
    assert f'value="{system.slug}" selected' in page
    raw = document({"/a": {"get": {}}, "/b": {"get": {}}}).decode()
    shown = desk.post(ADDRESS, {"document": raw, "connected_system": system.slug, "action": "show"})
    posted = {"connected_system": system.slug, "operations": operations_on(shown.content.decode())}
    said = desk.post(ADDRESS, {**posted, "action": "create"})
    assert said.status_code == 400
    assert "Choose at least one operation." in said.content.decode()
    assert operations_on(said.content.decode()) == posted["operations"]


@pytest.mark.parametrize("operations", ["", "[", "5", "[1]", "[{}]", '[{"slug": "x"}]', '[{"slug": "x", "path": "//evil"}]',
                                        '[{"slug": "x", "name": "x", "connected_system": "hr", "method": 5}]'])  # fmt: skip
def test_a_list_of_somebodys_own_is_checked_like_any_save(house: House, operations: str) -> None:
    said = as_person(house.crm.designer).post(
        ADDRESS,
        {
            "connected_system": house.crm.system.slug,
            "operations": operations,
            "take": ["0"],
            "action": "create",
        },
    )
    assert said.status_code == 400
    assert not Integration.objects.filter(slug="x").exists()


def test_a_system_of_others_is_not_written_to(house: House) -> None:
    said = as_person(house.crm.designer).post(
        ADDRESS,
        {
            "connected_system": house.crm.system.slug,
            "operations": json.dumps(
                [
                    {
                        "slug": "mine",
                        "name": "Mine",
                        "path": "/x",
                        "connected_system": house.hr.system.slug,
                    }
                ]
            ),
            "take": ["0"],
            "action": "create",
        },
    )
    assert said.status_code == 302
    assert Integration.objects.get(slug="mine").connected_system == house.crm.system


def test_a_member_does_not_get_there(house: House) -> None:
    assert as_person(house.crm.member).get(ADDRESS).status_code == 403


# What comes of it


@pytest.fixture
def dora(user: Callable[..., Any], transactional_db: None) -> Any:
    """A designer who also uses what she makes."""
    return user("dora", groups=["crm-designers", "crm-users"])


def imported(dora: Any, server: OtherSide, raw: bytes, slug: str) -> list[str]:
    """A system at this server with all of a document's integrations; their slugs."""
    make_system(
        server.url(""),
        slug,
        authentication="api_key",
        api_key={"name": "X-Key", "value": "planted-import-key-1"},
    )
    ConnectedSystem.objects.update(base_url=f"{server.url('')}/v3")
    desk = as_person(dora)
    typed = {"connected_system": slug, "document": raw.decode(), "action": "show"}
    page = desk.post(ADDRESS, typed).content.decode()
    boxes = json.loads(operations_on(page))
    take = [str(at) for at, box in enumerate(boxes) if box]
    sent = {"connected_system": slug, "operations": operations_on(page), "take": take}
    assert desk.post(ADDRESS, {**sent, "action": "create"}).status_code == 302
    return sorted(Integration.objects.values_list("slug", flat=True))


@pytest.fixture
def tracker() -> Iterator[OtherSide]:
    """A server that plays the document's paths: it says what it was asked."""

    def talk(told: Told, sock: socket.socket) -> None:
        asked = {"method": told.method, "target": told.target}
        sock.sendall(answer(json.dumps(asked).encode(), "200 OK", "Content-Type: application/json"))

    with other_side(talk) as server:
        yield server


@pytest.fixture
def petstore() -> Iterator[OtherSide]:
    """A pet store with pets in it, as far as the document says what it does."""
    pets: dict[int, Any] = {}

    def says(told: Told) -> tuple[int, Any]:
        parts = urlsplit(told.target)
        asked = parse_qs(parts.query)
        match told.method, parts.path.removeprefix("/v3/").split("/"):
            case (("POST" | "PUT"), ["pet"]):
                pet = json.loads(told.body)
                pets[pet["id"]] = pet
                return 200, pet
            case "GET", ["pet", "findByStatus"]:
                return 200, [pet for pet in pets.values() if pet["status"] in asked["status"]]
            case "GET", ["pet", "findByTags"]:
                return 200, asked.get("tags", [])
            case "GET", ["pet", number] if int(number) in pets:
                return 200, pets[int(number)]
            case "POST", ["pet", number] if int(number) in pets:
                pets[int(number)] |= {name: values[0] for name, values in asked.items()}
                return 200, pets[int(number)]
            case "DELETE", ["pet", number] if pets.pop(int(number), None):
                return 200, {}
            case "GET", ["store", "inventory"]:
                return 200, Counter(pet["status"] for pet in pets.values())
            case "POST", ["user", "createWithList"]:
                return 200, json.loads(told.body)
        return 404, {"message": "not here"}

    def talk(told: Told, sock: socket.socket) -> None:
        status, tree = says(told)
        sock.sendall(
            answer(json.dumps(tree).encode(), f"{status} So", "Content-Type: application/json")
        )

    with other_side(talk) as server:
        yield server


def test_a_public_api_becomes_working_integrations(petstore: OtherSide, dora: Any) -> None:
    made = imported(dora, petstore, PETSTORE, "petstore")
    assert len(made) == 18
    assert "upload-file" not in made  # a stream of bytes cannot be said

    def call(slug: str, **inputs: Any) -> Any:
        response = call_integration(slug, dora, **inputs)
        assert response.success, response.error
        return response.result.data

    pet = {"id": 7, "name": "Rex", "photoUrls": ["a", "b"], "tags": [{"id": 1, "name": "t"}]}
    assert call("add-pet", **pet, status="available") == {**pet, "status": "available"}
    assert call("get-pet-by-id", petId=7)["name"] == "Rex"
    assert [each["id"] for each in call("find-pets-by-status")] == [7]
    assert call("find-pets-by-tags", tags=["x", "y z"]) == ["x", "y z"]
    assert call("update-pet-with-form", petId=7, status="sold")["status"] == "sold"
    assert call("get-inventory") == {"sold": 1}
    users = [{"username": "ada", "userStatus": 1}]
    assert call("create-users-with-list-input", body=users) == users
    assert call("delete-pet", petId=7) == {}
    gone = call_integration("get-pet-by-id", dora, petId=7)
    assert gone.error is not None and gone.error.code == "call_not_found"
    keys = {told.header("X-Key") for told in petstore.told}
    assert keys == {"planted-import-key-1"}
    assert all(told.target.startswith("/v3/") for told in petstore.told)


def test_an_imported_document_works(tracker: OtherSide, dora: Any) -> None:
    imported(dora, tracker, TRACKER, "tracker")

    def call(slug: str, **inputs: Any) -> Told:
        made = call_integration(slug, dora, **inputs)
        assert made.success, made.error
        return tracker.told[-1]

    place = {"owner": "ada", "repo_name": "notes & more"}
    told = call("issues-list-for-repo", **place, labels="a,b", assignee=["x", "y"])
    assert told.target == (
        "/v3/repos/ada/notes%20%26%20more/issues"
        "?state=open&labels=a%2Cb&assignee=x&assignee=y&per_page=30"
    )
    assert told.header("X-Key") == "planted-import-key-1"
    told = call("issues-create", **place, title="T", body="B", labels=["bug"], due="2026-11-24")
    assert json.loads(told.body) == {
        "title": "T", "body": "B", "labels": ["bug"], "due": "2026-11-24"
    }  # fmt: skip
    told = call(
        "patch-repos-owner-repo-name-issues-number",
        **place,
        number=7,
        body_state="closed",
        body_number=8,
    )
    assert (told.method, told.header("Content-Type")) == ("PATCH", "application/merge-patch+json")
    assert json.loads(told.body) == {"state": "closed", "number": 8}
    assert call("issues-delete", **place, number=7).method == "DELETE"
    told = call("upload-file", file=("a.bin", b"\x00\xff"), note="n")
    assert b'filename="a.bin"' in told.body and b"\x00\xff" in told.body
    assert call("check-form", word="a b").body == b"word=a+b"
    told = call("render-text", body="# Head")
    assert (told.body, told.header("Content-Type")) == (
        b"# Head",
        "text/plain; charset=utf-8",
    )
