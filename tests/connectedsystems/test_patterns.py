"""Patterns for captured values: matched whole, in linear time, as they were before."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectedsystems import doctor, patterns
from connectedsystems.configuration import read
from connectedsystems.presets import presets
from connectedsystems.written import Box, Errors

PRESETS = sorted(
    {
        pattern
        for each in presets()
        for pattern in (each.system["oauth"].get("capture_patterns") or {}).values()
    }
)
HOSTS = """
https://eu.fillout.com https://fillout.com https://a.b.fillout.com http://eu.fillout.com
https://eu.fillout.com/ https://eu.fillout.com.evil.example https://evil.example/.fillout.com
https://EU.pipedrive.com https://acme-1.pipedrive.com https://acme.pipedrive.com:443
https://acme.my.salesforce.com https://acme.force.com https://acme.salesforce_com https://.force.com
https://acme.my.salesforce.com\n https://acme.teamwork.com https://acme.teamwork.com/
https://acme.teamwork.com// https://acme.teamwork.com/x acme ACME-1 acme.example acme\n \nacme a/b
https://\u0661.teamwork.com https://\u017falesforce.com https://acme.\u017falesforce.com \u212a
""".replace("\\n", "\n")
VALUES = [each for line in HOSTS.splitlines() for each in line.split(" ")]

REFUSED = {
    r"(\w)\1": r"\1 refers back",
    r"(?P<x>a)(?P=x)": "(?P= refers back",
    "(?=a)a": "(?= looks ahead or behind",
    "a(?!b)": "(?! looks ahead or behind",
    "(?<=a)b": "(?<= looks ahead or behind",
    "(?<!a)b": "(?<! looks ahead or behind",
    "a{1000}{1000}": "{1000}{1000}",
    "(a{1000}){1000}": "{1000} repeats too often",
    "a{1001}": "{1001} repeats too often",
    r"\p{L}{1,500}": "too large",
    r"acme\Z": r"\Z is not needed",
    "(?x)a b": "(?x allows blanks",
    "(?>a)": "(?> is known to Python alone",
    "a{,3}": "{,3} means one thing to Python",
    "[[:alpha:]]+": "[:alpha:] means one thing to Python",
    "(?i)\u00e9+": "\u00e9 stands beside (?i)",
    "(": "missing )",
    "[a": "missing ]",
    "a**": "** cannot be read",
    "\ud800": "half of a character",
    "a" * 501: "longer than 500",
}


def test_the_patterns_of_all_presets_are_tried() -> None:
    assert len(PRESETS) >= 5


@pytest.mark.parametrize("pattern", PRESETS)
def test_a_presets_pattern_says_of_every_value_what_it_said_before(pattern: str) -> None:
    for value in VALUES:
        assert patterns.fits(pattern, value) == bool(re.fullmatch(pattern, value)), value
    assert any(patterns.fits(pattern, value) for value in VALUES)


@given(st.sampled_from(PRESETS), st.text(alphabet="htps:/.acmefilouwrkd-1\n", max_size=40))
def test_so_it_does_of_any_value(pattern: str, value: str) -> None:
    assert patterns.fits(pattern, value) == bool(re.fullmatch(pattern, value))


@pytest.mark.parametrize("pattern", REFUSED)
def test_what_cannot_be_used_is_refused_by_name_and_part(pattern: str) -> None:
    with pytest.raises(patterns.Unsupported) as caught:
        patterns.check(pattern)
    assert REFUSED[pattern] in str(caught.value)
    assert len(str(caught.value)) < 120
    with pytest.raises(patterns.Unsupported):
        patterns.fits(pattern, "a")


@pytest.mark.parametrize(
    ("pattern", "value", "fits"),
    [
        ("a+", "a" * 300, True),
        ("a+", "a" * 301, False),
        (r"\d+", "12", True),
        (r"\d+", "\u0661\u0662", False),
        (r"\w+", "acme_1", True),
        (r"\w+", "\u00e9", False),
        ("(?i)sk", "SK", True),
        ("(?i)sk", "\u017fk", False),
        ("(?i:s)\u00e9", "\u017f\u00e9", False),
        ("\u00e9+", "\u00e9\u00e9", True),
        (".+", "a\nb", False),
        ("a$", "a\n", False),
        (".", "\ud800", False),
        ("a|ab", "ab", True),
    ],
)
def test_what_a_pattern_means(pattern: str, value: str, fits: bool) -> None:
    if pattern.startswith("(?i:s)"):
        with pytest.raises(patterns.Unsupported):
            patterns.fits(pattern, value)
    else:
        assert patterns.fits(pattern, value) == fits


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "(a|aa)+$", "([a-z]+)*!x", "(.*a){12}b", "(.{0,100}a){0,10}b", "(.?){1000}x",
     "((a?){30}){30}b", "(.*)(.*)(.*)(.*)(.*)(.*)x"],
)  # fmt: skip
def test_G3_no_value_holds_a_process(pattern: str) -> None:
    began = time.thread_time()
    for value in ("a" * 31 + "!", "a" * 299 + "!", "\U0001f600" * 300, "ab" * 150):
        patterns.fits(pattern, value)
    assert time.thread_time() - began < 2


def written(**capture_patterns: Any) -> dict[str, Any]:
    return {
        "slug": "odd",
        "name": "Odd",
        "authentication": "oauth2_authorization_code",
        "base_url": "https://api.example",
        "oauth": {
            "client_id": "abc",
            "authorization_endpoint": "https://a.example/authorize",
            "token_endpoint": "https://a.example/token",
            "captures": {"token": dict.fromkeys(capture_patterns, "x")},
            "capture_patterns": capture_patterns,
        },
    }


def test_it_is_refused_where_it_is_written_by_its_key() -> None:
    from connectedsystems import configuration
    from connectedsystems.errors import ConfigurationInvalid

    with pytest.raises(ConfigurationInvalid) as caught:
        configuration.parse(written(site="a(?=b)", good="[a-z]+"))
    assert caught.value.errors == {
        "oauth.capture_patterns.site": [
            "is no pattern that can be used: (?= looks ahead or behind."
        ]
    }


def test_check_configuration_names_a_stored_one() -> None:
    system = read(written(site=r"(a)\1", good="[a-z]+"))
    step = next(iter(doctor.examine(system, {}, "https://ours.example/")))
    assert (step.outcome, step.code) == ("fail", "pattern_unsupported")
    assert step.name == "pattern of site"
    assert r"site; \1 refers back to a group" in step.sentence
    assert step.look_at == "capture_patterns"


def test_a_text_that_is_no_pattern_is_told_at_its_key() -> None:
    errors = Errors()
    assert Box({"site": 5}, "oauth.capture_patterns", errors).text("site") == ""
    assert "oauth.capture_patterns.site" in errors
