"""Numbers keep their digits, from the other system's answer to ours."""

from __future__ import annotations

import json
import pickle
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectedsystems.exact import ExactEncoder, ExactNumber, exact_number
from connectedsystems.expressions import find, for_call
from connectedsystems.outbound import Headers, Reply
from integrations import paging
from integrations.response import result_of

MONEY = "99999999999999999.99"
BODY = (
    '{"rows": [{"id": 2, "sum": 99999999999999999.99}, {"id": 1, "sum": 0.10},'
    ' {"id": 3, "sum": 1.00000000000000000001}]}'
)


def read(text: str):
    return json.loads(text, parse_float=exact_number)


@pytest.mark.parametrize("text", ["0.1", "1.5", "0.10", "1e3", "1.0E+2", "12.75", "5e-324"])
def test_what_a_float_holds_is_a_float(text: str) -> None:
    assert type(exact_number(text)) is float


@pytest.mark.parametrize(
    "text", [MONEY, "0.1000000000000000055511151231257827", "1.7976931348623158079e308"]
)
def test_what_no_float_holds_keeps_its_text(text: str) -> None:
    found = exact_number(text)
    assert isinstance(found, ExactNumber)
    assert (str(found), float(found)) == (text, float(text))
    assert json.dumps({"a": [found, 1, "x"]}, cls=ExactEncoder) == f'{{"a": [{text}, 1, "x"]}}'
    assert pickle.loads(pickle.dumps(found)).text == text


@pytest.mark.parametrize(
    "text", ["1e999", "1e-999999999", "0." + "1" * 200, "1e-99999999999999999999"]
)
def test_what_would_be_endless_is_the_nearest_float(text: str) -> None:
    assert type(exact_number(text)) is float


@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, min_value=-(10**25), max_value=10**25, places=8
    )
)
def test_any_decimal_comes_out_as_it_went_in(value: Decimal) -> None:
    text = json.dumps([read(f"[{value:f}]")], cls=ExactEncoder)
    assert Decimal(text.strip("[]")) == value


def test_a_text_that_looks_like_a_mark_is_left_alone() -> None:
    tree = [exact_number(MONEY), f"{'0' * 32}:1", '"x:1"']
    assert json.dumps(tree, cls=ExactEncoder).startswith(f'[{MONEY}, "{"0" * 32}:1"')


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("rows[*].sum", f"[{MONEY}, 0.1, 1.00000000000000000001]"),
        ("sort_by(rows, &sum)[*].id", "[1, 3, 2]"),
        ("max_by(rows, &sum).sum", MONEY),
        ("max(rows[*].sum)", MONEY),
        ("sort(rows[*].sum)[2]", MONEY),
        ("rows[?sum > `1`].id", "[2]"),
        ("type(rows[0].sum)", '"number"'),
        ("to_string(rows[0].sum)", f'"{MONEY}"'),
        ("to_string(rows[0])", '"{\\"id\\":2,\\"sum\\":99999999999999999.99}"'),
        ("to_number(rows[0].sum)", MONEY),
        ("sum(rows[*].sum)", "1e+17"),
        ("ceil(rows[2].sum)", "1"),
        ("contains(rows[*].sum, rows[0].sum)", "true"),
    ],
)
def test_in_an_expression_it_is_a_number(expression: str, text: str) -> None:
    assert json.dumps(find(expression, read(BODY), for_call()), cls=ExactEncoder) == text


def test_a_result_and_its_pages_keep_the_digits() -> None:
    for body in (BODY, BODY.replace('"id": 2', '"id": "\\ud800"')):
        headers = Headers([("Content-Type", "application/json")])
        reply = Reply(200, "OK", headers, body.encode(), "https://x.example/")
        data = result_of(reply).data
        assert str(data["rows"][0]["sum"]) == MONEY
        assert MONEY.encode() in paging.with_data(reply, data).body
