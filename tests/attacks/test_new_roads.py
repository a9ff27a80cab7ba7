"""Roads on which a token or a stored secret might get to a designer who never knew it (G0 to G2).

Each test is an attack, tried through the product; it asserts that the attack fails.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from authlinks.models import Authorization
from connectedsystems.models import AuditEvent, ConnectedSystem
from integrations.models import CallRecord
from tests.attacks.scene import ACCESS, REFRESH, SECRET_VARIABLE, Scene, working
from tests.workbench.test_known import Filled

pytestmark = pytest.mark.once

HIDDEN = {"hidden": {"secret": True, "value": SECRET_VARIABLE}}
KEY = "planted/api-key+with=signs-Pq55"


def by_key(url: str, key: str = SECRET_VARIABLE, **more: Any) -> dict[str, Any]:
    return {
        "slug": "goal",
        "name": "Goal",
        "application": "tests",
        "base_url": f"{url}/api",
        "authentication": "api_key",
        "api_key": {"name": "X-Key", "value": key},
        **more,
    }


def of_a_stranger(system: dict[str, Any]) -> dict[str, Any]:
    """The same as somebody writes it who knows no secret."""
    known = copy.deepcopy(system)
    known.get("oauth", {}).pop("client_secret", None)
    known.get("api_key", {}).pop("value", None)
    for value in known.get("variables", {}).values():
        if isinstance(value, dict):
            value.pop("value", None)
    return known


def everything_shown(scene: Scene) -> str:
    """What pages, rows in clear and the audit say of the authorizations and calls."""
    admin = scene.admin()
    paths = ["/admin/authlinks/authorization/"]
    paths += [f"{paths[0]}{row.pk}/change/" for row in Authorization.objects.all()]
    paths += [f"/references/{row.reference}/" for row in CallRecord.objects.all()]
    pages = [admin.get(path).content.decode() for path in paths]
    pages.append(scene.client.get("/connections/").content.decode())
    columns = ("scope", "origins", "api_origin", "failure_facts")
    rows = [*Authorization.objects.values(*columns), *AuditEvent.objects.values("facts")]
    return "\n".join([*pages, json.dumps(rows)])


def shows_no_token(scene: Scene) -> None:
    text = everything_shown(scene).lower()
    for number in range(10, scene.honest.issued + 1):
        for form in (ACCESS, REFRESH):
            token = form.format("honest", number).lower()
            assert token not in text
            assert token[::-1] not in text


@pytest.fixture
def any_host(settings: Any) -> None:
    """At save a name in a host is filled with ``x.example``; the hosts of these tests are http."""
    settings.OUTBOUND_ALLOW = [*settings.OUTBOUND_ALLOW, "x.example"]


# Where a secret goes


def test_G2_who_answers_for_a_captured_host_is_not_replaced(scene: Scene) -> None:
    """The refresh endpoint's host is captured from a call that carries no secret."""
    scene.honest.extra = {"site": scene.honest.url}
    scene.attacker.extra = {"site": scene.attacker.url}
    step = {"url": f"{scene.honest.url}/me", "captures": {"site": "site"}}
    oauth = {
        "after_authorization": step,
        "capture_patterns": {"site": "http.+"},
        "refresh_endpoint": "{site}/token",
    }
    system = working(scene.honest.url, oauth)
    assert scene.load(system) == ""
    edited = of_a_stranger(system)
    edited["oauth"]["after_authorization"]["url"] = f"{scene.attacker.url}/me"
    assert "secret_not_for_host" in scene.load(edited)
    scene.authorizes()
    scene.calls()
    assert scene.attacker_holds() == set()


def test_G2_a_token_endpoint_of_ones_own_names_no_host_for_a_variable(scene: Scene) -> None:
    """The client secret is the designer's own now; the secret variable still is not."""
    scene.honest.extra = {"site": scene.honest.url}
    scene.attacker.extra = {"site": scene.attacker.url}
    oauth = {"captures": {"token": {"site": "site"}}, "capture_patterns": {"site": "http.+"}}
    more = {"variables": HIDDEN, "request_headers": {"X-Hidden": "{hidden}"}}
    system = working(scene.honest.url, oauth, base_url="{site}/api", **more)
    assert scene.load(system) == ""
    edited = of_a_stranger(system)
    own = {"token_endpoint": f"{scene.attacker.url}/token", "revocation_endpoint": ""}
    edited["oauth"] |= {"client_secret": "typed-by-the-designer-1", **own}
    assert "secret_not_for_host" in scene.load(edited)
    scene.authorizes()
    scene.calls()
    assert scene.attacker_holds() == set()


