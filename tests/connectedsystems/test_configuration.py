"""What a connected system says: every key read, every mistake named by its path."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectedsystems import configuration, redact
from connectedsystems.configuration import EVERYTHING, parse, parsed, read, split
from connectedsystems.errors import ConfigurationInvalid

OAUTH = {
    "client_id": "abc",
    "client_secret": "never shown 1",
    "authorization_endpoint": "https://acme.example/oauth/authorize",
    "token_endpoint": "https://acme.example/oauth/token",
}


def system(oauth: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A written system that authorizes; a key given as None is left out."""
    data = {
        "slug": "acme",
        "name": "Acme CRM",
        "base_url": "https://api.acme.example/v1",
        "authentication": "oauth2_authorization_code",
        "oauth": {**OAUTH, **(oauth or {})},
        **more,
    }
    return {key: value for key, value in data.items() if value is not None}


def errors_of(data: Any, **options: Any) -> dict[str, list[str]]:
    with pytest.raises(ConfigurationInvalid) as caught:
        parse(data, **options)
    return caught.value.errors


def without_oauth(**more: Any) -> dict[str, Any]:
    data = {"slug": "acme", "name": "Acme", "base_url": "https://api.acme.example/v1", **more}
    return data


SYSTEM_EFFECTS = {
    "slug": ("other", "other"),
    "name": ("Other", "Other"),
    "description": ("Contacts\nand notes", "Contacts\nand notes"),
    "base_url": ("https://b.example", "https://b.example"),
    "authorization_message": ("Ask the sales desk.", "Ask the sales desk."),
    "authentication": ("none", "none"),
    "variables": (
        {"sub": "ours", "n": {"environment": True, "value": "x"}},
        {"sub": "ours", "n": "x"},
    ),
    "request_headers": ({"X-Team": "sales"}, {"X-Team": "sales"}),
    "request_parameters": ({"site": 5}, {"site": 5}),
    "token_placement": ({"query": "access_token"}, {"query": "access_token"}),
    "expired_when": ({"status": [403]}, {"status": [403]}),
}


@pytest.mark.parametrize("key", SYSTEM_EFFECTS)
def test_it_reads_each_key_of_a_system(key: str) -> None:
    written, expected = SYSTEM_EFFECTS[key]
    assert getattr(parse(without_oauth(**{key: written})), key) == expected


OAUTH_EFFECTS = {
    "client_id": "other",
    "authorization_endpoint": "https://b.example/authorize?own=1",
    "token_endpoint": "https://b.example/token",
    "revocation_endpoint": "https://b.example/revoke",
    "refresh_endpoint": "https://b.example/refresh",
    "issuer": "https://b.example",
    "issuer_in_response": "required",
    "scope": "contacts.read contacts.write",
    "client_authentication": "client_secret_post",
    "pkce": "off",
    "authorization_parameters": {"access_type": "offline", "prompt": None},
    "token_parameters": {"audience": "{client_id}"},
    "default_expires_in": 3600,
    "client_key": {"algorithm": "ES256", "key_id": "k"},
    "token_headers": {"X-Trace": "{uuid}"},
    "token_request": {"format": "json", "method": "POST"},
    "refresh": {"parameters": {"a": "{refresh_token}"}},
    "token_response": {"access_token": "data.token"},
    "code_parameter": "auth_code",
    "captures": {"token": {"instance": "instance_url"}, "callback": {"realm": "realmId"}},
    "capture_patterns": {"known": "[a-z]+"},
    "second_exchange": {"endpoint": "https://acme.example/second", "captures": {"known": "id"}},
    "after_authorization": {"path": "/me", "captures": {"account": "email"}},
}


@pytest.mark.parametrize("key", OAUTH_EFFECTS)
def test_it_hands_each_oauth_key_to_the_client(key: str) -> None:
    known = {"captures": {"token": {"known": "known"}}} if key == "capture_patterns" else {}
    client = parse(system(oauth={**known, key: OAUTH_EFFECTS[key]})).client()
    assert getattr(client, key) == OAUTH_EFFECTS[key]


@pytest.mark.parametrize(
    ("kind", "box", "kept"),
    [
        (
            "api_key",
            {"name": "X-Key", "value": "k", "place": "query"},
            {"name": "X-Key", "place": "query"},
        ),
        ("basic", {"username": "u", "password": "p"}, {"username": "u"}),
    ],
)
def test_it_reads_the_box_of_each_authentication(kind: str, box: Any, kept: Any) -> None:
    found = parse(without_oauth(authentication=kind, **{kind: box}))
    assert getattr(found, kind) == kept


