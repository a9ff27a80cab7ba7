"""A rotation in which one process has the old ring still, and a key that is lost for ever."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.acme import Visitor
from tests.environment import VALUES
from tests.processes.started import Answer, Site
from tests.processes.test_callbacks import session_of
from tests.thirdparty import ROOT, ThirdParty

pytestmark = pytest.mark.processes

OLD = VALUES["VAULT_KEYS"]
NEW = "next:" + base64.b64encode(bytes(range(40, 72))).decode()
LIST = "/integrations/list-contacts/"
ADD = "/integrations/add-note/"
AS_JSON = {"Accept": "application/json"}
CLICK = {
    "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
}


def manage(database: str, keys: str, *words: str, typed: str = "") -> subprocess.CompletedProcess:
    """A command of the product in a process of its own."""
    bare = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env = {**bare, **VALUES, "DATABASE_URL": database, "VAULT_KEYS": keys, "LOG_LEVEL": "ERROR"}
    command = [sys.executable, "manage.py", *words]
    return subprocess.run(
        command, cwd=ROOT, env=env, input=typed, capture_output=True, text=True, timeout=120
    )


def codes(answer: Answer) -> list[str]:
    return re.findall(r'data-code="([^"]+)"', answer.body.decode())


def status_of(site: Site, session: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(site.ask("/connections/acme/status/", session).body)
    return told


@pytest.fixture
def alice(acme: Any, visitor: Callable[..., Visitor]) -> Visitor:
    someone = visitor("alice")
    someone.authorizes()
    return someone


def test_G12_a_process_with_the_old_ring_asks_nobody_to_authorize(
    alice: Visitor,
    user: Callable[..., Any],
    serve: Callable[..., Site],
    database: str,
    thirdparty: ThirdParty,
) -> None:
    session = session_of(alice)
    root = Visitor(user("root", is_superuser=True), thirdparty)
    ahead, behind = serve(VAULT_KEYS=f"{NEW},{OLD}"), serve(VAULT_KEYS=OLD)
    failed = ahead.ask("/integrations/list-contacts/?limit=x", session)
    assert failed.status == 400
    reference = failed.headers["X-Reference"]
    assert "resealed" in manage(database, f"{NEW},{OLD}", "rotate_vault_keys").stdout
    assert ahead.ask(LIST, session).status == 200
    before = thirdparty.count()
    page = behind.ask(LIST, session)
    assert (page.status, codes(page)) == (503, ["key_missing"])
    assert b"data-authorize" not in page.body
    data = json.loads(behind.ask(LIST, session, headers=AS_JSON).body)
    assert (data["error"]["code"], data["needs_authorization"]) == ("key_missing", False)
    assert data["authorize_url"] is None
    told = status_of(behind, session)
    assert (told["connected"], told["state"], told["code"]) == (False, *["key_missing"] * 2)
    mine = behind.ask("/connections/", session)
    assert mine.status == 200 and b'data-state="key_missing"' in mine.body
    assert b"data-authorize" not in mine.body
    for path in ("/", f"/references/{reference}/"):
        shown = behind.ask(path, session)
        assert shown.status == 200 and b"data-authorize" not in shown.body
    assert "key_missing" in codes(behind.ask(f"/references/{reference}/", session))
    listed = behind.ask("/admin/authlinks/authorization/", session_of(root))
    assert codes(listed) == ["key_missing"] and b"rotate_vault_keys --lost next" in listed.body
    assert "cannot be opened now" in listed.body.decode()
    # Nobody can begin a walk with a client whose secret does not open.
    walk = behind.ask("/connections/acme/authorize/", session, headers=CLICK)
    assert (walk.status, codes(walk)) == (503, ["key_missing"])
    assert b"data-authorize" not in walk.body
    ready = behind.ask("/readyz")
    assert ready.status == 503 and b"rotate_vault_keys --lost next" in ready.body
    assert b"start_up_check" in serve(VAULT_KEYS=OLD).stderr.read_bytes()
    assert thirdparty.count() == before
    assert ahead.ask(LIST, session).status == 200
    assert ahead.ask("/readyz").status == 200


def test_G12_what_is_held_and_a_walk_under_way_wait_for_the_key(
    acme: Any,
    visitor: Callable[..., Visitor],
    serve: Callable[..., Site],
    database: str,
    thirdparty: ThirdParty,
) -> None:
    alice = visitor("alice")
    session = session_of(alice)
    ahead, behind = serve(VAULT_KEYS=f"{NEW},{OLD}"), serve(VAULT_KEYS=OLD)
    kept = ahead.ask(ADD, session, form={"text": "Kept words"})
    (held,) = set(re.findall(r"/integrations/held/[0-9a-f-]{36}/", kept.body.decode()))
    begun = ahead.ask(f"/connections/acme/authorize/?next={held}", session, headers=CLICK)
    back = alice.approves(str(begun.headers["Location"]))
    # The client's secret is sealed under the old key still: only the attempt is out of reach.
    came = behind.ask(back, session)
    assert (came.status, codes(came)) == (503, ["key_missing"])
    assert b"data-authorize" not in came.body
    assert thirdparty.count(path="/oauth/token") == 0
    page = behind.ask(held, session)
    assert (page.status, codes(page)) == (503, ["key_missing"])
    for action in ("deliver", "edit", "save", "go_on"):
        behind.ask(held, session, form={"action": action, "text": "other"})
    assert thirdparty.count(path="/api/notes") == 0
    # The same address again, where the key is.
    assert ahead.ask(back, session).status == 303
    sent = ahead.ask(held, session, form={"action": "deliver"})
    assert sent.status == 200 and b'data-state="delivered"' in sent.body
    assert thirdparty.count(method="POST", path="/api/notes") == 1


def test_G12_a_lost_key_is_said_by_an_admin_and_heard_by_all(
    alice: Visitor,
    user: Callable[..., Any],
    serve: Callable[..., Site],
    database: str,
    thirdparty: ThirdParty,
) -> None:
    session = session_of(alice)
    root = Visitor(user("root", is_superuser=True), thirdparty)
    first, second = serve(VAULT_KEYS=NEW), serve(VAULT_KEYS=NEW)
    for site in (first, second):
        assert site.ask(LIST, session).status == 503
    nobody = manage(database, NEW, "rotate_vault_keys", "--lost", "tests")
    assert nobody.returncode != 0 and "--yes" in nobody.stderr
    no = manage(database, NEW, "rotate_vault_keys", "--lost", "tests", typed="no\n")
    assert no.returncode != 0 and "Nothing was changed" in no.stderr
    wrong = manage(database, NEW, "rotate_vault_keys", "--lost", "another", "--yes")
    assert wrong.returncode != 0 and "missing here: tests" in wrong.stderr
    assert first.ask(LIST, session).status == 503
    yes = manage(database, NEW, "rotate_vault_keys", "--lost", "tests", typed="tests\n")
    assert yes.returncode == 0, yes.stderr
    for site in (first, second):
        page = site.ask(LIST, session)
        assert (page.status, codes(page)) == (200, ["decrypt_failed"])
        assert b'data-authorize="acme"' in page.body
        assert status_of(site, session)["state"] == "cannot_be_opened"
        assert b'data-authorize="acme"' in site.ask("/connections/", session).body
        assert site.ask("/readyz").status == 200
    # The client's secret is gone too: a designer enters it; no link would help.
    walk = first.ask("/connections/acme/authorize/", session, headers=CLICK)
    assert (walk.status, codes(walk)) == (503, ["decrypt_failed"])
    assert b"data-authorize" not in walk.body
    audit = first.ask("/admin/connectedsystems/auditevent/?action=key_lost", session_of(root))
    assert audit.status == 200 and b"key_lost" in audit.body
    # Found again, it opens at once, and is lost no more.
    third = serve(VAULT_KEYS=f"{NEW},{OLD}")
    assert third.ask(LIST, session).status == 200
    found = manage(database, f"{NEW},{OLD}", "rotate_vault_keys")
    assert found.returncode == 0 and "in VAULT_KEYS again" in found.stdout
    assert first.ask(LIST, session).status == 200
