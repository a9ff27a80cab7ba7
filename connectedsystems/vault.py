"""Seals and opens secrets with a ring of keys, each sealed text bound to its place.

A sealed text reads ``1:<key id>.<tag>:<base64url of nonce and ciphertext>``. The tag is a check
value of the key itself, so another key under the same id is recognised without decrypting.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from connectedsystems.errors import VaultFailure
from connectedsystems.redact import remember

KEY_BYTES = 32
_NONCE_BYTES = 12
VERSION = "1"
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
_STORED = re.compile(r"1:[A-Za-z0-9_-]{1,32}\.[0-9a-f]{8}:[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the ring, ready for use."""

    prefix: str
    cipher: AESGCM = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ring:
    """All keys: the first seals, every one opens."""

    first: Key
    by_prefix: dict[str, Key]


@dataclass(frozen=True, slots=True, repr=False)
class Sealed:
    """A secret that opens only at its place. Holds the sealed text, never the secret."""

    stored: str

    @classmethod
    def from_stored(cls, stored: str) -> Sealed:
        """Whatever a column holds; a damaged text fails at :meth:`open`, not here."""
        return cls(stored)

    def __repr__(self) -> str:
        return "<Sealed>"

    __str__ = __repr__

    @property
    def key_known(self) -> bool:
        """Whether the ring holds the key it was sealed with; nothing is decrypted."""
        return self._prefix in _ring().by_prefix

    @property
    def key_name(self) -> str:
        """``<key id>.<tag>`` of the key it was sealed with; "" where it is damaged."""
        return self._prefix[2:-1] if self.well_formed else ""

    @property
    def key_missing(self) -> bool:
        """Whether this process alone may lack its key: it is not in the ring, and not lost."""
        return self.well_formed and not self.key_known and self.key_name not in _lost_keys()

    @property
    def sealed_under_first(self) -> bool:
        """False: ``rotate_vault_keys`` still has to seal it again."""
        return self._prefix == _ring().first.prefix

    @property
    def well_formed(self) -> bool:
        """Whether it has the form of a sealed text; says nothing about whether it opens."""
        return bool(_STORED.fullmatch(self.stored))

    @property
    def _prefix(self) -> str:
        return self.stored[: self.stored.rfind(":") + 1]

    @sensitive_variables()
    def open(self, place: str) -> str:
        """The text. Raises VaultFailure.

        ``key_missing`` (fact ``name``: the key's id): the ring of this process lacks the key, and
        another may have it. ``decrypt_failed``: damaged, moved, or (fact ``lost``: the key's id)
        sealed under a key that an admin has declared lost.
        """
        prefix, body = self._prefix, self.stored[self.stored.rfind(":") + 1 :]
        key = _ring().by_prefix.get(prefix)
        if key is None:
            raise self._not_in_the_ring()
        try:
            raw = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
            if _spelled(raw) != body:
                raise VaultFailure("decrypt_failed")
            text = key.cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _bytes(place))
        except (InvalidTag, ValueError):
            raise VaultFailure("decrypt_failed") from None
        opened = text.decode("utf-8", "surrogatepass")
        remember(opened)
        return opened

    def _not_in_the_ring(self) -> VaultFailure:
        if not self.well_formed:
            return VaultFailure("decrypt_failed")
        name = self.key_name.partition(".")[0]
        if self.key_name in _lost_keys():
            return VaultFailure("decrypt_failed", lost=name)
        return VaultFailure("key_missing", name=name)


def _no_key_is_lost() -> frozenset[str]:
    return frozenset()


_lost_keys: Callable[[], frozenset[str]] = _no_key_is_lost


def ask_for_lost_keys(names: Callable[[], frozenset[str]]) -> None:
    """Let ``names`` say which keys are lost (as ``key_name``): they are rows, and none live here.

    It is asked only about texts whose key is not in the ring.
    """
    global _lost_keys
    _lost_keys = names


def ring_names() -> frozenset[str]:
    """The keys of the ring, as ``key_name`` names them."""
    return frozenset(prefix[2:-1] for prefix in _ring().by_prefix)


def place(table: str, column: str, *owners: object) -> str:
    """Where a sealed text belongs, as one unambiguous text; an owner that is None stays visible."""
    return " ".join(
        "-" if part is None else f"{len(str(part))}:{part}" for part in (table, column, *owners)
    )


@sensitive_variables()
def seal(text: str, place: str) -> Sealed:
    """``text`` sealed under the first key of the ring, to be opened at ``place`` alone."""
    remember(text)
    key = _ring().first
    nonce = os.urandom(_NONCE_BYTES)
    raw = nonce + key.cipher.encrypt(nonce, _bytes(text), _bytes(place))
    return Sealed(key.prefix + _spelled(raw))


@sensitive_variables()
def parse_keys(text: str) -> Ring:
    """The ring written as ``id:base64 of 32 bytes``, comma-separated.

    Raises ValueError with a sentence that holds nothing of the value.
    """
    entries = [entry.strip() for entry in text.split(",") if entry.strip()]
    if not entries:
        raise ValueError("There is no key: give at least one as id:base64 of 32 random bytes.")
    keys: dict[str, Key] = {}
    ids: set[str] = set()
    for number, entry in enumerate(entries, start=1):
        key_id, secret = _parse_entry(number, entry)
        if key_id in ids:
            raise ValueError(f"Key {number} repeats the id of an earlier key: give each its own.")
        ids.add(key_id)
        prefix = f"{VERSION}:{key_id}.{_tag(secret)}:"
        keys[prefix] = Key(prefix, AESGCM(secret))
    return Ring(next(iter(keys.values())), keys)


@sensitive_variables()
def _parse_entry(number: int, entry: str) -> tuple[str, bytes]:
    key_id, colon, encoded = entry.partition(":")
    if not colon:
        raise ValueError(f"Key {number} has no id: write id:base64 of 32 random bytes.")
    if not _KEY_ID.fullmatch(key_id):
        raise ValueError(
            f"Key {number} has an unusable id: up to 32 letters, digits, hyphens or underscores."
        )
    try:
        secret = binascii.a2b_base64(
            encoded.translate(str.maketrans("-_", "+/")).encode(), strict_mode=True
        )
    except ValueError:
        raise ValueError(f"Key {number} is not base64.") from None
    if len(secret) != KEY_BYTES:
        raise ValueError(f"Key {number} has {len(secret)} bytes: it must have exactly 32.")
    if len(set(secret)) == 1:
        raise ValueError(f"Key {number} is one byte repeated: it must be random.")
    return key_id, secret


def _ring() -> Ring:
    return _parsed(settings.VAULT_KEYS)


@lru_cache(maxsize=4)
def _parsed(text: str) -> Ring:
    return parse_keys(text)


def _tag(secret: bytes) -> str:
    return hmac.digest(secret, b"connectedsystems.vault key check", hashlib.sha256)[:4].hex()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _spelled(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
