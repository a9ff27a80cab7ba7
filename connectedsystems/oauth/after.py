"""One call with a fresh token, to learn what later calls need: an account, a site, a tenant."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from connectedsystems import outbound, placeholders, redact
from connectedsystems.errors import ConfigurationInvalid, FlowFailure
from connectedsystems.oauth import body, token_texts
from connectedsystems.oauth.captures import Picker, RuleRefused, Rules
from connectedsystems.oauth.client import Client, merged, pairs
from connectedsystems.oauth.words import quoted

MAX_BYTES = 1_000_000
MOST_CHOICES = 200
_AT = "oauth.after_authorization"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several the user may pick from, with what is kept if they do."""

    value: str
    label: str
    captures: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Learned:
    """What the call told. With ``choices`` of more than one, the user has to pick first."""

    captures: Mapping[str, Any] = field(repr=False)
    choices: tuple[Choice, ...] = ()


def learn(client: Client, access_token: str, deadline: float) -> Learned:
    """Make the call of ``after_authorization``; nothing is learned where there is none.

    Where ``choose`` is set, the captures are looked for in the chosen item of its ``list``, else
    in the whole answer. Raises OutboundFailure, ConfigurationInvalid, and FlowFailure
    ``call_failed``, ``capture_missing``, ``expression_too_costly`` or ``pattern_unsupported``.
    """
    box = client.after_authorization
    if not box:
        return Learned({})
    redact.remember(access_token)
    request = _request(client, box, access_token, deadline)
    reply = outbound.send(request)
    facts = {"status": reply.status, "host": outbound.host_of(request.url)}
    if not 200 <= reply.status < 300:
        raise FlowFailure("call_failed", **facts)
    tree = body.tree(reply.body)
    if tree is None:
        raise FlowFailure("call_failed", **facts, reason="the answer is no JSON")
    try:
        # A server may repeat what it was sent, and a choice's label is shown. Tokens of its own
        # stay: some systems give one for each account.
        repeated = token_texts.without(tree, {access_token}, named=False)
        return _learned(client, box, Picker(repeated))
    except RuleRefused as refused:
        raise FlowFailure(refused.code, **facts, **refused.facts) from None


def _request(
    client: Client, box: Mapping[str, Any], access_token: str, deadline: float
) -> outbound.Request:
    values = client.known(access_token=access_token)
    parameters = merged({}, box.get("parameters") or {}, values)
    headers = {"Accept": "application/json"}
    placement = client.token_placement
    if placement.get("query"):
        parameters[placement["query"]] = access_token
    else:
        scheme = placement.get("scheme", "Bearer")
        headers[placement.get("header") or "Authorization"] = f"{scheme} {access_token}".strip()
    headers = merged(headers, box.get("headers") or {}, values)
    filled = placeholders.fill(box.get("body"), values)
    content = None
    if filled is not None and filled is not placeholders.OMIT:
        headers.setdefault("Content-Type", "application/json")
        content = _encoded(filled, headers["Content-Type"])
    url = _url(client, box, values)
    if parameters:
        url += f"{'&' if '?' in url else '?'}{urlencode(pairs(parameters))}"
    return outbound.Request(
        str(box.get("method") or "GET"),
        url,
        {name: placeholders.as_text(value) for name, value in headers.items()},
        content,
        deadline=deadline,
        max_bytes=MAX_BYTES,
    )


def _url(client: Client, box: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    template = box.get("url") or f"{client.base_url.rstrip('/')}/{str(box['path']).lstrip('/')}"
    lacking = placeholders.missing(template, values)
    if lacking:
        raise FlowFailure("capture_missing", name=min(lacking), field="after_authorization")
    try:
        return placeholders.fill_url(template, values)
    except ValueError as mistake:
        raise ConfigurationInvalid({"oauth.after_authorization": [str(mistake)]}) from None


def _encoded(filled: Any, content_type: str) -> bytes:
    if isinstance(filled, str):
        return filled.encode()
    if content_type.startswith(body.FORM_TYPE):
        return urlencode(pairs(filled)).encode()
    return json.dumps(filled, default=placeholders.as_text).encode()


def _learned(client: Client, box: Mapping[str, Any], answer: Picker) -> Learned:
    choose = box.get("choose")
    if not choose:
        return Learned(_kept(client, box, answer))
    items = answer.pick(choose["list"], f"{_AT}.choose.list")
    choices = tuple(
        _choice(client, box, answer.within(item))
        for item in (items if isinstance(items, list) else [])[:MOST_CHOICES]
    )
    if not choices:
        raise FlowFailure("capture_missing", field="after_authorization.choose.list")
    return Learned(choices[0].captures if len(choices) == 1 else {}, choices)


def _choice(client: Client, box: Mapping[str, Any], item: Picker) -> Choice:
    def text(key: str) -> str:
        return placeholders.as_text(item.pick(box["choose"][key], f"{_AT}.choose.{key}"))

    captures = _kept(client, box, item)
    return Choice(value=text("value"), label=quoted(text("label"), 200), captures=captures)


def _kept(client: Client, box: Mapping[str, Any], part: Picker) -> dict[str, Any]:
    rules = Rules(box.get("captures") or {}, client.capture_patterns, f"{_AT}.captures")
    found, unfit = part.kept(rules)
    if unfit:
        raise FlowFailure("capture_missing", name=unfit, field="after_authorization.captures")
    return found
