"""An integration's page and its JSON as DESIGN says them: shapes, statuses, marks, methods, inputs."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from django.conf import settings as product
from django.test import Client

from integrations.call import deliver
from integrations.models import HeldSubmission
from tests.acme import make_integration
from tests.faults.room import Guest, Room, alert_of, code_of, expire, said
from tests.otherside import answer

MEMBERS = {
    "success",
    "result",
    "error",
    "connected_system",
    "needs_authorization",
    "authorize_url",
    "held",
    "reference",
}
ERROR = {"code", "title", "message", "detail", "next_steps"}
RESULT = {"status_code", "headers", "content_type", "data"}
AS_JSON = {"HTTP_ACCEPT": "application/json"}

TYPES = [
    {"name": "text", "required": True},
    {"name": "whole", "type": "integer", "default": 3},
    {"name": "part", "type": "number"},
    {"name": "yes", "type": "boolean"},
    {"name": "day", "type": "date"},
    {"name": "moment", "type": "datetime"},
    {"name": "pick", "type": "choice", "choices": ["a", "b"]},
    {"name": "tree", "type": "json"},
]


def shaped(read: Any) -> dict[str, Any]:
    """The JSON of an answer, its shape checked."""
    tree: dict[str, Any] = json.loads(read.content, parse_constant=lambda word: pytest.fail(word))
    assert set(tree) == MEMBERS
    assert tree["connected_system"] == "odd"
    assert tree["success"] is (tree["error"] is None)
    if tree["error"] is not None:
        assert set(tree["error"]) == ERROR
        for step in tree["error"]["next_steps"]:
            assert set(step) == {"label", "url"}
            assert step["url"] is None or step["url"].startswith(product.PUBLIC_BASE_URL)
    if tree["result"] is not None:
        assert set(tree["result"]) == RESULT
    if tree["held"] is not None:
        assert set(tree["held"]) == {"id", "url", "state"}
    if tree["authorize_url"] is not None:
        assert tree["authorize_url"].startswith("/connections/odd/authorize/?next=")
    return tree


def test_a_success(room: Room, guest: Guest) -> None:
    guest.connects()
    read = guest.lists_as_json()
    tree = shaped(read)
    assert (read.status_code, tree["success"], tree["needs_authorization"]) == (200, True, False)
    assert tree["authorize_url"] is tree["held"] is None
    assert tree["result"]["data"] == {"contacts": ["Ada"]}
    assert tree["result"]["status_code"] == 200
    assert tree["reference"]
    room.api = answer(b"<p>", "200 OK", "Content-Type: text/html")
    result = shaped(guest.lists_as_json())["result"]
    assert (result["data"], result["content_type"]) == (None, "text/html")


def test_a_missing_authorization(room: Room, guest: Guest) -> None:
    read = guest.lists_as_json()
    tree = shaped(read)
    assert (read.status_code, tree["success"], tree["needs_authorization"]) == (200, False, True)
    assert tree["error"]["code"] == "needs_authorization"
    assert tree["authorize_url"].endswith("next=%2Fintegrations%2Flist%2F")
    assert tree["held"] is None
    read = guest.adds_as_json()
    tree = shaped(read)
    held = HeldSubmission.objects.get()
    assert tree["held"] == {
        "id": str(held.pk),
        "url": f"/integrations/held/{held.pk}/",
        "state": "waiting",
    }
    assert f"held%2F{held.pk}" in tree["authorize_url"]
    assert shaped(guest.adds_as_json())["held"]["id"] == str(held.pk)


def test_the_link_comes_back_to_what_was_typed(room: Room, guest: Guest) -> None:
    path = "/integrations/list/?note=a%26b&limit=3"
    tree = shaped(guest.client.get(path, **AS_JSON))
    for url in (tree["authorize_url"], tree["error"]["next_steps"][0]["url"]):
        assert parse_qs(urlsplit(url).query)["next"] == [path]
    endless = f"/integrations/list/?note={'x' * 3000}"
    tree = shaped(guest.client.get(endless, **AS_JSON))
    assert parse_qs(urlsplit(tree["authorize_url"]).query)["next"] == ["/integrations/list/"]


def test_a_held_page_asks_for_the_authorization_first(room: Room, guest: Guest) -> None:
    guest.adds_as_json()
    held = HeldSubmission.objects.get()

    def link_comes_first(page: str) -> bool:
        link = page.index('data-authorize="odd"')
        assert page.count("data-authorize=") == 1
        assert f"next={quote(held.url, safe='')}" in page
        assert "Authorize Acme CRM and send" in page
        return link < page.index('value="deliver"')

    assert link_comes_first(guest.client.get(held.url).content.decode())
    sent = guest.client.post(held.url, {"action": "deliver"})
    assert (sent.status_code, code_of(sent)) == (200, "needs_authorization")
    assert link_comes_first(sent.content.decode())
    response = deliver(held)
    assert response is not None
    assert (response.needs_authorization, response.to_json()["held"]["state"]) == (True, "waiting")
    assert response.to_json()["held"]["id"] == str(held.pk)
    assert response.authorize_url == f"/connections/odd/authorize/?next={quote(held.url, safe='')}"
    guest.connects()
    assert b"data-authorize" not in guest.client.get(held.url).content
    room.api = answer(b"{}", "201 Created", "Content-Type: application/json")
    done = deliver(held)
    assert done is not None
    assert (done.success, done.held) == (True, None)


@pytest.mark.parametrize(
    ("wire", "status", "code"),
    [
        (answer(b"", "404 Not Found"), 502, "call_not_found"),
        (answer(b"", "500 Broken"), 502, "call_failed"),
        (answer(b"", "429 Busy", "Retry-After: 5"), 502, "rate_limited"),
        (answer(b"", "401 No"), 200, "needs_authorization"),
    ],
)
def test_detail_is_for_designers(
    room: Room, guest: Guest, user: Any, wire: bytes, status: int, code: str
) -> None:
    guest.connects()
    room.api = wire
    read = guest.lists_as_json()
    error = shaped(read)["error"]
    assert (read.status_code, error["code"], error["detail"]) == (status, code, None)
    dora = Guest(user("dora", groups=["crm-designers"]), room)
    dora.connects()
    detail = shaped(dora.lists_as_json())["error"]["detail"]
    assert isinstance(detail, str)
    assert detail


def test_who_is_let_in(room: Room, guest: Guest, user: Any) -> None:
    guest.connects()
    anonymous, outsider = Client(), Client()
    outsider.force_login(user("mallory"))
    for path in ("/integrations/list/", "/integrations/add/"):
        for ask in (anonymous.get, anonymous.post):
            read = ask(path, **AS_JSON)
            assert (read.status_code, set(read.json())) == (401, MEMBERS)
            assert set(read.json()["error"]) == ERROR
            assert read.json()["error"]["code"] == "log_in"
            page = ask(path)
            assert (page.status_code, page["Location"].split("?")[0]) == (302, "/accounts/login/")
        for ask in (outsider.get, outsider.post):
            assert ask(path, **AS_JSON).status_code == 404
            assert ask(path).status_code == 404
        assert outsider.get(path).content == outsider.get("/integrations/none/").content or (
            outsider.get("/integrations/none/").status_code == 404
        )
    read = anonymous.get("/connections/odd/status/")
    assert (read.status_code, set(read.json()["error"])) == (401, {"code", "title", "message"})
    theirs = outsider.get("/connections/odd/status/")
    nobodys = outsider.get("/connections/none/status/")
    assert (theirs.status_code, theirs.content) == (404, nobodys.content)
    assert room.server.told == []


def test_G2_a_write_needs_its_token(room: Room, guest: Guest) -> None:
    guest.connects()
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(guest.person)
    for path, data in [
        ("/integrations/add/", {"text": "x"}),
        ("/connections/odd/disconnect/", {}),
        ("/connections/odd/authorize/", {}),
    ]:
        assert strict.post(path, data).status_code == 403
        assert strict.post(path, data, **AS_JSON).status_code == 403
    assert room.server.told == []
    strict.get("/integrations/add/")
    token = strict.cookies["csrftoken"].value
    read = strict.post(
        "/integrations/add/",
        '{"text": "x"}',
        content_type="application/json",
        HTTP_X_CSRFTOKEN=token,
        **AS_JSON,
    )
    assert shaped(read)["success"]
    assert room.calls == 1


@pytest.mark.parametrize("path", ["/integrations/list/", "/integrations/add/"])
@pytest.mark.parametrize("method", ["head", "put", "patch", "delete", "options", "trace"])
def test_other_methods(room: Room, guest: Guest, path: str, method: str) -> None:
    guest.connects()
    told = getattr(guest.client, method)(path).status_code
    assert told == (200 if method == "head" else 405)
    assert room.calls == (1 if (method, path) == ("head", "/integrations/list/") else 0)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/", {"get"}),
        ("/connections/", {"get"}),
        ("/connections/closing/", {"get"}),
        ("/connections/odd/status/", {"get"}),
        ("/connections/odd/disconnect/", {"post"}),
        ("/connections/odd/authorize/", {"get", "post"}),
        ("/integrations/held/", {"get"}),
        ("/integrations/list/", {"get"}),
        ("/integrations/add/", {"get", "post"}),
    ],
)
def test_methods_of_each_address(room: Room, guest: Guest, path: str, allowed: set[str]) -> None:
    for method in ("get", "post", "put", "delete", "patch"):
        status = getattr(guest.client, method)(path).status_code
        assert (status == 405) is (method not in allowed), (method, status)
        assert status < 500
    if "get" in allowed and "authorize" not in path:
        assert guest.client.head(path).status_code == guest.client.get(path).status_code


def test_a_write_is_never_made_on_get(room: Room, guest: Guest) -> None:
    guest.connects()
    page = guest.client.get("/integrations/add/", {"text": "x"})
    assert (page.status_code, code_of(page)) == (200, None)
    assert b"data-result" not in page.content
    assert guest.client.get("/integrations/add/", {"text": "x"}, **AS_JSON).status_code == 405
    assert room.calls == 0


def test_a_query_is_made_once_its_inputs_are_there(room: Room, guest: Guest) -> None:
    from connectedsystems.models import ConnectedSystem

    system = ConnectedSystem.objects.get()
    make_integration(
        system, "find", path="/contacts/{who}", inputs=[{"name": "who", "required": True}]
    )
    make_integration(
        system,
        "found",
        path="/contacts/{who}",
        inputs=[{"name": "who", "required": True, "default": "ada"}],
    )
    guest.connects()
    page = guest.client.get("/integrations/find/")
    assert (page.status_code, code_of(page), room.calls) == (200, None, 0)
    page = guest.client.get("/integrations/find/", {"next": "/x", "utm": "y"})
    assert (page.status_code, room.calls) == (200, 0)
    page = guest.client.get("/integrations/find/", {"who": ""})
    assert room.calls == 0
    read = guest.client.get("/integrations/find/", **AS_JSON)
    assert (read.status_code, shaped(read)["error"]["code"]) == (400, "input_invalid")
    assert guest.client.get("/integrations/find/", {"who": "b/../c?d#e"}).status_code == 200
    assert guest.client.get("/integrations/found/").status_code == 200
    assert [told.target for told in room.server.told] == [
        "/api/contacts/b%2F..%2Fc%3Fd%23e",
        "/api/contacts/ada",
    ]


# what is typed for the input, the value
WRONG = [
    ("text", ""),
    ("text", "a\0b"),
    ("whole", "three"),
    ("whole", "1.5"),
    ("whole", "9" * 5000),
    ("whole", "0x10"),
    ("whole", "١٢x"),
    ("part", "nan"),
    ("part", "inf"),
    ("part", "1e999"),
    ("part", "1,5"),
    ("yes", "perhaps"),
    ("day", "2026-02-30"),
    ("day", "tomorrow"),
    ("moment", "2026-01-01 25:00"),
    ("moment", "\0"),
    ("pick", "c"),
    ("pick", "<script>alert(1)</script>"),
    ("tree", "{"),
    ("tree", "[" * 100_000),
    ("tree", "NaN"),
    ("tree", '{"a": "\\ud800"}'),
]


@pytest.mark.parametrize("usage", ["query", "modify"])
@pytest.mark.parametrize(("name", "value"), WRONG)
def test_wrong_inputs(room: Room, guest: Guest, usage: str, name: str, value: str) -> None:
    from html import unescape

    from connectedsystems.models import ConnectedSystem

    more = {"method": "POST", "body": {"t": "{text}"}} if usage == "modify" else {}
    make_integration(ConnectedSystem.objects.get(), "all", usage=usage, inputs=TYPES, **more)
    guest.connects()
    ask = guest.client.get if usage == "query" else guest.client.post
    typed = {"text": "kept words", name: value}
    page = ask("/integrations/all/", typed)
    text = page.content.decode()
    if usage == "query" and (name, value) == ("text", ""):
        assert page.status_code in (200, 400)
    else:
        assert (page.status_code, code_of(page)) == (400, "input_invalid")
    if name != "text":
        assert "kept words" in text
    if "\0" not in value:
        assert value in unescape(text)
    assert "<script>alert" not in text
    read = ask("/integrations/all/", typed, **AS_JSON)
    assert (read.status_code, shaped(read)["error"]["code"]) == (400, "input_invalid")
    if usage == "modify" and name != "tree" and value:
        read = guest.client.post(
            "/integrations/all/", json.dumps(typed), content_type="application/json", **AS_JSON
        )
        assert (read.status_code, shaped(read)["error"]["code"]) == (400, "input_invalid")
    assert room.calls == 0
    assert not HeldSubmission.objects.exists()


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"1", b"{", b"\xff", b"NaN", b"[" * 100_000, b'{"text": {"a": 1}}', b'{"text": 7}',
     b'{"text": null}', b'{"text": "\\ud800"}', b'{"text": "a\\u0000"}'],
)  # fmt: skip
def test_odd_json_bodies(room: Room, guest: Guest, body: bytes) -> None:
    guest.connects()
    read = guest.client.post("/integrations/add/", body, content_type="application/json", **AS_JSON)
    assert (read.status_code, shaped(read)["error"]["code"]) == (400, "input_invalid")
    assert room.calls == 0


@pytest.mark.parametrize(
    "text",
    ["x" * 500_000, "\u202e", "ż" * 1000, "a\r\nX-Evil: 1", "{text}", "{{7*7}}", "</script>", "'\"\\",
     "\ud83d\ude00", " ", "\x1b[31m"],
)  # fmt: skip
def test_odd_inputs_arrive_as_they_are(room: Room, guest: Guest, text: str) -> None:
    text = text.encode("utf-16", "surrogatepass").decode("utf-16")
    guest.connects()
    assert code_of(guest.adds(text)) is None
    (told,) = room.asked("/api")
    assert json.loads(told.body) == {"text": text}
    assert told.header("X-Evil") is None


def test_odd_inputs_are_held_and_delivered(room: Room, guest: Guest) -> None:
    text = "é\r\n\u202e{text}</textarea>" + "x" * 100_000
    page = guest.adds(text)
    assert (page.status_code, code_of(page)) == (200, "needs_authorization")
    held = HeldSubmission.objects.get()
    shown = guest.client.get(held.url)
    assert re.search(r'data-state="waiting"', shown.content.decode())
    actions = set(re.findall(r'name="action"[^>]*value="([^"]+)"', shown.content.decode()))
    assert {"deliver", "edit", "discard"} <= actions
    guest.connects()
    for method in ("head", "put", "delete"):
        getattr(guest.client, method)(held.url)
    guest.client.get(held.url, {"action": "deliver"})
    assert room.calls == 0
    for action in ("", "nonsense", "deliver\0"):
        assert guest.client.post(held.url, {"action": action}).status_code == 400
    sent = guest.client.post(held.url, {"action": "deliver"})
    assert 'data-state="delivered"' in sent.content.decode()
    guest.client.post(held.url, {"action": "deliver"})
    (told,) = room.asked("/api")
    assert json.loads(told.body) == {"text": text}


@pytest.mark.parametrize(
    ("wire", "state"),
    [
        (said({}, "201 Created"), "delivered"),
        (answer(b"", "429 Busy"), "waiting"),
        (answer(b"", "401 No"), "waiting"),
        (answer(b"", "422 No"), "refused"),
        (answer(b"", "404 No"), "refused"),
        (answer(b"", "500 Broken"), "outcome_unknown"),
        (answer(b"", "503 Busy"), "outcome_unknown"),
        (answer(b"cut", length=9), "outcome_unknown"),
        (answer(b"", "302 F", "Location: http://evil.example/"), "outcome_unknown"),
    ],
)
def test_E20_the_fate_of_a_held_write(
    room: Room, guest: Guest, wire: bytes, state: str, settings: Any
) -> None:
    guest.adds()
    held = HeldSubmission.objects.get()
    assert guest.authorizes().status_code == 303
    settings.TIME_LIMITS = 0.02
    room.api = wire
    sent = guest.client.post(held.url, {"action": "deliver"})
    assert f'data-state="{state}"' in sent.content.decode()
    assert b"Kept words" in sent.content
    held.refresh_from_db()
    assert held.state == state
    again = guest.client.post(held.url, {"action": "deliver"})
    assert again.status_code != 500
    assert room.calls == 1 + (state == "waiting")


def test_marks(room: Room, guest: Guest) -> None:
    page = guest.lists()
    assert code_of(page) == "needs_authorization"
    text = page.content.decode()
    assert re.search(
        r'<a [^>]*data-authorize="odd"[^>]*href="/connections/odd/authorize/\?next=', text
    ) or (
        re.search(r'<a [^>]*href="/connections/odd/authorize/[^"]*"[^>]*data-authorize="odd"', text)
    )
    assert re.search(r'<[^>]*role="status"[^>]*data-code="needs_authorization"', text)
    assert 'role="alert"' not in text
    guest.connects()
    for path in (
        "/",
        "/connections/",
        "/integrations/list/",
        "/integrations/add/",
        "/integrations/held/",
    ):
        assert b"data-code" not in guest.client.get(path).content, path
    room.api = answer(b"", "500 Broken")
    alert = alert_of(guest.lists())
    assert alert["code"] == "call_failed"
    assert guest.client.get(f"/references/{alert['reference']}/").status_code == 200
    expire(refresh_token=None)
    assert code_of(guest.lists()) == "needs_authorization"


@pytest.mark.parametrize(
    "path",
    ["/integrations/a%00b/", "/connections/a%00b/status/", "/references/a%00b/", "/references/%ff/",
     "/integrations/held/" + "a" * 3000 + "/", "/references/" + "a" * 3000 + "/",
     "/connections/callback/not-a-uuid/", "/integrations/" + "a" * 3000 + "/"],
)  # fmt: skip
def test_F8_odd_addresses(guest: Guest, path: str) -> None:
    assert guest.client.get(path).status_code in (400, 404)


@pytest.mark.parametrize("next_path", ["//evil.example", "https://evil.example", "/\\evil.example",
                                       "javascript:alert(1)", "/a\0b", "\0", "/" + "a" * 5000,
                                       "http:///evil.example", "/\t/evil.example", "/%0d%0aX: 1"])  # fmt: skip
def test_next_is_a_local_path(room: Room, guest: Guest, next_path: str) -> None:
    from tests.acme import OWN_CLICK
    from tests.faults.room import CODE

    gone = guest.client.get("/connections/odd/authorize/", {"next": next_path}, **OWN_CLICK)
    assert gone.status_code == 302
    state = re.findall("state=([^&]+)", gone["Location"])[0]
    back = guest.comes_back(f"code={CODE}&state={state}")
    assert back.status_code == 303
    assert back["Location"].startswith("/")
    assert not back["Location"].startswith("//")
    assert "evil" not in back["Location"]
    page = guest.client.get("/connections/closing/", {"next": next_path})
    assert page.status_code == 200
    assert b"evil" not in page.content
    assert guest.client.get("/connections/odd/authorize/", {"next": next_path}).status_code == 200
    gone = guest.client.post("/connections/odd/disconnect/", {"next": next_path})
    assert (gone.status_code, "evil" in gone["Location"]) == (303, False)
