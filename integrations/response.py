"""What a call gave: a value, safe to pass around and to show.

No token, secret or body stands in a repr, and what the other system echoes of our secrets is
replaced before it gets here.
"""

from __future__ import annotations

import base64
import codecs
import html
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol
from urllib.parse import quote, quote_plus

from django.conf import settings
from django.urls import reverse

from authlinks.navigation import authorize_path
from connectedsystems import diagnosis, redact
from connectedsystems.charsets import known_name
from connectedsystems.errors import Failure, InputInvalid
from connectedsystems.exact import ExactEncoder, exact_number
from connectedsystems.outbound import Headers, Reply

NOT_SHOWN = frozenset({"set-cookie", "set-cookie2"})
"""Headers of a reply that are nobody's business here: sessions at the other system."""

_LIKELY_JSON = frozenset(
    {"", "text/plain", "text/json", "text/javascript", "application/javascript"}
)
_LONGEST_TEXT = 100_000
_HALF_LETTER = re.compile(r"\\u[dD][89a-fA-F]")
DEEPEST = 500
_PLAIN = re.compile(r"[A-Za-z0-9._~-]+")
_NO_CHARSETS = frozenset(
    {"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"}
)
"""What Python calls text encodings and no document is written in: some raise, some give halves of
surrogate pairs, which no page can hold."""

_ASCII_BYTES = frozenset({"ascii", "iso8859-1", "utf-8"})
"""Charsets in which the letters of ASCII are the bytes of ASCII; others may be, too."""


class Target(Protocol):
    """Which call this was."""

    @property
    def slug(self) -> str: ...
    @property
    def system_slug(self) -> str: ...


class Held(Protocol):
    """A held submission, as far as a response tells of it."""

    @property
    def id(self) -> Any: ...
    @property
    def url(self) -> str: ...
    @property
    def state(self) -> str: ...


@dataclass(frozen=True)
class Result:
    """The other system's reply. ``headers`` are found by a name in any case."""

    status_code: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    content_type: str = ""
    more: bool = False
    """Whether there are more pages of this list than the integration asks for."""

    @cached_property
    def data(self) -> Any:
        """The body read strictly as JSON; None for what is not JSON (or is ``null``).

        So is what is nested more than 500 deep: ``json`` reads more than it can write again below
        all the calls of a page.
        """
        if not _may_be_json(self.content_type, self.body):
            return None
        try:
            text = self._decoded(strict=True)
            data = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
            if text.count("[") + text.count("{") > DEEPEST and _is_deep(data):
                return None
            return _whole_letters(data) if _HALF_LETTER.search(text) else data
        except (ValueError, RecursionError):
            return None

    @property
    def text(self) -> str:
        """The beginning of the body as text; what is no text shows as replacement characters."""
        return self._decoded(strict=False, limit=_LONGEST_TEXT)

    def to_json(self) -> dict[str, Any]:
        """As DESIGN §3, Addresses."""
        return {
            "status_code": self.status_code,
            "headers": {k: v for k, v in self.headers.items() if k.lower() not in NOT_SHOWN},
            "content_type": self.content_type,
            "data": self.data,
            **({"more": True} if self.more else {}),
        }

    def _decoded(self, *, strict: bool, limit: int | None = None) -> str:
        body = self.body if limit is None else self.body[: limit * 4]
        text = body.decode(_charset(self.content_type), "strict" if strict else "replace")
        return text.removeprefix("\ufeff")[:limit]


@dataclass(frozen=True)
class Error:
    """Why a call did not succeed. ``message`` is for the person at the page; ``detail``, ``cause``
    and ``fix`` for designers and admins; ``quote`` the other system's own words."""

    code: str
    title: str
    message: str
    detail: str = field(default="", repr=False)
    next_steps: list[dict[str, str | None]] = field(default_factory=list, repr=False)
    cause: str = field(default="", repr=False)
    fix: str = field(default="", repr=False)
    quote: str = field(default="", repr=False)
    status: int = 502
    retry_after: int | None = None

    def to_json(self, *, detail: bool = False) -> dict[str, Any]:
        """As DESIGN §3, Addresses; ``detail`` only for those who may see it."""
        return {
            "code": self.code,
            "title": self.title,
            "message": self.message,
            "detail": self.detail if detail else None,
            "next_steps": self.next_steps,
        }


