"""Every failure box is an alert that takes the keyboard, and the next step stands in it or follows it."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from connectedsystems.models import ConnectedSystem
from integrations.models import HeldSubmission
from integrations.testing import in_state
from tests.acme import NOTE, Visitor, make_integration
from tests.demo.test_pages import CONTACTS, FAILURES
from tests.desk import House
from tests.thirdparty import ThirdParty
from tests.workbench.test_drafts import DRAFT, Designer, crm, dora  # noqa: F401

ROOT = Path(__file__).resolve().parent.parent
WRITTEN = sorted(
    path
    for folder, kind in (("templates", "*.html"), ("demo/pages", "*.html"), ("static/js", "*.js"))
    for path in (ROOT / folder).rglob(kind)
    if re.search(r"role=.{0,2}alert", path.read_text())
)
DESK = "/admin/connectedsystems"
VOID = frozenset({"input", "br", "img", "hr", "link", "meta", "source", "col", "wbr"})
Makes = Callable[..., Any]


class Node:
    """An element with what it holds."""

    def __init__(self, tag: str, attributes: dict[str, str], above: Node | None) -> None:
        self.tag, self.attributes, self.above = tag, attributes, above
        self.children: list[Node] = []

    def all(self) -> list[Node]:
        return [self, *(each for child in self.children for each in child.all())]

    def is_step(self) -> bool:
        """A link that leads somewhere, or a button that does something."""
        hidden = self.attributes.get("hidden") is not None
        leads = self.tag == "a" and bool(self.attributes.get("href"))
        return not hidden and (leads or self.tag == "button")

    def following(self) -> list[Node]:
        """What comes right after it, in the part of the page that it stands in."""
        beside = self.above.children if self.above else [self]
        later = beside[beside.index(self) + 1 :]
        return [each for node in later for each in node.all()]


class _Tree(HTMLParser):
    """The page as nodes; unclosed elements end with the one that holds them."""

    def __init__(self) -> None:
        super().__init__()
        self.root = self.here = Node("", {}, None)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs}, self.here)
        self.here.children.append(node)
        if tag not in VOID:
            self.here = node

    def handle_endtag(self, tag: str) -> None:
        node: Node | None = self.here
        while node is not None and node.tag != tag:
            node = node.above
        if node is not None and node.above is not None:
            self.here = node.above


def nodes(html: str) -> list[Node]:
    tree = _Tree()
    tree.feed(html)
    return tree.root.all()


def check(answer: Any) -> None:
    """The page of a failure has its box, and the box what people need."""
    page = nodes(answer.text)
    boxes = [node for node in page if node.attributes.get("role") == "alert"]
    assert boxes, answer.text
    for box in boxes:
        steps = [node for node in [*box.all(), *box.following()] if node.is_step()]
        assert steps, f"no next step in or after {box.attributes}"
        assert box.attributes.get("tabindex") == "-1"
    scripts = [node.attributes.get("src", "") for node in page if node.tag == "script"]
    assert any("focus-problem" in source for source in scripts)


@pytest.mark.parametrize("path", WRITTEN, ids=[path.name for path in WRITTEN])
def test_G14_every_alert_takes_the_keyboard(path: Path) -> None:
    for alert in re.findall(r"<\w+[^<>]*role=\\?[\"']alert[^<>]*>", path.read_text()):
        assert "tabindex" in alert


# Around a view, and before anybody is logged in


@pytest.mark.django_db
def test_an_address_that_leads_nowhere(client: Client) -> None:
    check(client.get("/no/such/page/"))


@pytest.mark.django_db
def test_a_form_that_is_too_old(alice: Any) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice)
    check(strict.post("/connections/acme/disconnect/"))


@pytest.mark.django_db
def test_a_wrong_password_and_too_many_of_them(client: Client, alice: Any) -> None:
    for _ in range(8):
        answer = client.post("/accounts/login/", {"username": "alice", "password": "wrong"})
        check(answer)
    assert answer.status_code == 429


# What end users meet


def test_the_callback_of_nothing(acme: ConnectedSystem, visitor: Makes, client: Client) -> None:
    path = "/" + acme.redirect_uri.split("/", 3)[3]
    check(client.get(f"{path}?code=c"))
    check(visitor("alice").client.get(f"{path}?code=c&state=nobody-s"))


@pytest.mark.parametrize("popup", ["", "1"], ids=["page", "popup"])
def test_a_walk_that_was_refused(acme: ConnectedSystem, visitor: Makes, popup: str) -> None:
    alice: Visitor = visitor("alice")
    asked = {"next": "/", "popup": popup}
    answer = alice.client.post("/connections/acme/authorize/", asked)
    check(alice.client.get(alice.approves(answer["Location"], allow=False)))


def test_an_integration_that_fails(acme: ConnectedSystem, visitor: Makes) -> None:
    make_integration(acme, "gone", path="/gone")
    alice: Visitor = visitor("alice")
    alice.authorizes()
    answer = alice.client.get("/integrations/gone/")
    assert answer.status_code == 502
    check(answer)
    reference = alice.client.get(f"/references/{answer['X-Reference']}/")
    leads = [node.attributes.get("href") for node in nodes(reference.text) if node.is_step()]
    assert "/integrations/gone/" in leads
    crm_designer = visitor("dora")
    acme.application.designers.first().user_set.add(crm_designer.person)
    crm_designer.authorizes()
    check(crm_designer.client.get("/integrations/gone/"))


def test_a_held_submission_that_cannot_be_delivered(
    acme: ConnectedSystem, visitor: Makes, thirdparty: ThirdParty
) -> None:
    make_integration(acme, "note-to-nowhere", **{**NOTE, "path": "/gone"})
    alice: Visitor = visitor("alice")
    page = nodes(alice.client.get("/integrations/note-to-nowhere/").text)
    action = next(node for node in page if node.attributes.get("name") == "action")
    typed = {"text": "Kept", "action": action.attributes["value"]}
    alice.client.post("/integrations/note-to-nowhere/", typed)
    held = HeldSubmission.objects.get()
    alice.authorizes()
    check(alice.client.post(held.url, {"action": "deliver"}, follow=True))


@pytest.mark.parametrize("code", FAILURES)
def test_a_page_of_a_customers_own(alice: Any, as_user: Makes, code: str) -> None:
    with in_state("acme", alice, code):
        check(as_user(alice).get(CONTACTS))


# What designers meet


@pytest.fixture
def desk(house: House) -> Client:
    client = Client()
    client.force_login(house.crm.designer)
    return client


def test_a_form_that_cannot_be_saved(dora: Designer) -> None:  # noqa: F811
    check(dora.saves(client_id="", token_endpoint="nowhere"))


@pytest.mark.parametrize("act", ["authorize", "done", "check", "find"])
def test_a_button_of_the_form_without_its_script(dora: Designer, act: str) -> None:  # noqa: F811
    typed = {**dora.typed, "client_id": "", "find_from": "nowhere"}
    check(dora.client.post(f"{DRAFT}{act}/", typed))


def test_a_form_that_somebody_else_opened(dora: Designer) -> None:  # noqa: F811
    check(dora.client.post(f"{DRAFT}authorize/", {**dora.typed, "public_id": "forged"}))


def test_a_draft_that_was_refused(dora: Designer) -> None:  # noqa: F811
    check(dora.comes_back(dora.authorize()["url"], allow=False))


@pytest.mark.parametrize("text", [b"", b"a: ["], ids=["empty", "no yaml"])
def test_a_file_that_cannot_be_loaded(desk: Client, text: bytes) -> None:
    answer = desk.post(f"{DESK}/application/load/", {"file": SimpleUploadedFile("f.yaml", text)})
    check(answer)


def test_a_command_that_cannot_be_read(desk: Client) -> None:
    check(desk.post("/admin/integrations/integration/from-curl/", {"command": "wget x"}))


@pytest.mark.parametrize(
    "path", ["/contacts?limit=3", "/{nobody}"], ids=["cannot be made", "refused"]
)
def test_a_test_of_an_integration(desk: Client, house: House, path: str) -> None:
    typed = {
        "connected_system": str(house.crm.system.pk),
        "name": "Tried",
        "slug": "tried",
        "usage": "query",
        "method": "GET",
        "path": path,
    }
    check(desk.post("/admin/integrations/integration/test/", typed))
