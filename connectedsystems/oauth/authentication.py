"""How the client proves who it is (RFC 6749 §2.3, RFC 7523 §2.2): headers and parameters."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote_plus

from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import ClientSecretJWT, PrivateKeyJWT
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from connectedsystems.errors import ConfigurationInvalid
from connectedsystems.oauth.client import Client

METHODS = frozenset(
    {
        "client_secret_basic",
        "client_secret_basic_username",
        "client_secret_post",
        "none",
        "private_key_jwt",
        "client_secret_jwt",
    }
)
ASSERTION_SECONDS = 300


def proof(
    session: OAuth2Session, client: Client, method: str, endpoint: str
) -> tuple[dict[str, str], dict[str, str]]:
    """Headers and parameters that authenticate ``client`` at ``endpoint``.

    Raises ConfigurationInvalid where the method or its key is none.
    """
    if method not in METHODS:
        raise _invalid("client_authentication", f"There is no client authentication '{method}'.")
    session.register_client_auth_method(("client_secret_basic", _form_encoded_basic))
    session.register_client_auth_method(("client_secret_basic_username", _secret_as_user_name))
    if method.endswith("_jwt"):
        session.register_client_auth_method(_assertion(session, client, method, endpoint))
    _, headers, body = session.client_auth(method).prepare("POST", endpoint, {}, "")
    parameters = dict(parse_qsl(body, keep_blank_values=True))
    if method.endswith("_jwt"):
        parameters["client_id"] = client.client_id  # RFC 7521 §4.2; some servers insist on it
    return headers, {name: value for name, value in parameters.items() if value}


def _form_encoded_basic(auth: Any, method: str, uri: str, headers: Any, body: str) -> Any:
    # RFC 6749 §2.3.1 encodes both before they are joined; Authlib's own does not, so "a:b" breaks.
    user, password = quote_plus(auth.client_id), quote_plus(auth.client_secret or "")
    return uri, {**headers, "Authorization": _basic(user, password)}, body


def _secret_as_user_name(auth: Any, method: str, uri: str, headers: Any, body: str) -> Any:
    secret = quote_plus(auth.client_secret or "")
    return uri, {**headers, "Authorization": _basic(secret, "")}, body


def _basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def _assertion(session: OAuth2Session, client: Client, method: str, endpoint: str) -> Any:
    key: Mapping[str, Any] = client.client_key or {}
    algorithm = key.get("algorithm") or ("RS256" if method == "private_key_jwt" else "HS256")
    session.client_secret = _key(method, algorithm, client.client_secret)
    kind = PrivateKeyJWT if method == "private_key_jwt" else ClientSecretJWT
    return kind(
        key.get("audience") or endpoint,
        claims={"exp": int(time.time()) + ASSERTION_SECONDS},
        headers={"kid": key["key_id"]} if key.get("key_id") else {},
        alg=algorithm,
    )


def _key(method: str, algorithm: str, secret: str) -> RSAKey | ECKey | OKPKey | OctKey:
    try:
        if method == "client_secret_jwt":
            return OctKey.import_key(secret.encode())
        match algorithm[:2]:
            case "RS" | "PS":
                return RSAKey.import_key(secret)
            case "ES":
                return ECKey.import_key(secret)
            case "Ed":
                return OKPKey.import_key(secret)
    except (JoseError, ValueError, TypeError):
        what = "a PEM private key" if method == "private_key_jwt" else "a secret"
        text = f"For {method} with {algorithm} the client secret has to be {what} that fits."
        raise _invalid("client_secret", text) from None
    raise _invalid("client_key", f"There is no signature algorithm '{algorithm}' for {method}.")


def _invalid(key: str, sentence: str) -> ConfigurationInvalid:
    return ConfigurationInvalid({f"oauth.{key}": [sentence]})
