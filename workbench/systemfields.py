"""The fields of a connected system's form, and where each one stands among the bundle's keys."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from connectedsystems import configuration
from connectedsystems import json as strict_json
from connectedsystems.bounds import TYPED
from connectedsystems.configuration import (
    AUTHORIZATION_CODE,
    CLIENT_CREDENTIALS,
    OAUTH,
    Secrets,
)
from connectedsystems.diagnosis import FIELDS

Kind = Literal["text", "number", "choice", "json", "secret"]

COLUMNS: Final = (
    "slug",
    "name",
    "description",
    "base_url",
    "authorization_message",
    "authentication",
)
"""Keys that are columns of the row; the form's own fields of the same names hold them."""

_API_KEY: Final = frozenset({"api_key"})
_BASIC: Final = frozenset({"basic"})
_CODE: Final = frozenset({AUTHORIZATION_CODE})
EVERY: Final = frozenset({"none", "api_key", "basic", AUTHORIZATION_CODE, CLIENT_CREDENTIALS})


@dataclass(frozen=True)
class Place:
    """A field of the form and the key it writes; ``with_`` are the authentications that read it."""

    name: str
    path: tuple[str, ...]
    kind: Kind
    label: str
    with_: frozenset[str]
    help: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    default: str = ""
    example: str = ""
    secret: str = ""
    """The name that a secret has in the sealed object."""

    @property
    def key(self) -> str:
        """The key's path as errors are filed under it."""
        return ".".join(self.path)


_METHODS: Final = {
    "": "Automatic: Basic with a secret, none without",
    "client_secret_basic": "HTTP Basic (client_secret_basic)",
    "client_secret_post": "In the request's body (client_secret_post)",
    "client_secret_basic_username": "HTTP Basic, the secret as user name, no password",
    "none": "None: a public client without a secret",
    "private_key_jwt": "Signed with a private key (private_key_jwt)",
    "client_secret_jwt": "Signed with the secret (client_secret_jwt)",
}


def _oauth(
    name: str, kind: Kind = "text", help: str = "", *, with_: frozenset[str] = OAUTH, **more: Any
) -> Place:
    label = more.pop("label", "") or FIELDS.get(name) or name.replace("_", " ").capitalize()
    return Place(name, ("oauth", name), kind, label, with_, help, **more)


def _json(name: str, label: str, help: str, example: str = "") -> Place:
    return Place(name, (name,), "json", label, EVERY, help, example=example)