def test_every_key_has_a_test_that_it_is_read() -> None:
    elsewhere = {"application", "public_id", "oauth", "api_key", "basic"}
    assert set(EVERYTHING[""]) == set(SYSTEM_EFFECTS) | elsewhere
    assert set(EVERYTHING["oauth"]) == set(OAUTH_EFFECTS) | {
        "client_secret",
        "client_secret_next",
        "discovery_url",
    }


def test_a_secret_reaches_the_client_and_no_repr() -> None:
    public, secrets = split(system())
    client = read(public).client(redirect_uri="https://here.example/cb", secrets=secrets)
    assert client.client_secret == "never shown 1"
    assert client.redirect_uri == "https://here.example/cb"
    assert "never shown 1" not in f"{client!r}{read(public)!r}{parse(system())!r}{public}"
    assert redact.redact("it is never shown 1") == "it is [redacted]"


def test_secrets_stand_beside_the_configuration() -> None:
    public, secrets = split(
        {
            **system(oauth={"client_secret_next": "n"}),
            "api_key": {"name": "X-Key", "value": "k"},
            "basic": {"username": "u", "password": "p"},
            "variables": {"a": "plain", "b": {"secret": True, "value": "v"}, "c": {"secret": True}},
        },
    )
    assert secrets == {
        "client_secret": "never shown 1",
        "client_secret_next": "n",
        "api_key": "k",
        "password": "p",
        "variables": {"b": "v"},
    }
    assert public["variables"] == {"a": "plain", "b": {"secret": True}, "c": {"secret": True}}
    assert public["api_key"] == {"name": "X-Key"}
    assert public["basic"] == {"username": "u"}


def test_it_says_which_secrets_are_missing() -> None:
    public = {
        **system(oauth={"client_authentication": "client_secret_post"}),
        "variables": {"key": {"secret": True}, "stage": {"environment": True}},
    }
    found = read(split(public)[0])
    assert found.missing_secrets({}) == ["variables.stage", "variables.key", "oauth.client_secret"]
    assert found.missing_secrets({"client_secret": "s", "variables": {"key": "k"}}) == [
        "variables.stage"
    ]


@pytest.mark.parametrize("secret", [12345, ["a"], True, "with\x00nul"])
def test_a_secret_is_text_and_no_sentence_quotes_it(secret: Any) -> None:
    found = errors_of(system(oauth={"client_secret": secret}))
    assert list(found) == ["oauth.client_secret"]
    assert "12345" not in str(found)


def test_it_names_unknown_keys_by_their_path() -> None:
    found = errors_of(system(oauth={"tokenendpoint": "x"}, colour="red"))
    assert found["colour"] == ["unknown key: colour"]
    assert found["oauth.tokenendpoint"] == ["unknown key: tokenendpoint"]


def test_yaml_reads_a_bare_off_as_false() -> None:
    assert parse(system(oauth={"pkce": False})).client().pkce == "off"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("pkce", "plain"),
        ("pkce", True),
        ("client_authentication", "secret"),
        ("issuer_in_response", True),
        ("client_id", ""),
        ("client_id", 12345),
        ("authorization_endpoint", None),
        ("token_endpoint", ""),
        ("default_expires_in", "an hour"),
        ("default_expires_in", 0),
        ("authorization_parameters", ["a"]),
        ("token_parameters", {"a": {"b": 1}}),
    ],
)
def test_it_names_a_wrong_oauth_value(key: str, value: Any) -> None:
    found = errors_of(system(oauth={key: value}))
    assert [path for path in found if path.startswith(f"oauth.{key}")]


@pytest.mark.parametrize(
    "slug", ["held", "callback", "closing", "Acme", "a b", "-a", "", 5, "a" * 65]
)
def test_it_refuses_slugs_that_are_no_addresses(slug: Any) -> None:
    assert "slug" in errors_of(without_oauth(slug=slug))


def test_a_box_of_another_authentication_is_refused() -> None:
    assert "oauth" in errors_of(without_oauth(authentication="none", oauth=OAUTH))


@pytest.mark.parametrize("box", [[], "acme", 5, True])
def test_a_box_is_a_mapping(box: Any) -> None:
    assert "oauth" in errors_of({**system(), "oauth": box})
    assert "request_headers" in errors_of(without_oauth(request_headers=box))


ADDRESSES = [
    ("base_url",),
    ("oauth", "authorization_endpoint"),
    ("oauth", "token_endpoint"),
    ("oauth", "revocation_endpoint"),
    ("oauth", "refresh_endpoint"),
]
REFUSED = [
    "http://acme.example/",
    "ftp://acme.example/",
    "javascript:alert(1)",
    "https://10.0.0.1/",
    "https://169.254.169.254/latest",
    "https://[::1]/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://user:pass@acme.example/",
    "//acme.example/",
    "acme.example",
]