@pytest.mark.parametrize("road", ["base_url", "second_exchange"])
def test_G2_a_systems_own_token_goes_where_its_secret_was_entered_for(
    road: str, scene: Scene
) -> None:
    """With client credentials nobody authorizes: the stored secret alone gets a token."""
    system = working(scene.honest.url, authentication="oauth2_client_credentials")
    del system["oauth"]["authorization_endpoint"]
    assert scene.load(system) == ""
    assert scene.calls()["success"]
    edited = of_a_stranger(system)
    if road == "base_url":
        edited["base_url"] = f"{scene.attacker.url}/api"
    else:
        box = {"endpoint": f"{scene.attacker.url}/exchange", "parameters": {"t": "{access_token}"}}
        edited["oauth"]["second_exchange"] = box
    assert "secret_not_for_host" in scene.load(edited)
    scene.calls()
    assert scene.attacker_holds() == set()


@pytest.mark.parametrize(
    "written",
    [
        "http://{honest}@{attacker}/api",
        "http://{attacker}#@{honest}/api",
        "http://{attacker}/@{honest}/api",
        "http://{attacker}\\@{honest}/api",
        "http://{attacker}%2F@{honest}/api",
        "http:\\\\{attacker}/api",
        "HTTP://{attacker}./api",
        " http://{attacker}/api",
        "http:///{attacker}/api",
        "//{attacker}/api",
        "{{to}}/api",
        "http://{{host}}/api",
        "{{scheme}}//{{host}}/api",
        "{{half}}/{{host}}/api",
        "http://１２７.0.0.1:{port}/api",
        "http://127。0。0。1:{port}/api",
        "http://[::ffff:127.0.0.1]:{port}/api",
        "http://2130706433:{port}/api",
        "http://0x7f.0.0.1:{port}/api",
    ],
)
def test_G2_no_spelling_of_a_host_gets_the_secret(written: str, scene: Scene) -> None:
    system = by_key(scene.honest.url, variables=HIDDEN, request_headers={"X-Hidden": "{hidden}"})
    assert scene.load(system) == ""
    edited = of_a_stranger(system)
    netloc, port = scene.attacker.netloc, scene.attacker.server.port
    edited["base_url"] = written.format(honest=scene.honest.netloc, attacker=netloc, port=port)
    edited["variables"] |= {
        "to": scene.attacker.url,
        "host": netloc,
        "scheme": "http:",
        "half": "http:/",
    }
    assert scene.load(edited) != ""
    scene.calls()
    assert scene.attacker.heard == []


@pytest.mark.parametrize("declared", [{"secret": False}, "", None])
def test_G2_a_variable_that_is_no_secret_any_more_is_gone(declared: Any, scene: Scene) -> None:
    """Its value went with the secrets; a name without a value is filled with nothing."""
    system = by_key(scene.honest.url, variables=HIDDEN, request_headers={"X-Hidden": "{hidden}"})
    assert scene.load(system) == ""
    edited = of_a_stranger(system)
    edited |= {"base_url": f"{scene.attacker.url}/api", "variables": {"hidden": declared}}
    edited["api_key"] |= {"value": "typed-by-the-designer-1"}
    scene.load(edited)
    scene.calls()
    assert scene.attacker_holds() == set()