PLACES: Final = (
    Place(
        "api_key_name",
        ("api_key", "name"),
        "text",
        "Header or parameter",
        _API_KEY,
        "Its name in the other system's documentation, such as X-Api-Key.",
    ),
    Place("api_key_value", ("api_key", "value"), "secret", "API key", _API_KEY, secret="api_key"),
    Place(
        "api_key_place",
        ("api_key", "place"),
        "choice",
        "Sent in",
        _API_KEY,
        choices=(("header", "A header"), ("query", "The query of the address")),
        default="header",
    ),
    Place("basic_username", ("basic", "username"), "text", "User", _BASIC),
    Place("basic_password", ("basic", "password"), "secret", "Password", _BASIC, secret="password"),
    _oauth("client_id"),
    _oauth("client_secret", "secret", secret="client_secret"),
    _oauth(
        "authorization_endpoint",
        help="Where users log in and approve. From the other system's documentation.",
        with_=_CODE,
        example="https://acme.example/oauth/authorize",
    ),
    _oauth(
        "token_endpoint",
        help="Where a code is exchanged for a token. From the other system's documentation.",
        example="https://acme.example/oauth/token",
    ),
    _oauth(
        "scope",
        help="What to ask for, sent exactly as written; most systems set names apart by blanks.",
        example="contacts.read contacts.write",
    ),
    _oauth(
        "client_authentication",
        "choice",
        "How the token endpoint learns the Client Secret.",
        choices=tuple(_METHODS.items()),
    ),
    _oauth(
        "pkce",
        "choice",
        "Protects the code on its way back. Leave it on unless the other system refuses it.",
        with_=_CODE,
        choices=(("S256", "On (S256)"), ("off", "Off")),
        default="S256",
    ),
    _oauth(
        "issuer",
        help="If set, an answer that names another issuer is refused (RFC 9207).",
        with_=_CODE,
    ),
    _oauth(
        "issuer_in_response",
        "choice",
        with_=_CODE,
        choices=(("optional", "May be missing in the answer"), ("required", "Must be there")),
        default="optional",
    ),
    _oauth("revocation_endpoint", help="Where tokens are ended on Disconnect (RFC 7009)."),
    _oauth("refresh_endpoint", help="Only if tokens are renewed at another address."),
    _oauth(
        "discovery_url",
        help="Where the other system publishes its endpoints. It is read at each save: what is left"
        " empty comes from there, what is entered wins.",
        example="https://acme.example/.well-known/openid-configuration",
    ),
    _oauth(
        "default_expires_in",
        "number",
        "Seconds a token lives where the other system does not say.",
    ),
    _oauth(
        "authorization_parameters",
        "json",
        "More parameters of the authorization request; null removes a built-in one.",
        with_=_CODE,
        example='{"access_type": "offline"}',
    ),
    _oauth(
        "token_parameters",
        "json",
        "More parameters of the token request.",
        example='{"audience": "https://api.acme.example"}',
    ),
    _oauth("token_headers", "json", "More headers of the token request."),
    _oauth(
        "token_request",
        "json",
        "How the token request is sent: format form, json or query; method.",
        example='{"format": "form", "method": "POST"}',
    ),
    _oauth(
        "refresh",
        "json",
        "What differs when a token is renewed: parameters, headers, client_authentication,"
        " format, method.",
    ),
    _oauth(
        "token_response",
        "json",
        "Where the answer holds its parts, as JMESPath.",
        example='{"access_token": "data.token"}',
    ),
    _oauth("code_parameter", help="The code's name in the answer, if it is not code.", with_=_CODE),
    _oauth(
        "captures",
        "json",
        "Values to keep, usable as {name}; one named account tells who approved.",
        example='{"token": {"account": "user.email"}, "callback": {}}',
    ),
    _oauth("capture_patterns", "json", "What a captured value must look like, by name."),
    _oauth(
        "second_exchange",
        "json",
        "One more token request after the first. At another host than the Token Request Endpoint's"
        " it gets neither Client ID nor Client Secret, unless client_authentication says how.",
        example='{"endpoint": "https://acme.example/long", "client_authentication": "none"}',
    ),
    _oauth("after_authorization", "json", "One call after authorizing, to learn more values."),
    _oauth(
        "client_key",
        "json",
        "For private_key_jwt; paste the key itself (PEM) as Client Secret.",
        example='{"algorithm": "RS256", "key_id": "…"}',
    ),
    _oauth(
        "client_secret_next",
        "secret",
        "While secrets are changed: tried once when the first one is refused.",
        secret="client_secret_next",
        label="Next secret",
    ),
    _json(
        "variables",
        "Variables",
        'Usable as {name} in addresses, parameters and headers. {"secret": true, "value": …} is'
        " sealed and never shown again.",
        '{"subdomain": "acme"}',
    ),
    _json(
        "request_headers",
        "Headers of every request",
        "Sent with every call of an integration.",
        '{"Accept": "application/json"}',
    ),
    _json(
        "request_parameters",
        "Parameters of every request",
        "Added to the query of every call.",
        '{"api-version": "2"}',
    ),
    _json(
        "token_placement",
        "Token placement",
        "How calls carry the token, if not as Authorization: Bearer.",
        '{"header": "Authorization", "scheme": "Bearer"}',
    ),
    _json(
        "expired_when",
        "Expired when",
        "Which answers mean that the token is no longer accepted.",
        '{"status": [401]}',
    ),
)


SECRETS: Final = tuple(place for place in PLACES if place.kind == "secret")


def field_of(key: str) -> str:
    """The field that an error's key path belongs to; its first part where no field has it."""
    for place in PLACES:
        if key == place.key or key.startswith(f"{place.key}."):
            return place.name
    return key.split(".")[0]


@dataclass
class Written:
    """What somebody typed: keys without secrets, secrets by name (None: remove), and mistakes."""

    data: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, Any] = field(default_factory=dict, repr=False)
    errors: dict[str, list[str]] = field(default_factory=dict)


