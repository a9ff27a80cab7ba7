"""The one evaluator of JMESPath: what it gives is what the language says, and it has bounds."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import jmespath
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jmespath.functions import Functions
from jmespath.visitor import TreeInterpreter

from connectedsystems import expressions
from connectedsystems.errors import ConfigurationInvalid
from connectedsystems.expressions import (
    Budget,
    NotFound,
    TooCostly,
    find,
    for_authorizing,
    for_call,
)
from connectedsystems.written import Box, Errors
from tests.thirdparty import ROOT

TREE = {
    "a": {"b": {"c": 7, "d": None}, "list": [3, 1, 2], "words": ["z", "y", "z"]},
    "items": [
        {"id": 2, "name": "Ben", "on": True, "tags": ["x", "y"], "at": {"n": 2.5}},
        {"id": 1, "name": "Ada", "on": False, "tags": [], "at": {"n": -1}},
        {"id": 3, "name": "Zoe", "on": True, "tags": ["y"], "at": None},
    ],
    "nested": [[1, [2, 3]], [], [[4]], 5],
    "text": 'say "ü"\n',
    "empty": {},
    "quoted key": {"'": "here"},
    "number": 12.75,
    "zero": 0,
}

LANGUAGE = """
@;a;a.b.c;a.*;*;*.*;*.b;a.b.[c, d];a.b.{x: c, y: d};"quoted key"."'";items[0];items[-1].name
items[9];items[1:];items[::-1].id;items[:2].name;items[*].name;items[].tags;items[].tags[]
items[*].tags[];items[*].tags[0];nested[];nested[][];nested[*][0];items[?on].name
items[?id > `1`].name;items[?id >= `1` && on].id;items[?id < `3` || !on].id
items[?name == 'Ada'].id;items[?name != 'Ada'].id;items[?id <= `2`].at.n;items[?tags].id
items[?tags == `["y"]`].id;items[?at.n == `2.5`];items[?name > 'B'].name;items[?!on].name
a.b.d || a.b.c;a.b.d && a.b.c;!a;!zero;!empty;`[]` || 'none';`1`;`"x"`;`{"x": [1, true, null]}`
'raw';a | b;(a.b).c;items | [0];items[*].{n: name, t: tags[0]};[a.b.c, number];{x: @, y: zero}
zero == `false`;zero == `0`;`1` == `true`;a == `{}`;a.list == `[3, 1, 2]`;items[0] == items[0]
[a, a] == [a, a];number > 'x';number < a;a.words < a.words
abs(`-3`);abs(a);avg(a.list);avg(`[]`);ceil(number);floor(number);contains(a.list, `2`)
contains(text, 'ü');contains(nested, `[]`);contains(text, `1`);contains(items, items[1])
ends_with(text, 'x');starts_with(text, 'say');join(', ', a.words);join('', a.list);keys(a)
length(text);length(items);length(a);length(zero);map(&name, items);map(&at.n, items)
map(&[@, @], a.list);max(a.list);max(a.words);max(`[]`);max(nested);max_by(items, &id).name
max_by(items, &on);max_by(`[]`, &id);merge(a, {b: zero}, empty);min(a.list);min_by(items, &name).id
not_null(a.b.d, gone, zero);not_null(gone);reverse(a.list);reverse(text);sort(a.list)
sort(a.words);sort(items);sort_by(items, &name)[*].id;sort_by(items, &at.n);sort_by(items, &id)[0].name
sort_by(`[]`, &id);sum(a.list);sum(`[]`);sum(a.words);to_array(a.list);to_array(zero)
to_number('12');to_number('1.5');to_number('x');to_number(a);to_number(number);to_number(zero)
to_string(a);to_string(text);to_string([text]);to_string(number);to_string(`null`);type(a)
type(text);type(zero);type(gone);type(on);type(a.list);values(a);values(a.b);unknown(a);abs(a, b)
items[?contains(tags, 'y')].name;items[?length(tags) > `1`].id;items[*].[id, name][]
sort_by(items, &length(tags))[*].id;a.list[::0];a.list[2:0:-1];items[?id].id;@.a.@
"""
EXPRESSIONS = [each for line in LANGUAGE.strip().splitlines() for each in line.split(";")]

DOUBLING = {
    "lists": "[@,@]" + "|[@,@]" * 33,
    "objects": "{a:@,b:@}" + "|{a:@,b:@}" * 19,
    "flattened": "[@,@][]" + "|[@,@][]" * 24,
    "projected": "[[@]][*].[@,@][]" + ".[@,@][]" * 24,
    "joined": "to_string(@)" + "|join(@,[@,@,@,@])" * 9,
    "separators": "to_string(@)" + "|join(@,['','','','',''])" * 12,
    "escaped": "to_string([@,@])" + "|to_string([@,@])" * 12,
    "reversed": "[to_string([@,@])]" + "|[@,@][]" * 18 + "|map(&reverse(@),@)",
    "mapped": "[@]" + "|map(&[@,@,@],@)|[]" * 20,
    "merged": "[@]" + "|[@,@][]" * 18 + "|map(&merge(@,@),@)",
    "sorted": "[to_string(@)]" + "|[@,@][]" * 22 + "|sort(@)",
    "sorted by": "[@]" + "|[@,@][]" * 18 + "|sort_by(@,&to_string(@))",
    "sorted by what is sorted": "[@]" + "|[@,@][]" * 16 + "|sort_by(@,&length(sort_by(items,&id)))",
    "largest": "[to_string(@)]" + "|[@,@][]" * 22 + "|max(@)",
    "largest by": "[@]" + "|[@,@][]" * 18 + "|max_by(@,&to_string(@))",
    "sums": "[number]" + "|[@,@][]" * 24 + "|sum(@)",
    "numbers": "[to_string(number)]" + "|[@,@][]" * 24 + "|map(&to_number(@),@)",
    "sliced": "[@]" + "|[@,@][]" * 24 + "|[::-1]",
    "compared": "[[@,@]" + "|[@,@]" * 30 + ",[@,@]" + "|[@,@]" * 30 + "]|[0]==[1]",
    "contained": "[{l:[@,@]" + "|[@,@]" * 30 + ",m:[@,@]" + "|[@,@]" * 30 + "}]|[?contains([l],m)]",
    "keys": "[@]" + "|[@,@][]" * 20 + "|map(&keys(@),@)",
    "values": "[@]" + "|[@,@][]" * 20 + "|map(&values(@),@)",
    "filtered": "[@]" + "|[@,@][]" * 24 + "|[?@==@]",
    "literals": "`[1,2,3,4,5,6,7,8]`" + "|[@,@,@,@][]" * 12,
}  # fmt: skip


def same(expression: str, tree: Any) -> None:
    """Both give the same, or both give none."""
    try:
        wanted = jmespath.search(expression, tree)
        text = json.dumps(wanted, allow_nan=False)
    except (ValueError, TypeError, AttributeError, ArithmeticError):
        with pytest.raises(NotFound):
            find(expression, tree, for_call())
        return
    given_back = find(expression, tree, for_call())
    assert json.dumps(given_back) == text
    assert type(given_back) is type(wanted)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_what_it_gives_is_what_the_language_says(expression: str) -> None:
    same(expression, TREE)


def test_all_of_the_language_is_tried() -> None:
    kinds, functions = set(), set()

    def walk(node: Any) -> None:
        kinds.add(node["type"])
        if node["type"] == "function_expression":
            functions.add(node["value"])
        for child in node["children"]:
            if isinstance(child, dict):
                walk(child)

    for expression in EXPRESSIONS:
        if expression != "@.a.@":
            walk(jmespath.compile(expression).parsed)
    every = {name[6:] for name in dir(TreeInterpreter) if name.startswith("visit_")}
    assert kinds == every
    assert functions >= set(Functions.FUNCTION_TABLE)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.floats(allow_nan=False, allow_infinity=False, width=32)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["a", "b", "id", "name"]), inner, max_size=3)
    ),
    max_leaves=20,
)
PARTS = st.sampled_from(
    ["a", "b", "id", "name", "@", "`1`", "'x'", "*", "[0]", "[]", "[*]", "[1:]", "keys(@)",
     "values(@)", "length(@)", "to_string(@)", "sort(@)", "max(@)", "sum(@)", "reverse(@)",
     "to_number(@)", "to_array(@)", "type(@)", "[?a]", "[?a == b]", "[?id > `0`]", "merge(@, @)",
     "sort_by(@, &id)", "min_by(@, &name)", "map(&a, @)", "contains(@, 'x')", "!@", "join('-', @)"]
)  # fmt: skip
JOINED = st.recursive(
    PARTS,
    lambda inner: (
        st.builds("{} | {}".format, inner, inner)
        | st.builds("[{}, {}]".format, inner, inner)
        | st.builds("{{a: {}, b: {}}}".format, inner, inner)
        | st.builds("({}) == ({})".format, inner, inner)
        | st.builds("({}) || ({})".format, inner, inner)
        | st.builds("({}) && ({})".format, inner, inner)
        | st.builds("not_null({}, {})".format, inner, inner)
        | st.builds("map(&({}), to_array({}))".format, inner, inner)
    ),
    max_leaves=6,
)


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(JOINED, JSON)
def test_any_expression_gives_what_the_language_says(expression: str, tree: Any) -> None:
    same(expression, tree)


@pytest.mark.filterwarnings("ignore:deprecated string literal syntax")
@settings(deadline=None, max_examples=300)
@given(st.text(alphabet="[](){}.*@|&!?,:`'\"\\<>=-01ab \n", max_size=40))
def test_any_text_is_an_expression_or_is_refused(text: str) -> None:
    try:
        expressions.check(text)
    except expressions.NoExpression as problem:
        assert str(problem).startswith("is no ")
        assert "\n" not in str(problem)


@pytest.mark.parametrize("name", DOUBLING)
def test_G4_what_grows_without_end_is_given_up_at_the_same_step(name: str) -> None:
    """With all the time there is: on every machine it is the count that ends it."""
    left = []
    for _ in range(2):
        budget = for_authorizing()
        budget.seconds = 600.0
        with pytest.raises(TooCostly):
            find(DOUBLING[name], TREE, budget)
        left.append((budget.steps, budget.values, budget.characters))
    assert left[0] == left[1]


def test_G4_memory_and_time_are_bounded() -> None:
    """In a process of its own, with an answer of 4 MB: what the peak of its memory grows by."""
    program = """
