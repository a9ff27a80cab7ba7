"""One request of the client to an endpoint of its authorization server, and what was heard."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from authlib.integrations.requests_client import OAuth2Session

from connectedsystems import outbound, placeholders, redact
from connectedsystems.errors import ConfigurationInvalid, TokenEndpointFailure
from connectedsystems.oauth import authentication, destinations
from connectedsystems.oauth.client import Client, merged, pairs

MAX_BYTES = 1_000_000
LONGEST_WAIT = 3600
ACCEPT = {"Accept": "application/json"}
NOBODY = ""
"""The authentication of a request that names no client: neither its ID nor a secret goes along."""

_UNFIT_IN_A_HEADER = re.compile("[^\x20-\x7e\xa0-\xff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A request to be made: where, in which manner, with which parameters.

    ``parameters`` and ``headers`` are the designer's, as templates; ``built_in`` the protocol's.
    """

    endpoint: str
    field: str
    built_in: Mapping[str, Any] = dataclasses.field(repr=False)
    parameters: Mapping[str, Any] = dataclasses.field(repr=False)
    headers: Mapping[str, Any] = dataclasses.field(repr=False)
    values: Mapping[str, Any] = dataclasses.field(repr=False)
    authentication: str
    format: str = "form"
    method: str = "POST"


def manner_of(box: Mapping[str, Any]) -> dict[str, str]:
    """Format and method, as far as a box of the configuration says them."""
    return {name: box[name] for name in ("format", "method") if box.get(name)}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it goes to an endpoint, secrets and all."""

    method: str
    url: str = dataclasses.field(repr=False)
    headers: Mapping[str, str] = dataclasses.field(repr=False)
    body: bytes | None = dataclasses.field(repr=False)


@dataclass(frozen=True, slots=True)
class Heard:
    """What an endpoint answered, whatever it was."""

    status: int
    content_type: str
    retry_after: int | None
    body: bytes = dataclasses.field(repr=False)
    host: str
    path: str

    @property
    def succeeded(self) -> bool:
        return 200 <= self.status < 300

    @property
    def where(self) -> dict[str, Any]:
        """Facts for a failure."""
        return {"status": self.status, "host": self.host, "path": self.path}


def ask(client: Client, question: Question, deadline: float) -> Heard:
    """Send it once, follow nothing.

    Raises OutboundFailure; ConfigurationInvalid and TokenEndpointFailure ``capture_missing``
    before anything is sent.
    """
    with OAuth2Session(client.client_id, client.client_secret) as session:
        asked = _asked(session, client, question)
        outbound.mount(session, deadline, MAX_BYTES)
        answer = session.request(
            asked.method,
            asked.url,
            withhold_token=True,
            data=asked.body,
            headers=asked.headers,
            allow_redirects=False,
        )
        return _heard(answer, asked.url)


def written_out(client: Client, question: Question) -> Asked:
    """The request that ``ask`` would send; nothing is sent. Raises as ``ask`` does before."""
    with OAuth2Session(client.client_id, client.client_secret) as session:
        return _asked(session, client, question)


def _asked(session: OAuth2Session, client: Client, question: Question) -> Asked:
    redact.remember(client.client_secret)
    url = _url(client, question)
    outbound.check_url(url)
    if client.guard is not None:
        client.guard(question.field, url)
    proof, identity = _identified(session, client, question.authentication, url)
    built_in = {**question.built_in, **identity}
    parameters = merged(built_in, question.parameters, question.values)
    headers = _headers({**ACCEPT, **proof}, question)
    url, body = _placed(url, parameters, question, headers)
    return Asked(question.method, url, headers, body)


def _identified(
    session: OAuth2Session, client: Client, method: str, url: str
) -> tuple[dict[str, str], dict[str, str]]:
    """Headers and parameters that say who asks."""
    return ({}, {}) if method == NOBODY else authentication.proof(session, client, method, url)


def with_next_secret(client: Client) -> Client | None:
    """The client with the secret that is to come, if there is one."""
    if not client.client_secret_next or client.client_secret_next == client.client_secret:
        return None
    return replace(client, client_secret=client.client_secret_next, client_secret_next="")


def _url(client: Client, question: Question) -> str:
    loose = destinations.unbounded_callback_capture(
        question.endpoint, client.captures.get("callback") or {}, client.capture_patterns
    )
    if loose:
        raise ConfigurationInvalid(
            {f"oauth.{question.field}": [destinations.loose_sentence(loose)]}
        )
    lacking = placeholders.missing(question.endpoint, question.values)
    if lacking:
        raise TokenEndpointFailure("capture_missing", name=min(lacking), field=question.field)
    try:
        return placeholders.fill_url(question.endpoint, question.values)
    except ValueError as mistake:
        raise ConfigurationInvalid({f"oauth.{question.field}": [str(mistake)]}) from None


def _headers(built_in: Mapping[str, str], question: Question) -> dict[str, str]:
    written = {name.lower(): name for name in question.headers}
    kept = {name: value for name, value in built_in.items() if name.lower() not in written}
    headers = merged(kept, question.headers, question.values)
    texts = {name: placeholders.as_text(value) for name, value in headers.items()}
    for name, text in texts.items():
        if _UNFIT_IN_A_HEADER.search(text) or text != text.strip():
            sentence = f"The value of the header {name} has characters that no header can hold."
            raise ConfigurationInvalid({"oauth.token_headers": [sentence]})
    return texts


def _placed(
    url: str, parameters: Mapping[str, Any], question: Question, headers: dict[str, str]
) -> tuple[str, bytes | None]:
    if question.format == "query" or question.method == "GET":
        joint = "&" if "?" in url else "?"
        return (f"{url}{joint}{urlencode(pairs(parameters))}" if parameters else url), None
    names = {name.lower() for name in headers}
    if question.format == "json":
        content_type = "application/json"
        text = json.dumps(parameters, default=placeholders.as_text)
    else:
        content_type = "application/x-www-form-urlencoded"
        text = urlencode(pairs(parameters))
    if "content-type" not in names:
        headers["Content-Type"] = content_type
    return url, text.encode()


def _heard(answer: Any, url: str) -> Heard:
    return Heard(
        status=answer.status_code,
        content_type=answer.headers.get("Content-Type", "").partition(";")[0].strip().lower(),
        retry_after=_seconds(answer.headers.get("Retry-After", "")),
        body=answer.content,
        host=outbound.host_of(url),
        path=urlsplit(url).path or "/",
    )


def _seconds(text: str) -> int | None:
    """A Retry-After (RFC 9110 §10.2.3), at most an hour; None for what is none."""
    if re.fullmatch(r"[0-9]{1,20}", text.strip()):
        return min(int(text), LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):  # OverflowError: a year or an hour of 20 digits
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0, min(int((moment - datetime.now(UTC)).total_seconds()), LONGEST_WAIT))
