"""Which origins a secret belongs to: what asks for it again, what does not, and the migration."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from connectedsystems import configuration, vault
from connectedsystems.configuration import Secrets, bound, strangers
from connectedsystems.errors import SecretWithheld
from connectedsystems.models import ConnectedSystem
from connectedsystems.origin import origin_of
from tests.acme import make_system

OAUTH: dict[str, Any] = {
    "client_id": "abc",
    "authorization_endpoint": "https://acme.example/authorize",
    "token_endpoint": "https://acme.example/token",
    "captures": {"token": {"site": "instance"}},
    "capture_patterns": {"site": r"[a-z]+"},
}
SYSTEM: dict[str, Any] = {
    "slug": "acme",
    "name": "Acme",
    "base_url": "https://{region}.api.acme.example/v1",
    "authentication": "oauth2_authorization_code",
    "variables": {"region": "eu", "key": {"secret": True}},
    "oauth": OAUTH,
}
BY_KEY = {key: value for key, value in SYSTEM.items() if key != "oauth"} | {
    "authentication": "api_key",
    "api_key": {"name": "X-Key"},
}
CLIENT = {"client_secret": "s-1"}
VARIABLE = {"variables": {"key": "v-1"}}


def asked(
    secrets: dict[str, Any],
    before: dict[str, Any],
    oauth: dict[str, Any] | None = None,
    **system: Any,
) -> list[str]:
    """Key paths of the secrets that a change asks for again."""
    kept = bound(configuration.parse(before), secrets)
    after = {**before, **system}
    if "oauth" in before:
        after["oauth"] = {**before["oauth"], **(oauth or {})}
    changed = configuration.parse(after)
    found = strangers(changed, kept)
    if found:
        with pytest.raises(SecretWithheld) as caught:
            changed.client(secrets=kept)
        assert caught.value.facts["now"] and caught.value.facts["entered"]
    return [each.path for each in found]


@pytest.mark.parametrize(
    "oauth",
    [
        {"token_endpoint": "https://acme.example:443/other/path?x=1"},
        {"token_endpoint": "https://ACME.example/token"},
        {"client_id": "another"},
        {"scope": "more"},
        {"authorization_endpoint": "https://evil.example/authorize"},
        {"revocation_endpoint": "https://acme.example/revoke"},
        {"second_exchange": {"endpoint": "https://acme.example/long"}},
        {"second_exchange": {"endpoint": "https://evil.example/long"}},
        {"after_authorization": {"url": "https://evil.example/me"}},
        {"captures": {"token": {"site": "'evil'"}}},
        {"token_parameters": {"x": "{client_secret}"}},
    ],
)
def test_what_asks_for_no_client_secret(oauth: dict[str, Any]) -> None:
    assert asked(CLIENT, SYSTEM, oauth) == []


@pytest.mark.parametrize(
    "oauth",
    [
        {"token_endpoint": "https://evil.example/token"},
        {"token_endpoint": "http://127.0.0.1/token"},
        {"token_endpoint": "https://acme.example:8443/token"},
        {"token_endpoint": "https://{region}.acme.example/token"},
        {"token_endpoint": "https://{site}.acme.example/token"},
        {"token_endpoint": "https://{client_id}.acme.example/token"},
        {"refresh_endpoint": "https://evil.example/token"},
        {"revocation_endpoint": "https://evil.example/revoke"},
        {
            "second_exchange": {
                "endpoint": "https://evil.example/long",
                "client_authentication": "client_secret_post",
            }
        },
        {
            "second_exchange": {
                "endpoint": "https://evil.example/long",
                "parameters": {"a": ["x", "{client_secret}"]},
            }
        },
        {
            "token_headers": {"X": "{client_secret}"},
            "second_exchange": {"endpoint": "https://evil.example/long"},
        },
    ],
)
def test_what_asks_for_the_client_secret(oauth: dict[str, Any]) -> None:
    both = {**CLIENT, "client_secret_next": "s-2"}
    assert asked(both, SYSTEM, oauth) == ["oauth.client_secret", "oauth.client_secret_next"]


@pytest.mark.parametrize(
    "oauth",
    [
        {"captures": {"token": {"site": "'evil'"}}},
        {"captures": {"token": {}, "callback": {"site": "site"}}},
        {"capture_patterns": {"site": ".*"}},
        {"token_endpoint": "https://{site}.acme.example.evil.example/token"},
    ],
)
def test_what_decides_a_host_is_part_of_it(oauth: dict[str, Any]) -> None:
    there = {**SYSTEM, "oauth": {**OAUTH, "token_endpoint": "https://{site}.acme.example/token"}}
    assert asked(CLIENT, there, oauth) == ["oauth.client_secret"]
    assert asked(CLIENT, there, {"token_endpoint": "https://{site}.acme.example/other"}) == []


def test_a_variable_that_stands_in_a_host_is_a_new_origin() -> None:
    region = {"region": "evil.example/", "key": {"secret": True}}
    other = {"region": "us", "key": {"secret": True}}
    assert asked({"api_key": "k"}, BY_KEY, variables=other) == ["api_key.value"]
    assert asked(VARIABLE, SYSTEM, variables=other) == ["variables.key"]
    assert asked(CLIENT, SYSTEM, variables=other) == []
    with pytest.raises(Exception, match="base_url"):
        configuration.parse({**SYSTEM, "variables": region})


@pytest.mark.parametrize(
    "oauth",
    [
        {"token_endpoint": "https://evil.example/", "token_parameters": {"k": "{key}"}},
        {"refresh": {"headers": {"K": "{key}"}}, "refresh_endpoint": "https://evil.example/"},
        {"revocation_endpoint": "https://evil.example/{key}"},
        {"second_exchange": {"endpoint": "https://evil.example/", "parameters": {"k": "{key}"}}},
        {"after_authorization": {"url": "https://evil.example/", "headers": {"K": "{key}"}}},
        {"authorization_parameters": {"k": "{key}"}},
    ],
)
def test_what_asks_for_a_secret_variable(oauth: dict[str, Any]) -> None:
    assert asked(VARIABLE, SYSTEM, oauth) == ["variables.key"]
    assert asked(VARIABLE, SYSTEM, {"token_endpoint": "https://evil.example/token"}) == []


@pytest.mark.parametrize(
    "name", ["client_secret", "access_token", "refresh_token", "code", "state", "scope"]
)
def test_a_host_is_made_of_nothing_that_is_sent(name: str) -> None:
    second = {"endpoint": f"https://{{{name}}}.evil.example/"}
    with pytest.raises(Exception, match="second_exchange"):
        configuration.parse({**SYSTEM, "oauth": {**OAUTH, "second_exchange": second}})


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Acme.example:443/x?y#z", "https://acme.example"),
        ("http://acme.example:80", "http://acme.example"),
        ("https://acme.example:8443", "https://acme.example:8443"),
        ("{url}/services", "{url}"),
        ("{url}//evil.example/x", "{url}//evil.example"),
        ("{url}.evil.example/x", "{url}.evil.example"),
        ("", ""),
    ],
)
def test_an_origin_reaches_as_far_as_the_host(url: str, origin: str) -> None:
    assert origin_of(url) == origin


def test_secrets_travel_with_their_origins_and_show_neither() -> None:
    kept = bound(configuration.parse(SYSTEM), {**CLIENT, **VARIABLE})
    again = Secrets.from_text(kept.text())
    assert (dict(again), again.origins) == (dict(kept), kept.origins)
    assert again.origins["client_secret"] == {"https://acme.example"}
    assert repr(again) == "<Secrets>"
    typed = again.replaced_by({"client_secret": "s-3"})
    assert "client_secret" not in typed.origins and "variables.key" in typed.origins
    lost = Secrets.from_text(json.dumps(CLIENT))
    assert [each.entered for each in strangers(configuration.parse(SYSTEM), lost)] == [()]


# The migration


@pytest.fixture
def before(transactional_db: None) -> Iterator[None]:
    """The tables as they were before origins were kept; after the test as they are now."""
    call_command("migrate", "connectedsystems", "0003", verbosity=0)
    yield
    call_command("migrate", verbosity=0)


SECOND = {"endpoint": "https://other.example/long", "parameters": {"t": "{access_token}"}}


def _old(slug: str, secrets: dict[str, Any] | None, *, opens: bool = True, **more: Any) -> Any:
    """A row as the tree before wrote it: no origins, and what does not open under a lost key."""
    call_command("migrate", "connectedsystems", verbosity=0)
    system = make_system("https://acme.example", slug=slug, **more)
    call_command("migrate", "connectedsystems", "0003", verbosity=0)
    sealed = None
    if secrets is not None:
        place = system.place("secrets") if opens else "elsewhere"
        sealed = vault.seal(json.dumps(secrets), place).stored
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE connectedsystems_connectedsystem SET secrets = %s WHERE slug = %s",
            [sealed, slug],
        )
    return system.pk


def test_G2_a_migrated_secret_belongs_to_the_hosts_of_its_system(before: None) -> None:
    declared = {"variables": {"key": {"secret": True}}}
    pk = _old("acme", {"client_secret": "old-1", "variables": {"key": "old-2"}}, **declared)
    shut = _old("shut", {"client_secret": "old-3"}, opens=False)
    public = _old("public", None)
    call_command("migrate", verbosity=0)
    system = ConnectedSystem.objects.get(pk=pk)
    assert system.opened_secrets() == {"client_secret": "old-1", "variables": {"key": "old-2"}}
    assert system.secret_origins is None
    assert system.client().client_secret == "old-1"
    system.configuration["oauth"]["revocation_endpoint"] = "https://evil.example/revoke"
    with pytest.raises(SecretWithheld):
        system.client()
    assert ConnectedSystem.objects.get(pk=public).client().client_secret == ""
    # Its key is put back: the secret opens, and belongs where it belonged all the time.
    row = ConnectedSystem.objects.get(pk=shut)
    assert row.secret_origins is not None
    ConnectedSystem.objects.filter(pk=shut).update(
        secrets=vault.seal(json.dumps({"client_secret": "old-3"}), row.place("secrets"))
    )
    row.refresh_from_db()
    assert row.client().client_secret == "old-3"
    row.configuration["oauth"]["token_endpoint"] = "https://evil.example/token"
    with pytest.raises(SecretWithheld):
        row.client()
    call_command("migrate", "connectedsystems", "0003", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT secrets FROM connectedsystems_connectedsystem WHERE slug = %s", ["acme"]
        )
        text = vault.Sealed.from_stored(cursor.fetchone()[0]).open(system.place("secrets"))
    assert json.loads(text) == {"client_secret": "old-1", "variables": {"key": "old-2"}}


@pytest.mark.parametrize(
    ("oauth", "secrets", "method", "parameters"),
    [
        ({"client_authentication": None}, {"client_secret": "s"}, "client_secret_basic", {}),
        (
            {"client_authentication": "client_secret_post"},
            {"client_secret": "s"},
            "client_secret_post",
            {},
        ),
        ({"client_authentication": None}, None, "none", {"client_id": "{client_id}"}),
    ],
)
def test_G2_a_stored_second_exchange_says_what_was_done_until_today(
    before: None,
    oauth: dict[str, Any],
    secrets: dict[str, Any] | None,
    method: str,
    parameters: dict[str, Any],
) -> None:
    pk = _old("acme", secrets, oauth={"second_exchange": SECOND, **oauth})
    call_command("migrate", verbosity=0)
    system = ConnectedSystem.objects.get(pk=pk)
    second = system.configuration["oauth"]["second_exchange"]
    assert second["client_authentication"] == method
    assert second["parameters"] == {**parameters, "t": "{access_token}"}
    assert system.client().second_exchange == second
    call_command("migrate", "connectedsystems", "0003", verbosity=0)