@pytest.mark.parametrize("road", ["token request", "call"])
def test_G2_a_sealed_value_that_is_no_secret_any_more_is_filled_in_nowhere(
    road: str, scene: Scene
) -> None:
    """A save by a process without the key leaves what is sealed as it is."""
    scene.honest.extra = {"expires_in": 3600}
    system = working(scene.honest.url, variables=HIDDEN)
    for key in ("client_secret", "client_authentication", "revocation_endpoint"):
        del system["oauth"][key]
    assert scene.load(system, headers={"X-Hidden": "{hidden}"}) == ""
    row = ConnectedSystem.objects.get()
    row.configuration["variables"] = {"hidden": ""}
    if road == "token request":
        own = {"token_endpoint": f"{scene.attacker.url}/token"}
        row.configuration["oauth"] |= own | {"token_parameters": {"x": "{hidden}"}}
    base_url = f"{scene.attacker.url}/api"
    columns = {"base_url": base_url, "configuration": row.configuration}
    ConnectedSystem.objects.update(version=row.version + 1, **columns)
    assert scene.authorizes().status_code == 303
    # A token that is refused has the secrets opened, and the call is made once more.
    scene.attacker.status = 401
    scene.calls()
    assert scene.attacker.heard
    assert scene.attacker_holds() - {"access token 10", "access token 11"} == set()


@pytest.mark.parametrize("path", ["/api/things", "/token", "/revoke"])
def test_G0_no_redirect_takes_anything_along(path: str, scene: Scene) -> None:
    assert scene.load(working(scene.honest.url)) == ""
    assert scene.authorizes().status_code == 303
    scene.honest.leading = {path: f"{scene.attacker.url}{path}"}
    scene.calls()
    scene.disconnects()
    assert scene.attacker.heard == []


@pytest.mark.parametrize(
    "written",
    [
        "{there}/api/things",
        "//{netloc}/api/things",
        "{here}@{netloc}/api/things",
        "{here}\\@{netloc}/api/things",
        "\t{there}/api/things",
        "http:/\\{netloc}/api/things",
        "http:\\\\{netloc}/api/things",
    ],
)
def test_G1_no_next_page_leads_away(written: str, scene: Scene) -> None:
    there = {"there": scene.attacker.url, "netloc": scene.attacker.netloc}
    scene.honest.extra = {"next": written.format(here=scene.honest.url, **there)}
    pages = {"style": "link", "items": "things", "next": "next"}
    assert scene.load(working(scene.honest.url), pagination=pages) == ""
    assert scene.authorizes().status_code == 303
    scene.calls()
    assert scene.attacker.heard == []


# Where a token goes


def test_G1_an_input_takes_no_captures_place_in_the_host(scene: Scene) -> None:
    """An input named like a capture, saved while the capture was not declared."""
    scene.honest.extra = {"site": scene.honest.url}
    captured = {"captures": {"token": {"site": "site"}}, "capture_patterns": {"site": "http.+"}}
    system = working(scene.honest.url, captured, base_url="{site}/api")
    assert scene.load(system) == ""
    assert scene.authorizes().status_code == 303
    without = of_a_stranger(system) | {"base_url": f"{scene.honest.url}/api"}
    without["oauth"] |= {"captures": None, "capture_patterns": None}
    named = [{"name": "site", "type": "text", "default": scene.attacker.url}]
    assert scene.load(without, inputs=named) == ""

    path = f"/admin/connectedsystems/connectedsystem/{ConnectedSystem.objects.get().pk}/change/"
    admin = scene.admin()
    values = Filled(admin.get(path).content.decode()).values
    values |= {"base_url": "{site}/api", "end_authorizations": "on"}
    values |= {name: json.dumps(box) for name, box in captured.items()}
    admin.post(path, values)
    assert ConnectedSystem.objects.get().base_url == "{site}/api"
    scene.calls()
    assert scene.attacker_holds() == set()


@pytest.mark.parametrize(
    ("key", "half"), [("scope", "http:/"), ("captures", "http:/"), ("captures", "http://")]
)
def test_G1_no_value_ends_in_the_middle_of_a_scheme(
    key: str, half: str, scene: Scene, any_host: None
) -> None:
    """``{half}/{name}/…``: the name would be the host, where nothing expects one."""
    scene.honest.extra = {"site": scene.honest.netloc}
    oauth: dict[str, Any] = {"captures": {"token": {"site": "site"}}}
    more: dict[str, Any] = {"variables": {"half": half}}
    if key == "scope":
        oauth = {"token_endpoint": "{half}/{scope}/token", "scope": scene.honest.netloc}
    else:
        more["base_url"] = "{half}/{site}/api"
    assert scene.load(working(scene.honest.url, oauth, **more)) != ""


# What is shown


