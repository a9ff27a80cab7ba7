"""Where an authorization's tokens may go, as captured values change."""

from __future__ import annotations

from typing import Any

import pytest

from connectedsystems.oauth import origins
from connectedsystems.oauth.client import Client
from connectedsystems.oauth.standing import OriginMoved, Standing, stored_of

SALESFORCE = r"https://[a-z0-9-]+\.my\.salesforce\.com"


def client(base_url: str, pattern: str = SALESFORCE, **captured: Any) -> Client:
    return Client(
        client_id="abc",
        token_endpoint="https://login.salesforce.com/token",
        base_url=base_url,
        captures={"token": {"site": "instance_url", "account": "id"}},
        capture_patterns={"site": pattern},
        values=captured,
    )


def moves(base_url: str, was: str, now: str, pattern: str = SALESFORCE, later: str = "") -> bool:
    """Whether a renewal that captures another ``site`` ends the authorization."""
    authorized = client(base_url, pattern, site=was)
    known = stored_of(authorized)
    today = Standing(known, client(base_url, later or pattern, site=was))
    try:
        today.check_captures({"site": now})
    except OriginMoved as moved:
        assert moved.facts["was"] != moved.facts["now"]
        return True
    return False


NA1 = "https://na1.my.salesforce.com"


def test_G1_the_same_origin_stays() -> None:
    assert not moves("{site}/api", NA1, f"{NA1}/other/path")


def test_G1_an_instance_may_move_inside_the_domain_of_its_pattern() -> None:
    assert not moves("{site}/api", NA1, "https://na2.my.salesforce.com")
    assert not moves("https://{site}.example.com/api", "north", "south", pattern="[a-z]+")


@pytest.mark.parametrize(
    "now",
    [
        "https://na1.salesforce.com.evil.test",
        "https://evil.test/my.salesforce.com",
        "https://evil.test?x=.my.salesforce.com",
        "https://na2.my.salesforce.com:8443",
        "https://evilmy.salesforce.com",
        "http://na2.my.salesforce.com",
        "https://na2.my.salesforce.com@evil.test",
        "https://evil.test\\.my.salesforce.com",
        "",
        None,
    ],
)
def test_G1_no_other_move_is_accepted(now: Any) -> None:
    assert moves("{site}/api", NA1, now)


def test_G1_a_pattern_that_was_changed_since_accepts_nothing() -> None:
    there = "https://na1.evil.test"
    assert moves("{site}/api", NA1, there, later=r"https://[a-z0-9]+\.evil\.test")
    assert moves("{site}/api", NA1, "https://na2.my.salesforce.com", later="https://.+")


def test_G1_without_a_domain_at_the_end_of_the_pattern_nothing_moves() -> None:
    assert moves("{site}/api", NA1, "https://na2.my.salesforce.com", pattern="https://.+")


def test_G1_a_row_from_before_is_compared_with_its_own_captures() -> None:
    standing = Standing({}, client("{site}/api", site=NA1))
    assert standing.check_captures({"site": NA1})
    with pytest.raises(OriginMoved):
        standing.check_captures({"site": "https://na2.my.salesforce.com"})


def test_G1_a_host_where_there_was_none_ends_it() -> None:
    standing = Standing({}, client("{site}/api"))
    with pytest.raises(OriginMoved):
        standing.check_captures({"site": NA1})


def test_G1_captures_elsewhere_than_in_a_host_are_free() -> None:
    assert stored_of(client("https://api.example.com/{site}", site="a")) == {}
    assert not moves("https://api.example.com/{site}", "a", "b")


def test_G1_an_accepted_move_keeps_the_domain_it_was_accepted_for() -> None:
    standing = Standing(stored_of(client("{site}/api", site=NA1)), client("{site}/api"))
    kept = standing.check_captures({"site": "https://na2.my.salesforce.com"})
    assert kept["base_url"] == {
        "origin": "https://na2.my.salesforce.com",
        "tail": "my.salesforce.com",
    }


@pytest.mark.parametrize(
    ("template", "pattern", "loose"),
    [
        ("https://{shop}/admin", r"[a-z0-9-]+\.myshopify\.com", ""),
        ("https://{shop}.myshopify.com/admin", "", ""),
        ("https://api.example.com/{shop}", "", ""),
        ("https://{shop}/admin", r"[a-z0-9.-]+", "shop"),
        ("https://{shop}/admin", r".+\.com", "shop"),
        ("https://{shop}.com/admin", "[a-z]+", "shop"),
        ("{shop}/admin", r"https://.+\.myshopify\.com", "shop"),
        ("{shop}", r"https://.+\.myshopify\.com", "shop"),
        ("https://api.example.com:{shop}/", "[0-9]+", "shop"),
        ("https:/{shop}/", r".+\.example\.com", "shop"),
        ("https://{shop}.a.{shop}/", "", "shop"),
    ],
)
def test_H4_a_callback_capture_in_a_host_stays_in_a_domain(
    template: str, pattern: str, loose: str
) -> None:
    patterns = {"shop": pattern} if pattern else {}
    found = origins.unbounded_callback_capture(template, {"shop": "shop"}, patterns)
    assert found == loose