@pytest.mark.parametrize("url", REFUSED)
@pytest.mark.parametrize("where", ADDRESSES, ids=".".join)
def test_E1_no_address_of_a_system_leads_inside(where: tuple[str, ...], url: str) -> None:
    data = system(oauth={where[1]: url}) if len(where) == 2 else system(base_url=url)
    found = errors_of(data)
    assert found[".".join(where)][0].startswith("address_refused: ")
    assert "user:" not in found[".".join(where)][0]


def test_A29_a_fragment_needs_the_query_mark() -> None:
    assert parse(system(oauth={"authorization_endpoint": "https://a.example/#/go?{query}"}))
    assert parse(system(oauth={"authorization_endpoint": "https://a.example/go?own=1"}))
    found = errors_of(system(oauth={"authorization_endpoint": "https://a.example/#/go"}))
    assert "oauth.authorization_endpoint" in found


@pytest.mark.parametrize(
    "url", ["https://a.example/v1?x=1", "https://a.example/../v1", "https://a.example/%2e%2e/v1"]
)
def test_a_base_url_is_bare(url: str) -> None:
    assert "base_url" in errors_of(without_oauth(base_url=url))


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\x00b", "a\x7fb"])
@pytest.mark.parametrize("key", ["scope", "client_id", "issuer"])
def test_F7_scope_and_client_id_hold_no_control_characters(key: str, value: str) -> None:
    assert f"oauth.{key}" in errors_of(system(oauth={key: value}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-A", "a\r\nX-Evil: 1"),
        ("X-A\r\nX-Evil", "1"),
        ("X A", "1"),
        ("X-A", "Łódź"),
        ("X-A", 5),
        ("Host", "evil.example"),
        ("content-length", "0"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "close"),
        ("Cookie", "a=b"),
        ("authorization", "Bearer mine"),
        ("Proxy-Authorization", "x"),
    ],
)
def test_F7_headers_cannot_be_injected(name: str, value: Any) -> None:
    assert f"request_headers.{name}" in errors_of(system(request_headers={name: value}))


def test_without_a_token_a_system_may_write_its_own_authorization() -> None:
    assert parse(without_oauth(request_headers={"Authorization": "Key abc"}))


@pytest.mark.parametrize("text", ["{nobody}", "{", "}", "{a b}", "{{x}"])
def test_F5_only_declared_placeholders_stand_in_a_header(text: str) -> None:
    assert "request_headers.X-A" in errors_of(without_oauth(request_headers={"X-A": text}))


@pytest.mark.parametrize("name", ["state", "redirect_uri", "code_challenge"])
def test_protection_is_neither_changed_nor_left_out(name: str) -> None:
    for value in ("fixed", None, ""):
        found = errors_of(system(oauth={"authorization_parameters": {name: value}}))
        assert f"oauth.authorization_parameters.{name}" in found
    renamed = {"other": f"{{{name}}}", name: None}
    assert parse(system(oauth={"authorization_parameters": renamed}))


# What later keys say, checked already


def everything(oauth: dict[str, Any] | None = None, **more: Any) -> configuration.Configuration:
    return parse(system(oauth=oauth, **more))


def test_variables_are_filled_before_an_address_is_checked() -> None:
    found = everything(base_url="https://{subdomain}.acme.example", variables={"subdomain": "ours"})
    assert found.values() == {"subdomain": "ours"}
    inner = system(base_url="https://{host}/", variables={"host": "10.0.0.1"})
    assert "base_url" in errors_of(inner)


def test_a_host_is_never_made_of_a_secret() -> None:
    data = system(
        base_url="https://{key}.acme.example", variables={"key": {"secret": True, "value": "k"}}
    )
    assert "base_url" in errors_of(data)


def test_a_capture_in_a_host_needs_a_pattern() -> None:
    captures = {"captures": {"token": {"instance": "instance_url"}}}
    data = system(base_url="{instance}/services", oauth=captures)
    assert "capture_patterns" in errors_of(data)["base_url"][0]
    patterns = {"capture_patterns": {"instance": r"https://[a-z]+\.acme\.example"}}
    assert everything(base_url="{instance}/services", oauth={**captures, **patterns})


@pytest.mark.parametrize("name", ["client_id", "random", "state", "1a", "a-b", ""])
def test_names_of_variables_are_names_and_not_taken(name: str) -> None:
    data = without_oauth(variables={name: "x"})
    assert f"variables.{name}" in errors_of(data)