def read(post: Mapping[str, str], stored: Mapping[str, Any]) -> Written:
    """The form's values under the bundle's keys, on top of those that are stored."""
    kind = post.get("authentication") or "none"
    written = Written(data=_kept(stored, kind))
    written.data["authentication"] = kind
    for place in PLACES:
        if kind not in place.with_:
            _remove(written.data, place.path)
        elif place.kind == "secret":
            _read_secret(written, post, place)
        elif place.name in post:
            _read_value(written, post[place.name], place)
    return written


def _kept(stored: Mapping[str, Any], kind: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(json.dumps(configuration.written(stored)))
    for box, kinds in (("oauth", OAUTH), ("api_key", _API_KEY), ("basic", _BASIC)):
        if kind not in kinds:
            data.pop(box, None)
        else:
            data.setdefault(box, {})
    return data


def _read_secret(written: Written, post: Mapping[str, str], place: Place) -> None:
    typed = whole_key(post.get(place.name, "").strip())
    if typed:
        written.secrets[place.secret] = typed
    elif post.get(f"{place.name}_remove"):
        written.secrets[place.secret] = None


def _read_value(written: Written, typed: str, place: Place) -> None:
    text = typed.strip()
    if place.kind == "json" and text:
        try:
            value = strict_json.read(text, TYPED)
        except strict_json.NotJson as mistake:
            sentence = str(mistake)
            if mistake.is_syntax:
                sentence = (
                    f"This is no JSON (line {mistake.line}): names and texts stand in double"
                    ' quotes, such as {"name": "value"}.'
                )
            written.errors.setdefault(place.name, []).append(sentence)
            return
        _set(written.data, place.path, value if value != {} else None)
    elif place.kind == "number" and text:
        _set(written.data, place.path, _number(text))
    elif place.kind == "choice" and text == place.default:
        # A default is written only where it was written before: dumps stay short.
        if _get(written.data, place.path) is not None:
            _set(written.data, place.path, text or None)
    else:
        _set(written.data, place.path, text or None)


def _number(text: str) -> int | float | str:
    if re.fullmatch(r"[0-9]{1,12}", text):
        return int(text)
    return float(text) if re.fullmatch(r"[0-9]{1,12}\.[0-9]{1,6}", text) else text


def whole_key(text: str) -> str:
    """A key in PEM whose line breaks were lost in a field of one line, with them again."""
    found = re.fullmatch(r"(-----BEGIN [A-Z ]+-----)\s*([^-]+?)\s*(-----END [A-Z ]+-----)", text)
    if not found or "\n" in text:
        return text
    body = textwrap.wrap("".join(found[2].split()), 64)
    return "\n".join([found[1], *body, found[3], ""])


def shown(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each field's name and its value as it stands in the form; never a secret."""
    for place in PLACES:
        if place.kind == "secret":
            continue
        value = _get(data, place.path)
        if place.kind == "json" and value is not None:
            yield place.name, json.dumps(value, indent=2, ensure_ascii=False)
        elif value is False and place.default:
            yield place.name, "off"
        else:
            yield place.name, place.default if value is None else str(value)


def wanted_secrets(secrets: Secrets, kind: str, variables: Collection[str]) -> Secrets:
    """The secrets that this authentication and these secret variables read; others go."""
    wanted = {place.secret for place in SECRETS if kind in place.with_}
    return secrets.only(wanted, variables)


def _get(data: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = data
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _set(data: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    *boxes, key = path
    for box in boxes:
        data = data.setdefault(box, {})
    if value is None:
        data.pop(key, None)
    else:
        data[key] = value


def _remove(data: dict[str, Any], path: tuple[str, ...]) -> None:
    if _get(data, path[:-1]) is not None or len(path) == 1:
        _set(data, path, None)


_COLUMN_LABELS: Final = {
    "application": "Application",
    "name": "Name",
    "slug": "Slug",
    "description": "Description",
    "logo": "Logo",
    "base_url": "Base URL",
    "authorization_message": "Message for users who must authorize",
    "authentication": "Authentication",
    "public_id": "Form",
}


def labelled(name: str) -> str:
    """The words on the screen for a field of this form."""
    if name in _COLUMN_LABELS:
        return _COLUMN_LABELS[name]
    return next((place.label for place in PLACES if place.name == name), FIELDS.get(name, name))
