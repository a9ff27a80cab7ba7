"""Registrable domains, and the domain in which a pattern's values end."""

from __future__ import annotations

import pytest

from connectedsystems import domains


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("api.example.com", "example.com"),
        ("EXAMPLE.co.uk.", "example.co.uk"),
        ("shop.myshopify.com", "myshopify.com"),
        ("crm.corp-net", "crm.corp-net"),
        ("co.uk", ""),
        ("com", ""),
        ("localhost", ""),
        ("127.0.0.1", ""),
        ("::1", ""),
        ("", ""),
    ],
)
def test_a_registrable_domain_is_what_somebody_can_own(host: str, domain: str) -> None:
    assert domains.registrable(host) == domain


@pytest.mark.parametrize(
    ("pattern", "tail"),
    [
        (r"https://[a-z0-9-]+\.my\.salesforce\.com", "my.salesforce.com"),
        (r"(?:na|eu)[0-9]+\.example\.com$", "example.com"),
        (r"[a-z]+[.]example[.]co[.]uk", "example.co.uk"),
        (r"(?i)[a-z|]+\.Example\.com", "example.com"),
        (r"api\.example\.com", "api.example.com"),
        # A value may end in something else, or in what nobody owns alone.
        (r"[a-z]+\.(example|other)\.com", ""),
        (r"[a-z]+\.example\.com|evil\.test", ""),
        (r"[a-z]+.example.com", ""),
        (r".*example\.com", ""),
        (r"[a-z.]+\.co\.uk", ""),
        (r".+\.example\.com/?", ""),
        (r".+\.example\.com.*", ""),
        (r"(?x).+ # \.example\.com", ""),
        (r".*|\Q\.example\.com", ""),
        (r".+", ""),
        ("", ""),
    ],
)
def test_a_pattern_ends_in_a_domain_or_not(pattern: str, tail: str) -> None:
    assert domains.tail_of_pattern(pattern) == tail


@pytest.mark.parametrize(
    ("text", "tail"),
    [
        (".example.com", "example.com"),
        (".eu.example.com:8443", "eu.example.com"),
        ("-api.example.com", "example.com"),
        ("example.com", ""),
        (".com", ""),
        (".{site}", ""),
        (".a.{site}", ""),
        (":8443", ""),
    ],
)
def test_a_template_ends_in_a_domain_or_not(text: str, tail: str) -> None:
    assert domains.tail_of_text(text) == tail


def test_belonging_goes_by_whole_labels() -> None:
    assert domains.belongs_to("eu1.example.com", "example.com")
    assert domains.belongs_to("Example.com.", "example.com")
    assert not domains.belongs_to("evilexample.com", "example.com")
    assert not domains.belongs_to("example.com.evil.test", "example.com")
    assert not domains.belongs_to("anything", "")
