"""What was sent and received, as people may read it: secrets replaced, bodies cut, sealed to keep.

A call's own requests are redacted by value. What the protocol says (token requests, callbacks)
holds secrets that nobody has seen yet, so of that only members known to be harmless are shown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from connectedsystems import redact, vault
from connectedsystems.network.wire import Exchange, kept
from connectedsystems.oauth import body as answers
from connectedsystems.outbound import Headers, Reply
from connectedsystems.redact import REDACTED
from connectedsystems.vault import Sealed

__all__ = ["Exchange", "Step", "kept", "leaving", "opened", "returning", "sealed", "steps_of"]

MOST_BODY: Final = 2_000
MOST_STEPS: Final = 20
_MOST_URL, _MOST_VALUE, _MOST_HEADERS = 1_000, 300, 40
# Of a body, much more is read than is shown, so that no secret is cut before it is replaced.
_MOST_READ = 65_536
_NO_REPLY = Reply(0, "", Headers([]), b"", "")

_CREDENTIALS = frozenset(
    {"authorization", "proxy-authorization", "cookie", "set-cookie", "set-cookie2", "x-api-key"}
)
_HARMLESS = frozenset(
    [
        *("access_type", "audience", "client_id", "code_challenge_method", "error"),
        *("error_description", "error_uri", "expires_in", "grant_type", "iss", "message"),
        *("prompt", "redirect_uri", "resource", "response_mode", "response_type", "scope"),
        *("status", "token_type", "token_type_hint"),
    ]
)
_FREE_WORDS = frozenset({"error", "error_description", "message", "status"})
_HARMLESS_HEADERS = frozenset(
    [
        *("accept", "accept-encoding", "allow", "content-length", "content-type", "date", "host"),
        *("retry-after", "server", "user-agent", "www-authenticate"),
    ]
)
# In a text that is no answer of the protocol: what may be a token is longer than words are.
_LONG_WORD = re.compile(r"[\w.~+/=%-]{12,}")
_A_WORD = re.compile(r"(?:[A-Za-z]{1,15}_)*[A-Za-z]{1,20}|</?[A-Za-z]+")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened. ``kind``: ``call``, ``token``, and of the browser ``leaving`` and
    ``returning``. ``code`` says why there is no answer; ``at`` is ISO 8601, in UTC."""

    kind: str
    at: str
    method: str = ""
    url: str = field(default="", repr=False)
    headers: list[list[str]] = field(default_factory=list, repr=False)
    body: str = field(default="", repr=False)
    status: int = 0
    reason: str = ""
    answer_headers: list[list[str]] = field(default_factory=list, repr=False)
    answer_body: str = field(default="", repr=False)
    size: int = 0
    seconds: float = 0.0
    code: str = ""

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def succeeded(self) -> bool:
        return self.kind == "leaving" or 200 <= self.status < 300


