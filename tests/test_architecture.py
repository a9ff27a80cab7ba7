"""The house as drawn: who may import whom, which room holds what, and that rooms say what they are."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# Highest first: each may know those after it.
APPS = ["config", "demo", "workbench", "integrations", "authlinks", "connectedsystems"]
# What has one room each. The demo's other system is another product, and asks nobody.
ROOMS = {
    "requests": r"connectedsystems/network/through_requests\.py",
    "urllib3": r"connectedsystems/network/through_requests\.py",
    "pycurl": r"connectedsystems/network/curl\.py",
    "authlib": r"connectedsystems/oauth/.*",
    "joserfc": r"connectedsystems/oauth/.*",
    "cryptography": r"connectedsystems/vault\.py",
    "publicsuffixlist": r"connectedsystems/domains\.py",
    "jmespath": r"connectedsystems/expressions\.py",
    "re2": r"connectedsystems/patterns\.py",
    "environ": r"config/env\.py",
    "django_environ": r"config/env\.py",
}
# Doors that only the lowest layers of a network library open.
NETWORK = {"http.client", "urllib.request", "socket", "ssl"}
NETWORK_ROOM = r"connectedsystems/network/.*|demo/.*"


def modules() -> list[Path]:
    found = [path for app in APPS for path in (ROOT / app).rglob("*.py")]
    return sorted(
        path
        for path in [*found, ROOT / "manage.py", ROOT / "gunicorn.conf.py"]
        if "migrations" not in path.parts
    )


def ours() -> list[Path]:
    return [path for path in modules() if not name(path).startswith("demo/thirdparty/")]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports(path: Path) -> Iterator[str]:
    """Every module a module imports, wherever in it, in full."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module)


def test_imports_follow_the_arrows() -> None:
    ran = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("package", ROOMS)
def test_a_package_is_known_in_its_room_alone(package: str) -> None:
    strangers = {
        name(path)
        for path in ours()
        for module in imports(path)
        if module.split(".")[0] == package and not re.fullmatch(ROOMS[package], name(path))
    }
    assert not strangers


def test_the_network_has_one_door() -> None:
    strangers = {
        name(path)
        for path in ours()
        if NETWORK & set(imports(path)) and not re.fullmatch(NETWORK_ROOM, name(path))
    }
    assert not strangers


def test_the_environment_is_read_in_one_room() -> None:
    readers = {
        name(path)
        for path in ours()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv")
    }
    # The demo hands its own environment on to the servers that it starts.
    assert {reader for reader in readers if not reader.startswith("demo/")} == {"config/env.py"}


_WRITES = {"save", "create", "update", "get_or_create", "update_or_create"}
_WRITES |= {"bulk_create", "bulk_update", "save_base", "asave", "acreate", "aupdate"}
_SYSTEMS = {"system", "connected_system", "obj", "found", "stored", "before", "made", "row"}


def test_a_connected_system_is_written_in_one_room() -> None:
    """Whoever writes the row elsewhere gives a version two meanings, or keeps no history."""
    writing = {
        f"{name(path)}:{node.lineno}"
        for path in ours()
        if name(path) != "connectedsystems/saving.py"
        and any(text in path.read_text(encoding="utf-8") for text in ("ConnectedSystem", "system"))
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and _writes_a_system(node, path)
    }
    assert not writing


def _writes_a_system(node: ast.Call, path: Path) -> bool:
    made = node.func
    if isinstance(made, ast.Name) and made.id == "ConnectedSystem":
        return True  # a row that is made by hand is on its way to be saved
    if not isinstance(made, ast.Attribute) or made.attr not in _WRITES:
        return False
    receiver = ast.unparse(made.value)
    if "ConnectedSystem.objects" in receiver or "ConnectedSystem._" in receiver:
        return True
    last = receiver.split(".")[-1]
    return last in {name for name in _SYSTEMS if _is_a_system(name, path)}


def _is_a_system(variable: str, path: Path) -> bool:
    """Whether a module says by annotation or by its query that this name is a system."""
    text = path.read_text(encoding="utf-8")
    annotated = rf"\b{variable}: (?:models\.)?ConnectedSystem\b"
    asked = rf"\b{variable} = ConnectedSystem\.objects"
    return variable in ("system", "connected_system") or bool(
        re.search(annotated, text) or re.search(asked, text)
    )


def test_no_app_reaches_up_by_a_name() -> None:
    """``apps.get_model`` and ``import_string`` are imports that nobody sees."""
    reaching = {
        f"{name(path)}:{node.lineno}"
        for path in ours()
        for node in ast.walk(tree(path))
        if (isinstance(node, ast.Attribute) and node.attr == "get_model")
        or (isinstance(node, ast.Name | ast.alias) and _named(node) == "import_string")
        or (isinstance(node, ast.Attribute) and node.attr in ("import_string", "import_module"))
    }
    assert {place for place in reaching if not place.startswith("config/settings.py:")} == set()


def _named(node: ast.Name | ast.alias) -> str:
    return node.id if isinstance(node, ast.Name) else node.name


def test_no_app_reverses_an_address_above_it() -> None:
    reaching = {
        f"{name(path)}: {text}"
        for path in ours()
        for text in _strings(path)
        for above in APPS[: APPS.index(name(path).split("/")[0])]
        if re.fullmatch(rf"{above}:[a-z_]+", text)
    }
    assert not reaching


def _strings(path: Path) -> Iterator[str]:
    if name(path).split("/")[0] not in APPS:
        return
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize("path", modules(), ids=name)
def test_a_module_says_what_it_is(path: Path) -> None:
    source = tree(path)
    if source.body:
        assert ast.get_docstring(source), f"{name(path)} has no docstring"


def test_there_is_no_room_for_leftovers() -> None:
    leftovers = {"utils", "helpers", "common", "misc", "base"}
    assert not [name(path) for path in modules() if path.stem in leftovers]


def test_a_fragment_says_what_it_expects() -> None:
    silent = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "templates").rglob("_*.html")
        if not re.search(r"expects", path.read_text(encoding="utf-8")[:600], re.IGNORECASE)
    ]
    assert not silent


def test_G9_no_template_carries_script_or_style_in_line() -> None:
    inline = re.compile(
        r"<script(?![^>]*\ssrc=)(?![^>]*application/json)|<style|\sstyle=|\son[a-z]+="
    )
    found = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "templates").rglob("*.html")
        if "admin" not in path.parts and inline.search(path.read_text(encoding="utf-8"))
    ]
    assert not found


def test_F3_no_template_trusts_what_it_shows() -> None:
    trusting = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "templates").rglob("*.html")
        if re.search(r"\|\s*safe\b|autoescape off", path.read_text(encoding="utf-8"))
    ]
    assert not trusting
