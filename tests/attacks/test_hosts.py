"""Whatever a designer writes, a token stays with the hosts that its user authorized for (G0, G1)."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from tests.attacks.scene import NEXT_SECRET, SECRET_VARIABLE, Scene, working

Path = tuple[str | int, ...]


def rich(url: str) -> dict[str, Any]:
    """A working system that uses every key, so that every key can be attacked."""
    return working(
        url,
        {
            "client_secret_next": NEXT_SECRET,
            "refresh_endpoint": f"{url}/token/refresh",
            "issuer": url,
            "issuer_in_response": "optional",
            "discovery_url": "",
            "client_key": {"algorithm": "RS256", "key_id": "k", "audience": url},
            "pkce": "S256",
            "authorization_parameters": {"prompt": "consent"},
            "token_parameters": {"audience": "{account}"},
            "token_headers": {"X-Kind": "{account}"},
            "token_request": {"format": "form", "method": "POST"},
            "refresh": {
                "parameters": {"again": "yes"},
                "headers": {"X-Again": "yes"},
                "client_authentication": "client_secret_post",
                "format": "form",
                "method": "POST",
            },
            "token_response": {
                "access_token": "access_token",
                "refresh_token": "refresh_token",
                "expires_in": "expires_in",
                "expires_at": "expires_at",
                "scope": "scope",
                "token_type": "token_type",
                "error": "error",
            },
            "default_expires_in": 60,
            "code_parameter": "code",
            "captures": {
                "token": {"site": "site", "account": "account"},
                "callback": {"realm": "realm"},
            },
            "capture_patterns": {"site": r"https?://.+", "account": ".*", "realm": ".*"},
            "second_exchange": {
                "endpoint": f"{url}/exchange",
                "method": "POST",
                "format": "form",
                "parameters": {"token": "{access_token}", "again": "{refresh_token}"},
                "token_response": {"access_token": "access_token"},
                "captures": {"company": "company"},
                "repeat_on_refresh": True,
            },
            "after_authorization": {
                "method": "GET",
                "url": f"{url}/me",
                "headers": {"X-After": "{account}"},
                "parameters": {"q": "{account}"},
                "body": None,
                "captures": {"person": "person"},
            },
        },
        base_url="{site}/api",
        description="Things",
        authorization_message="Ask.",
        variables={"tenant": "t1", "hidden": {"secret": True, "value": SECRET_VARIABLE}},
        request_headers={"X-Tenant": "{tenant}", "X-Hidden": "{hidden}"},
        request_parameters={"tenant": "{tenant}"},
        token_placement={"header": "Authorization", "scheme": "Bearer"},
        expired_when={"status": [401], "json": "error == 'expired'"},
    )


UNTOUCHED = {"slug", "application", "client_secret", "client_secret_next", "value"}
"""Keys that say which system it is, and secrets: what an attacker types there is their own."""

WITHOUT_A_LEAF = {"public_id", "api_key", "basic"}
"""Keys that a file need not write, or that another authentication has."""


def leaves(tree: Any, path: Path = ()) -> Iterator[Path]:
    """Every place in a configuration, boxes too."""
    if path:
        yield path
    for key, value in tree.items() if isinstance(tree, dict) else ():
        if key not in UNTOUCHED:
            yield from leaves(value, (*path, key))


PLACES = list(leaves(rich("http://127.0.0.1:1")))


def put(tree: dict[str, Any], path: Path, value: Any) -> None:
    box: Any = tree
    for key in path[:-1]:
        box = box[key]
    box[path[-1]] = value


def written_by_a_stranger(system: dict[str, Any]) -> dict[str, Any]:
    """The same as somebody writes it who never knew the secrets."""
    known = copy.deepcopy(system)
    known["oauth"].pop("client_secret")
    known["oauth"].pop("client_secret_next")
    known["variables"]["hidden"] = {"secret": True}
    return known


def attempts(scene: Scene, path: Path) -> list[Any]:
    """What leads to the attacker: an address, a host, an expression that gives either, a box."""
    there, netloc = scene.attacker.url, scene.attacker.netloc
    written: Any = rich(scene.honest.url)
    for key in path:
        written = written[key]
    if isinstance(written, dict):
        return [{"site": f"'{there}'"}, {"site": there, "account": f"'{there}'", "evil": there}]
    addresses = [f"{there}/token", "{evil}/token"] if "http" in str(written) else [there]
    return [*addresses, netloc, f"'{there}'"]


def test_G1_every_declared_key_is_attacked() -> None:
    """A key that comes later has to stand in ``rich``, so that it is attacked as well."""
    from connectedsystems.configuration import EVERYTHING

    written = rich("http://127.0.0.1:1")
    assert set(EVERYTHING[""]) - set(written) <= WITHOUT_A_LEAF
    assert set(EVERYTHING["oauth"]) == set(written["oauth"])


@pytest.mark.once
@pytest.mark.parametrize("path", PLACES, ids=".".join)
def test_G1_no_key_sends_a_token_elsewhere(path: Path, scene: Scene) -> None:
    """Save with every question answered yes, call, renew, disconnect, delete."""
    scene.honest.extra = {"site": scene.honest.url, "account": "ada", "company": "c", "person": "p"}
    for value in attempts(scene, path):
        assert scene.load(rich(scene.honest.url)) == ""
        assert scene.authorizes(realm="r").status_code == 303
        assert scene.calls()["success"]

        edited = written_by_a_stranger(rich(scene.honest.url))
        edited["variables"]["evil"] = scene.attacker.netloc
        put(edited, path, value)
        scene.load(edited)
        scene.calls()
        # The honest system may answer what the attacker made it repeat.
        scene.honest.extra |= {"evil": scene.attacker.url, "account": scene.attacker.url}
        scene.calls()
        scene.disconnects()
        assert scene.attacker_holds() == set(), (path, value)
        scene.honest.extra |= {"account": "ada"}
    assert scene.load(rich(scene.honest.url)) == ""
    assert scene.authorizes(realm="r").status_code == 303
    scene.load(edited)
    scene.forgets()
    assert scene.attacker_holds() == set(), path


def test_G1_an_expression_that_names_the_attacker_ends_the_authorization(scene: Scene) -> None:
    scene.honest.extra = {"site": scene.honest.url}
    captured = {"captures": {"token": {"site": "site"}}, "capture_patterns": {"site": "http.+"}}
    system = working(scene.honest.url, captured, base_url="{site}/api")
    assert scene.load(system) == ""
    scene.authorizes()
    assert scene.calls()["success"]

    system["oauth"]["captures"] = {"token": {"site": f"'{scene.attacker.url}'"}}
    assert scene.load(system) == ""
    assert scene.calls()["error"]["code"] == "configuration_changed"
    assert scene.attacker.heard == []


@pytest.mark.parametrize("part", ["base_url", "refresh_endpoint", "second_exchange"])
def test_G1_an_answer_that_leads_elsewhere_ends_the_authorization(part: str, scene: Scene) -> None:
    """The settings stay; the other system's own answer names another host at a renewal."""
    scene.honest.extra = {"site": scene.honest.url}
    oauth: dict[str, Any] = {
        "captures": {"token": {"site": "site"}},
        "capture_patterns": {"site": "http.+"},
    }
    more: dict[str, Any] = {}
    match part:
        case "base_url":
            more = {"base_url": "{site}/api"}
        case "refresh_endpoint":
            oauth["refresh_endpoint"] = "{site}/token"
        case "second_exchange":
            box = {"endpoint": "{site}/exchange", "parameters": {"t": "{access_token}"}}
            oauth["second_exchange"] = {**box, "repeat_on_refresh": True}
    assert scene.load(working(scene.honest.url, oauth, **more)) == ""
    assert scene.authorizes().status_code == 303
    assert scene.calls()["success"]

    scene.honest.extra = {"site": scene.attacker.url}
    told = scene.calls()
    assert told["error"]["code"] == "configuration_changed"
    assert told["needs_authorization"]
    assert scene.attacker.heard == []
    asked = scene.honest.paths.count("/token")
    assert scene.calls()["error"]["code"] == "configuration_changed"
    assert scene.honest.paths.count("/token") == asked
    assert scene.status() == ("configuration_changed", "configuration_changed")

    scene.disconnects()
    revoked = b"".join(heard for heard in scene.honest.heard if b"/revoke" in heard)
    # The pair that came with the answer was kept for this: it is revoked where it is from.
    assert scene.newest("refresh token").encode() in revoked

    scene.honest.extra = {"site": scene.honest.url}
    scene.authorizes()
    assert scene.calls()["success"]
