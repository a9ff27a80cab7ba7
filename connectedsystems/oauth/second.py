"""A second token request, where the first token is only good for getting the one that calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from connectedsystems import placeholders
from connectedsystems.errors import Failure, OutboundFailure, TokenEndpointFailure
from connectedsystems.oauth import endpoint
from connectedsystems.oauth.answer import Reading, TokenAnswer, read
from connectedsystems.oauth.client import Client
from connectedsystems.oauth.endpoint import NOBODY, Question, manner_of
from connectedsystems.oauth.refusal import Purpose
from connectedsystems.oauth.standing import OriginMoved
from connectedsystems.origin import origin_of


class Unfinished(TokenEndpointFailure):
    """A refresh whose second exchange failed: the first may have rotated the refresh token.

    ``answer`` is the first answer: its refresh token has to be kept, its access token is of no
    use. The facts hold no ``error``, for the refresh itself was not refused.
    """

    def __init__(self, failure: Failure, answer: TokenAnswer) -> None:
        passing = isinstance(failure, OutboundFailure)
        facts = {name: fact for name, fact in failure.facts.items() if name != "error"}
        super().__init__("temporarily_unavailable" if passing else failure.code, **facts)
        self.facts["readable"] = True
        self.answer = answer


def exchanged(client: Client, first: TokenAnswer, purpose: Purpose, deadline: float) -> TokenAnswer:
    """The answer of the second exchange, or the first where there is no second.

    What was captured from the first answer is known to the second request; refresh token and
    scope are the first's where the second names none.
    """
    box = client.second_exchange
    if not box or (purpose == "refresh" and not box.get("repeat_on_refresh")):
        return first
    repeated: Purpose = "refresh" if purpose == "refresh" else "second_exchange"
    try:
        heard = endpoint.ask(client, _question(client, box, first), deadline)
        answer = read(heard, _reading(client, box), repeated)
    except OriginMoved as moved:
        moved.answer = first
        raise
    except (TokenEndpointFailure, OutboundFailure) as failure:
        if purpose == "refresh":
            raise Unfinished(failure, first) from None
        raise
    return replace(
        answer,
        refresh_token=answer.refresh_token or first.refresh_token,
        scope=answer.scope or first.scope,
        captures={**first.captures, **answer.captures},
    )


def _question(client: Client, box: Any, first: TokenAnswer) -> Question:
    known = client.knowing(first.captures).known(
        client_secret=client.client_secret,
        access_token=first.access_token,
        refresh_token=first.refresh_token,
    )
    return Question(
        endpoint=box["endpoint"],
        field="second_exchange",
        built_in={},
        parameters=box.get("parameters") or {},
        headers=client.token_headers,
        values=known,
        authentication=_authentication(client, box, known),
        **manner_of(box),
    )


def _authentication(client: Client, box: Any, known: Mapping[str, Any]) -> str:
    """How the client authenticates here: as written; else as at the token endpoint, on its origin.

    Another origin gets neither Client ID nor secret unless somebody wrote so.
    """
    written: str = box.get("client_authentication") or ""
    if written:
        return NOBODY if written == "none" else written
    try:
        here, there = (
            origin_of(placeholders.fill_url(url, values))
            for url, values in ((box["endpoint"], known), (client.token_endpoint, client.known()))
        )
    except ValueError:
        return NOBODY
    return client.authenticates_by if here == there else NOBODY


def _reading(client: Client, box: Any) -> Reading:
    return Reading(
        paths=box.get("token_response") or {},
        captures=box.get("captures") or {},
        patterns=client.capture_patterns,
        default_expires_in=client.default_expires_in,
        at="oauth.second_exchange",
        captures_at="oauth.second_exchange.captures",
        in_hosts=client.names_in_hosts,
    )
