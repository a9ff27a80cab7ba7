"""The only reader of environment variables: names, types, defaults, a sentence on a wrong value.

Values come from the process and, where it is silent, from ``.env`` beside manage.py. An empty
value counts as not set. A wrong or missing value ends the process with one sentence on stderr,
which names the variable and never holds the value. There is no default key.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NoReturn
from urllib.parse import urlsplit

import environ

from connectedsystems import vault

BASE_DIR: Path = Path(__file__).resolve().parent.parent

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_RATE_LIMITS = "authorize=30/m,callback=60/m,call=600/m"
_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_EXAMPLE = "https://connect.example.org"
_DEFAULT_PORTS = {"http": 80, "https": 443}
# What people type while they mean to come back to it.
_PLACEHOLDERS = ("django-insecure-", "changeme", "change-me", "change_me", "insecure")


@dataclass(frozen=True)
class Environment:
    """What the process was told, checked and typed; a field is named as its variable."""

    secret_key: str = field(repr=False)
    vault_keys: str = field(repr=False)
    debug: bool
    demo: bool
    public_base_url: str
    """Scheme, host and port: no path, no slash at the end."""
    allowed_hosts: list[str]
    trusted_proxy: bool
    database: dict[str, Any] = field(repr=False)
    """As an entry of Django's DATABASES."""
    cache: dict[str, Any] = field(repr=False)
    cache_is_shared: bool
    """Whether every process sees the same cache."""
    email: dict[str, Any] = field(repr=False)
    """Settings by name: EMAIL_BACKEND, EMAIL_HOST, ..."""
    outbound_allow: list[str]
    extra_apps: list[str]
    rate_limits: dict[str, tuple[int, int]]
    """Name to (count, seconds); empty where limits are off."""
    time_limits: float
    log_level: str
    web_concurrency: int
    web_threads: int


_given: Mapping[str, str] | None = None


def use(values: Mapping[str, str]) -> None:
    """Read from these values alone, neither from the process nor from ``.env``: for tests."""
    global _given
    _given = dict(values)


def choose_settings() -> None:
    """Have Django read ``config.settings``, unless another module was named."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


def load() -> Environment:
    """Everything the product asks of its environment; SystemExit with a sentence if it is wrong."""
    read = _Reader(_values())
    debug = read.boolean("DEBUG")
    secret_key = _secret_key(read)
    public_base_url = _public_base_url(read, debug)
    demo = _demo(read, public_base_url)
    cache, cache_is_shared = _cache(read)
    return Environment(
        secret_key=secret_key,
        vault_keys=_vault_keys(read, secret_key),
        debug=debug,
        demo=demo,
        public_base_url=public_base_url,
        allowed_hosts=_allowed_hosts(read, public_base_url),
        trusted_proxy=read.boolean("TRUSTED_PROXY"),
        database=_database(read),
        cache=cache,
        cache_is_shared=cache_is_shared,
        email=_email(read),
        outbound_allow=_outbound_allow(read),
        extra_apps=_extra_apps(read, demo),
        rate_limits=_rate_limits(read),
        time_limits=_time_limits(read),
        log_level=_log_level(read),
        web_concurrency=read.count("WEB_CONCURRENCY", 2),
        web_threads=read.count("WEB_THREADS", 16),
    )


def bundle_values() -> dict[str, str]:
    """What a bundle file may fill in: BUNDLE_* and the names in BUNDLE_ENV_ALLOW."""
    values = _values()
    allowed = set(_Reader(values).names("BUNDLE_ENV_ALLOW"))
    return {
        name: value
        for name, value in values.items()
        if name in allowed or (name.startswith("BUNDLE_") and name != "BUNDLE_ENV_ALLOW")
    }


def is_loopback(url: str) -> bool:
    """Whether only this machine can open the address."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def stop(sentence: str) -> NoReturn:
    """End the process: the sentence goes to stderr, the exit status is 1."""
    raise SystemExit(sentence)


# Sources


class _Dotenv(environ.Env):
    """django-environ, kept from writing into the process's own environment."""

    ENVIRON: ClassVar[dict[str, str]] = {}


def _values() -> Mapping[str, str]:
    if _given is not None:
        return _given
    return {**_dotenv(BASE_DIR / ".env"), **os.environ}