@dataclass(frozen=True)
class IntegrationResponse:
    """What a call gave. Either ``result`` tells of a success, or ``error`` of what stood in its
    way (with ``result``, where the other system answered)."""

    success: bool
    connected_system: str
    reference: str
    result: Result | None = None
    error: Error | None = None
    needs_authorization: bool = False
    authorize_url: str | None = None
    held: Any = None

    @property
    def http_status(self) -> int:
        """The status of a page or JSON that shows this: where a link is the content, 200."""
        if self.error is None or self.needs_authorization:
            return 200
        return self.error.status

    @property
    def reference_path(self) -> str:
        """Where to read what happened, a local path."""
        return reverse("integrations:reference", args=[self.reference]) if self.reference else ""

    def leading_back_to(self, path: str) -> IntegrationResponse:
        """The same, its authorization link ending at ``path`` and not at the bare page.

        A held submission keeps the link to its own page: there stands what was typed.
        """
        if not self.authorize_url or self.error is None or self.held:
            return self
        url = authorize_path(self.connected_system, path)
        before = _absolute(self.authorize_url)
        steps = [
            {**step, "url": _absolute(url)} if step["url"] == before else step
            for step in self.error.next_steps
        ]
        return replace(self, authorize_url=url, error=replace(self.error, next_steps=steps))

    def to_json(self, *, detail: bool = False) -> dict[str, Any]:
        """As DESIGN §3, Addresses; ``detail`` for designers and admins only."""
        return {
            "success": self.success,
            "result": self.result.to_json() if self.result else None,
            "error": self.error.to_json(detail=detail) if self.error else None,
            "connected_system": self.connected_system,
            "needs_authorization": self.needs_authorization,
            "authorize_url": self.authorize_url,
            "held": _held_json(self.held),
            "reference": self.reference,
        }


def respond(
    target: Target,
    reference: str,
    reply: Reply | None = None,
    failure: Failure | None = None,
    *,
    needs_authorization: bool = False,
    held: Held | None = None,
    more: bool = False,
    secrets: Iterable[str] = (),
) -> IntegrationResponse:
    """The response to a call; ``secrets`` are what was sent and must not be shown if echoed."""
    second = failure is not None and failure.facts.get("refreshable") is False
    url = None
    if needs_authorization or (second and failure and failure.code == "call_refused"):
        back = held.url if held else reverse("integrations:integration", args=[target.slug])
        url = authorize_path(target.system_slug, back)
    return IntegrationResponse(
        success=failure is None,
        connected_system=target.system_slug,
        reference=reference,
        result=result_of(reply, secrets, more=more) if reply is not None else None,
        error=_error(target, failure, url, needs_authorization) if failure else None,
        needs_authorization=needs_authorization,
        authorize_url=url,
        held=held,
    )


def result_of(reply: Reply, secrets: Iterable[str] = (), *, more: bool = False) -> Result:
    """A reply as a result, without our own secrets where the other system echoes them."""
    needles = _needles(secrets)
    headers = reply.headers
    if any(needle in value for _, value in headers.pairs for needle in needles):
        headers = Headers([(name, redact.redact(value)) for name, value in headers.pairs])
    body = reply.body
    if any(needle.encode() in body for needle in needles):
        # Latin-1 maps every byte to one character and back, whatever the body is written in.
        body = redact.redact(body.decode("latin-1")).encode("latin-1")
    result = Result(
        status_code=reply.status,
        headers=headers,
        body=body,
        content_type=reply.headers.get("Content-Type", ""),
        more=more,
    )
    return _without_other_spellings(result, needles) if needles else result


def _without_other_spellings(result: Result, needles: list[str]) -> Result:
    """The same, where reading it brings a secret to light that none of its bytes spell.

    PHP writes ``\\/`` for each slash of a token in JSON; ``\\u0041`` is a letter too, and in UTF-16
    no byte stands beside the next.
    """
    in_ascii = _charset(result.content_type) in _ASCII_BYTES
    if in_ascii and b"\\" not in result.body:
        return result
    # What is read here is kept with the result: a page that shows it reads it no second time.
    data = result.data
    if data is None:
        text = "" if in_ascii else result._decoded(strict=False)
        kind = "text/plain; charset=utf-8"
    else:
        text = json.dumps(data, ensure_ascii=False, cls=ExactEncoder)
        kind = "application/json"
    spelt = {*needles, *(json.dumps(needle, ensure_ascii=False)[1:-1] for needle in needles)}
    if not any(needle in text for needle in spelt):
        return result
    return replace(result, body=redact.redact(text).encode(), content_type=kind)


