"""``manage.py call_integration``: JSON on one side, cause and fix on the other, an exit status."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from connectedsystems.models import ConnectedSystem
from integrations.testing import in_state
from tests.acme import NOTE, make_integration, make_system
from tests.thirdparty import ThirdParty


@pytest.fixture(autouse=True)
def _acme(db: None, thirdparty: ThirdParty) -> ConnectedSystem:
    system = make_system(thirdparty.url)
    system.application.open_to_everyone = True
    system.application.save()
    limit = {"name": "limit", "type": "integer", "default": 20}
    wanted = {"name": "wanted", "type": "json"}
    make_integration(
        system, "list-contacts", parameters={"limit": "{limit}"}, inputs=[limit, wanted]
    )
    make_integration(system, "add-note", **NOTE)
    status = make_system(thirdparty.url, "status", authentication="none", name="Status")
    status.application.open_to_everyone = True
    status.application.save()
    make_integration(status, "acme-status", path="/status")
    return system


def call(*arguments: str) -> tuple[dict[str, Any], int, str]:
    """What is printed, the exit status, and what is said of a failure."""
    out = StringIO()
    try:
        call_command("call_integration", *arguments, stdout=out)
    except CommandError as error:
        return json.loads(out.getvalue() or "{}"), error.returncode, str(error)
    return json.loads(out.getvalue()), 0, ""


def test_a_success_is_printed_as_json(alice: Any) -> None:
    answer, status, said = call("acme-status", "--user", "alice")
    assert status == 0 and said == ""
    assert answer["success"] is True
    assert answer["result"]["status_code"] == 200
    assert answer["result"]["data"]["service"] == "Acme CRM"


def test_inputs_are_read_as_a_form_would(alice: Any) -> None:
    with in_state("acme", alice, "connected", results={"list-contacts": {"contacts": []}}):
        answer, status, _ = call(
            "list-contacts", "--user", "alice", "--input", "limit=3", "--input", 'wanted={"a": 1}'
        )
    assert status == 0
    assert answer["result"]["data"] == {"contacts": []}


def test_a_missing_authorization_has_an_exit_status_of_its_own(alice: Any) -> None:
    answer, status, said = call("list-contacts", "--user", "alice")
    assert status == 3
    assert answer["needs_authorization"] is True
    address = answer["error"]["next_steps"][0]["url"]
    assert address.startswith("http://testserver/connections/acme/authorize/")
    assert "Cause:" in said and "Fix:" in said and address in said


@pytest.mark.parametrize("code", ["call_refused", "timeout", "temporarily_unavailable"])
def test_other_failures_say_cause_and_fix(alice: Any, code: str) -> None:
    with in_state("acme", alice, code):
        answer, status, said = call("list-contacts", "--user", "alice")
    assert status == 1
    assert answer["error"]["code"] == code
    assert answer["error"]["detail"]
    assert code in said and "Cause:" in said and "Fix:" in said
    assert answer["reference"] in said


def test_a_value_that_does_not_fit_is_named(alice: Any) -> None:
    answer, status, _ = call("list-contacts", "--user", "alice", "--input", "limit=many")
    assert status == 1
    assert answer["error"]["code"] == "input_invalid"
    assert "limit" in answer["error"]["message"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["list-contact", "--user", "alice"], "There are: acme-status, add-note, list-contacts."),
        (["list-contacts", "--user", "alise"], "no user 'alise'"),
        (["list-contacts", "--user", "alice", "--input", "max=3"], "its inputs: limit, wanted"),
        (["list-contacts", "--user", "alice", "--input", "limit"], "--input limit=20"),
    ],
)
def test_a_slip_of_the_hand_is_explained(alice: Any, arguments: list[str], words: str) -> None:
    _, status, said = call(*arguments)
    assert status == 1
    assert words in said


def test_a_write_is_not_held(alice: Any) -> None:
    answer, status, _ = call("add-note", "--user", "alice", "--input", "text=Call Ada")
    assert status == 3
    assert answer["held"] is None