def _dotenv(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        stop(".env cannot be read: it must be a UTF-8 text file that this user may open.")
    for number, line in enumerate(lines, start=1):
        if line.strip() and not re.match(r"#|(export )?\w+=", line):
            stop(f".env, line {number}: write NAME=value, or begin the line with # for a comment.")
    _Dotenv.ENVIRON.clear()
    _Dotenv.read_env(path, overwrite=True)
    return dict(_Dotenv.ENVIRON)


class _Reader:
    """Typed reading of one mapping of values."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def text(self, name: str) -> str:
        return self._values.get(name, "").strip()

    def secret(self, name: str) -> str:
        """The variable, or what stands in the file that NAME_FILE names."""
        given, path = self.text(name), self.text(f"{name}_FILE")
        if given and path:
            stop(f"{name} and {name}_FILE are both set: keep one of them.")
        if not path:
            return given
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError, ValueError):
            stop(f"{name}_FILE names a file that cannot be read as text: check path and rights.")

    def boolean(self, name: str) -> bool:
        word = self.text(name).lower()
        if word not in _TRUE | _FALSE | {""}:
            stop(f"{name} must be 1 or 0 (true, false, yes, no, on, off are understood too).")
        return word in _TRUE

    def names(self, name: str) -> list[str]:
        return [part.strip() for part in self.text(name).split(",") if part.strip()]

    def count(self, name: str, default: int) -> int:
        text = self.text(name)
        if not text:
            return default
        if not re.fullmatch(r"[0-9]{1,4}", text) or int(text) < 1:
            stop(f"{name} must be a whole number from 1 to 9999.")
        return int(text)


# Keys


def _secret_key(read: _Reader) -> str:
    key = read.secret("SECRET_KEY")
    if not key:
        stop("SECRET_KEY is not set: give it at least 32 random characters (make demo writes one).")
    if len(key) < 32 or len(set(key)) < 8:
        stop("SECRET_KEY is too weak: it needs at least 32 random characters.")
    if any(word in key.lower() for word in _PLACEHOLDERS):
        stop("SECRET_KEY looks like a placeholder: replace it by at least 32 random characters.")
    return key


def _vault_keys(read: _Reader, secret_key: str) -> str:
    keys = read.secret("VAULT_KEYS")
    form = "a comma list of id:base64 of 32 random bytes, the first of which seals"
    if not keys:
        stop(f"VAULT_KEYS is not set: give it {form} (make demo writes one).")
    if any(part.partition(":")[2].strip() == secret_key for part in keys.split(",")):
        stop("VAULT_KEYS holds the SECRET_KEY: the two must be different random values.")
    try:
        vault.parse_keys(keys)
    except ValueError as refusal:
        stop(f"VAULT_KEYS cannot be used: {refusal}")
    return keys


# Addresses


def _public_base_url(read: _Reader, debug: bool) -> str:
    url = read.text("PUBLIC_BASE_URL")
    if not url and debug:
        return "http://127.0.0.1:8000"
    if not url:
        stop(f"PUBLIC_BASE_URL is not set: give it the address people type, such as {_EXAMPLE}.")
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), parts.hostname, parts.port
    except ValueError:
        scheme, host, port = "", None, None
    if scheme not in _DEFAULT_PORTS or not host or re.search(r"[\s\\<>\"]", url):
        stop(f"PUBLIC_BASE_URL must be an address such as {_EXAMPLE}.")
    if "@" in parts.netloc:
        stop("PUBLIC_BASE_URL must not hold a user name or a password.")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        stop("PUBLIC_BASE_URL must end after the host or port: no path, no query.")
    host = f"[{host}]" if ":" in host else host
    shown_port = "" if port in (None, _DEFAULT_PORTS[scheme]) else f":{port}"
    return f"{scheme}://{host}{shown_port}"


def _allowed_hosts(read: _Reader, public_base_url: str) -> list[str]:
    public = urlsplit(public_base_url).hostname or ""
    public = f"[{public}]" if ":" in public else public
    hosts = read.names("ALLOWED_HOSTS")
    for host in hosts:
        if not re.fullmatch(r"\*|\.?[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]", host):
            stop("ALLOWED_HOSTS is a comma list of host names, without scheme, port or path.")
    return list(dict.fromkeys([public, *hosts]))


def _outbound_allow(read: _Reader) -> list[str]:
    entries = read.names("OUTBOUND_ALLOW")
    for entry in entries:
        if not _is_host_or_network(entry):
            stop(
                "OUTBOUND_ALLOW is a comma list of hosts, host:port or address ranges such as "
                "10.0.0.0/8, without scheme, path or wildcard."
            )
    return entries


def _is_host_or_network(entry: str) -> bool:
    try:
        ipaddress.ip_network(entry, strict=False)
    except ValueError:
        pass
    else:
        return True
    matched = re.fullmatch(r"(?:\[(?P<v6>[^\]]+)\]|[\w.-]+)(?::(?P<port>[0-9]{1,5}))?", entry)
    if not matched or int(matched["port"] or 1) not in range(1, 65536):
        return False
    try:
        return matched["v6"] is None or ipaddress.ip_address(matched["v6"]).version == 6
    except ValueError:
        return False


# Services


def _database(read: _Reader) -> dict[str, Any]:
    url = read.secret("DATABASE_URL") or f"sqlite:///{BASE_DIR / 'db.sqlite3'}"
    scheme = url.partition(":")[0].lower()
    if scheme not in ("sqlite", "postgres", "postgresql"):
        stop("DATABASE_URL must begin with sqlite:/// or postgres://.")
    try:
        found = environ.Env.db_url_config(url)
    except Exception:
        stop("DATABASE_URL cannot be read: sqlite:///path or postgres://user:password@host/name.")
    if found.pop("ATOMIC_REQUESTS", False):
        stop("DATABASE_URL must not set ATOMIC_REQUESTS: a roll-back would lose a renewed token.")
    if not found.get("NAME"):
        stop("DATABASE_URL names no database: add /name at its end.")
    if scheme == "sqlite" and found["NAME"] != ":memory:":
        found["NAME"] = str(BASE_DIR / found["NAME"])
    return found


def _cache(read: _Reader) -> tuple[dict[str, Any], bool]:
    url = read.secret("CACHE_URL") or "locmemcache://"
    try:
        found = environ.Env.cache_url_config(url)
    except Exception:
        stop("CACHE_URL cannot be read: write redis://host:6379/0, or leave it out.")
    # It leaves some of what stands behind the "?" in small letters, which Django does not read.
    found = {name.upper(): value for name, value in found.items()}
    if found["BACKEND"].endswith("RedisCache"):
        # One that does not answer must not hold up what it only counts.
        found.setdefault("OPTIONS", {}).update(socket_connect_timeout=1, socket_timeout=1)
    shared = not found["BACKEND"].endswith(("LocMemCache", "DummyCache"))
    return found, shared


def _email(read: _Reader) -> dict[str, Any]:
    url = read.secret("EMAIL_URL") or "dummymail://"
    try:
        found = environ.Env.email_url_config(url)
    except Exception:
        stop("EMAIL_URL cannot be read: write smtp+tls://user:password@host:587, or leave it out.")
    return {name: value for name, value in found.items() if value is not None}


# The rest


def _demo(read: _Reader, public_base_url: str) -> bool:
    demo = read.boolean("DEMO")
    if demo and not is_loopback(public_base_url):
        stop("DEMO=1 is for this machine alone: unset it, or give a loopback PUBLIC_BASE_URL.")
    return demo


def _extra_apps(read: _Reader, demo: bool) -> list[str]:
    apps = read.names("EXTRA_APPS")
    for app in apps:
        if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", app):
            stop("EXTRA_APPS is a comma list of importable Django apps, such as acme_pages.")
    return list(dict.fromkeys([*apps, "demo.pages"] if demo else apps))


def _rate_limits(read: _Reader) -> dict[str, tuple[int, int]]:
    text = read.text("RATE_LIMITS")
    if text.lower() == "off":
        return {}
    limits: dict[str, tuple[int, int]] = {}
    for part in [*_RATE_LIMITS.split(","), *read.names("RATE_LIMITS")]:
        matched = re.fullmatch(r"(authorize|callback|call)=([1-9][0-9]{0,6})/([smhd])", part)
        if not matched:
            stop(f"RATE_LIMITS must be off, or read like {_RATE_LIMITS} (per s, m, h or d).")
        limits[matched[1]] = (int(matched[2]), _SECONDS[matched[3]])
    return limits


def _time_limits(read: _Reader) -> float:
    text = read.text("TIME_LIMITS") or "1"
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,4})?", text) or float(text) <= 0:
        stop("TIME_LIMITS must be a number above 0, such as 1 or 0.1: a factor on all deadlines.")
    return float(text)


def _log_level(read: _Reader) -> str:
    level = read.text("LOG_LEVEL").upper() or "INFO"
    if level not in _LOG_LEVELS:
        stop(f"LOG_LEVEL must be one of {', '.join(_LOG_LEVELS)}.")
    return level
