"""How the client proves who it is, seen at the endpoint."""

from __future__ import annotations

import time

import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from connectedsystems.errors import ConfigurationInvalid
from connectedsystems.oauth import token

SECRET = "a secret of thirty-two characters"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@pytest.fixture
def sent(client, soon, endpoint):
    """The parameters of a client-credentials request made with these keys."""

    def act(**different):
        token.client_credentials(client(scope="", **different), soon)
        return {k: v for k, v in endpoint.form.items() if k != "grant_type"}

    return act


@pytest.mark.parametrize(
    ("client_id", "secret", "basic"),
    [
        ("abc", "s3cret", "abc:s3cret"),
        ("a:b", "c d+e/f=%", "a%3Ab:c+d%2Be%2Ff%3D%25"),
        ("клиент", "ключ", "%D0%BA%D0%BB%D0%B8%D0%B5%D0%BD%D1%82:%D0%BA%D0%BB%D1%8E%D1%87"),
    ],
)
def test_basic_encodes_both_as_the_rfc_has_it(sent, endpoint, client_id, secret, basic):
    keys = {"client_id": client_id, "client_secret": secret}
    assert sent(client_authentication="client_secret_basic", **keys) == {}
    assert endpoint.basic == basic


def test_basic_may_carry_the_secret_as_user_name(sent, endpoint):
    assert sent(client_authentication="client_secret_basic_username", client_secret="sk:1") == {}
    assert endpoint.basic == "sk%3A1:"


def test_post_sends_both_as_parameters(sent, endpoint):
    secret = "c d+e&f=ключ"
    assert sent(client_authentication="client_secret_post", client_secret=secret) == {
        "client_id": "abc",
        "client_secret": secret,
    }
    assert "Authorization" not in endpoint.headers


def test_none_sends_the_client_id_alone(sent, endpoint):
    assert sent(client_authentication="none") == {"client_id": "abc"}
    assert "Authorization" not in endpoint.headers


def test_without_a_word_about_it_a_secret_makes_basic_and_none_makes_none(sent, endpoint):
    assert sent() == {}
    assert endpoint.basic == "abc:s3cret-of-abc"
    assert sent(client_secret="") == {"client_id": "abc"}


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("RS256", RSAKey.generate_key(2048)),
        ("PS256", RSAKey.generate_key(2048)),
        ("ES256", ECKey.generate_key("P-256")),
        ("Ed25519", OKPKey.generate_key("Ed25519")),
    ],
)
def test_a_private_key_signs_an_assertion(sent, endpoint, algorithm, key):
    parameters = sent(
        client_authentication="private_key_jwt",
        client_secret=key.as_pem(private=True).decode(),
        client_key={"algorithm": algorithm, "key_id": "key-7"},
    )
    assert parameters.pop("client_assertion_type") == ASSERTION
    assertion = parameters.pop("client_assertion")
    assert parameters == {"client_id": "abc"}
    decoded = jwt.decode(assertion, key, algorithms=[algorithm])
    assert decoded.header["kid"] == "key-7"
    assert decoded.claims["iss"] == decoded.claims["sub"] == "abc"
    assert decoded.claims["aud"] == endpoint.url + "token"
    assert decoded.claims["jti"]
    assert 0 < decoded.claims["exp"] - time.time() <= 300


def test_an_assertion_may_have_another_audience_and_no_key_id(sent):
    key = RSAKey.generate_key(2048)
    parameters = sent(
        client_authentication="private_key_jwt",
        client_secret=key.as_pem(private=True).decode(),
        client_key={"audience": "https://acme.example"},
    )
    decoded = jwt.decode(parameters["client_assertion"], key)
    assert decoded.claims["aud"] == "https://acme.example"
    assert "kid" not in decoded.header


def test_a_secret_signs_an_assertion(sent):
    parameters = sent(client_authentication="client_secret_jwt", client_secret=SECRET)
    assert parameters["client_assertion_type"] == ASSERTION
    assert SECRET not in parameters.values()
    key = OctKey.import_key(SECRET)
    assert jwt.decode(parameters["client_assertion"], key).claims["iss"] == "abc"
    assert jws.extract_compact(parameters["client_assertion"].encode()).headers()["alg"] == "HS256"


def test_two_assertions_are_never_the_same(sent):
    keys = {"client_authentication": "client_secret_jwt", "client_secret": SECRET}
    assert sent(**keys)["client_assertion"] != sent(**keys)["client_assertion"]


@pytest.mark.parametrize(
    ("keys", "field"),
    [
        ({"client_authentication": "magic"}, "oauth.client_authentication"),
        ({"client_authentication": "private_key_jwt"}, "oauth.client_secret"),
        ({"client_authentication": "private_key_jwt", "client_key": {"algorithm": "ES256"}},
         "oauth.client_secret"),
        ({"client_authentication": "private_key_jwt", "client_key": {"algorithm": "none"}},
         "oauth.client_key"),
        ({"client_authentication": "client_secret_jwt", "client_secret": ""},
         "oauth.client_secret"),
    ],
)  # fmt: skip
def test_a_key_that_is_none_is_said_before_anything_is_sent(sent, endpoint, keys, field):
    with pytest.raises(ConfigurationInvalid) as caught:
        sent(**keys)
    assert list(caught.value.errors) == [field]
    assert "s3cret" not in str(caught.value)
    assert not endpoint.asked


def test_a_key_of_another_kind_is_said(sent):
    pem = ECKey.generate_key("P-256").as_pem(private=True).decode()
    with pytest.raises(ConfigurationInvalid) as caught:
        sent(client_authentication="private_key_jwt", client_secret=pem)
    assert list(caught.value.errors) == ["oauth.client_secret"]