def test_a_variable_and_a_capture_do_not_share_a_name() -> None:
    data = system(variables={"a": "x"}, oauth={"captures": {"token": {"a": "a"}}})
    assert errors_of(data)


LATER = [
    ({"token_headers": {"Host": "x"}}, "oauth.token_headers.Host"),
    ({"token_request": {"format": "xml"}}, "oauth.token_request.format"),
    ({"token_response": {"access_token": "a["}}, "oauth.token_response.access_token"),
    ({"token_response": {"colour": "a"}}, "oauth.token_response.colour"),
    ({"refresh": {"method": "TRACE"}}, "oauth.refresh.method"),
    ({"captures": {"token": {"a": "["}}}, "oauth.captures.token.a"),
    ({"capture_patterns": {"nobody": "a"}}, "oauth.capture_patterns.nobody"),
    ({"second_exchange": {"endpoint": "https://10.0.0.1/"}}, "oauth.second_exchange.endpoint"),
    ({"after_authorization": {"method": "GET"}}, "oauth.after_authorization.url"),
    ({"client_key": {"size": 1}}, "oauth.client_key.size"),
]


@pytest.mark.parametrize(("oauth", "path"), LATER, ids=[path for _, path in LATER])
def test_it_names_what_is_wrong_in_an_inner_box(oauth: dict[str, Any], path: str) -> None:
    assert path in errors_of(system(oauth=oauth))


def test_the_shape_of_the_design_is_accepted_whole() -> None:
    found = everything(
        oauth={
            "client_secret_next": "next",
            "revocation_endpoint": "https://acme.example/oauth/revoke",
            "refresh_endpoint": "https://acme.example/oauth/refresh",
            "issuer": "https://acme.example",
            "issuer_in_response": "optional",
            "discovery_url": "https://acme.example/.well-known/openid-configuration",
            "scope": "contacts.read contacts.write",
            "client_authentication": "private_key_jwt",
            "client_key": {"algorithm": "RS256", "key_id": "k", "audience": "a"},
            "pkce": "S256",
            "authorization_parameters": {"access_type": "offline"},
            "token_parameters": {},
            "token_headers": {"X-Trace": "{uuid}"},
            "token_request": {"format": "json", "method": "POST"},
            "refresh": {"parameters": {"a": "{refresh_token}"}, "format": "query"},
            "token_response": {"access_token": "data.token", "error": "error"},
            "default_expires_in": 3600,
            "code_parameter": "auth_code",
            "captures": {"token": {"instance": "instance_url"}, "callback": {"realm": "realmId"}},
            "capture_patterns": {"instance": "https://.*"},
            "second_exchange": {
                "endpoint": "https://acme.example/second",
                "parameters": {"t": "{access_token}"},
                "captures": {"company": "company.id"},
                "repeat_on_refresh": True,
            },
            "after_authorization": {
                "method": "GET",
                "path": "/me",
                "captures": {"account": "email"},
                "choose": {"list": "sites", "value": "id", "label": "name"},
            },
        },
        variables={"subdomain": "acme", "key": {"secret": True, "value": "v"}},
        request_headers={"X-Key": "{key}", "X-Company": "{company}"},
        request_parameters={"site": "{subdomain}"},
        token_placement={"header": "Authorization", "scheme": "Bearer"},
        expired_when={"status": [401, 403], "json": "error == 'expired'"},
    )
    assert found.captured_names == {"instance", "realm", "company", "account"}
    assert found.client(secrets={"client_secret": "s"}).code_parameter == "auth_code"


# The fingerprint and the digest

FINGERPRINTED = {
    "client_id": "other",
    "authorization_endpoint": "https://acme.example/other",
    "token_endpoint": "https://acme.example/other",
    "refresh_endpoint": "https://acme.example/other",
    "second_exchange": {"endpoint": "https://acme.example/other"},
    "after_authorization": {"url": "https://acme.example/other"},
}


@pytest.mark.parametrize("key", FINGERPRINTED)
def test_C12_the_fingerprint_knows_what_a_token_was_obtained_under(key: str) -> None:
    assert everything({key: FINGERPRINTED[key]}).fingerprint() != everything().fingerprint()


@pytest.mark.parametrize(
    "more",
    [
        {"oauth": {"client_secret": "other"}},
        {"oauth": {"scope": "other"}},
        {"oauth": {"pkce": "off"}},
        {"oauth": {"revocation_endpoint": "https://acme.example/other"}},
        {"name": "Other"},
        {"base_url": "https://API.acme.example:443/v2"},
        {"request_headers": {"X-A": "b"}},
    ],
)
def test_other_changes_end_no_authorization(more: dict[str, Any]) -> None:
    assert everything(**more).fingerprint() == everything().fingerprint()


