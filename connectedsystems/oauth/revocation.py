"""Token revocation (RFC 7009): asking the other system to forget a token, and only that system.

The rule: a token is revoked only where client ID and token endpoint are those it was
obtained under, and the revocation endpoint's origin is the one of that time or the token
endpoint's. A designer can point the endpoint anywhere; nothing that users approved goes along.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from connectedsystems import outbound, placeholders, redact
from connectedsystems.errors import ConfigurationInvalid, TokenEndpointFailure
from connectedsystems.oauth import body, endpoint
from connectedsystems.oauth.client import Client
from connectedsystems.oauth.endpoint import Question
from connectedsystems.oauth.refusal import said

Hint = Literal["access_token", "refresh_token"]


@dataclass(frozen=True, slots=True)
class Obtained:
    """What a token was obtained under, as far as its revocation asks. Hashes, since a URL may hold
    a secret variable; "" is unknown, and equals nothing.

    ``client``: client ID and token endpoint. ``origin``: where it was to be revoked at that time.
    """

    client: str = ""
    origin: str = ""


def obtained_under(client: Client) -> Obtained:
    """The marks of a token that this client obtains now; its captures must be among its values."""
    token_endpoint = _as_far_as_known(client.token_endpoint, client.values)
    return Obtained(
        client=_hash(json.dumps([client.client_id, token_endpoint])),
        origin=_origin(client.revocation_endpoint, client.values),
    )


def revoke(client: Client, token: str, hint: Hint, deadline: float, obtained: Obtained) -> None:
    """Returns where the other system confirmed: any 2xx, whatever its body.

    Raises TokenEndpointFailure ``revocation_failed`` or ``capture_missing``, OutboundFailure,
    ConfigurationInvalid; TokenEndpointFailure ``not_revoked`` where the token was obtained for
    another server or by another client: nothing was sent.
    """
    redact.remember(token)
    url = _address(client)
    # The one place before a token and the client's secret leave for this address. Whatever else
    # decides where a secret may go is asked here as well: ``url`` is what the request uses.
    _refuse_elsewhere(client, url, obtained)
    refusal = _refusal(client, url, token, hint, deadline)
    following = endpoint.with_next_secret(client)
    if refusal and following and refusal.facts.get("error") == "invalid_client":
        refusal = _refusal(following, url, token, hint, deadline)
    if refusal:
        raise refusal


def _refuse_elsewhere(client: Client, url: str, obtained: Obtained) -> None:
    now = obtained_under(client)
    host = outbound.host_of(url)
    if not obtained.client or obtained.client != now.client:
        raise TokenEndpointFailure("not_revoked", cause="client_changed", host=host)
    origin = _hash(outbound.origin_of(url))
    token_origin = _origin(client.token_endpoint, client.values)
    if not origin or origin not in (obtained.origin, token_origin):
        raise TokenEndpointFailure("not_revoked", cause="revocation_moved", host=host)


def _address(client: Client) -> str:
    """The revocation endpoint, filled once: what is compared is what is asked."""
    values = client.known()
    lacking = placeholders.missing(client.revocation_endpoint, values)
    if lacking:
        raise TokenEndpointFailure(
            "capture_missing", name=min(lacking), field="revocation_endpoint"
        )
    try:
        url = placeholders.fill_url(client.revocation_endpoint, values)
    except ValueError as mistake:
        raise ConfigurationInvalid({"oauth.revocation_endpoint": [str(mistake)]}) from None
    outbound.check_url(url)
    return url


def _as_far_as_known(template: str, values: Mapping[str, Any]) -> str:
    """The template with what has a value; the rest, and the protocol's own, as it is written."""
    as_written = {name: f"{{{name}}}" for name in placeholders.names(template)}
    known = {name: value for name, value in values.items() if value is not None}
    return placeholders.fill_text(template, {**as_written, **known})


def _origin(template: str, values: Mapping[str, Any]) -> str:
    """The hash of the origin that an endpoint leads to; "" where that cannot be said yet."""
    return _hash(outbound.origin_of(_as_far_as_known(template, values)))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest() if text else ""


def _refusal(
    client: Client, url: str, token: str, hint: Hint, deadline: float
) -> TokenEndpointFailure | None:
    question = Question(
        endpoint=url.replace("{", "{{").replace("}", "}}"),
        field="revocation_endpoint",
        built_in={"token": token, "token_type_hint": hint},
        parameters={},
        headers={},
        values=client.known(),
        authentication=client.authenticates_by,
    )
    heard = endpoint.ask(client, question, deadline)
    if heard.succeeded:
        return None
    tree = body.parse(heard.body, heard.content_type)
    return TokenEndpointFailure("revocation_failed", **heard.where, **said(heard, tree))
