"""What an integration says: what is accepted, and what is named by its path."""

from __future__ import annotations

from typing import Any

import pytest

from connectedsystems import configuration
from connectedsystems.errors import ConfigurationInvalid
from integrations.definition import KEYS, Definition, parse, parsed

ACME = configuration.read({"slug": "acme", "name": "Acme", "base_url": "https://api.acme.example"})
OAUTH = configuration.read(
    {
        **{"slug": "acme", "base_url": "https://api.acme.example"},
        "authentication": "oauth2_authorization_code",
        "oauth": {"captures": {"token": {"company": "c"}}},
        "variables": {"sub": "x"},
    }
)


def written(**more: Any) -> dict[str, Any]:
    return {"slug": "list-contacts", "name": "List contacts", **more}


def errors_of(
    configuration: configuration.Configuration = ACME, **more: Any
) -> dict[str, list[str]]:
    with pytest.raises(ConfigurationInvalid) as caught:
        parse(written(**more), configuration)
    return caught.value.errors


def test_what_is_not_said_has_a_default() -> None:
    assert parse(written(), ACME) == Definition(slug="list-contacts", name="List contacts")


def test_a_null_is_a_key_left_out() -> None:
    nothing = dict.fromkeys(set(KEYS) - {"slug", "name"})
    assert parse(written(**nothing), ACME) == parse(written(), ACME)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("slug", "held"),
        ("slug", "List"),
        ("name", ""),
        ("name", 5),
        ("usage", "delete"),
        ("method", "TRACE"),
        ("method", "get"),
        ("timeout", 0),
        ("timeout", 61),
        ("timeout", "30"),
        ("timeout", True),
        ("parameters", ["a"]),
        ("headers", "a"),
        ("inputs", {"name": "a"}),
        ("content_type", "json"),
        ("content_type", "text/plain\r\nX-Evil: 1"),
        ("content_type", "text/plain; charset=latin-1"),
        ("content_type", "multipart/mixed"),
        ("colour", "red"),
    ],
)
def test_a_wrong_value_is_named_by_its_key(key: str, value: Any) -> None:
    assert key in errors_of(**{key: value})


def test_keys_that_nothing_reads_yet_are_refused() -> None:
    with pytest.raises(ConfigurationInvalid) as caught:
        parse(written(success="a"), ACME, supported=("slug", "name"))
    assert caught.value.errors == {"success": ["not supported yet: success"]}


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example/",
        "/a//b",
        "https://evil.example/",
        "/https://evil.example/",
        "javascript:alert(1)",
        "@evil.example",
        "a@evil.example",
        "/../admin",
        "/a/..",
        "/a/%2e%2E/b",
        "/.",
        "\\evil.example",
        "/a?b=c",
        "/a#b",
        "/a\r\nb",
        "/{nobody}",
        "/{",
    ],
)
def test_E10_a_path_stays_below_the_base_url(path: str) -> None:
    assert "path" in errors_of(path=path)


@pytest.mark.parametrize(
    "path", ["", "/", "contacts", "/users/me@acme.example", "/a:b/(c)", "/v1.0/..a"]
)
def test_ordinary_paths_are_accepted(path: str) -> None:
    assert parse(written(path=path), ACME).path == path


@pytest.mark.parametrize("where", ["path", "parameters", "headers", "body"])
def test_an_undeclared_placeholder_is_an_error(where: str) -> None:
    value: Any = "/{nobody}" if where == "path" else {"X-A": "{nobody}"}
    found = errors_of(method="POST", **{where: value})
    assert any(path.startswith(where) for path in found)


def test_names_of_the_system_and_built_ins_may_be_used() -> None:
    assert parse(written(path="/{sub}/{company}", parameters={"t": "{timestamp}"}), OAUTH)


@pytest.mark.parametrize(
    "name",
    [
        "sub",
        "company",
        "random",
        "client_id",
        "next",
        "action",
        "csrfmiddlewaretoken",
        "1a",
        "a-b",
        "",
        None,
        5,
        "é",
    ],
)
def test_names_of_inputs_are_names_and_collide_with_nothing(name: Any) -> None:
    assert any(path.startswith("inputs") for path in errors_of(OAUTH, inputs=[{"name": name}]))


def test_two_inputs_do_not_share_a_name() -> None:
    assert "inputs[1].name" in errors_of(inputs=[{"name": "a"}, {"name": "a"}])


@pytest.mark.parametrize(
    ("box", "path"),
    [
        ({"name": "a", "type": "blob"}, "inputs[0].type"),
        ({"name": "a", "required": "no"}, "inputs[0].required"),
        ({"name": "a", "type": "integer", "default": "x"}, "inputs[0].default"),
        ({"name": "a", "type": "choice"}, "inputs[0].choices"),
        ({"name": "a", "type": "choice", "choices": ["x", "x"]}, "inputs[0].choices"),
        ({"name": "a", "type": "choice", "choices": ["x"], "default": "y"}, "inputs[0].default"),
        ({"name": "a", "choices": ["x"]}, "inputs[0].choices"),
        ({"name": "a", "colour": "red"}, "inputs[0].colour"),
        ("a", "inputs[0]"),
    ],
)
def test_a_wrong_input_is_named_by_its_place(box: Any, path: str) -> None:
    assert path in errors_of(inputs=[box])


def test_an_input_of_the_path_is_required() -> None:
    found = parse(written(path="/{a}", inputs=[{"name": "a"}, {"name": "b"}]), ACME)
    assert [each.required for each in found.inputs] == [True, False]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_read_sends_no_body(method: str) -> None:
    assert "body" in errors_of(method=method, body={"a": 1})


@pytest.mark.parametrize("usage", ["query", "modify"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_usage_and_method_are_free_of_each_other(usage: str, method: str) -> None:
    assert parse(written(usage=usage, method=method), ACME)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", {1: "a"}),
        ("application/json", {"a": float("inf")}),
        ("application/json", {"a": b"bytes"}),
        ("application/x-www-form-urlencoded", "a=b"),
        ("application/x-www-form-urlencoded", {"a": {"b": 1}}),
        ("text/plain", {"a": 1}),
        ("application/xml", ["a"]),
    ],
)
def test_a_body_fits_its_content_type(content_type: str, body: Any) -> None:
    found = errors_of(method="POST", content_type=content_type, body=body)
    assert any(path.startswith("body") for path in found)


def test_a_header_of_the_authentication_is_not_written_twice() -> None:
    assert "headers.authorization" in errors_of(OAUTH, headers={"authorization": "mine"})
    assert parse(written(headers={"Authorization": "Key abc"}), ACME)


def test_a_success_rule_is_an_expression() -> None:
    found = parse(written(success="ok == `true`"), ACME, supported=KEYS)
    assert found.success == "ok == `true`"
    with pytest.raises(ConfigurationInvalid):
        parse(written(success="ok ="), ACME, supported=KEYS)


def test_a_system_that_is_called_has_a_base_url() -> None:
    assert "connected_system" in errors_of(configuration.read({"slug": "acme"}))


def test_an_unknown_input_is_a_programmers_mistake() -> None:
    found = parse(written(inputs=[{"name": "limit", "type": "integer"}]), ACME)
    with pytest.raises(TypeError, match="no input 'limits'; its inputs: limit"):
        found.read({"limits": 5})
    assert found.read({"limit": 5}) == {"limit": 5}


def test_a_definition_is_read_once_per_version() -> None:
    first = parsed("an integration", 1, written)
    assert parsed("an integration", 1, {}) is first
    assert parsed("an integration", 2, written()) is not first
