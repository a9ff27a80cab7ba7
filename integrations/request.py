"""Fills a definition with inputs into a request; pure.

What a definition and its system say is prepared once per version: texts without placeholders
become constants, so filling a call costs microseconds. Each value is escaped for its place: a
path segment stays one segment, a parameter one parameter, a header one header, and nothing that a
value holds can change scheme, host, port or the path of the base URL.
"""

from __future__ import annotations

import base64
import html
import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, quote_plus

from connectedsystems import outbound, placeholders, redact
from connectedsystems.configuration import Configuration, secret_texts
from connectedsystems.errors import CallFailure, InputInvalid, OutboundFailure
from connectedsystems.kept import Kept
from connectedsystems.placeholders import OMIT, as_text
from connectedsystems.written import has_dot_segment, header_value_problem
from integrations import multipart
from integrations.definition import Definition

Values = Mapping[str, Any]
Pairs = list[tuple[str, str]]

_KEPT_IN_PATHS = "/%:@!$&'()*+,;=-._~"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MARKUP = re.compile(r"(?i)[^;]*[/+](?:xml|html)\b")


@dataclass(frozen=True, slots=True)
class Parts:
    """What is sent: everything of a request but time, size and connection."""

    method: str
    url: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)

    def outbound(
        self, *, deadline: float, max_bytes: int, repeatable: bool = False, pool: str = ""
    ) -> outbound.Request:
        """The request itself; a GET or HEAD follows redirects within its origin."""
        return outbound.Request(
            self.method,
            self.url,
            self.headers,
            self.body,
            deadline=deadline,
            max_bytes=max_bytes,
            follow_same_origin=self.method in ("GET", "HEAD"),
            repeatable=repeatable,
            pool=pool,
        )


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who asks: the token of an authorization, or the system's own secrets, and captured values."""

    token: str = field(default="", repr=False)
    secrets: Values = field(default_factory=dict, repr=False)
    captures: Values = field(default_factory=dict, repr=False)


NOBODY = Speaker()