import json, resource, sys, time
from connectedsystems.expressions import *
rows = [{"id": n, "name": f"name {n}", "text": "\\\\\\"" * 30} for n in range(40_000)]
tree = {"items": rows, "number": 7, "text": "a" * 100_000}
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before, slowest = peak(), 0.0
for expression in json.load(sys.stdin):
    for budget in (for_authorizing(), for_call()):
        began = time.thread_time()
        try:
            json.dumps(find(expression, tree, budget))
        except (NotFound, TooCostly):
            pass
        slowest = max(slowest, time.thread_time() - began)
print((peak() - before) // 1024, slowest)
"""
    ran = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(list(DOUBLING.values())),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    megabytes, seconds = ran.stdout.split()
    assert int(megabytes) < 400
    assert float(seconds) < 10


def test_expressions_on_one_answer_share_what_there_is() -> None:
    budget = Budget(steps=5_000, values=10**6, characters=10**6, seconds=60)
    tree = {"rows": [{"id": n} for n in range(1000)]}
    assert len(find("rows[*].id", tree, budget)) == 1000
    with pytest.raises(TooCostly, match="5,000 steps"):
        for _ in range(5):
            find("rows[*].id", tree, budget)


def test_the_clock_stands_behind_the_counts() -> None:
    budget = Budget(steps=10**9, values=10**9, characters=10**9, seconds=0.05)
    with pytest.raises(TooCostly, match=r"longer than 0\.05 seconds"):
        find("[@]" + "|[@,@][]" * 30, {}, budget)


def test_ordinary_answers_are_far_from_the_bounds() -> None:
    rows = [{"id": n, "name": f"n {n}", "owner": {"mail": "a@b.c"}} for n in range(20_000)]
    budget = for_call()
    found = find(
        "items[?id > `-1`].{id: id, name: name, mail: owner.mail}", {"items": rows}, budget
    )
    assert len(found) == 20_000
    assert budget.steps > 1_000_000


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("a." * 1000 + "a", "longer than 2"),
        ("(" * 60 + "a" + ")" * 60, "brackets nest more than 50"),
        ("[" * 300 + "a" + "]" * 300, "brackets nest more than 50"),
        ("@" + "|@" * 400, "nests more than 100"),
        ("!" * 900 + "a", "nests more than 100"),
        ("*" + ".*" * 400, "nests more than 100"),
        ("a" + "[*]" * 300, "nests more than 100"),
        ("a" + "||a" * 300, "nests more than 100"),
        ("a[", "no JMESPath expression"),
        ("a..b", "no JMESPath expression"),
    ],
)
def test_G4_what_nests_too_deep_is_refused_where_it_is_written(expression: str, words: str) -> None:
    errors = Errors()
    Box({"site": expression}, "oauth.captures.token", errors).expression("site")
    assert words in errors["oauth.captures.token.site"][0]
    with pytest.raises((TooCostly, NotFound)):
        find(expression, {}, for_call())


def test_a_bundle_with_such_an_expression_is_refused_by_its_key() -> None:
    from connectedsystems import configuration

    with pytest.raises(ConfigurationInvalid) as caught:
        configuration.parse(
            {
                "slug": "x",
                "name": "X",
                "authentication": "none",
                "base_url": "https://x.example",
                "expired_when": {"json": "@" + "|@" * 400},
            }
        )
    assert "nests more than 100" in caught.value.errors["expired_when.json"][0]


def test_what_json_does_not_know_is_not_given() -> None:
    for tree in (float("nan"), float("inf"), 10**5000, [10**5000], {"a": {1}}):
        with pytest.raises(NotFound):
            find("@", tree, for_call())


def test_values_that_nest_without_end_are_not_given() -> None:
    tree: Any = 0
    for _ in range(100):
        tree = [tree]
    for expression in ("@", "to_string(@)", "[@, @] | [0] == [1]", "contains([@], @)"):
        with pytest.raises(TooCostly, match="64 levels"):
            find(expression, tree, for_call())