SITE_IN_THE_HOST: dict[str, tuple[dict[str, Any], str]] = {
    "token": ({"captures": {"token": {"site": "{}"}}}, "https://{site}.acme.example/api"),
    "callback": ({"captures": {"callback": {"site": "{}"}}}, "https://{site}.acme.example/api"),
    "leading": ({"captures": {"token": {"site": "{}"}}}, "{site}/api"),
    "one slash": ({"captures": {"token": {"site": "{}"}}}, "https://a{site}/api"),
    "second": (
        {"second_exchange": {"endpoint": "https://b.example/t", "captures": {"site": "{}"}}},
        "https://{site}.acme.example/api",
    ),
    "after": (
        {"after_authorization": {"path": "/me", "captures": {"site": "{}"}}},
        "https://acme.example:{site}/api",
    ),
    "chosen": (
        {
            "after_authorization": {
                "path": "/me",
                "captures": {"site": "url"},
                "choose": {"list": "{}", "value": "id", "label": "name"},
            }
        },
        "https://{site}.acme.example/api",
    ),
}


@pytest.mark.parametrize("kind", SITE_IN_THE_HOST)
def test_G1_an_expression_that_decides_a_host_is_in_the_fingerprint(kind: str) -> None:
    box, url = SITE_IN_THE_HOST[kind]

    def of(expression: str, base_url: str, name: str = "site") -> str:
        text = json.dumps({**plain_oauth(), **box}).replace("{}", expression)
        oauth = json.loads(text.replace('"site"', f'"{name}"'))
        data = {"authentication": "oauth2_authorization_code", "base_url": base_url}
        return configuration.read({**data, "oauth": oauth}).fingerprint()

    assert of("a", url) != of("b", url)
    elsewhere = "https://acme.example/{site}"
    assert of("a", elsewhere) == of("b", elsewhere)
    assert of("a", url, name="other") == of("b", url, name="other")


def plain_oauth() -> dict[str, Any]:
    return {
        "client_id": "abc",
        "authorization_endpoint": "https://acme.example/authorize",
        "token_endpoint": "https://acme.example/token",
    }


def test_C12_another_origin_of_the_base_url_is_another_fingerprint() -> None:
    for url in ("https://b.example/v1", "https://api.acme.example:8443/v1"):
        assert everything(base_url=url).fingerprint() != everything().fingerprint()


def test_the_fingerprint_has_variables_filled_in_and_captures_as_written() -> None:
    def of(value: str, pattern: str = "a") -> str:
        return everything(
            base_url="https://{sub}.{realm}.example/",
            variables={"sub": value},
            oauth={
                "captures": {"token": {"realm": "realm"}},
                "capture_patterns": {"realm": pattern},
            },
        ).fingerprint()

    assert of("a") != of("b")
    assert of("a") == of("a", pattern="b")


@pytest.mark.parametrize(
    "oauth",
    [
        {"client_id": "other"},
        {"authorization_endpoint": "https://acme.example/other"},
        {"token_endpoint": "https://acme.example/other"},
        {"issuer": "https://acme.example"},
        {"scope": "other"},
        {"client_authentication": "client_secret_post"},
        {"pkce": "off"},
    ],
)
def test_the_digest_knows_what_may_not_change_during_an_attempt(oauth: dict[str, Any]) -> None:
    assert everything(oauth).digest() != everything().digest()
    assert everything(base_url="https://api.acme.example/v2").digest() != everything().digest()
    assert everything(name="Other").digest() == everything().digest()


def test_a_configuration_is_read_once_per_version() -> None:
    asked: list[int] = []

    def data() -> dict[str, Any]:
        asked.append(1)
        return without_oauth()

    first = parsed("a system", 1, data)
    assert parsed("a system", 1, data) is first
    assert parsed("a system", 2, data) is not first
    assert len(asked) == 2


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from([*EVERYTHING[""], *EVERYTHING["oauth"], "token", "x"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_whatever_is_written_is_accepted_or_named(data: Any) -> None:
    for wrapped in (data, {"oauth": data, "authentication": "oauth2_authorization_code"}):
        if not isinstance(wrapped, dict):
            continue
        # What is made up here as a secret is none in the tests that follow.
        with redact.scope(), pytest.raises(ConfigurationInvalid):
            parse({**without_oauth(base_url="nowhere"), **wrapped, "slug": "held"})