def steps_of(
    exchanges: Iterable[Exchange], *, bodies: bool, in_attempt: bool = False
) -> list[Step]:
    """These exchanges, to be told where their secrets are remembered.

    ``bodies``: whether bodies are told of a call; ``in_attempt``: all of it is the protocol's.
    """
    found = list(exchanges)
    if len(found) > MOST_STEPS:
        found = [*found[: MOST_STEPS // 2], *found[-MOST_STEPS // 2 :]]
    return [
        _call(each, bodies) if each.is_call and not in_attempt else _token(each) for each in found
    ]


def leaving(url: str) -> Step:
    """The browser was sent to the authorization endpoint."""
    return Step("leaving", _now(), "GET", _harmless_url(url))


def returning(query_string: str, code: str = "") -> Step:
    """The browser came back with these parameters; ``code``: what was found wrong."""
    pairs = parse_qsl(query_string[:10_000], keep_blank_values=True)[:_MOST_HEADERS]
    return Step("returning", _now(), body=_harmless_pairs(pairs), code=code)


def sealed(steps: Iterable[Step], place: str) -> Sealed:
    """Steps to be kept at this place."""
    text = json.dumps([asdict(step) for step in steps])
    with redact.scope():  # it is no secret of the kind that logs are searched for
        return vault.seal(text, place)


def opened(kept_at: Sealed | None, place: str) -> list[Step] | None:
    """The steps kept there; None where nothing was kept. Raises VaultFailure."""
    if kept_at is None:
        return None
    with redact.scope():
        return [_step(each) for each in json.loads(kept_at.open(place))]


def _step(stored: Mapping[str, Any]) -> Step:
    """A step as another release may have kept it."""
    known = {each.name for each in fields(Step)}
    return Step(**{name: value for name, value in stored.items() if name in known})


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _call(each: Exchange, bodies: bool) -> Step:
    sent, reply = each.request, each.reply or _NO_REPLY
    return Step(
        "call",
        each.at.isoformat(),
        sent.method,
        _cut(redact.redact(sent.url), _MOST_URL),
        _headers(each.headers),
        _cut(redact.redact(_text(sent.body)), MOST_BODY) if bodies else "",
        reply.status,
        redact.redact(reply.reason)[:_MOST_VALUE],
        _headers(reply.headers.pairs),
        _cut(redact.redact(_text(reply.body)), MOST_BODY) if bodies else "",
        len(reply.body),
        each.seconds,
        each.code,
    )


def _token(each: Exchange) -> Step:
    sent, reply = each.request, each.reply or _NO_REPLY
    return Step(
        "token",
        each.at.isoformat(),
        sent.method,
        _harmless_url(sent.url),
        _headers(each.headers, _HARMLESS_HEADERS),
        _harmless_body(sent.body),
        reply.status,
        _guarded(reply.reason)[:_MOST_VALUE],
        _headers(reply.headers.pairs, _HARMLESS_HEADERS),
        _harmless_body(reply.body),
        len(reply.body),
        each.seconds,
        each.code,
    )


def _headers(
    pairs: Iterable[tuple[str, str]], only: frozenset[str] | None = None
) -> list[list[str]]:
    told = []
    for name, value in list(pairs)[:_MOST_HEADERS]:
        lower = name.lower()
        if lower in _CREDENTIALS or (only is not None and lower not in only):
            told.append([name[:100], REDACTED])
        else:
            shown = _guarded if only is not None and lower == "www-authenticate" else redact.redact
            told.append([name[:100], shown(value)[:_MOST_VALUE]])
    return told


def _text(content: bytes | None) -> str:
    """As text; what is none is counted."""
    text = (content or b"")[:_MOST_READ].decode("utf-8", "replace")
    if "\x00" in text or text.count("\ufffd") * 10 > len(text):
        return f"({len(content or b'')} bytes that are no text)"
    return text


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]} …"


def _harmless_url(url: str) -> str:
    parts = urlsplit(url)
    query = _harmless_pairs(parse_qsl(parts.query, keep_blank_values=True))
    path = redact.redact(parts.path)
    host = parts.netloc.rpartition("@")[2]
    return _cut(f"{parts.scheme}://{host}{path}{'?' if query else ''}{query}", _MOST_URL)


def _harmless_body(content: bytes | None) -> str:
    if not content:
        return ""
    tree = answers.parse(content[:_MOST_READ], answers.FORM_TYPE)
    if tree is None:
        return _cut(_guarded(_text(content)), MOST_BODY // 4)
    return _cut(json.dumps(_harmless(tree), ensure_ascii=False), MOST_BODY)


def _harmless_pairs(pairs: Iterable[tuple[str, Any]]) -> str:
    told = [
        (name[:50], _shown(name, value) if name in _HARMLESS else REDACTED) for name, value in pairs
    ]
    return urlencode(told, safe="[]:/ ", quote_via=lambda text, *rest: text)


def _harmless(value: Any, name: str = "") -> Any:
    if isinstance(value, Mapping):
        members = list(value.items())[:_MOST_HEADERS]
        return {key[:50]: _harmless(member, key) for key, member in members}
    if isinstance(value, list):
        return [_harmless(member, name) for member in value[:_MOST_HEADERS]]
    if name in _HARMLESS:
        return _shown(name, value) if isinstance(value, str) else value
    return value if value is None or isinstance(value, bool) else REDACTED


def _shown(name: str, value: str) -> str:
    """A harmless member's value; in words of somebody's own, something else may stand."""
    text = _guarded(value) if name in _FREE_WORDS else _whole(redact.redact(value))
    return text[:_MOST_VALUE]


def _guarded(text: str) -> str:
    """Without secrets, known or only likely."""
    return _LONG_WORD.sub(_word, _whole(redact.redact(text)))


def _whole(text: str) -> str:
    """Without halves of surrogate pairs, which JSON can hold and no page."""
    return text.encode("utf-8", "replace").decode()


def _word(found: re.Match[str]) -> str:
    return found[0] if _A_WORD.fullmatch(found[0]) else REDACTED
