"""Typed inputs: what is read from text and from Python, and what is said where it does not fit."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectedsystems.errors import InputInvalid
from integrations.definition import Definition
from integrations.forms import form_for
from integrations.inputs import TYPES, Choice, Input, as_texts, read, ready, stored

CHOICES = (Choice("a", "First"), Choice(2, "Second"))


def of(kind: str, value: Any, *, texts: bool = True, **more: Any) -> Any:
    wanted = Input("it", kind, choices=CHOICES if kind == "choice" else (), **more)
    return read([wanted], {"it": value}, texts=texts).get("it")


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("text", " as it is\n", " as it is\n"),
        ("integer", " 20 ", 20),
        ("integer", "-3", -3),
        ("number", "2.5", 2.5),
        ("number", "7", 7),
        ("number", "1e3", 1000.0),
        ("boolean", "true", True),
        ("boolean", "on", True),
        ("boolean", "FALSE", False),
        ("boolean", "0", False),
        ("date", "2026-11-23", "2026-11-23"),
        ("datetime", "2026-11-23T14:30", "2026-11-23T14:30:00"),
        ("datetime", "2026-11-23T14:30:00+00:00", "2026-11-23T14:30:00Z"),
        ("datetime", "2026-11-23 14:30:00+02:00", "2026-11-23T14:30:00+02:00"),
        ("choice", "a", "a"),
        ("choice", "2", 2),
        ("json", '{"a": [1, null]}', {"a": [1, None]}),
        ("json", '"text"', "text"),
    ],
)
def test_it_reads_text(kind: str, text: str, value: Any) -> None:
    found = of(kind, text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("text", "a\x00b"),
        ("integer", "2.5"),
        ("integer", "1_000"),
        ("integer", "٣"),
        ("integer", "9" * 101),
        ("integer", "twenty"),
        ("number", "2,5"),
        ("number", "nan"),
        ("number", "Infinity"),
        ("number", "1e999"),
        ("boolean", "maybe"),
        ("date", "23.11.2026"),
        ("date", "2026-02-30"),
        ("date", "20261123"),
        ("datetime", "2026-11-23"),
        ("datetime", "soon"),
        ("choice", "b"),
        ("json", "{'a': 1}"),
        ("json", "NaN"),
        ("json", '"\\ud800"'),
        ("json", "[" * 100_000),
        ("json", "[" * 65 + "]" * 65),
    ],
)
def test_it_says_what_would_fit_and_names_the_input(kind: str, text: str) -> None:
    with pytest.raises(InputInvalid) as caught:
        of(kind, text, label="How many")
    (sentence,) = caught.value.errors["it"]
    assert sentence.startswith("“How many” (it) takes ")
    assert sentence.endswith(".")


@pytest.mark.parametrize(
    ("kind", "given_value", "value"),
    [
        ("text", "a", "a"),
        ("text", "", ""),
        ("integer", 20, 20),
        ("integer", "20", 20),
        ("number", Decimal("2.5"), 2.5),
        ("number", 3, 3),
        ("boolean", False, False),
        ("date", date(2026, 11, 23), "2026-11-23"),
        ("date", "2026-11-23", "2026-11-23"),
        ("datetime", datetime(2026, 11, 23, 14, 30, tzinfo=UTC), "2026-11-23T14:30:00Z"),
        ("choice", 2, 2),
        ("choice", "2", 2),
        ("json", {"a": (1, 2)}, {"a": [1, 2]}),
        ("json", "text", "text"),
    ],
)
def test_it_reads_python_values(kind: str, given_value: Any, value: Any) -> None:
    assert of(kind, given_value, texts=False) == value


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("text", 5),
        ("text", "\ud800"),
        ("integer", True),
        ("integer", 2.5),
        ("integer", 10**100),
        ("number", float("nan")),
        ("boolean", 1),
        ("date", datetime(2026, 11, 23, tzinfo=UTC)),
        ("datetime", date(2026, 11, 23)),
        ("choice", None.__class__),
        ("json", {1, 2}),
        ("json", float("inf")),
    ],
)
def test_it_refuses_python_values_that_do_not_fit(kind: str, value: Any) -> None:
    with pytest.raises(InputInvalid):
        of(kind, value, texts=False)


def test_a_default_stands_in_for_what_was_not_given() -> None:
    inputs = [
        Input("limit", "integer", default=20),
        Input("q"),
        Input("zero", "integer", default=0),
    ]
    assert read(inputs, {}) == {"limit": 20, "zero": 0}
    assert read(inputs, {"limit": "", "q": ""}, texts=True) == {"zero": 0}
    assert read(
        [Input("limit", "integer", required=True, default=20)], {"limit": ""}, texts=True
    ) == {"limit": 20}


@pytest.mark.parametrize("given_values", [{}, {"note": ""}, {"note": None}])
def test_a_required_input_needs_a_value(given_values: dict[str, Any]) -> None:
    wanted = [Input("note", required=True, label="Note")]
    with pytest.raises(InputInvalid) as caught:
        read(wanted, given_values, texts=True)
    assert caught.value.errors == {"note": ["“Note” (note) needs a value."]}
    assert not ready(wanted, given_values)
    assert ready(wanted, {"note": "a"})


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(InputInvalid) as caught:
        read(
            [Input("a", "integer"), Input("b", "date"), Input("c")], {"a": "x", "b": "y", "c": "z"}
        )
    assert list(caught.value.errors) == ["a", "b"]


@given(st.sampled_from(TYPES), st.text(max_size=40))
def test_any_text_is_read_or_refused_and_what_is_read_is_json(kind: str, text: str) -> None:
    try:
        value = of(kind, text)
    except InputInvalid:
        return
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


def test_what_was_read_can_be_shown_and_read_again() -> None:
    inputs = [Input(kind, kind, choices=CHOICES if kind == "choice" else ()) for kind in TYPES]
    values = {
        "text": "a\nb",
        "integer": 5,
        "number": 2.5,
        "boolean": False,
        "date": "2026-11-23",
        "datetime": "2026-11-23T14:30:00Z",
        "choice": 2,
        "json": "a text",
    }
    assert read(inputs, as_texts(inputs, values), texts=True) == values
    assert read(inputs, as_texts(inputs, {}), texts=True) == {}


def test_a_stored_default_is_read_again() -> None:
    (found,) = stored([{"name": "limit", "type": "integer", "default": "20"}])
    assert found.default == 20


# The form


def a_form(given_values: dict[str, Any] | None = None) -> Any:
    inputs = (
        Input("limit", "integer", default=20, label="How many", help="At most 100"),
        Input("q", label="Search"),
        Input("starred", "boolean", default=True),
        Input("kind", "choice", choices=CHOICES),
        Input("day", "date"),
        Input("data", "json"),
    )
    return form_for(Definition(inputs=inputs), given_values)


def test_the_fields_of_a_form_are_the_inputs() -> None:
    form = a_form()
    html = form.as_p()
    assert list(form.fields) == ["limit", "q", "starred", "kind", "day", "data"]
    assert 'name="limit" value="20"' in html
    assert "How many" in html
    assert "At most 100" in html
    assert '<option value="true" selected>Yes' in html
    assert '<option value="2">Second' in html
    assert 'type="date"' in html


def test_a_form_reads_as_the_inputs_do() -> None:
    form = a_form({"limit": "5", "starred": "false", "kind": "2", "q": ""})
    assert form.is_valid()
    assert {name: value for name, value in form.cleaned_data.items() if value is not None} == {
        "limit": 5,
        "starred": False,
        "kind": 2,
    }


def test_what_was_typed_survives_where_it_is_wrong() -> None:
    form = a_form({"limit": "five <b>", "kind": "gone", "day": "tomorrow", "data": "{"})
    assert not form.is_valid()
    html = form.as_p()
    assert 'value="five &lt;b&gt;"' in html
    assert '<option value="gone" selected>gone' in html
    assert 'value="tomorrow"' in html
    assert form.errors["limit"] == ["“How many” (limit) takes a whole number, such as 20."]
