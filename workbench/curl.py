"""Reads a pasted cURL command as an integration's definition; credentials in it are left behind."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from connectedsystems import json
from connectedsystems.bounds import TYPED

LONGEST = 64_000
JSON, FORM = "application/json", "application/x-www-form-urlencoded"

_TAKES_A_VALUE = frozenset(
    [
        "-A",
        "--user-agent",
        "-b",
        "--cookie",
        "-c",
        "--cookie-jar",
        "-e",
        "--referer",
        "-m",
        "--max-time",
        "-o",
        "--output",
        "-x",
        "--proxy",
        "--connect-timeout",
        "--retry",
        "--cacert",
        "--cert",
        "--key",
        "-w",
        "--write-out",
        "--resolve",
        "--interface",
    ]
)
_LETTERS_WITH_VALUE = "XHduFAbcemoxw"
_LEFT_BEHIND = re.compile(
    r"(?i)authorization|proxy-authorization|cookie|(x-)?api[-_]?key|.*token.*|.*secret.*"
)
_OURS = frozenset(
    ["host", "content-length", "connection", "accept-encoding", "user-agent", "content-type"]
)


def is_credential(name: str) -> bool:
    """Whether a parameter of this name is the connected system's to write, and no input's."""
    return _LEFT_BEHIND.fullmatch(name) is not None


class NotACommand(ValueError):
    """What is wrong with a pasted command, in a sentence for who pasted it."""


@dataclass
class Command:
    """What a command says. ``left_behind``: credentials that were not taken over, by name."""

    method: str = ""
    url: str = ""
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    data: list[str] = field(default_factory=list, repr=False)
    in_query: bool = False
    left_behind: list[str] = field(default_factory=list)
    content_type: str = ""

    @property
    def origin(self) -> str:
        address = urlsplit(self.url)
        return f"{address.scheme}://{address.netloc}"


def read(text: str) -> Command:
    """The command in this text. Raises NotACommand."""
    if len(text) > LONGEST:
        raise NotACommand("The command is longer than 64,000 characters.")
    try:
        words = shlex.split(text.replace("\\\r\n", " ").replace("\\\n", " ").strip())
    except ValueError:
        raise NotACommand("A quotation mark in the command is not closed.") from None
    if not words or words[0] not in ("curl", "curl.exe"):
        raise NotACommand("Paste a whole command: it begins with curl.")
    command = Command()
    for option, value in _options(words[1:]):
        _take(command, option, value)
    _check(command)
    return command


def _options(words: list[str]) -> Iterator[tuple[str, str]]:
    """Options with their values; a plain word comes as ``--url``."""
    rest = iter(words)
    for word in rest:
        if word.startswith("--"):
            name, joined, value = word.partition("=")
            takes = name in _TAKES_A_VALUE or name in _KNOWN
            yield name, value if joined or not takes else next(rest, "")
        elif word.startswith("-") and len(word) > 1:
            letter = word[:2]
            takes = letter[1] in _LETTERS_WITH_VALUE
            yield letter, (word[2:] or next(rest, "")) if takes else ""
        else:
            yield "--url", word


_KNOWN = {
    "--request": "-X",
    "--header": "-H",
    "--data": "-d",
    "--data-raw": "-d",
    "--data-ascii": "-d",
    "--data-binary": "-d",
    "--data-urlencode": "-d",
    "--json": "--json",
    "--user": "-u",
    "--form": "-F",
    "--url": "--url",
}


def _take(command: Command, option: str, value: str) -> None:
    match _KNOWN.get(option, option):
        case "-X":
            command.method = value.upper()
        case "-H":
            _take_header(command, value)
        case "-d" | "--json" as kind:
            if value.startswith("@"):
                raise NotACommand("It sends a file (@…): write its content into the command.")
            command.data.append(value)
            command.content_type = command.content_type or (JSON if kind == "--json" else FORM)
        case "-u":
            command.left_behind.append("user name and password")
        case "-F":
            raise NotACommand("It sends a multipart form (-F), which cannot be taken over.")
        case "-b" | "--cookie":
            command.left_behind.append("Cookie")
        case "-G" | "--get":
            command.in_query = True
        case "-I" | "--head":
            command.method = "HEAD"
        case "--url" if not command.url:
            command.url = value if "://" in value else f"https://{value}"


def _take_header(command: Command, text: str) -> None:
    name, _, value = text.partition(":")
    name, value = name.strip(), value.strip()
    if name.lower() == "content-type":
        command.content_type = value.partition(";")[0].strip().lower()
    elif is_credential(name):
        command.left_behind.append(name)
    elif name and value and name.lower() not in _OURS:
        command.headers[name] = value


def _check(command: Command) -> None:
    if not command.url:
        raise NotACommand("There is no address in the command.")
    try:
        address = urlsplit(command.url)
        named = address.scheme in ("http", "https") and address.hostname
    except ValueError:
        named = None
    if not named:
        raise NotACommand(f"{command.url[:200]} is not an http or https address.")
    if address.username:
        raise NotACommand("The address holds a user name: leave it out, and paste again.")
    command.method = command.method or ("POST" if command.data and not command.in_query else "GET")


def definition(command: Command, base_url: str) -> dict[str, Any]:
    """The definition under the bundle's keys, for a system at ``base_url``, which the command's
    address begins with."""
    address = urlsplit(command.url)
    below = urlsplit(base_url).path.rstrip("/")
    pairs = parse_qsl(address.query, keep_blank_values=True)
    text = "&".join(command.data)
    if command.in_query:
        pairs += parse_qsl(text, keep_blank_values=True)
        text = ""
    kept = [(name, value) for name, value in pairs if not is_credential(name)]
    command.left_behind += [name for name, _ in pairs if is_credential(name)]
    written: dict[str, Any] = {
        "usage": "query" if command.method in ("GET", "HEAD") else "modify",
        "method": command.method,
        "path": _literal(unquote(address.path).removeprefix(below)) or "/",
        "parameters": _grouped(kept),
        "headers": {name: _literal(value) for name, value in command.headers.items()},
    }
    if text:
        written["content_type"] = command.content_type
        written["body"] = _body(text, command.content_type)
    return written


def _grouped(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Parameters; what stands there several times as a list."""
    grouped: dict[str, Any] = {}
    for name, value in pairs:
        before = grouped.get(name)
        if before is None:
            grouped[name] = _literal(value)
        else:
            grouped[name] = [*(before if isinstance(before, list) else [before]), _literal(value)]
    return grouped


def _body(text: str, content_type: str) -> Any:
    if content_type == FORM:
        return _grouped(parse_qsl(text, keep_blank_values=True))
    if content_type == JSON or content_type.endswith("+json"):
        try:
            return _literal(json.read(text, TYPED))
        except json.NotJson:
            raise NotACommand("Its body is no JSON, though its Content-Type says so.") from None
    return _literal(text)


def _literal(value: Any) -> Any:
    """A value whose braces are braces, and no placeholders."""
    if isinstance(value, str):
        return value.replace("{", "{{").replace("}", "}}")
    if isinstance(value, list):
        return [_literal(item) for item in value]
    if isinstance(value, dict):
        return {name: _literal(item) for name, item in value.items()}
    return value
