"""Filling templates: types kept, values never read again, braces explained."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectedsystems import placeholders
from connectedsystems.placeholders import OMIT, fill, fill_text, missing, names

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
VALUES = st.one_of(st.text(), st.integers(), st.booleans(), st.lists(st.integers()))


@pytest.mark.parametrize(
    "value", [20, 1.5, True, False, 0, "", "text", [1, 2], {"a": None}, date(2026, 1, 2)]
)
def test_a_string_that_is_only_a_placeholder_keeps_the_type(value):
    assert fill("{x}", {"x": value}) is value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (20, "20"),
        (0, "0"),
        (1.5, "1.5"),
        (1e20, "100000000000000000000"),
        (Decimal("1E+3"), "1000"),
        (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, 3, 4, tzinfo=UTC), "2026-01-02T03:04:00+00:00"),
        ([1, "ä"], '[1,"ä"]'),
        ({"a": date(2026, 1, 2)}, '{"a":"2026-01-02"}'),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("", ""),
    ],
)
def test_within_text_a_value_becomes_text(value, text):
    assert fill("<{x}>", {"x": value}) == f"<{text}>"


def test_members_without_a_value_are_left_out_at_every_depth():
    template = {"a": "{x}", "b": ["{x}", "{y}", {"c": "-{x}-"}], "d": "{y}", "e": None, "f": 1}
    assert fill(template, {"y": 2, "x": None}) == {"b": [2, {}], "d": 2, "e": None, "f": 1}


def test_with_one_value_present_the_missing_ones_become_empty_text():
    assert fill(["{x}/{y}"], {"y": 2}) == ["/2"]


def test_a_lone_string_without_a_value_is_omit():
    assert fill("{x}", {}) is OMIT
    assert fill("a{x}", {}) is OMIT
    assert not OMIT
    assert repr(OMIT) == "OMIT"


def test_falsy_values_are_values():
    assert fill({"a": "{x}", "b": "{y}", "c": "{z}"}, {"x": 0, "y": "", "z": False}) == {
        "a": 0,
        "b": "",
        "c": False,
    }


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{x}}", "{x}"),
        ("{{{x}}}", "{1}"),
        ("{{}}", "{}"),
        ('{{"limit": {x}}}', '{"limit": 1}'),
        ("{{{{", "{{"),
    ],
)
def test_doubled_braces_are_literal(template, text):
    assert fill(template, {"x": 1}) == text


@pytest.mark.parametrize(
    "template",
    ["{", "}", "a{b", '{ "json": 1}', "{}", "{ x }", "{x}}", "{1x}", "{a-b}", "{a.b}", "{a[0]}",
     "{x!r}", "{x:>10}", "{é}", "{x\n}"],
)  # fmt: skip
def test_any_other_brace_is_explained(template):
    for act in (names, lambda text: fill(text, {"x": 1}), lambda text: fill_text(text, {"x": 1})):
        with pytest.raises(ValueError, match="belongs to no placeholder") as caught:
            act(template)
        assert "literal brace" in str(caught.value)
    with pytest.raises(ValueError, match="belongs to no placeholder"):
        fill({"deep": [template]}, {"x": 1})


def test_values_are_never_read_again():
    assert fill(["{x}", "a{x}"], {"x": "{y}{{", "y": 1}) == ["{y}{{", "a{y}{{"]


def test_keys_are_names_not_templates():
    assert fill({"{x}": "{x}"}, {"x": 1}) == {"{x}": 1}
    assert names({"{x}": "{y}"}) == {"y"}


def test_names_and_missing_look_through_the_whole_tree():
    template = {"a": ["{x}", {"b": "{y}-{z}"}], "c": "{{no}}", "d": 5}
    assert names(template) == {"x", "y", "z"}
    assert missing(template, {"x": 0, "y": None}) == {"y", "z"}


def test_escaping_touches_values_alone():
    filled = fill_text("/a/{x}/b", {"x": "../c d"}, escape=lambda text: quote(text, safe=""))
    assert filled == "/a/..%2Fc%20d/b"


@pytest.mark.parametrize(
    ("template", "url"),
    [
        ("https://{sub}.acme.example/x", "https://eu-1.acme.example/x"),
        ("https://acme.example:{port}/x", "https://acme.example:8443/x"),
        ("{base}/token", "https://eu.acme.example/token"),
        ("https://acme.example/{odd}/token?t={odd}", "https://acme.example/a%2Fb%3Fc/token?t=a%2Fb%3Fc"),
        ("https://acme.example/{none}x", "https://acme.example/x"),
    ],
)  # fmt: skip
def test_in_a_url_each_value_is_escaped_for_its_place(template, url):
    values = {"sub": "eu-1", "port": 8443, "base": "https://eu.acme.example", "odd": "a/b?c"}
    assert placeholders.fill_url(template, values) == url


@pytest.mark.parametrize(
    "value", ["evil.example/", "@evil", "a b", "", "x?y", "x#y", "a\\b", ":80@e"]
)
@pytest.mark.parametrize("template", ["https://{x}.acme.example/", "{base}{x}/token"])
def test_no_value_in_a_host_ends_the_host(template, value):
    with pytest.raises(ValueError, match="host of a URL") as caught:
        placeholders.fill_url(template, {"x": value, "base": "https://acme.example"})
    assert not value or value not in str(caught.value)


def test_built_ins_are_fresh():
    first, second = placeholders.fresh_values(), placeholders.fresh_values()
    assert set(first) == placeholders.BUILT_INS
    assert first["random"] != second["random"]
    assert first["uuid"] != second["uuid"]
    assert isinstance(first["timestamp"], int)


@UNHURRIED
@given(st.text())
def test_doubling_braces_writes_any_text_literally(text):
    assert fill(text.replace("{", "{{").replace("}", "}}"), {}) == text


@UNHURRIED
@given(NAMES, VALUES, st.text(alphabet="ab/?&"))
def test_a_placeholder_gives_its_value_and_nothing_else(name, value, around):
    assert fill(f"{{{name}}}", {name: value}) == value
    text = placeholders.as_text(value)
    assert fill_text(f"{around}{{{name}}}{around}", {name: value}) == f"{around}{text}{around}"


@UNHURRIED
@given(st.dictionaries(NAMES, st.recursive(VALUES, st.lists)))
def test_no_value_reaches_another_name(values):
    template = {name: f"{{{name}}}" for name in values}
    assert fill(template, values) == values


@UNHURRIED
@given(st.text(alphabet="{}ax1 "), st.dictionaries(NAMES, VALUES))
def test_any_template_fills_or_is_explained(template, values):
    try:
        asked = names(template)
    except ValueError:
        return
    filled = fill([template], values)
    assert filled == [] if asked and asked <= missing(template, values) else len(filled) == 1
