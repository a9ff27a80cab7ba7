"""The designers' screen of integrations: written, seen as an address, tried, then saved."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connectedsystems.models import AuditEvent, ConnectedSystem
from integrations.models import CallRecord, HeldSubmission, Integration, TriedInputs
from integrations.testing import in_state
from tests.acme import NOTE, make_integration, make_system
from tests.otherside import OtherSide, answer, other_side, says

LIST = "/admin/integrations/integration/"
ADD = f"{LIST}add/"
TEST = f"{LIST}test/"
PREVIEW = f"{LIST}preview/"


@pytest.fixture
def acme_system(db: None) -> ConnectedSystem:
    return make_system("https://acme.example")


@pytest.fixture
def dora(user: Callable[..., Any]) -> Any:
    return user("dora", groups=["crm-designers"])


@pytest.fixture
def desk(dora: Any) -> Client:
    client = Client()
    client.force_login(dora)
    return client


def typed(system: ConnectedSystem, **more: Any) -> dict[str, Any]:
    """A form as it is sent; trees as JSON."""
    fields = {
        "connected_system": str(system.pk),
        "name": "List contacts",
        "slug": "list-contacts",
        "usage": "query",
        "method": "GET",
        "path": "/contacts",
        "parameters": {"limit": "{limit}"},
        "headers": "",
        "content_type": "application/json",
        "body": "",
        "inputs": [{"name": "limit", "type": "integer", "default": 20}],
        "timeout": "30",
        "success": "",
        "idempotency_key": "",
        **more,
    }
    return {k: json.dumps(v) if isinstance(v, dict | list) else v for k, v in fields.items()}


def tried(client: Client, fields: dict[str, Any]) -> Any:
    """The answer to a click on Test."""
    return client.post(TEST, fields, headers={"X-Requested-With": "fetch"})


def text_of(page: Any) -> str:
    text: str = page.content.decode()
    return text


def test_a_designer_writes_an_integration(desk: Client, acme_system: ConnectedSystem) -> None:
    page = desk.post(ADD, typed(acme_system))
    assert page.status_code == 302, text_of(page)
    made = Integration.objects.get()
    assert (made.slug, made.usage, made.version) == ("list-contacts", "query", 1)
    assert made.definition == {
        "method": "GET",
        "path": "/contacts",
        "parameters": {"limit": "{limit}"},
        "content_type": "application/json",
        "inputs": [{"name": "limit", "type": "integer", "default": 20}],
        "timeout": 30,
    }


def test_each_save_is_another_version(desk: Client, acme_system: ConnectedSystem) -> None:
    made = make_integration(acme_system, "list-contacts")
    for version in (2, 3):
        desk.post(f"{LIST}{made.pk}/change/", typed(acme_system, path="/people"))
        made.refresh_from_db()
        assert made.version == version
    assert made.definition["path"] == "/people"


def test_the_audit_tells_who_changed_what(desk: Client, acme_system: ConnectedSystem) -> None:
    desk.post(ADD, typed(acme_system))
    made = Integration.objects.get()
    desk.post(f"{LIST}{made.pk}/change/", typed(acme_system, path="/people"))
    desk.post(
        LIST, {"action": "delete_selected", "_selected_action": [str(made.pk)], "post": "yes"}
    )
    events = AuditEvent.objects.filter(action__startswith="integration_")
    told = [(event.action, event.actor_name, event.facts) for event in events]
    slug = {"integration": "list-contacts"}
    assert sorted(told, key=lambda each: each[0]) == [
        ("integration_changed", "dora", {**slug, "fields": ["path"]}),
        ("integration_created", "dora", slug),
        ("integration_deleted", "dora", slug),
    ]
    assert not Integration.objects.exists()


def test_what_is_stored_is_shown_as_it_would_be_written(
    desk: Client, acme_system: ConnectedSystem
) -> None:
    made = make_integration(acme_system, "add-note", **NOTE)
    before = made.definition
    page = desk.get(f"{LIST}{made.pk}/change/")
    form = page.context["adminform"].form
    sent = {name: form[name].value() or "" for name in form.fields}
    desk.post(f"{LIST}{made.pk}/change/", {**sent, "connected_system": str(acme_system.pk)})
    made.refresh_from_db()
    kept = {key: made.definition[key] for key in before}
    assert kept == before


@pytest.mark.parametrize("chosen", ["slug", "pk"])
def test_the_system_can_be_chosen_in_the_address(
    desk: Client, acme_system: ConnectedSystem, chosen: str
) -> None:
    page = desk.get(ADD, {"connected_system": str(getattr(acme_system, chosen))})
    assert f'<option value="{acme_system.pk}" selected' in text_of(page)


def test_systems_of_others_are_not_offered(
    desk: Client, acme_system: ConnectedSystem, user: Callable[..., Any]
) -> None:
    other = make_system("https://globex.example", "globex", name="Globex")
    other.application = type(other.application).objects.create(slug="hr", name="HR")
    other.save()
    hidden = make_integration(other, "list-people")
    assert "Globex" not in text_of(desk.get(ADD))
    assert desk.post(ADD, typed(other)).status_code == 200
    assert desk.get(f"{LIST}{hidden.pk}/change/").status_code == 404
    assert "list-people" not in text_of(desk.get(LIST))
    panel = tried(desk, typed(other))
    assert "data-test-outcome" not in text_of(panel)


def test_members_do_not_come_here(acme_system: ConnectedSystem, user: Callable[..., Any]) -> None:
    client = Client()
    client.force_login(user("alice", groups=["crm-users"]))
    for address in (LIST, ADD):
        assert client.get(address).status_code == 403
    for address in (TEST, PREVIEW):
        assert client.post(address, typed(acme_system)).status_code == 403


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("path", "https://evil.example/x", "joined to the base URL"),
        ("path", "/contacts?limit=3", "put its parameters into parameters"),
        ("path", "/contacts/{id}", "{id} is not declared: add a variable or an input"),
        ("parameters", '{"limit": {limit}}', "This is no JSON: line 1, column 12"),
        ("parameters", "[1]", "This must be an object"),
        ("parameters", '{"q": "{query}"}', "q: {query} is not declared"),
        ("headers", '{"Host": "evil"}', "Host is written by the connection itself; remove it."),
        ("headers", '{"Authorization": "x"}', "written by the authentication of this system"),
        ("body", '{"a": 1}', "GET sends no body"),
        ("content_type", "json", "a type such as application/json"),
        ("inputs", '[{"name": "a b"}]', "Input 1 (a b), name: A name holds letters"),
        (
            "inputs",
            '[{"name": "limit", "type": "integer", "default": "x"}]',
            "Input 1 (limit), default",
        ),
        ("inputs", '[{"name": "limit", "kind": "x"}]', "unknown key: kind"),
        ("inputs", "{}", "This must be a list"),
        ("timeout", "61", "Must be from 1 to 60."),
        ("success", "a[", "no JMESPath expression"),
        ("idempotency_key", "a b", "no name of a header"),
        ("slug", "held", "is an address of this site"),
        ("slug", "List", "lower case"),
    ],
)
def test_a_mistake_stands_at_its_field_and_nothing_typed_is_lost(
    desk: Client, acme_system: ConnectedSystem, name: str, value: str, words: str
) -> None:
    page = desk.post(ADD, typed(acme_system, **{name: value}))
    form = page.context["adminform"].form
    assert [words for sentence in form.errors[name] if words in sentence], form.errors
    assert form[name].value() == value
    assert not Integration.objects.exists()


def test_the_same_slug_twice_is_refused(desk: Client, acme_system: ConnectedSystem) -> None:
    make_integration(acme_system, "list-contacts")
    page = desk.post(ADD, typed(acme_system))
    assert "slug" in page.context["adminform"].form.errors


def test_test_inputs_stay_after_a_mistake(desk: Client, acme_system: ConnectedSystem) -> None:
    page = desk.post(ADD, {**typed(acme_system, path="//x"), "test-limit": "77"})
    assert '"limit": "77"' in text_of(page)


def test_the_preview_is_the_request_that_would_be_sent(
    desk: Client, acme_system: ConnectedSystem
) -> None:
    fields = typed(acme_system, path="/contacts/{id}", inputs=[{"name": "id"}, {"name": "limit"}])
    told = desk.post(PREVIEW, {**fields, "test-limit": "a&b"}).json()
    assert told["line"] == "GET https://acme.example/api/contacts/{id}?limit=a%26b"
    assert told["undeclared"] == []


def test_the_preview_offers_what_is_not_declared(
    desk: Client, acme_system: ConnectedSystem
) -> None:
    told = desk.post(PREVIEW, typed(acme_system, path="/contacts/{id}")).json()
    assert told["line"] == "GET https://acme.example/api/contacts/{id}"
    assert told["undeclared"] == ["id"]


def test_a_get_of_the_test_goes_back_to_the_list(
    desk: Client, acme_system: ConnectedSystem
) -> None:
    assert desk.get(TEST)["Location"] == LIST
    assert desk.get(PREVIEW)["Location"] == LIST


# The test


@pytest.fixture
def api() -> Any:
    with other_side(
        says(answer(b'{"contacts": []}', "200 OK", "Content-Type: application/json"))
    ) as side:
        yield side


def keyed(side: OtherSide, **more: Any) -> ConnectedSystem:
    system = make_system(
        side.url(""),
        authentication="api_key",
        api_key={"name": "X-Key", "value": "key-Zq8wW1"},
        **more,
    )
    system.base_url = side.url("/api")
    system.save()
    return system


def test_what_is_not_saved_can_be_tried(desk: Client, api: OtherSide) -> None:
    system = keyed(api)
    page = tried(desk, {**typed(system, name="", slug=""), "test-limit": "3"})
    text = text_of(page)
    assert 'data-test-outcome="success"' in text
    assert api.told[0].target == "/api/contacts?limit=3"
    for words in ("Result", "HTTP Request", "HTTP Response", "Times", "Next steps"):
        assert f'data-tab="{words}"' in text
    for words in ("Prepare", "Send", "Receive", "Transform", "GET /api/contacts?limit=3 HTTP/1.1"):
        assert words in text
    assert not Integration.objects.exists()


def test_the_inputs_of_the_last_test_are_offered_again(
    desk: Client, api: OtherSide, user: Callable[..., Any]
) -> None:
    system = keyed(api)
    fields = typed(system, inputs=[{"name": "limit"}, {"name": "wanted"}])
    desk.post(ADD, fields)
    made = Integration.objects.get(slug="list-contacts")
    change = f"{LIST}{made.pk}/change/"
    planted = "planted-test-input-6Hw1"
    tried(desk, {**fields, "test-limit": "7", "test-wanted": planted})
    page = text_of(desk.get(change))
    assert "Filled with what you tried last" in page
    assert f'value="{planted}"' in page and 'name="test-limit" value="7"' in page
    other = Client()
    other.force_login(user("dan", groups=["crm-designers"]))
    assert planted not in text_of(other.get(change))
    row = TriedInputs.objects.get()
    assert planted not in row.texts.stored
    dumped = io.StringIO()
    call_command("dump_bundle", stdout=dumped)
    call_command("dumpdata", stdout=dumped)
    assert planted not in dumped.getvalue()
    assert desk.post(f"{LIST}{made.pk}/forget-inputs/").status_code == 302
    assert planted not in text_of(desk.get(change))
    tried(desk, {**fields, "test-wanted": "x" * 200_000})
    assert not TriedInputs.objects.exists()
    tried(desk, {**fields, "test-limit": "8"})
    TriedInputs.objects.update(at=timezone.now() - timedelta(days=31))
    call_command("prune", stdout=io.StringIO())
    assert not TriedInputs.objects.exists()


def test_a_file_can_be_tried(desk: Client, api: OtherSide) -> None:
    fields = typed(
        keyed(api),
        usage="modify",
        method="POST",
        parameters="",
        content_type="multipart/form-data",
        body={"file": "{report}"},
        inputs=[{"name": "report", "type": "file"}],
    )
    chosen = SimpleUploadedFile("a.txt", b"each byte of it", "text/plain")
    panel = text_of(tried(desk, {**fields, "test-report": chosen}))
    assert 'data-test-outcome="success"' in panel
    assert b'filename="a.txt"' in api.told[-1].body and b"each byte of it" in api.told[-1].body
    desk.post(ADD, fields)
    page = text_of(desk.get(f"{LIST}{Integration.objects.get().pk}/change/"))
    assert '<input type="file" name="test-report"' in page
    assert 'enctype="multipart/form-data"' in page


def test_a_test_is_recorded(desk: Client, api: OtherSide) -> None:
    tried(desk, typed(keyed(api)))
    record = CallRecord.objects.get()
    assert record.success and record.integration_id is None
    assert desk.get(f"/references/{record.reference}/").status_code == 200


def test_no_secret_is_shown_also_where_it_is_echoed(desk: Client) -> None:
    body = b'{"you said": "key-Zq8wW1"}'
    with other_side(says(answer(body, "200 OK", "X-Echo: key-Zq8wW1"))) as side:
        text = text_of(tried(desk, typed(keyed(side))))
        assert side.told[0].header("X-Key") == "key-Zq8wW1"
    assert "Zq8wW1" not in text
    assert "X-Key: [redacted]" in text
    assert "X-Echo: [redacted]" in text


def test_a_long_answer_is_cut_and_can_be_downloaded(desk: Client) -> None:
    body = b"[" + b"1234567, " * 3000 + b"1]"
    with other_side(says(answer(body, "200 OK", "Content-Type: application/json"))) as side:
        text = text_of(tried(desk, typed(keyed(side))))
    assert "The first 10" in text
    assert 'download="response-' in text
    assert "Download the whole body" in text
    assert text.split("Download")[0].count("1234567") < 3000


@pytest.mark.parametrize(
    ("reply", "code", "field"),
    [
        (answer(b"{}", "404 Not Found"), "call_not_found", "path"),
        (answer(b"{}", "405 Method Not Allowed"), "call_failed", "method"),
        (
            answer(b'{"message": "limit is odd"}', "422 Unprocessable Content"),
            "call_failed",
            "parameters",
        ),
    ],
)
def test_a_failure_names_cause_fix_and_the_field(
    desk: Client, reply: bytes, code: str, field: str
) -> None:
    with other_side(says(reply)) as side:
        text = text_of(tried(desk, typed(keyed(side))))
    assert f'data-code="{code}"' in text
    assert 'role="alert"' in text
    assert "<dt>Cause</dt>" in text and "<dt>Fix</dt>" in text
    assert f'data-field="{field}"' in text


def test_nothing_listens_there(desk: Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    system = make_system(f"http://127.0.0.1:{port}", authentication="none")
    text = text_of(tried(desk, typed(system)))
    assert 'data-code="connection_failed"' in text
    assert "There was no answer." in text
    assert "GET /api/contacts" in text


def test_inputs_that_do_not_fit_are_named_and_nothing_is_sent(desk: Client, api: OtherSide) -> None:
    page = tried(desk, {**typed(keyed(api)), "test-limit": "many"})
    assert 'data-code="input_invalid"' in text_of(page)
    assert "takes a whole number" in text_of(page)
    assert not api.told


def test_mistakes_of_the_form_are_listed_with_their_fields(desk: Client, api: OtherSide) -> None:
    text = text_of(tried(desk, typed(keyed(api), path="//x", parameters="{")))
    assert 'data-field="parameters"' in text
    assert not api.told


def test_a_missing_authorization_shows_the_link_in_place(
    desk: Client, acme_system: ConnectedSystem
) -> None:
    address = f"{ADD}?connected_system=acme"
    page = tried(desk, {**typed(acme_system), "form_address": address})
    text = text_of(page)
    assert 'data-test-outcome="needs_authorization"' in text
    assert text.count('data-authorize="acme"') == 1
    assert "next=%2Fadmin%2Fintegrations%2Fintegration%2Fadd%2F" in text


def test_a_write_is_not_held_by_a_test(desk: Client, acme_system: ConnectedSystem) -> None:
    note = {"usage": "modify", "method": "POST", "parameters": "", "inputs": ""}
    tried(desk, typed(acme_system, **note))
    assert not HeldSubmission.objects.exists()


def test_the_test_shows_each_state(desk: Client, dora: Any, acme_system: ConnectedSystem) -> None:
    for state in ("connected", "rate_limited", "timeout", "refresh_failed", "call_refused"):
        with in_state("acme", dora, state):
            page = tried(desk, typed(acme_system))
        assert page.status_code == 200
        assert "data-test-outcome" in text_of(page)


def test_without_script_the_test_is_a_page_of_its_own(desk: Client, api: OtherSide) -> None:
    text = text_of(desk.post(TEST, typed(keyed(api))))
    assert "<html" in text and 'data-test-outcome="success"' in text


def test_as_oneself_at_a_real_server(acme: ConnectedSystem, visitor: Any) -> None:
    someone = visitor("dora")
    someone.person.groups.add(*acme.application.designers.all())
    page = tried(someone.client, typed(acme))
    assert 'data-test-outcome="needs_authorization"' in text_of(page)
    someone.authorizes(next_path=ADD)
    text = text_of(tried(someone.client, typed(acme)))
    assert 'data-test-outcome="success"' in text
    assert "Authorization: Bearer [redacted]" in text
    assert "contacts" in text


def test_lists_ask_as_often_for_many_as_for_few(desk: Client, acme_system: ConnectedSystem) -> None:
    counts = []
    for many in (1, 20):
        for index in range(many):
            make_integration(acme_system, f"call-{many}-{index}")
        with CaptureQueriesContext(connection) as asked:
            desk.get(LIST)
        counts.append(len(asked))
    assert counts[0] == counts[1]
