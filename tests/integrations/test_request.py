"""How a call is filled: each key of an integration has its effect, and no value leaves its place."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectedsystems import configuration, redact
from connectedsystems.errors import CallFailure, InputInvalid, OutboundFailure
from integrations import definition, request
from integrations.request import Parts, Prepared, Speaker

TEXT = {"type": "text"}
OAUTH = {
    "client_id": "abc",
    "authorization_endpoint": "https://acme.example/oauth/authorize",
    "token_endpoint": "https://acme.example/oauth/token",
}


def system(**more: Any) -> configuration.Configuration:
    data = {"slug": "acme", "name": "Acme", "base_url": "https://api.acme.example/v1", **more}
    if str(data.get("authentication", "")).startswith("oauth2"):
        data["oauth"] = {**OAUTH, **data.get("oauth", {})}
    return configuration.parse(data)


def filled(
    values: dict[str, Any] | None = None,
    *,
    acme: configuration.Configuration | None = None,
    speaker: Speaker = request.NOBODY,
    **written: Any,
) -> Parts:
    """The request of a written integration; every name in ``values`` is an input of it."""
    acme = acme or system()
    inputs = written.pop("inputs", [{"name": name, "type": "json"} for name in values or {}])
    data = {"slug": "call", "name": "Call", "path": "/contacts", "inputs": inputs, **written}
    kept = definition.parse(data, acme, supported=definition.KEYS)
    return Prepared(kept, acme).fill(kept.read(values or {}), speaker)


# Each key is read


@pytest.mark.parametrize("method", definition.METHODS)
def test_the_method_is_sent(method: str) -> None:
    assert filled(method=method).method == method


@pytest.mark.parametrize(
    ("base", "path", "url"),
    [
        ("https://a.example", "", "https://a.example"),
        ("https://a.example/", "", "https://a.example/"),
        ("https://a.example/v1", "", "https://a.example/v1"),
        ("https://a.example", "contacts", "https://a.example/contacts"),
        ("https://a.example/v1/", "/contacts/", "https://a.example/v1/contacts/"),
        ("https://a.example:8443/v1", "/a b/é", "https://a.example:8443/v1/a%20b/%C3%A9"),
        ("https://a.example/v1", "/sites/a:b/(c)", "https://a.example/v1/sites/a:b/(c)"),
        ("https://a.example/v1", "/a%2Fb", "https://a.example/v1/a%2Fb"),
    ],
)
def test_the_path_is_joined_to_the_base_url(base: str, path: str, url: str) -> None:
    assert filled(acme=system(base_url=base), path=path).url == url


def test_parameters_are_filled_and_left_out_where_there_is_no_value() -> None:
    url = filled(
        {"limit": 20, "tags": ["a b", "c&d"], "flag": True, "when": "x"},
        inputs=[{"name": n, "type": "json"} for n in ("limit", "tags", "flag", "when", "none")],
        parameters={
            "limit": "{limit}",
            "tag": "{tags}",
            "flag": "{flag}",
            "filter": "on {when}",
            "none": "{none}",
            "removed": None,
            "fixed": 5,
            "both": ["{limit}", "{none}", "x"],
            "braces": "{{x}}",
        },
    ).url
    assert urlsplit(url).query == (
        "limit=20&tag=a%20b&tag=c%26d&flag=true&filter=on%20x&fixed=5&both=20&both=x&braces=%7Bx%7D"
    )


def test_parameters_of_the_system_are_sent_and_can_be_overridden_or_removed() -> None:
    acme = system(
        request_parameters={"site": "{sub}", "lang": "en", "v": 2}, variables={"sub": "s"}
    )
    url = filled(acme=acme, parameters={"lang": "de", "v": None}).url
    assert urlsplit(url).query == "site=s&lang=de"


def test_headers_are_filled_and_left_out_where_there_is_no_value() -> None:
    acme = system(request_headers={"X-Team": "sales", "X-Old": "1", "accept": "text/csv"})
    headers = filled(
        {"team": "field"},
        acme=acme,
        inputs=[{"name": "team"}, {"name": "none"}],
        headers={"x-team": "{team} team", "X-None": "{none}", "X-Old": None},
    ).headers
    assert headers == {"Accept": "text/csv", "X-Team": "field team"}


def test_json_is_asked_for_unless_something_else_is() -> None:
    assert filled().headers == {"Accept": "application/json"}
    assert filled(headers={"Accept": None}).headers == {}


def test_a_json_body_is_a_tree_whose_values_keep_their_type() -> None:
    parts = filled(
        {"name": 'A "quote", {brace}', "age": 5, "tags": ["a"]},
        inputs=[{"name": n, "type": "json"} for n in ("name", "age", "tags", "none")],
        method="POST",
        body={"person": {"name": "{name}", "age": "{age}"}, "tags": "{tags}", "none": "{none}"},
    )
    assert json.loads(parts.body or b"") == {
        "person": {"name": 'A "quote", {brace}', "age": 5},
        "tags": ["a"],
    }
    assert parts.headers["Content-Type"] == "application/json"


def test_a_body_without_a_value_is_no_body() -> None:
    parts = filled(inputs=[{"name": "tree", "type": "json"}], method="POST", body="{tree}")
    assert parts.body is None
    assert "Content-Type" not in parts.headers


def test_content_type_says_how_a_body_is_written() -> None:
    form = filled(
        {"a": "x&y=z", "b": ["1", "2"]},
        method="POST",
        body={"a": "{a}", "b": "{b}", "c": "é ü"},
        content_type="application/x-www-form-urlencoded",
    )
    assert form.body == b"a=x%26y%3Dz&b=1&b=2&c=%C3%A9+%C3%BC"
    text = filled({"a": "<b>"}, method="PUT", body="Hi {a}", content_type="text/plain")
    assert (text.body, text.headers["Content-Type"]) == (b"Hi <b>", "text/plain; charset=utf-8")
    markup = filled({"a": "<b>"}, method="PUT", body="<x>{a}</x>", content_type="application/xml")
    assert markup.body == b"<x>&lt;b&gt;</x>"
    problem = filled(
        {"a": 1}, method="POST", body={"a": "{a}"}, content_type="application/problem+json"
    )
    assert problem.body == b'{"a":1}'


def test_built_ins_are_fresh_in_each_request() -> None:
    acme = system()
    kept = definition.parse(
        {
            "slug": "a",
            "name": "A",
            "parameters": {"r": "{random}", "u": "{uuid}", "t": "{timestamp}"},
        },
        acme,
    )
    prepared = Prepared(kept, acme)
    first, second = (dict(parse_qsl(urlsplit(prepared.fill({}).url).query)) for _ in range(2))
    assert first["r"] != second["r"]
    assert first["u"] != second["u"]
    assert int(first["t"]) > 1_700_000_000


def test_variables_secret_ones_too_and_captures_are_filled_in() -> None:
    acme = system(
        authentication="oauth2_authorization_code",
        oauth={"captures": {"token": {"company": "company"}}},
        variables={"sub": "ours", "key": {"secret": True, "value": "k"}},
        request_headers={"X-Key": "{key}"},
    )
    speaker = Speaker(token="t", secrets={"variables": {"key": "opened"}}, captures={"company": 7})
    parts = filled(acme=acme, speaker=speaker, path="/{sub}/{company}/x")
    assert parts.url == "https://api.acme.example/v1/ours/7/x"
    assert parts.headers["X-Key"] == "opened"
    with pytest.raises(CallFailure) as missing:
        filled(acme=acme, path="/{company}")
    assert (missing.value.code, missing.value.facts["name"]) == ("capture_missing", "company")


def test_a_captured_base_url_is_checked_when_it_is_used() -> None:
    acme = system(
        authentication="oauth2_authorization_code",
        base_url="{instance}/services",
        oauth={
            "captures": {"token": {"instance": "i"}},
            "capture_patterns": {"instance": "https://.*"},
        },
    )

    def url(instance: str) -> str:
        return filled(acme=acme, speaker=Speaker(captures={"instance": instance})).url

    assert url("https://eu7.acme.example") == "https://eu7.acme.example/services/contacts"
    for evil in (
        "https://10.0.0.1",
        "http://eu7.acme.example",
        "https://a.example/?x=",
        "https://a.example/..",
    ):
        with pytest.raises(OutboundFailure):
            url(evil)
    with pytest.raises(CallFailure):
        filled(acme=acme)


def test_an_idempotency_key_stands_in_its_header() -> None:
    acme = system()
    kept = definition.parse(
        {"slug": "a", "name": "A", "method": "POST", "idempotency_key": "Idempotency-Key"},
        acme,
        supported=definition.KEYS,
    )
    parts = Prepared(kept, acme).fill({}, idempotency_key="one")
    assert parts.headers["Idempotency-Key"] == "one"
    assert Prepared(kept, acme).fill({}).headers["Idempotency-Key"]


# Who asks


@pytest.mark.parametrize(
    ("placement", "header", "value"),
    [
        (None, "Authorization", "Bearer tok"),
        ({"scheme": "token"}, "Authorization", "token tok"),
        ({"header": "X-Token", "scheme": ""}, "X-Token", "tok"),
    ],
)
def test_a_token_stands_in_its_header(placement: Any, header: str, value: str) -> None:
    acme = system(authentication="oauth2_authorization_code", token_placement=placement)
    assert filled(acme=acme, speaker=Speaker(token="tok")).headers[header] == value
    assert header not in filled(acme=acme).headers


def test_a_token_stands_in_its_parameter() -> None:
    acme = system(
        authentication="oauth2_client_credentials", token_placement={"query": "access_token"}
    )
    parts = filled(acme=acme, speaker=Speaker(token="t&k"), parameters={"a": 1})
    assert parts.url.endswith("?a=1&access_token=t%26k")
    assert "Authorization" not in parts.headers


def test_an_api_key_stands_where_it_is_said() -> None:
    key = Speaker(secrets={"api_key": "k1234"})
    header = system(authentication="api_key", api_key={"name": "X-Key"})
    assert filled(acme=header, speaker=key).headers["X-Key"] == "k1234"
    query = system(authentication="api_key", api_key={"name": "key", "place": "query"})
    assert filled(acme=query, speaker=key).url.endswith("/contacts?key=k1234")


def test_basic_is_written_in_utf_8() -> None:
    acme = system(authentication="basic", basic={"username": "ü"})
    parts = filled(acme=acme, speaker=Speaker(secrets={"password": "p:ż"}))
    assert parts.headers["Authorization"] == "Basic w7w6cDrFvA=="


def test_a_secret_stands_in_no_repr() -> None:
    acme = system(authentication="oauth2_authorization_code")
    speaker = Speaker(token="tok-1234")
    assert "tok-1234" not in f"{speaker!r}{filled(acme=acme, speaker=speaker)!r}"


def test_secrets_that_are_sent_are_kept_out_of_texts() -> None:
    acme = system(authentication="basic", basic={"username": "u"})
    with redact.scope():
        sent = filled(acme=acme, speaker=Speaker(secrets={"password": "pass-1234"}))
        shown = redact.redact(f"pass-1234 {sent.headers['Authorization']}")
    assert shown == "[redacted] Basic [redacted]"


def test_an_authentication_overrules_a_header_written_before() -> None:
    kept = definition.parse(
        {"slug": "a", "name": "A", "headers": {"x-token": "mine"}, "parameters": {"t": "mine"}},
        system(),
    )
    by_header = system(
        authentication="oauth2_authorization_code", token_placement={"header": "X-Token"}
    )
    assert Prepared(kept, by_header).fill({}, Speaker(token="t")).headers["X-Token"] == "Bearer t"
    by_query = system(authentication="oauth2_authorization_code", token_placement={"query": "t"})
    assert (
        Prepared(kept, by_query).fill({}, Speaker(token="t")).url.endswith("/contacts?t=t") is False
    )
    assert Prepared(kept, by_query).fill({}, Speaker(token="z")).url.endswith("?t=z")


# E10, E11: no value leaves its place

BASE = "https://api.acme.example/v1"
VALUES = st.text(max_size=30).filter(
    lambda text: "\x00" not in text and text.isprintable()
) | st.sampled_from(
    [
        "..",
        ".",
        "%2e%2e",
        "../..",
        "//evil.example",
        "@evil.example",
        "\\evil",
        "a?b=c",
        "a#b",
        ".evil.example",
        ":80@evil",
        "%2F..%2F",
        "a;b",
        "a\tb",
        "é/ü",
        " ",
        "..%2f",
        "?",
        "#",
        "&a=b",
        "\u2025",
    ]
)


@given(a=VALUES, b=VALUES)
def test_E11_a_value_stays_one_path_segment(a: str, b: str) -> None:
    try:
        url = filled({"a": a, "b": b}, path="/people/{a}/x{b}/end").url
    except InputInvalid as invalid:
        assert set(invalid.errors) <= {"a", "b"}
        return
    assert url.startswith(f"{BASE}/people/")
    segments = url.removeprefix(BASE).split("/")
    assert [segments[1], segments[4], len(segments)] == ["people", "end", 5]
    assert unquote(segments[2]) == a
    assert unquote(segments[3]) == f"x{b}"
    assert not {unquote(each) for each in segments} & {".", ".."}
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == (
        "https",
        "api.acme.example",
        "",
        "",
    )


@given(a=VALUES, b=VALUES)
def test_E10_no_value_changes_where_a_request_goes(a: str, b: str) -> None:
    try:
        parts = filled(
            {"a": a, "b": b},
            path="/{a}{b}",
            method="POST",
            parameters={"q": "{a}", "r": "x{b}"},
            headers={"X-A": "{a}"},
            body={"a": "{b}"},
        )
    except InputInvalid:
        return
    split = urlsplit(parts.url)
    assert (split.scheme, split.netloc) == ("https", "api.acme.example")
    assert re.fullmatch(r"/v1/[^/?#\\]+", split.path)
    assert parse_qsl(split.query, keep_blank_values=True) == [("q", a), ("r", f"x{b}")]
    assert set(parts.headers) == {"Accept", "X-A", "Content-Type"}
    assert not re.search(r"[\r\n\x00]", parts.headers["X-A"])
    assert json.loads(parts.body or b"") == {"a": b}


@pytest.mark.parametrize("value", ["", ".", "..", "a\r\nb", "a\nb", "a\x1fb"])
def test_E11_a_path_refuses_what_is_no_segment_and_names_the_input(value: str) -> None:
    with pytest.raises(InputInvalid) as caught:
        filled({"person": value}, inputs=[{"name": "person"}], path="/people/{person}")
    assert "“person”" in caught.value.errors["person"][0]


def test_E11_dots_cannot_be_put_together() -> None:
    with pytest.raises(InputInvalid) as caught:
        filled({"a": ".", "b": "."}, path="/people/{a}{b}")
    assert set(caught.value.errors) <= {"a", "b"}


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\x00b"[:1] + "\x7f", "Łódź"])
def test_E11_a_header_refuses_what_it_cannot_carry(value: str) -> None:
    with pytest.raises(InputInvalid) as caught:
        filled({"team": value}, headers={"X-Team": "{team}"})
    assert list(caught.value.errors) == ["team"]


def test_E11_values_are_no_templates() -> None:
    parts = filled({"a": "{b}{random}", "b": "secret"}, path="/x/{a}", parameters={"q": "{a}"})
    assert "secret" not in parts.url
    assert parts.url.endswith("/x/%7Bb%7D%7Brandom%7D?q=%7Bb%7D%7Brandom%7D")


def test_only_reading_follows_redirects_within_its_origin() -> None:
    assert filled().outbound(deadline=1.0, max_bytes=1).follow_same_origin
    assert not filled(method="POST").outbound(deadline=1.0, max_bytes=1).follow_same_origin


def test_an_integration_is_prepared_once_per_version() -> None:
    acme = system()
    kept = definition.parse({"slug": "a", "name": "A"}, acme)
    first = request.prepared(("i", 1, "s", 1), kept, acme)
    assert request.prepared(("i", 1, "s", 1), kept, acme) is first
    assert request.prepared(("i", 1, "s", 2), kept, acme) is not first
