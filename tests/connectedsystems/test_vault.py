"""A sealed text opens at its place, with its key, and nowhere else."""

import base64
import copy
import pickle
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from connectedsystems import redact, vault
from connectedsystems.errors import VaultFailure

HERE = vault.place("authorization", "access_token", "system-1", "user-1")


def key(key_id: str, byte: int = 1) -> str:
    return f"{key_id}:{base64.b64encode(bytes([byte, *range(31)])).decode()}"


@pytest.fixture(autouse=True)
def ring(settings, monkeypatch):
    monkeypatch.setattr(vault, "_lost_keys", frozenset)  # those are rows, and here is no database
    settings.VAULT_KEYS = f"{key('new', 7)},{key('old', 8)}"


def code_of(sealed: vault.Sealed, place: str = HERE) -> str:
    with pytest.raises(VaultFailure) as caught:
        sealed.open(place)
    return caught.value.code


def relaxed(test: Any) -> Any:
    checks = [HealthCheck.function_scoped_fixture]
    return hypothesis_settings(suppress_health_check=checks, deadline=None, max_examples=60)(test)


@relaxed
@given(st.text(alphabet=st.characters()))
def test_what_was_sealed_opens_at_its_place(text):
    assert vault.seal(text, HERE).open(HERE) == text


@relaxed
@given(st.lists(st.one_of(st.none(), st.text()), min_size=1, max_size=4), st.data())
def test_another_place_does_not_open_it(owners, data):
    other = data.draw(st.lists(st.one_of(st.none(), st.text()), min_size=1, max_size=4))
    mine, theirs = vault.place("t", "c", *owners), vault.place("t", "c", *other)
    assert (mine == theirs) == (owners == other)
    if mine != theirs:
        assert code_of(vault.seal("secret", mine), theirs) == "decrypt_failed"


@relaxed
@given(st.data())
def test_C3_any_flipped_bit_is_a_vault_failure_and_nothing_else(data):
    stored = vault.seal("a secret of some length", HERE).stored
    at = data.draw(st.integers(0, len(stored) - 1))
    bit = data.draw(st.integers(0, 6))
    damaged = stored[:at] + chr(ord(stored[at]) ^ (1 << bit)) + stored[at + 1 :]
    body_starts = stored.rindex(":") + 1
    code = code_of(vault.Sealed.from_stored(damaged))
    assert code == "decrypt_failed" or (at < body_starts and code == "key_missing")


@relaxed
@given(st.text())
def test_C3_any_text_in_the_column_is_a_vault_failure(text):
    assert code_of(vault.Sealed.from_stored(text)) == "decrypt_failed"


def test_C3_a_cut_text_does_not_open():
    stored = vault.seal("secret", HERE).stored
    for length in range(len(stored)):
        assert code_of(vault.Sealed.from_stored(stored[:length])) == "decrypt_failed"


def test_an_owner_of_none_is_another_place_than_the_text_none():
    assert (
        vault.place("t", "c", None) != vault.place("t", "c", "None") != vault.place("t", "c", "-")
    )


def test_two_seals_of_one_text_differ():
    assert vault.seal("same", HERE).stored != vault.seal("same", HERE).stored


def test_C1_neither_repr_nor_stored_text_holds_the_secret():
    sealed = vault.seal("the-secret", HERE)
    shown = f"{sealed!r} {sealed} {sealed.stored} {pickle.dumps(sealed)!r} {vault._ring()!r}"
    assert "the-secret" not in shown


def test_it_survives_copies_and_pickles():
    sealed = vault.seal("secret", HERE)
    assert copy.deepcopy(sealed) == sealed == pickle.loads(pickle.dumps(sealed))


def test_sealing_and_opening_remember_the_secret_for_redaction():
    redact.forget_all()
    sealed = vault.seal("the-sealed-one", HERE)
    assert redact.redact("the-sealed-one") == "[redacted]"
    redact.forget_all()
    sealed.open(HERE)
    assert redact.redact("the-sealed-one") == "[redacted]"


def test_C6_the_first_key_seals_and_every_key_opens(settings):
    settings.VAULT_KEYS = key("old", 8)
    sealed = vault.seal("secret", HERE)
    assert sealed.stored.startswith("1:old.")
    settings.VAULT_KEYS = f"{key('new', 7)},{key('old', 8)}"
    assert sealed.open(HERE) == "secret"
    assert sealed.key_known and not sealed.sealed_under_first
    assert vault.seal("secret", HERE).sealed_under_first


def test_C7_a_key_that_is_gone_is_key_missing_and_names_its_id(settings):
    sealed = vault.seal("secret", HERE)
    settings.VAULT_KEYS = key("old", 8)
    assert not sealed.key_known
    with pytest.raises(VaultFailure) as caught:
        sealed.open(HERE)
    assert (caught.value.code, caught.value.facts) == ("key_missing", {"name": "new"})


def test_C7_another_key_under_the_same_id_is_recognised(settings):
    sealed = vault.seal("secret", HERE)
    settings.VAULT_KEYS = key("new", 9)
    assert not sealed.key_known
    assert code_of(sealed) == "key_missing"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no key"),
        (" , ", "no key"),
        (key("a").partition(":")[2], "no id"),
        (":" + key("a").partition(":")[2], "unusable id"),
        ("a b:" + key("a").partition(":")[2], "unusable id"),
        ("a:not base64!", "not base64"),
        ("a:" + base64.b64encode(b"short but random").decode(), "16 bytes"),
        ("a:" + base64.b64encode(bytes(range(33))).decode(), "33 bytes"),
        ("a:" + base64.b64encode(bytes(32)).decode(), "one byte repeated"),
        (f"{key('a', 1)},{key('a', 2)}", "repeats the id"),
    ],
)
def test_C5_a_wrong_ring_is_refused_without_showing_it(text, says):
    with pytest.raises(ValueError, match=says) as caught:
        vault.parse_keys(text)
    for entry in text.split(","):
        secret = entry.rpartition(":")[2]
        assert len(secret) < 4 or secret not in str(caught.value)


def test_a_ring_may_be_written_in_base64url():
    raw = bytes([255, 254, *range(30)])
    encoded = base64.urlsafe_b64encode(raw).decode()
    assert "-" in encoded or "_" in encoded
    vault.parse_keys(f"a:{encoded}")