class Prepared:
    """One integration of one system, ready to be filled."""

    def __init__(self, definition: Definition, configuration: Configuration) -> None:
        self._inputs = frozenset(each.name for each in definition.inputs)
        self._method = definition.method
        self._variables = dict(configuration.variables)
        self._secret_values = configuration.secret_values
        self._base = configuration.base_url
        self._base_is_constant = not placeholders.names(self._base).difference(self._variables)
        if self._base_is_constant:
            self._base = placeholders.fill_url(self._base, self._variables)
        self._has_one_origin = configuration.has_one_origin
        self._api_origin = configuration.api_origin
        self._one_origin = configuration.api_origin({}) if self._has_one_origin else ""
        self._path = self._compiled_path(definition.path)
        parameters = {**configuration.request_parameters, **definition.parameters}
        parameters.pop(configuration.written_parameter, None)
        self._query = self._compiled_query(parameters)
        self._constant_headers, self._filled_headers = self._compiled_headers(
            definition, configuration
        )
        self._has_body = definition.body is not None
        self._body = _compiled_body(definition)
        self._parts = definition.body if definition.body_kind == "multipart" else None
        self._needs_fresh = _asks_for_fresh(definition, configuration)
        self._place = _placement(configuration)
        self._idempotency_key = definition.idempotency_key

    def origin(self, speaker: Speaker = NOBODY) -> str:
        """Where the call goes, as ``Configuration.api_origin`` says it."""
        return self._one_origin if self._has_one_origin else self._api_origin(speaker.captures)

    def fill(
        self, inputs: Values, speaker: Speaker = NOBODY, *, idempotency_key: str = ""
    ) -> Parts:
        """The request for these inputs, which ``Definition.read`` has read.

        ``idempotency_key`` has to be the same for every repeat of one submission.
        Raises InputInvalid; CallFailure ``capture_missing``; OutboundFailure ``address_refused``.
        """
        if speaker.secrets:
            redact.remember(*secret_texts(speaker.secrets))
        known = {
            **speaker.captures,
            **self._variables,
            **self._secret_values(speaker.secrets),
        }
        # Without the inputs: one may have the name of a capture that was declared after it, and
        # would choose the host.
        base = self._base if self._base_is_constant else self._filled_base(known)
        values = {**known, **inputs}
        if self._needs_fresh:
            values.update(placeholders.fresh_values())
        path = self._path(values)
        pairs = self._query(values)
        headers = self._constant_headers.copy()
        for name, template in self._filled_headers:
            self._add_header(headers, name, template, values)
        body = self._body(values)
        if self._parts is not None:
            headers["Content-Type"], body = multipart.write(self._parts, values)
        elif body is None and self._has_body:
            headers.pop("Content-Type", None)
        if self._idempotency_key:
            headers[self._idempotency_key] = idempotency_key or str(uuid.uuid4())
        self._place(speaker, headers, pairs)
        return Parts(self._method, _joined(base, path, pairs), headers, body)

    def _filled_base(self, values: Values) -> str:
        if lacking := placeholders.missing(self._base, values):
            raise CallFailure("capture_missing", name=min(lacking), field="base_url")
        try:
            filled = placeholders.fill_url(self._base, values)
        except ValueError:
            raise OutboundFailure("address_refused", sent=False, field="base_url") from None
        outbound.check_url(filled)
        # A value that begins the URL stands as it is; it may name a place, and nothing more.
        if "?" in filled or "\\" in filled or has_dot_segment(filled):
            raise OutboundFailure("address_refused", sent=False, field="base_url")
        return filled

    def _compiled_path(self, path: str) -> Callable[[Values], str]:
        names = placeholders.names(path)
        if not names:
            constant = _tidy(placeholders.fill_text(path, {}))
            return lambda _values: constant

        def fill(values: Values) -> str:
            for name in names:
                self._check_path_value(name, as_text(values.get(name)))
            filled = placeholders.fill_text(path, values, escape=_one_segment)
            if has_dot_segment(filled):
                self._refuse(names, "together may not make a path segment of dots.")
            return _tidy(filled)

        return fill

    def _check_path_value(self, name: str, text: str) -> None:
        if text == "":
            if name not in self._inputs:
                raise CallFailure("capture_missing", name=name, field="path")
            raise _invalid(name, "needs a value: it is a part of the address.")
        if text in (".", ".."):
            self._refuse({name}, "may not be '.' or '..': it is a part of the address.")
        if _CONTROL.search(text):
            self._refuse({name}, "may not hold a line break or another control character.")

    def _refuse(self, names: frozenset[str] | set[str], sentence: str) -> None:
        """Says of the inputs among ``names`` what is wrong; of a capture, that it does not fit."""
        wrong = sorted(names & self._inputs)
        if not wrong:
            raise CallFailure("capture_missing", name=min(names))
        raise InputInvalid({name: [f"“{name}” {sentence}"] for name in wrong})

    def _compiled_query(self, parameters: Mapping[str, Any]) -> Callable[[Values], Pairs]:
        written = [(name, value) for name, value in parameters.items() if value is not None]
        if not placeholders.names(dict(written)):
            constant = [pair for name, value in written for pair in _pairs(name, _plain(value))]
            return lambda _values: constant.copy()

        def fill(values: Values) -> Pairs:
            return [
                pair
                for name, template in written
                for pair in _pairs(name, placeholders.fill(template, values))
            ]

        return fill

    def _compiled_headers(
        self, definition: Definition, configuration: Configuration
    ) -> tuple[dict[str, str], list[tuple[str, str]]]:
        written: dict[str, tuple[str, str | None]] = {"accept": ("Accept", "application/json")}
        if definition.body is not None:
            written["content-type"] = ("Content-Type", _content_type(definition))
        for source in (configuration.request_headers, definition.headers):
            for name, value in source.items():
                lower = name.lower()
                shown = written[lower][0] if lower in written else name
                written[lower] = (shown, value)
        constant: dict[str, str] = {}
        filled: list[tuple[str, str]] = []
        for lower, (name, template) in written.items():
            if template is None or lower in configuration.written_headers:
                continue
            if placeholders.names(template):
                filled.append((name, template))
            else:
                constant[name] = placeholders.fill_text(template, {})
        return constant, filled

    def _add_header(
        self, headers: dict[str, str], name: str, template: str, values: Values
    ) -> None:
        value = placeholders.fill(template, values)
        if value is OMIT:
            return
        text = as_text(value)
        if header_value_problem(text):
            self._refuse(
                placeholders.names(template),
                "goes into a header: plain letters only, no line break.",
            )
        headers[name] = text


def _asks_for_fresh(definition: Definition, configuration: Configuration) -> bool:
    everything = [
        configuration.base_url,
        dict(configuration.request_headers),
        dict(configuration.request_parameters),
        definition.path,
        dict(definition.parameters),
        dict(definition.headers),
        definition.body,
    ]
    return not placeholders.BUILT_INS.isdisjoint(placeholders.names(everything))


_prepared: Kept[Prepared] = Kept(most=10_000)


def prepared(
    key: tuple[object, ...], definition: Definition, configuration: Configuration
) -> Prepared:
    """The prepared request of an integration, made once per process.

    ``key`` names both versions: the integration's id and version, the system's id and version.
    """
    return _prepared.get(key, lambda: Prepared(definition, configuration))


def _joined(base: str, path: str, pairs: Pairs) -> str:
    url = f"{base.rstrip('/')}/{path.lstrip('/')}" if path else base
    _check_place(base, url)
    if not pairs:
        return url
    return f"{url}?{'&'.join(f'{_escaped(name)}={_escaped(value)}' for name, value in pairs)}"


