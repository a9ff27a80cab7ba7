"""The five fields of a token answer, each checked."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectedsystems.errors import TokenEndpointFailure
from connectedsystems.oauth import answer
from connectedsystems.oauth.answer import Reading
from connectedsystems.oauth.endpoint import Heard

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
FIELDS = ["access_token", "token_type", "expires_in", "refresh_token", "scope", "error"]


def heard(body, status=200, content_type="application/json"):
    text = body if isinstance(body, str) else json.dumps(body)
    return Heard(status, content_type, None, text.encode(), "acme.example", "/token")


def read(body, default=None, captures=None, patterns=None, **paths):
    reading = Reading(paths, captures or {}, patterns or {}, default)
    return answer.read(heard(body), reading, "exchange")


def grant(**different):
    return {"access_token": "at-1", **different}


def failure_of(body, **more):
    with pytest.raises(TokenEndpointFailure) as caught:
        read(body, **more)
    return caught.value


@pytest.mark.parametrize(
    ("given_", "seconds"),
    [
        (3600, 3600), ("3600", 3600), (3600.5, 3600.5), ("3600.5", 3600.5), (" 60 ", 60),
        (0, 0), (-5, 0), ("-5", 0), (None, None), ("", None), ("never", None), ([1], None),
        ({}, None), (True, None), (False, None), ("1e5", None), ("٣", None), ("nan", None),
        (10**12, answer.LONGEST_LIFE), (10**400, answer.LONGEST_LIFE), ("9" * 40, answer.LONGEST_LIFE),
    ],
)  # fmt: skip
def test_B7_a_life_is_a_number_or_unknown(given_, seconds):
    assert read(grant(expires_in=given_)).expires_in == seconds


def test_B7_numbers_beyond_all_measure_are_capped():
    assert read('{"access_token": "a", "expires_in": 1e999}').expires_in == answer.LONGEST_LIFE
    assert read('{"access_token": "a", "expires_in": -1e999}').expires_in == 0


def test_a_missing_life_is_the_default():
    assert read(grant(), default=7200).expires_in == 7200
    assert read(grant(expires_in="never"), default=7200).expires_in == 7200
    assert read(grant(expires_in=60), default=7200).expires_in == 60


def test_B8_foreign_members_are_not_read():
    found = read(grant(expires_at=5, user_id=7, id=9, iss="x", instance_url="https://evil"))
    assert found == answer.TokenAnswer(access_token="at-1")


@pytest.mark.parametrize("kind", ["Bearer", "bearer", "BEARER", None, ""])
def test_B9_bearer_in_any_case_or_none(kind):
    assert read(grant(token_type=kind)).token_type == "Bearer"


@pytest.mark.parametrize("kind", ["mac", "DPoP", "Bearer\r\nX: y", "bot", 5, [], {}, True])
def test_B9_another_type_is_not_supported(kind):
    failure = failure_of(grant(token_type=kind))
    assert failure.code == "token_type_unsupported"
    assert "\n" not in failure.facts["received"]


@pytest.mark.parametrize("name", ["access_token", "refresh_token"])
@pytest.mark.parametrize(
    "value", [5, True, [], ["a"], {}, "a b", "a\r\nX: y", "a\x00", "ä", "a\t", " a", "x" * 65_537]
)
def test_a_token_that_no_request_can_carry_is_malformed(name, value):
    failure = failure_of({**grant(), name: value})
    assert (failure.code, failure.facts["field"]) == ("token_malformed", name)


def test_a_token_of_64_kb_is_a_token():
    assert len(read(grant(access_token="x" * 65_536)).access_token) == 65_536


@pytest.mark.parametrize("value", [None, ""])
def test_an_empty_refresh_token_is_none(value):
    assert read(grant(refresh_token=value)).refresh_token is None


@pytest.mark.parametrize(
    ("scope", "kept"),
    [("a b", "a b"), ("b,a", "b,a"), (["a", "b"], "a b"), ("", None), (None, None), ([], None)],
)
def test_B10_the_scope_is_kept_as_granted(scope, kept):
    assert read(grant(scope=scope)).scope == kept


@pytest.mark.parametrize("scope", [5, {}, [1], "a\nb", "a\x00", "\ud800", "x" * 70_000])
def test_a_scope_is_text(scope):
    failure = failure_of(grant(scope=scope))
    assert (failure.code, failure.facts["field"]) == ("token_malformed", "scope")


def test_a_repr_shows_no_token():
    found = read(grant(refresh_token="rt-1", x="kept"), captures={"x": "x"})
    assert not {"at-1", "rt-1", "kept"} & set(repr(found).replace("'", " ").split())


def test_fields_may_stand_elsewhere():
    found = read(
        {"status": 0, "body": {"accessToken": "at-2", "rt": "rt-2", "life": "60", "s": ["a"]}},
        access_token="body.accessToken",
        refresh_token="body.rt",
        expires_in="body.life",
        scope="body.s",
        token_type="'Bearer'",
        error="status",
    )
    assert (found.access_token, found.refresh_token) == ("at-2", "rt-2")
    assert (found.expires_in, found.scope) == (60, "a")


@pytest.mark.parametrize("value", [1, "x", True, {"a": 1}, [1], -1])
def test_a_named_error_is_an_error(value):
    assert failure_of({**grant(), "status": value}, error="status").code == "token_refused"


@pytest.mark.parametrize("value", [None, False, 0, ""])
def test_a_named_error_that_yields_nothing_is_none(value):
    assert read({**grant(), "status": value}, error="status").access_token == "at-1"


def test_a_named_error_is_the_endpoint_speaking_under_any_status():
    reading = Reading({"error": "errors[0].code"}, {}, {})
    body = {"errors": [{"code": "invalid_client", "message": "No such app"}]}
    with pytest.raises(TokenEndpointFailure) as caught:
        answer.read(heard(body, 418), reading, "exchange")
    assert caught.value.code == "client_auth_failed"
    assert caught.value.facts["quote"] == "No such app"


def test_a_path_that_does_not_fit_the_answer_finds_nothing():
    assert failure_of(grant(), access_token="length(nothing)").code == "token_missing"


@pytest.mark.parametrize("ahead", [0.0, 1000.0])
@pytest.mark.parametrize("form", ["seconds", "text", "milliseconds", "iso", "zulu"])
def test_a_point_in_time_is_a_life(form, ahead):
    moment = int(time.time() + 600 + ahead)
    value = {
        "seconds": moment,
        "text": str(moment),
        "milliseconds": moment * 1000,
        "iso": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)),
        "zulu": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment)),
    }[form]
    found = read(grant(until=value), expires_at="until")
    assert found.expires_in == pytest.approx(600 + ahead, abs=5)


def test_what_is_no_point_in_time_is_unknown():
    assert read(grant(until="soon"), expires_at="until").expires_in is None
    assert read(grant(until="soon"), expires_at="until", default=5).expires_in == 5


def test_values_are_captured_in_their_form():
    body = grant(site={"host": "eu.acme.example"}, number=7, none=None)
    paths = {"host": "site.host", "number": "number", "none": "none", "gone": "a.b"}
    assert read(body, captures=paths, patterns={"number": "[0-9]"}).captures == {
        "host": "eu.acme.example",
        "number": 7,
    }
    failure = failure_of(body, captures=paths, patterns={"host": r"[a-z]+\.acme\.com"})
    assert (failure.code, failure.facts["field"]) == ("token_malformed", "host")


DOUBLED = "[@,@]" + "|[@,@]" * 33


def test_G4_what_is_over_its_bounds_names_its_key():
    for name in ("access_token", "refresh_token", "expires_in", "scope", "expires_at", "error"):
        failure = failure_of(grant(), **{name: DOUBLED})
        assert failure.code == "expression_too_costly"
        assert failure.facts["field"] == f"oauth.token_response.{name}"
        assert failure.facts["reason"] == "it gives too much"
    failure = failure_of(grant(), captures={"site": DOUBLED})
    assert failure.facts["field"] == "oauth.captures.token.site"


def test_G4_what_the_endpoint_refuses_is_told_all_the_same():
    reading = Reading({"access_token": DOUBLED, "error": DOUBLED}, {}, {})
    with pytest.raises(TokenEndpointFailure) as caught:
        answer.read(heard({"error": "invalid_grant"}, 400), reading, "refresh")
    assert (caught.value.code, caught.value.facts["error"]) == ("token_refused", "invalid_grant")


def test_G3_a_pattern_that_cannot_be_used_names_itself():
    failure = failure_of(grant(site="aa"), captures={"site": "site"}, patterns={"site": r"(a)\1"})
    assert (failure.code, failure.facts["name"]) == ("pattern_unsupported", "site")
    assert failure.facts["reason"] == r"\1 refers back to a group"


@pytest.mark.parametrize("purpose", ["refresh", "client_credentials"])
def test_G3_G4_a_renewal_loses_no_token_for_a_capture(purpose):
    captures = {"costly": DOUBLED, "odd": "site", "good": "site"}
    reading = Reading({}, captures, {"odd": r"(a)\1", "good": "a+"})
    body = heard(grant(site="aa", refresh_token="rt-2"))
    found = answer.read(body, reading, purpose)
    assert (found.access_token, found.refresh_token) == ("at-1", "rt-2")
    assert found.captures == {"good": "aa"}


def test_a_value_of_more_than_300_characters_matches_no_pattern():
    captures, patterns = {"site": "site"}, {"site": "a+"}
    assert read(grant(site="a" * 300), captures=captures, patterns=patterns).captures
    assert failure_of(grant(site="a" * 301), captures=captures, patterns=patterns).code == (
        "token_malformed"
    )
    assert read(grant(site="a" * 2000), captures=captures).captures


@UNHURRIED
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JSON)), st.integers(200, 599))
def test_any_answer_is_a_grant_or_a_failure(body, status):
    try:
        found = answer.read(heard(body, status), Reading({}, {}, {}), "exchange")
    except TokenEndpointFailure as failure:
        json.dumps(failure.facts).encode()
    else:
        assert found.access_token.isascii()
        assert 200 <= status < 300


@UNHURRIED
@given(st.binary())
def test_any_bytes_are_read_or_refused(body):
    found = Heard(200, "", None, body, "acme.example", "/token")
    with pytest.raises(TokenEndpointFailure):
        answer.read(found, Reading({}, {}, {}), "refresh")