def shown_of(reply: Reply, secrets: Iterable[str]) -> Reply:
    """The reply as it may be shown. Whatever a designer writes on it is evaluated on this: an
    expression on a secret could turn it into another text, or ask for it letter by letter."""
    result = result_of(reply, secrets)
    return reply if result.body is reply.body else replace(reply, body=result.body)


def error_of(failure: Failure, *, system: str = "") -> Error:
    """A failure told by the catalogue."""
    told = diagnosis.diagnose(failure.code, {"system": system, "stage": "call", **failure.facts})
    message = told.user
    if isinstance(failure, InputInvalid):
        message = " ".join(text for texts in failure.errors.values() for text in texts)
    seen = told.seen
    if page := failure.facts.get("page"):
        seen = f"{seen} It was page {page} of the list."
        if page > 1:
            message = f"{message} It was page {page} of a list; what came before it is not shown."
    return Error(
        code=failure.code,
        title=told.title,
        message=message,
        detail=f"{seen} {told.cause} {told.fix}",
        cause=f"{seen} {told.cause}",
        fix=told.fix,
        quote=str(failure.facts.get("quote") or ""),
        status=told.status,
        retry_after=failure.facts.get("retry_after"),
    )


def _error(target: Target, failure: Failure, url: str | None, needed: bool) -> Error:
    system = getattr(target, "system_name", "") or target.system_slug
    error = error_of(failure, system=system)
    if url is not None:
        label = f"Authorize {system}" if needed else f"Authorize {system} again"
        error.next_steps.append({"label": label, "url": _absolute(url)})
    return error


def _absolute(path: str) -> str:
    return f"{settings.PUBLIC_BASE_URL}{path}"


def _held_json(held: Held | None) -> dict[str, Any] | None:
    if held is None:
        return None
    state = getattr(held, "present_state", held.state)
    return {"id": str(held.id), "url": held.url, "state": str(state)}


def _needles(secrets: Iterable[str]) -> list[str]:
    """What shows that a secret may stand in a text: itself, as JSON, HTML and addresses write it,
    or its base64 without the padding."""
    long = [secret for secret in secrets if len(secret) >= redact.SHORTEST]
    encoded = [base64.b64encode(secret.encode()).decode().rstrip("=") for secret in long]
    written = {form for secret in long for form in _written(secret)}
    # The last character of unpadded base64 depends on what follows.
    return [*written, *(text[:-1] for text in encoded)]


def _written(secret: str) -> tuple[str, ...]:
    if _PLAIN.fullmatch(secret):
        return (secret,)  # the same in all of them: most tokens are, and a call need not ask more
    in_json = json.dumps(secret)[1:-1]
    by_php = in_json.replace("/", "\\/")
    in_addresses = (quote(secret, safe=""), quote_plus(secret))
    return (secret, in_json, by_php, html.escape(secret), *in_addresses)


def _is_deep(tree: Any) -> bool:
    """Whether it is nested more than ``DEEPEST`` levels; looked at level by level."""
    level = [tree]
    for _ in range(DEEPEST):
        level = [
            member
            for each in level
            if isinstance(each, dict | list)
            for member in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return False
    return any(isinstance(each, dict | list) for each in level)


def _may_be_json(content_type: str, body: bytes) -> bool:
    essence = content_type.partition(";")[0].strip().lower()
    if essence.endswith(("/json", "+json")):
        return True
    return essence in _LIKELY_JSON and body.lstrip()[:1] in (b"{", b"[")


def _charset(content_type: str) -> str:
    """The charset that is named, UTF-8 where none is or nobody knows it."""
    for part in content_type.split(";")[1:]:
        name, _, value = part.partition("=")
        if name.strip().lower() == "charset":
            spelt = known_name(value.strip().strip('"'))
            if not spelt:
                return "utf-8"
            try:
                found = codecs.lookup(spelt)
            except LookupError:  # one that this machine does not have
                return "utf-8"
            known = found._is_text_encoding and found.name not in _NO_CHARSETS
            return found.name if known else "utf-8"
    return "utf-8"


def _refuse_constant(_: str) -> Any:
    raise ValueError


def _finite(text: str) -> float:
    """A number; one beyond all floats would be written as ``Infinity``, which is no JSON."""
    found = exact_number(text)
    if math.isinf(found):
        raise ValueError
    return found


def _whole_letters(data: Any) -> Any:
    """The same tree, U+FFFD for each half of a surrogate pair that stands alone."""
    text = json.dumps(data, ensure_ascii=False, cls=ExactEncoder)
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return json.loads(whole, parse_float=exact_number)