def _check_place(base: str, url: str) -> None:
    """That a URL kept the base URL's origin and stays under its path, however it was built."""
    below = base.rstrip("/")
    if url != base and not url.startswith(f"{below}/"):
        raise OutboundFailure("address_refused", sent=False, reason="it left the base URL")
    rest = url[len(below) :]
    if has_dot_segment(rest) or "?" in rest or "#" in rest or "\\" in rest or "//" in rest:
        raise OutboundFailure("address_refused", sent=False, reason="it left the base URL")


def _one_segment(text: str) -> str:
    return quote(text, safe="")


def _escaped(text: str) -> str:
    return quote(text, safe="")


def _tidy(path: str) -> str:
    """A path in which everything that is no part of one is percent-encoded."""
    return quote(path, safe=_KEPT_IN_PATHS)


def _plain(value: Any) -> Any:
    """A value without placeholders, its doubled braces made single."""
    return placeholders.fill(value, {})


def _pairs(name: str, value: Any) -> Pairs:
    """A parameter as it is sent: nothing for no value, once for each item of a list."""
    if value is None or value is OMIT:
        return []
    if isinstance(value, list):
        return [(name, as_text(item)) for item in value if item is not None]
    return [(name, as_text(value))]


def _content_type(definition: Definition) -> str:
    kind = definition.content_type
    if definition.body_kind == "text" and "charset" not in kind.lower():
        return f"{kind}; charset=utf-8"
    return kind


def _compiled_body(definition: Definition) -> Callable[[Values], bytes | None]:
    body = definition.body
    if body is None or definition.body_kind == "multipart":
        return lambda _values: None
    writer = {"json": _json, "form": _form, "text": _text_of(definition.content_type)}
    write = writer[definition.body_kind]
    if not placeholders.names(body):
        constant = write(body, {})
        return lambda _values: constant
    return lambda values: write(body, values)


def _json(tree: Any, values: Values) -> bytes | None:
    filled = placeholders.fill(tree, values)
    if filled is OMIT:
        return None
    text = json.dumps(filled, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode()


def _form(fields: Any, values: Values) -> bytes | None:
    filled = placeholders.fill(fields, values)
    pairs = [pair for name, value in filled.items() for pair in _pairs(name, value)]
    return "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in pairs).encode()


def _text_of(content_type: str) -> Callable[[Any, Values], bytes | None]:
    """Text with its values as they are; in XML and HTML they are escaped and stay text."""
    escape = html.escape if _MARKUP.match(content_type) else str

    def write(template: Any, values: Values) -> bytes | None:
        return placeholders.fill_text(template, values, escape=escape).encode()

    return write


def _placement(configuration: Configuration) -> Callable[[Speaker, dict[str, str], Pairs], None]:
    """How the authentication of this system writes who asks."""
    if configuration.uses_oauth:
        scheme = configuration.token_placement.get("scheme", "Bearer")
        credential = _token_after(f"{scheme} " if scheme else "")
    elif configuration.authentication == "api_key":
        credential = _api_key
    elif configuration.authentication == "basic":
        credential = _basic_as(configuration.basic.get("username", ""))
    else:
        return lambda _speaker, _headers, _pairs: None
    parameter = configuration.written_parameter
    if parameter:
        bare = _token_after("") if configuration.uses_oauth else credential
        return lambda speaker, _headers, pairs: _append(pairs, parameter, bare(speaker))
    name = _header_name(configuration)
    return lambda speaker, headers, _pairs: _write(headers, name, credential(speaker))


def _append(pairs: Pairs, name: str, value: str) -> None:
    if value:
        pairs.append((name, value))


def _write(headers: dict[str, str], name: str, value: str) -> None:
    if value:
        headers[name] = value


def _header_name(configuration: Configuration) -> str:
    if configuration.uses_oauth:
        return configuration.token_placement.get("header") or "Authorization"
    if configuration.authentication == "api_key":
        return configuration.api_key["name"]
    return "Authorization"


def _token_after(words: str) -> Callable[[Speaker], str]:
    return lambda speaker: f"{words}{speaker.token}" if speaker.token else ""


def _api_key(speaker: Speaker) -> str:
    return str(speaker.secrets.get("api_key") or "")


def _basic_as(username: str) -> Callable[[Speaker], str]:
    def credential(speaker: Speaker) -> str:
        password = str(speaker.secrets.get("password") or "")
        pair = f"{username}:{password}"
        redact.remember(pair)
        return f"Basic {base64.b64encode(pair.encode()).decode()}"

    return credential


def _invalid(name: str, sentence: str) -> InputInvalid:
    return InputInvalid({name: [f"“{name}” {sentence}"]})
