"""A wrong value stops the start with one sentence, which names the variable and not its value."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from config import env

KEY = "k1:" + base64.b64encode(bytes(range(32))).decode()
GOOD = {
    "SECRET_KEY": "q9X2-not-to-be-shown-7fKz-81bLmmRt2",
    "VAULT_KEYS": KEY,
    "PUBLIC_BASE_URL": "https://connect.example.org",
}


@pytest.fixture(autouse=True)
def put_back() -> Iterator[None]:
    before = env._given
    yield
    env._given = before


def load(**values: str) -> env.Environment:
    env.use({**GOOD, **values})
    return env.load()


def refusal(**values: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        load(**values)
    return str(stopped.value.code)


def test_three_variables_are_enough() -> None:
    found = load()
    assert (found.debug, found.demo, found.trusted_proxy) == (False, False, False)
    assert found.allowed_hosts == ["connect.example.org"]
    assert found.database["ENGINE"] == "django.db.backends.sqlite3"
    assert found.database["NAME"] == str(env.BASE_DIR / "db.sqlite3")
    assert found.outbound_allow == []
    assert found.rate_limits == {"authorize": (30, 60), "callback": (60, 60), "call": (600, 60)}
    assert found.time_limits == 1
    assert not found.cache_is_shared


@pytest.mark.parametrize("name", ["SECRET_KEY", "VAULT_KEYS", "PUBLIC_BASE_URL"])
@pytest.mark.parametrize("value", ["", "   "])
def test_C5_what_is_required_has_no_default(name: str, value: str) -> None:
    assert refusal(**{name: value}).startswith(f"{name} is not set")


@pytest.mark.parametrize("name", ["SECRET_KEY", "VAULT_KEYS"])
def test_C5_debug_brings_no_default_key(name: str) -> None:
    assert refusal(**{name: "", "DEBUG": "1"}).startswith(f"{name} is not set")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", "shrt-Zq81x"),
        ("SECRET_KEY", "abab" * 20),
        ("SECRET_KEY", "django-insecure-8s7d6f5g4h3j2k1l0qwertyuiop"),
        ("SECRET_KEY", "please-changeme-please-0123456789-abcdef"),
        ("VAULT_KEYS", "Zq81xZq81xZq81x"),
        ("VAULT_KEYS", "k1:Zq81xZq81xZq81x="),
        ("VAULT_KEYS", f"{KEY},{KEY}"),
        ("VAULT_KEYS", "k1:" + base64.b64encode(b"a" * 32).decode()),
        ("PUBLIC_BASE_URL", "connect.wrong.example"),
        ("PUBLIC_BASE_URL", "ftp://connect.wrong.example"),
        ("PUBLIC_BASE_URL", "https://connect.wrong.example/path"),
        ("PUBLIC_BASE_URL", "https://user:Zq81x@connect.wrong.example"),
        ("PUBLIC_BASE_URL", "https://connect.wrong.example?query"),
        ("PUBLIC_BASE_URL", "https://connect.wrong.example:port"),
        ("PUBLIC_BASE_URL", "https://[wrong"),
        ("ALLOWED_HOSTS", "https://wrong.example"),
        ("DEBUG", "perhaps"),
        ("TRUSTED_PROXY", "10.0.0.1"),
        ("DATABASE_URL", "mysql://root:Zq81x@localhost/x"),
        ("DATABASE_URL", "postgres://root:Zq81x@localhost:port/x"),
        ("DATABASE_URL", "postgres://root:Zq81x@localhost"),
        ("DATABASE_URL", "sqlite:///x.sqlite3?ATOMIC_REQUESTS=true"),
        ("CACHE_URL", "carrier-pigeon://Zq81x"),
        ("EMAIL_URL", "carrier-pigeon://Zq81x"),
        ("OUTBOUND_ALLOW", "http://wrong.example"),
        ("OUTBOUND_ALLOW", "*.wrong.example"),
        ("OUTBOUND_ALLOW", "wrong.example:99999"),
        ("OUTBOUND_ALLOW", "10.0.0.0/99"),
        ("EXTRA_APPS", "wrong-app"),
        ("RATE_LIMITS", "lunch=1/m"),
        ("RATE_LIMITS", "call=0/m"),
        ("RATE_LIMITS", "call=5"),
        ("TIME_LIMITS", "0.000"),
        ("TIME_LIMITS", "-1"),
        ("TIME_LIMITS", "nan"),
        ("LOG_LEVEL", "LOUD"),
        ("WEB_THREADS", "0"),
        ("WEB_CONCURRENCY", "many"),
    ],
)
def test_C5_a_wrong_value_is_named_and_not_shown(name: str, value: str) -> None:
    sentence = refusal(**{name: value})
    assert sentence.startswith(name)
    assert "\n" not in sentence
    for part in (value, "Zq81x", "wrong"):
        assert part not in sentence


def test_C5_the_secret_key_is_no_vault_key() -> None:
    shared = base64.b64encode(bytes(range(32))).decode()
    assert refusal(SECRET_KEY=shared).startswith("VAULT_KEYS holds the SECRET_KEY")


def test_demo_stays_on_this_machine() -> None:
    assert refusal(DEMO="1").startswith("DEMO=1 is for this machine alone")
    for host in ("localhost:8000", "127.0.0.1:8000", "[::1]:8000", "demo.localhost"):
        assert load(DEMO="1", PUBLIC_BASE_URL=f"http://{host}").demo
    assert load(DEMO="1", PUBLIC_BASE_URL="http://localhost").extra_apps == ["demo.pages"]


def test_debug_knows_its_own_address() -> None:
    assert load(DEBUG="1", PUBLIC_BASE_URL="").public_base_url == "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://Connect.Example.org/", "https://connect.example.org"),
        ("https://connect.example.org:443", "https://connect.example.org"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_the_public_address_has_one_spelling(given: str, kept: str) -> None:
    assert load(PUBLIC_BASE_URL=given).public_base_url == kept


def test_lists_are_read_with_blanks() -> None:
    found = load(OUTBOUND_ALLOW=" localhost, 127.0.0.1:9000 ,10.0.0.0/8,[::1]:80,::1, ")
    assert found.outbound_allow == [
        "localhost",
        "127.0.0.1:9000",
        "10.0.0.0/8",
        "[::1]:80",
        "::1",
    ]
    hosts = load(ALLOWED_HOSTS="other.example, .inside.example").allowed_hosts
    assert hosts == ["connect.example.org", "other.example", ".inside.example"]


def test_limits_can_be_changed_one_by_one_or_switched_off() -> None:
    assert load(RATE_LIMITS="call=5/s").rate_limits["call"] == (5, 1)
    assert load(RATE_LIMITS="call=5/s").rate_limits["authorize"] == (30, 60)
    assert load(RATE_LIMITS="off").rate_limits == {}


def test_postgres_and_redis_are_read_from_their_addresses() -> None:
    found = load(DATABASE_URL="postgres://me:p%40ss@db:5433/connect", CACHE_URL="redis://cache/1")
    assert found.database["ENGINE"] == "django.db.backends.postgresql"
    assert (found.database["PASSWORD"], found.database["PORT"]) == ("p@ss", 5433)
    assert found.cache_is_shared
    assert found.cache["OPTIONS"] == {"socket_connect_timeout": 1, "socket_timeout": 1}
    assert load(CACHE_URL="redis://cache/1?key_prefix=one").cache["KEY_PREFIX"] == "one"


def test_a_sqlite_path_is_found_from_anywhere() -> None:
    assert load(DATABASE_URL="sqlite:///x.sqlite3").database["NAME"] == str(
        env.BASE_DIR / "x.sqlite3"
    )
    assert load(DATABASE_URL="sqlite:////tmp/x.sqlite3").database["NAME"] == "/tmp/x.sqlite3"


def test_a_value_with_a_dollar_is_no_reference() -> None:
    assert load(SECRET_KEY="$" + GOOD["SECRET_KEY"]).secret_key == "$" + GOOD["SECRET_KEY"]


def test_secrets_may_stand_in_files(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(GOOD["SECRET_KEY"] + "\n")
    assert load(SECRET_KEY="", SECRET_KEY_FILE=str(file)).secret_key == GOOD["SECRET_KEY"]
    assert "both set" in refusal(SECRET_KEY_FILE=str(file))
    assert "cannot be read" in refusal(SECRET_KEY="", SECRET_KEY_FILE=str(tmp_path / "none"))


def test_C13_the_repr_shows_no_secret() -> None:
    shown = repr(load(DATABASE_URL="postgres://me:Zq81x@db/connect"))
    for secret in (GOOD["SECRET_KEY"], KEY, "Zq81x"):
        assert secret not in shown


def test_a_bundle_reads_what_it_may() -> None:
    env.use({"BUNDLE_A": "1", "OTHER": "2", "SECRET_KEY": "3", "BUNDLE_ENV_ALLOW": "OTHER"})
    assert env.bundle_values() == {"BUNDLE_A": "1", "OTHER": "2"}


def test_the_file_beside_manage_py_is_read_and_the_process_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(
        f"# keys\nSECRET_KEY={GOOD['SECRET_KEY']}\nVAULT_KEYS='{KEY}'\nTIME_LIMITS=0.5\nDEBUG=1\n"
    )
    monkeypatch.setattr(env, "BASE_DIR", tmp_path)
    monkeypatch.setattr(env, "_given", None)
    for name in (*GOOD, "TIME_LIMITS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DEBUG", "0")
    monkeypatch.setenv("PUBLIC_BASE_URL", "https://from.process.example")
    found = env.load()
    assert (found.vault_keys, found.time_limits) == (KEY, 0.5)
    assert (found.debug, found.public_base_url) == (False, "https://from.process.example")


def test_a_line_that_is_none_is_named_by_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("SECRET_KEY=x\nSECRET_KEY: Zq81x\n")
    monkeypatch.setattr(env, "BASE_DIR", tmp_path)
    monkeypatch.setattr(env, "_given", None)
    with pytest.raises(SystemExit, match=r"^\.env, line 2: ") as stopped:
        env.load()
    assert "Zq81x" not in str(stopped.value.code)