FIELDS: list[dict[str, str]] = [
    {"scope": "refresh_token"},
    {"scope": "reverse(refresh_token)"},
    {"scope": "to_string(@)"},
    {"scope": "join(' ', values(@)[?type(@) == 'string'])"},
    {"scope": "join(' ', [access_token, refresh_token])", "access_token": "'x'"},
    {"token_type": "reverse(access_token)"},
    {"error": "reverse(access_token)"},
    {"error": "refresh_token"},
    {"expires_at": "refresh_token"},
]


@pytest.mark.parametrize("fields", FIELDS, ids=str)
def test_no_field_of_a_token_answer_shows_a_token(fields: dict[str, str], scene: Scene) -> None:
    """A standing user's next renewal would put it onto the designer's page."""
    system = working(scene.honest.url)
    assert scene.load(system) == ""
    assert scene.authorizes().status_code == 303
    edited = of_a_stranger(system)
    edited["oauth"]["token_response"] = fields
    assert scene.load(edited) == ""
    scene.calls()
    shows_no_token(scene)


def test_no_field_of_a_token_answer_tells_a_token_letter_by_letter(scene: Scene) -> None:
    asked = {"scope": "(starts_with(refresh_token, 'planted') && 'it-does') || 'it-does-not'"}
    assert scene.load(working(scene.honest.url, {"token_response": asked})) == ""
    scene.authorizes()
    assert Authorization.objects.get().scope not in ("it-does", "it-does-not")


CAPTURES = [
    "access_token",
    "refresh_token",
    "reverse(access_token)",
    "reverse(refresh_token)",
    "join('', ['x', refresh_token])",
    "to_string(@)",
    "@",
    "[refresh_token]",
    "{a: refresh_token}",
]


@pytest.mark.parametrize("expression", CAPTURES)
def test_no_captured_token_is_shown_in_the_evidence(expression: str, scene: Scene) -> None:
    """A call that fails keeps what was sent, for the system's designers."""
    scene.honest.extra = {"expires_in": 3600}
    oauth = {"captures": {"token": {"taken": expression, "as_well": "refresh_token"}}}
    call = {"usage": "modify", "method": "POST", "path": "/x/{as_well}", "success": "`false`"}
    sent = {"body": {"a": "{taken}"}, "headers": {"X-Taken": "{taken}"}}
    assert scene.load(working(scene.honest.url, oauth), **call, **sent) == ""
    assert scene.authorizes().status_code == 303
    # What the honest side says of its own is no matter here.
    scene.honest.written = lambda _tree: "{}"
    scene.client.post("/integrations/things/", {})
    assert CallRecord.objects.exists()
    shows_no_token(scene)


def test_no_token_stands_in_a_host(scene: Scene, any_host: None) -> None:
    """Hosts are kept in clear, written into the audit, and asked of name servers."""
    oauth = {"captures": {"token": {"pod": "refresh_token"}}, "capture_patterns": {"pod": ".+"}}
    system = working(scene.honest.url, oauth, base_url="https://{pod}.honest.example/api")
    assert scene.load(system) == ""
    scene.authorizes()
    scene.calls()
    shows_no_token(scene)


def by_php(tree: Any) -> str:
    return json.dumps(tree).replace("/", "\\/")


@pytest.mark.parametrize(
    ("rules", "written"),
    [
        ({}, by_php),
        ({"result": "reverse(echo)"}, json.dumps),
        ({"result": "reverse(echo)"}, by_php),
        ({"result": "starts_with(echo, 'planted')"}, json.dumps),
        ({"success": "starts_with(echo, 'x')", "error_message": "reverse(echo)"}, json.dumps),
        ({"pagination": {"style": "page", "items": "[reverse(echo)]"}}, json.dumps),
    ],
    ids=lambda given: getattr(given, "__name__", str(given)),
)
def test_what_is_echoed_is_redacted_before_a_rule_reads_it(
    rules: dict[str, Any], written: Callable[[Any], str], scene: Scene
) -> None:
    scene.honest.extra = {"echo": KEY}
    scene.honest.written = written
    assert scene.load(by_key(scene.honest.url, KEY), **rules) == ""
    told = scene.calls()
    text = json.dumps(told) + everything_shown(scene)
    assert KEY not in text
    assert KEY[::-1] not in text
    assert told["result"]["data"] is not True
