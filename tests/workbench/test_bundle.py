"""Bundle files: what is written, what stays, what is refused and named, what never comes out."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.utils import timezone

from authlinks.models import Authorization
from connectedsystems.errors import ConfigurationInvalid
from connectedsystems.models import Application, AuditEvent, ConnectedSystem
from integrations.models import Integration
from workbench import bundle, bundlefile

pytestmark = pytest.mark.django_db

SECRET = "planted-secret-8Zq"
PUBLIC_ID = "7d1c4c1e-5a52-4a8e-9e1b-0d6f7a1f2b3c"
TEXT = """
applications: [{slug: crm, name: CRM, designers: [crm-designers], members: [crm-users]}]
connected_systems:
  - slug: acme
    name: Acme CRM
    application: crm
    description: Contacts and notes
    public_id: 7d1c4c1e-5a52-4a8e-9e1b-0d6f7a1f2b3c
    base_url: https://api.acme.example/v1
    authorization_message: Ask the sales desk for access.
    authentication: oauth2_authorization_code
    oauth:
      client_id: abc
      client_secret: ${BUNDLE_ACME_SECRET}
      authorization_endpoint: https://acme.example/oauth/authorize
      token_endpoint: https://acme.example/oauth/token
      scope: contacts.read contacts.write
      client_authentication: client_secret_basic
      pkce: off
    request_headers: {X-Team: sales}
integrations:
  - slug: list-contacts
    name: List contacts
    connected_system: acme
    path: /contacts
    parameters: {limit: "{limit}", since: "{since}"}
    inputs:
      - {name: limit, type: integer, required: false, default: 20, label: How many}
      - {name: since, type: date, default: 2026-01-01}
