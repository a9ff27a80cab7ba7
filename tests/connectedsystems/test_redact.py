"""Secrets opened or received in a context never reach text that is shown or logged."""

import base64
import contextvars
import json
import re
from urllib.parse import quote, quote_plus

import pytest

from connectedsystems import redact

SECRET = 'p+q/"s é=& 42~'


@pytest.fixture(autouse=True)
def fresh():
    redact.forget_all()
    yield
    redact.forget_all()


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        re.sub("%..", lambda match: match[0].lower(), quote(SECRET, safe="")),
        quote_plus(SECRET),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("="),
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
    ],
)
def test_it_replaces_every_form_a_secret_travels_in(form):
    redact.remember(SECRET)
    assert redact.redact(f"<{form}>") == "<[redacted]>"


@pytest.mark.parametrize("client_id", ["a", "ab", "abc", "a-longer-client"])
def test_it_replaces_a_secret_inside_a_basic_header(client_id):
    secret = "correct-horse-battery-staple"
    redact.remember(secret)
    header = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    shown = redact.redact(f"Basic {header}")
    assert "[redacted]" in shown
    assert base64.b64encode(secret.encode()).decode()[4:20] not in shown
    assert len(shown) < len("Basic [redacted]") + len(client_id) * 2 + 8


def test_the_longer_of_two_secrets_goes_first():
    redact.remember("abcdef", "abcdef-ghijkl")
    assert redact.redact("abcdef-ghijkl abcdef") == "[redacted] [redacted]"


def test_values_under_four_characters_are_left_alone():
    redact.remember("", "a", "abc")
    assert redact.redact("abcabc a") == "abcabc a"


def test_a_value_remembered_after_a_redaction_is_replaced_too():
    redact.remember("first-secret")
    redact.redact("x")
    redact.remember("second-secret")
    assert redact.redact("first-secret second-secret") == "[redacted] [redacted]"


def test_a_scope_forgets_what_it_learned_and_keeps_what_was_known():
    redact.remember("outer-secret")
    with redact.scope():
        redact.remember("inner-secret")
        assert redact.redact("outer-secret inner-secret") == "[redacted] [redacted]"
    assert redact.redact("outer-secret inner-secret") == "[redacted] inner-secret"


def test_another_context_does_not_see_it():
    contextvars.copy_context().run(redact.remember, "their-secret")
    assert redact.redact("their-secret") == "their-secret"


def test_a_long_job_does_not_grow_for_ever():
    for number in range(redact.MOST + 10):
        redact.remember(f"secret-{number:06}")
    assert redact.redact("secret-000001") == "secret-000001"
    assert redact.redact(f"secret-{redact.MOST + 9:06}") == "[redacted]"


def test_a_tree_is_redacted_to_its_leaves_and_keys():
    redact.remember("the-secret")
    tree = {"a": ["the-secret", 1, None, ("the-secret",)], "the-secret": {"b": True}}
    assert redact.redact_tree(tree) == {
        "a": ["[redacted]", 1, None, ("[redacted]",)],
        "[redacted]": {"b": True},
    }


def test_the_log_processor_redacts_exceptions_and_other_objects():
    redact.remember("the-secret")
    event = redact.processor(
        None, "info", {"event": "x the-secret", "error": ValueError("the-secret")}
    )
    assert "the-secret" not in repr(event)
