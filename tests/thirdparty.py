"""Acme CRM for tests: the demo's other system as a real process on a free port, steered and read from here."""

import http.client
import json
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
PASSWORDS = {"ada": "engine-1843", "ben": "harbor-2207"}
ALL_SCOPES = "contacts.read contacts.write notes.read notes.write profile"


@dataclass
class ThirdParty:
    """A running Acme CRM. `url` has no slash at the end; `data` is its folder.

    Endpoints: `{url}/oauth/authorize`, `/oauth/token`, `/oauth/revoke`; API under `{url}/api`
    (`/me`, `/contacts`, `/notes`, and `/status` for anybody).
    """

    url: str
    data: Path
    _read: int = field(default=0, repr=False)

    def log(self) -> list[dict[str, Any]]:
        """The requests since the last reset, without those to the control address."""
        path = self.data / "requests.log"
        lines = path.read_bytes()[self._read :].splitlines() if path.exists() else []
        entries = (json.loads(line) for line in lines)
        return [entry for entry in entries if not entry["path"].startswith("/control/")]

    def count(self, **wanted: Any) -> int:
        """How many requests since the last reset have these members, such as `grant_type="refresh_token"`."""
        return sum(
            all(entry[name] == value for name, value in wanted.items()) for entry in self.log()
        )

    def control(self, **switches: Any) -> dict[str, Any]:
        """Throw switches; what there is stands in demo/thirdparty/control.py."""
        return self._post("/control/", switches)

    def register(
        self,
        client_id: str,
        client_secret: str = "",
        redirect_uris: list[str] | tuple[str, ...] = (),
        **more: Any,
    ) -> None:
        """Make or replace a client; without a secret it is public."""
        asked = {"client_id": client_id, "client_secret": client_secret, **more}
        self.control(register={**asked, "redirect_uris": list(redirect_uris)})

    def reset(self, *, data: bool = False) -> None:
        """All switches off, registrations restored, the log read from here on; with `data` notes too."""
        self._post("/control/reset", {"data": data})
        path = self.data / "requests.log"
        self._read = path.stat().st_size if path.exists() else 0

    def approve(
        self,
        authorization_url: str,
        user: str = "ada",
        *,
        allow: bool = True,
        browser: "Browser | None" = None,
    ) -> str:
        """Walk log-in and consent over plain HTTP; the callback's URL, which nobody has opened yet."""
        return (browser or Browser()).approve(authorization_url, user, allow=allow)

    def _post(self, path: str, content: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(
            self.url + path,
            data=json.dumps(content).encode(),
            headers={"Content-Type": "application/json"},
        )
        with _open.open(request, timeout=30) as answer:
            said: dict[str, Any] = json.load(answer)
        if answer.status != 200:
            raise ValueError(said["error"])
        return said


class Browser:
    """As much of a browser as log-in and consent need: cookies, forms, redirects one at a time."""

    def __init__(self) -> None:
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPCookieProcessor(CookieJar()),
            _Stay(),
        )

    def get(self, url: str) -> "Page":
        """The page at the address, whatever its status."""
        return self._send(urllib.request.Request(url))

    def post(self, url: str, fields: dict[str, str]) -> "Page":
        """What a form of the page at the address leads to."""
        return self._send(urllib.request.Request(url, data=urllib.parse.urlencode(fields).encode()))

    def fill(self, page: "Page", having: str, **typed: str) -> "Page":
        """What follows from the page's form with that field, its other fields left as they are."""
        form = page.form(having)
        assert form, f"{page.url} has no form with {having}"
        return self.post(urllib.parse.urljoin(page.url, form.action), {**form.fields, **typed})

    def approve(self, authorization_url: str, user: str = "ada", *, allow: bool = True) -> str:
        """From an authorization URL to the callback's; AssertionError shows the page where it ended."""
        here = urllib.parse.urlsplit(authorization_url).netloc
        page = self.get(authorization_url)
        for _ in range(8):
            if page.location:
                if urllib.parse.urlsplit(page.location).netloc != here:
                    return page.location
                page = self.get(page.location)
            elif page.form("password"):
                page = self.fill(page, "password", username=user, password=PASSWORDS[user])
            elif page.form("client_id"):
                page = self.fill(page, "client_id", **({"allow": "true"} if allow else {}))
            else:
                break
        raise AssertionError(f"Acme did not send {user} back: {page.status} {page.text[:2000]}")

    def _send(self, request: urllib.request.Request) -> "Page":
        with self._opener.open(request, timeout=30) as answer:
            return Page(request.full_url, answer)


class Page:
    """What came: `status`, `text`, `location` (absolute or empty), `forms`."""

    def __init__(self, url: str, answer: http.client.HTTPResponse) -> None:
        self.url = url
        self.status = answer.status
        self.text = answer.read().decode()
        location = answer.headers.get("Location", "")
        self.location = urllib.parse.urljoin(url, location) if location else ""
        parser = _Forms()
        parser.feed(self.text)
        self.forms = parser.found

    def form(self, having: str) -> "Form | None":
        """The first form with such a field."""
        return next((form for form in self.forms if having in form.fields), None)


@dataclass
class Form:
    """A form's address, as written, and the values of its inputs by name."""

    action: str
    fields: dict[str, str]


class _Stay(urllib.request.HTTPErrorProcessor):
    """Hands every answer over as it is: no redirect followed, no status raised."""

    def http_response(self, request: Any, response: Any) -> Any:
        return response

    https_response = http_response


class _Forms(HTMLParser):
    """Collects forms and the named inputs in them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self.found.append(Form(given.get("action") or "", {}))
        if tag == "input" and self.found and given.get("name"):
            self.found[-1].fields[str(given["name"])] = given.get("value") or ""


_open = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay())


def run(data: Path, *arguments: str) -> tuple[subprocess.Popen[str], ThirdParty]:
    """Start Acme CRM with its own folder; it ends with this process, however that ends."""
    command = [sys.executable, "-m", "demo.thirdparty", "--port", "0", "--data", str(data)]
    process = subprocess.Popen(
        [*command, "--exit-with-stdin", *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"Acme CRM did not start: exit {process.wait()}")
    return process, ThirdParty(line.split("Acme CRM is at ")[1].split(" ")[0], data)


def stop(process: subprocess.Popen[str]) -> int:
    """End it as Ctrl-C would; its exit status."""
    process.terminate()
    process.communicate(timeout=20)
    return process.returncode


@pytest.fixture(scope="session")
def running_thirdparty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThirdParty]:
    """One Acme CRM for all tests of a process."""
    process, acme = run(tmp_path_factory.mktemp("acme"))
    yield acme
    stop(process)


@pytest.fixture
def thirdparty(running_thirdparty: ThirdParty) -> ThirdParty:
    """Acme CRM, well-behaved and with an empty log."""
    running_thirdparty.reset()
    return running_thirdparty