"""
VALUES = {"BUNDLE_ACME_SECRET": SECRET}


def tree(text: str = TEXT, **values: str) -> Any:
    return bundlefile.read(text.encode(), {**VALUES, **values})


def acme() -> ConnectedSystem:
    return ConnectedSystem.objects.get(slug="acme")


def errors_of(data: Any, **options: Any) -> dict[str, list[str]]:
    with pytest.raises(ConfigurationInvalid) as caught:
        bundle.load(data, **options)
    return caught.value.errors


def load_system(**more: Any) -> bundle.LoadedSystem:
    """Loads only what is given of the one system."""
    (loaded,) = bundle.load(
        {"connected_systems": [{"slug": "acme", **more}]}, accept_reauthorization=True
    ).systems
    return loaded


# In


def test_a_file_is_loaded_whole() -> None:
    loaded = bundle.load(tree())
    system = acme()
    assert str(system.pk) == PUBLIC_ID
    assert loaded.systems == [
        bundle.LoadedSystem(
            "acme", f"http://testserver/connections/callback/{PUBLIC_ID}/", "created"
        )
    ]
    assert loaded.integrations == {"list-contacts": "created"}
    assert (system.name, system.description, system.base_url, system.authorization_message) == (
        "Acme CRM",
        "Contacts and notes",
        "https://api.acme.example/v1",
        "Ask the sales desk for access.",
    )
    assert system.opened_secrets() == {"client_secret": SECRET}
    assert SECRET not in json.dumps(system.configuration)
    assert system.configuration["oauth"]["pkce"] == "off"
    integration = Integration.objects.get(slug="list-contacts")
    assert integration.connected_system == system
    assert (integration.usage, integration.definition["path"]) == ("query", "/contacts")


def test_an_application_has_its_people() -> None:
    bundle.load(tree())
    crm = Application.objects.get(slug="crm")
    assert [group.name for group in crm.designers.all()] == ["crm-designers"]
    assert [group.name for group in crm.members.all()] == ["crm-users"]
    assert not crm.open_to_everyone
    bundle.load({"applications": [{"slug": "crm", "members": "everyone"}]})
    crm.refresh_from_db()
    assert (crm.name, crm.open_to_everyone, crm.members.count()) == ("CRM", True, 0)
    assert crm.designers.count() == 1
    bundle.load({"applications": [{"slug": "new", "name": "New"}]})
    assert Application.objects.get(slug="new").open_to_everyone
    assert Group.objects.filter(name="crm-users").exists()


def test_loading_again_changes_nothing() -> None:
    bundle.load(tree())
    again = bundle.load(tree())
    assert [each.change for each in again.systems] == ["unchanged"]
    assert again.integrations == {"list-contacts": "unchanged"}
    assert (acme().version, Integration.objects.get().version) == (1, 1)
    assert AuditEvent.objects.filter(action="load_bundle").count() == 1


def test_an_absent_key_stays_and_a_present_one_is_written() -> None:
    bundle.load(tree())
    loaded = load_system(
        oauth={"scope": "contacts.read"}, description=None, request_headers={"X-B": "b"}
    )
    system = acme()
    assert loaded.change == "updated"
    assert system.version == 2
    assert system.configuration["oauth"]["scope"] == "contacts.read"
    assert system.configuration["oauth"]["client_id"] == "abc"
    assert system.opened_secrets() == {"client_secret": SECRET}
    assert (system.name, system.description) == ("Acme CRM", "")
    assert system.configuration["request_headers"] == {"X-B": "b"}
    assert [each.name for each in Application.objects.get().designers.all()] == ["crm-designers"]
    bundle.load(
        {
            "integrations": [
                {"slug": "list-contacts", "timeout": 5, "inputs": None, "parameters": {}}
            ]
        }
    )
    integration = Integration.objects.get()
    assert integration.version == 2
    assert integration.definition == {"path": "/contacts", "timeout": 5, "parameters": {}}


def test_a_secret_is_replaced_or_taken_away_only_when_it_is_written() -> None:
    bundle.load(tree())
    load_system(oauth={"client_secret": "another-secret"})
    assert acme().opened_secrets() == {"client_secret": "another-secret"}
    loaded = load_system(oauth={"client_secret": None})
    assert acme().opened_secrets() == {}
    assert loaded.missing == ["oauth.client_secret"]


def test_variables_are_merged_by_name_and_a_secret_one_leaves_no_copy() -> None:
    bundle.load(tree())
    load_system(variables={"a": "1", "b": "2", "stage": {"environment": True, "value": "test"}})
    loaded = load_system(
        variables={
            "a": {"secret": True, "value": "now-secret"},
            "b": None,
            "stage": {"environment": True},
            "other": {"secret": True},
        }
    )
    system = acme()
    assert system.configuration["variables"] == {
        "a": {"secret": True},
        "stage": {"environment": True, "value": "test"},
        "other": {"secret": True},
    }
    assert system.opened_secrets()["variables"] == {"a": "now-secret"}
    assert loaded.missing == ["variables.other"]


def test_another_authentication_leaves_nothing_of_the_old_one() -> None:
    bundle.load(tree())
    load_system(authentication="api_key", api_key={"name": "X-Key", "value": "key-1234"})
    system = acme()
    assert "oauth" not in system.configuration
    assert system.configuration["api_key"] == {"name": "X-Key"}
    assert system.opened_secrets() == {"api_key": "key-1234"}


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"colour": "red"}, "connected_systems[0].colour"),
        ({"oauth": {"colour": "red"}}, "connected_systems[0].oauth.colour"),
        (
            {"oauth": {"token_endpoint": "https://10.0.0.1/"}},
            "connected_systems[0].oauth.token_endpoint",
        ),
        (
            {"oauth": {"discovery_url": "https://{nobody}.example/"}},
            "connected_systems[0].oauth.discovery_url",
        ),
        ({"oauth": {"client_secret": 12345}}, "connected_systems[0].oauth.client_secret"),
        ({"application": "nobody"}, "connected_systems[0].application"),
        ({"public_id": "not-one"}, "connected_systems[0].public_id"),
        ({"name": 5}, "connected_systems[0].name"),
    ],
)
def test_a_mistake_is_named_by_its_path_and_nothing_is_written(
    change: dict[str, Any], path: str
) -> None:
    data = tree()
    written = data["connected_systems"][0]
    if "oauth" in change:
        change = {"oauth": {**written["oauth"], **change["oauth"]}}
    data["connected_systems"][0] = {**written, **change}
    assert path in errors_of(data)
    assert not Application.objects.exists()
    assert not ConnectedSystem.objects.exists()
    assert not Integration.objects.exists()
    assert not Group.objects.exists()


def test_G3_G4_what_cannot_be_evaluated_within_bounds_is_not_loaded() -> None:
    data = tree()
    deep = "@" + "|@" * 400
    oauth = {
        "token_response": {"scope": deep},
        "captures": {"token": {"site": "(" * 99 + "a" + ")" * 99}},
        "capture_patterns": {"site": r"(a)\1"},
    }
    data["connected_systems"][0]["oauth"] |= oauth
    data["integrations"][0] |= {"result": deep, "pagination": {"style": "link", "items": deep}}
    found = errors_of(data)
    system = "connected_systems[0].oauth"
    assert found[f"{system}.capture_patterns.site"] == [
        r"is no pattern that can be used: \1 refers back to a group."
    ]
    assert "brackets nest" in found[f"{system}.captures.token.site"][0]
    assert "nests more than 100 levels" in found[f"{system}.token_response.scope"][0]
    del data["connected_systems"][0]["oauth"]["token_response"]
    data["connected_systems"][0]["oauth"] |= {"captures": {}, "capture_patterns": {}}
    found = errors_of(data)
    assert "nests more than 100 levels" in found["integrations[0].result"][0]
    assert "nests more than 100 levels" in found["integrations[0].pagination.items"][0]
    assert not ConnectedSystem.objects.exists()


def test_all_mistakes_are_named_at_once_each_at_its_place() -> None:
    data = tree()
    data["applications"].append({"slug": "held", "name": "x"})
    data["connected_systems"][0]["base_url"] = "nowhere"
    data["integrations"].append({"slug": "b", "name": "B", "connected_system": "nobody"})
    data["integrations"].append({"slug": "list-contacts"})
    data["others"] = []
    found = errors_of(data)
    assert found["others"] == ["unknown key: others"]
    assert {
        "applications[1].slug",
        "connected_systems[0].base_url",
        "integrations[1].connected_system",
        "integrations[2].slug",
    } <= set(found)


@pytest.mark.parametrize("data", [None, [], "text", 5, {"applications": {}}, {"integrations": [5]}])
def test_odd_trees_are_refused_in_words(data: Any) -> None:
    assert errors_of(data)


def test_the_public_id_is_fixed_for_life_and_belongs_to_one_system() -> None:
    bundle.load(tree())
    other = "0d6f7a1f-5a52-4a8e-9e1b-7d1c4c1e2b3c"
    data = {"connected_systems": [{"slug": "acme", "public_id": other}]}
    assert "connected_systems[0].public_id" in errors_of(data)
    twin = {"slug": "b", "name": "B", "application": "crm", "base_url": "https://b.example"}
    data = {"connected_systems": [{**twin, "public_id": PUBLIC_ID}]}
    assert "connected_systems[0].public_id" in errors_of(data)
    assert load_system(public_id=PUBLIC_ID.upper()).change == "unchanged"


def test_a_system_may_not_take_away_what_its_integrations_use() -> None:
    bundle.load(tree())
    load_system(variables={"sub": "x"})
    bundle.load({"integrations": [{"slug": "list-contacts", "path": "/{sub}/contacts"}]})
    found = errors_of({"connected_systems": [{"slug": "acme", "variables": None}]})
    assert "list-contacts" in found["connected_systems.acme"][0]


# Who is affected


def authorize(system: ConnectedSystem, user: Any, fingerprint: str = "") -> None:
    Authorization.objects.create(
        system=system,
        user=user,
        fingerprint=fingerprint or system.parsed().fingerprint(),
        authorized_at=timezone.now(),
    )


def test_C12_a_change_of_the_fingerprint_says_whom_it_ends_and_asks(alice: Any, bob: Any) -> None:
    bundle.load(tree())
    authorize(acme(), alice)
    authorize(acme(), bob, fingerprint="an older one")
    data = {"connected_systems": [{"slug": "acme", "oauth": {"client_id": "other"}}]}
    (sentence,) = errors_of(data)["connected_systems[0].slug"]
    assert "ends 1 authorization:" in sentence
    assert "--accept-reauthorization" in sentence
    assert acme().configuration["oauth"]["client_id"] == "abc"
    loaded = bundle.load(data, accept_reauthorization=True)
    assert loaded.systems[0].reauthorizations == 1
    assert acme().configuration["oauth"]["client_id"] == "other"
    assert Authorization.objects.count() == 2


def test_other_changes_ask_nothing(alice: Any) -> None:
    bundle.load(tree())
    authorize(acme(), alice)
    bundle.load({"connected_systems": [{"slug": "acme", "name": "Other", "oauth": {"scope": "b"}}]})
    assert acme().name == "Other"


# Out


def test_C13_a_dump_has_no_secret_and_loads_to_the_same_state() -> None:
    bundle.load(tree())
    load_system(
        variables={
            "b": "1",
            "a": {"secret": True, "value": "variable-secret"},
            "c": {"environment": True, "value": "here"},
        }
    )
    first = bundle.dump()
    text = yaml.safe_dump(first, sort_keys=False)
    for secret in (SECRET, "variable-secret", "here"):
        assert secret not in text
    assert list(first["connected_systems"][0]["variables"]) == ["a", "b", "c"]
    again = bundle.load(bundlefile.read(text.encode(), {}))
    assert [each.change for each in again.systems] == ["unchanged"]
    assert again.integrations == {"list-contacts": "unchanged"}
    assert bundle.dump() == first
    assert acme().opened_secrets()["client_secret"] == SECRET


def test_F11_a_dump_loads_where_there_is_nothing_yet() -> None:
    bundle.load(tree())
    out = bundle.dump()
    Integration.objects.all().delete()
    ConnectedSystem.objects.all().delete()
    Application.objects.all().delete()
    loaded = bundle.load(out)
    assert [each.missing for each in loaded.systems] == [["oauth.client_secret"]]
    assert bundle.dump() == out


def test_a_dump_can_be_of_one_application() -> None:
    bundle.load(tree())
    bundle.load({"applications": [{"slug": "other", "name": "Other"}]})
    chosen = Application.objects.filter(slug="other")
    assert bundle.dump(chosen) == {
        "applications": [
            {"slug": "other", "name": "Other", "designers": [], "members": "everyone"}
        ],
        "connected_systems": [],
        "integrations": [],
    }


# The file


def file_error(text: str | bytes, **values: str) -> str:
    raw = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(ConfigurationInvalid) as caught:
        bundlefile.read(raw, values)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &x [1]\nb: *x", "an alias (*name) is not allowed"),
        ("a: 1\nb: 2\na: 3", "Line 3, column 1: the key a stands there twice"),
        ("a: {x: 1, x: 2}", "the key x stands there twice"),
        ('{"a": 1, "a": 2}', "The key a stands there twice"),
        ('{"a": NaN}', "NaN is no JSON"),
        ("a: [1", "Line 1"),
        ("a: !!python/object/apply:os.system [x]", "could not determine a constructor"),
        ("? [a]\n: b", "a key is a single text"),
        ("a: \x07", "characters that YAML does not allow"),
        (b"a: \xff", "not written in UTF-8"),
        ("a: 1\n---\nb: 2", "expected a single document"),
        ("[" * 5000, ""),
    ],
)
def test_a_file_that_cannot_be_read_is_named_in_words(text: str | bytes, words: str) -> None:
    assert words in file_error(text)


def test_a_billion_laughs_are_refused() -> None:
    lines = ["a0: &a0 lol"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60)]
    assert "alias" in file_error("\n".join(lines))


def test_a_file_is_at_most_a_megabyte() -> None:
    assert "larger than 1 MB" in file_error("#" * 1_000_001)
    assert bundlefile.read(b"a: 1 " + b"#" * 999_000, {}) == {"a": 1}


def test_an_error_quotes_nothing_of_the_file() -> None:
    assert SECRET not in file_error(f"client_secret: {SECRET}: [")
    assert SECRET not in file_error(f'{{"client_secret": "{SECRET}", }}  [')


@pytest.mark.parametrize(
    "text",
    [
        "api_key: {name: X-Key, value: ${BUNDLE_KEY}, place: header}",
        "api_key: {name: X-Key, value: '${BUNDLE_KEY}', place: header}",
        "api_key:\n  name: X-Key\n  value: ${BUNDLE_KEY}\n  place: header",
        '{"api_key": {"name": "X-Key", "value": "${BUNDLE_KEY}", "place": "header"}}',
    ],
)
def test_values_are_filled_in_wherever_they_stand(text: str) -> None:
    value = 'a: "b" {c} # d\n- e'
    found = bundlefile.read(text.encode(), {"BUNDLE_KEY": value})
    assert found == {"api_key": {"name": "X-Key", "value": value, "place": "header"}}


def test_values_are_filled_into_text_once() -> None:
    values = {"BUNDLE_A": "${BUNDLE_B}", "BUNDLE_B": "b", "lower": "l"}
    found = bundlefile.read(b"a: https://${BUNDLE_B}.example/${BUNDLE_A}\nb: ${lower}", values)
    assert found == {"a": "https://b.example/${BUNDLE_B}", "b": "l"}


def test_what_may_not_be_filled_in_is_named() -> None:
    found = file_error("a:\n  - b: ${BUNDLE_MISSING}\n    c: ${SECRET_KEY}")
    assert "a[0].b: BUNDLE_MISSING is not set" in found
    assert "a[0].c: ${SECRET_KEY} is not filled in" in found
    assert "BUNDLE_ENV_ALLOW" in found


def test_a_dollar_before_a_placeholder_is_text() -> None:
    assert bundlefile.read(b'body: "${amount} and $5 and ${{x}}"', {}) == {
        "body": "${amount} and $5 and ${{x}}"
    }


def test_dates_stay_text_and_json_is_read() -> None:
    assert bundlefile.read(b"a: 2026-01-01\nb: 2026-01-01T10:00:00Z", {}) == {
        "a": "2026-01-01",
        "b": "2026-01-01T10:00:00Z",
    }
    assert bundlefile.read(b'\xef\xbb\xbf{"a": [1, null, "\\u00e9"]}', {}) == {"a": [1, None, "é"]}
    assert bundlefile.read(b"{a: 1, b: [x]}", {}) == {"a": 1, "b": ["x"]}


# The commands


def run(*arguments: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command(*arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


@pytest.fixture
def file(tmp_path: Path, settings: Any) -> Path:
    settings.BUNDLE_VALUES = VALUES
    written = tmp_path / "acme.yaml"
    written.write_text(TEXT)
    return written


def test_load_bundle_prints_one_line_per_system(file: Path) -> None:
    out, err = run("load_bundle", str(file))
    assert out == f"acme http://testserver/connections/callback/{PUBLIC_ID}/\n"
    assert err == ""
    out, _ = run("load_bundle", str(file), "--json")
    assert json.loads(out) == {
        "connected_systems": [
            {
                "slug": "acme",
                "redirect_uri": f"http://testserver/connections/callback/{PUBLIC_ID}/",
                "change": "unchanged",
                "reauthorizations": 0,
                "missing": [],
            }
        ],
        "integrations": [{"slug": "list-contacts", "change": "unchanged"}],
    }


def test_load_bundle_names_file_path_and_key(file: Path) -> None:
    file.write_text(TEXT.replace("client_id: abc", "client_id: ''\n      colour: red"))
    with pytest.raises(CommandError) as caught:
        run("load_bundle", str(file))
    message = str(caught.value)
    assert f"{file}: connected_systems[0].oauth.client_id: needs a value." in message
    assert f"{file}: connected_systems[0].oauth.colour: unknown key: colour" in message
    assert "Nothing was changed." in message
    assert SECRET not in message


def test_load_bundle_says_what_is_still_missing(file: Path) -> None:
    file.write_text(TEXT.replace("      client_secret: ${BUNDLE_ACME_SECRET}\n", ""))
    _, err = run("load_bundle", str(file))
    assert "acme: still without a value: oauth.client_secret" in err


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_load_bundle_says_when_there_is_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        run("load_bundle", str(tmp_path / name))


def test_load_bundle_goes_on_when_reauthorization_is_accepted(file: Path, alice: Any) -> None:
    run("load_bundle", str(file))
    authorize(acme(), alice)
    file.write_text(TEXT.replace("client_id: abc", "client_id: other"))
    with pytest.raises(CommandError, match="--accept-reauthorization"):
        run("load_bundle", str(file))
    out, err = run("load_bundle", str(file), "--accept-reauthorization")
    assert out.startswith("acme http")
    assert "acme: 1 users or systems must authorize again" in err


def test_dump_bundle_prints_what_can_be_loaded(file: Path, tmp_path: Path) -> None:
    run("load_bundle", str(file))
    for arguments in (["--json"], [], ["--application", "crm"]):
        out, _ = run("dump_bundle", *arguments)
        assert SECRET not in out
        written = tmp_path / "out"
        written.write_text(out)
        loaded, _ = run("load_bundle", str(written), "--json")
        assert {each["change"] for each in json.loads(loaded)["connected_systems"]} == {"unchanged"}
    with pytest.raises(CommandError, match=r"no application nobody\. Applications: crm\."):
        run("dump_bundle", "--application", "nobody")
