"""What journeys walk on: the product as a server, Acme CRM beside it, people with browsers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests import environment
from tests.journeys import browsing
from tests.journeys.browsing import Person
from tests.journeys.site import Site, running
from tests.thirdparty import ThirdParty

HERE = Path(__file__).parent
expect.set_options(timeout=browsing.SECONDS * 1000)
Meets = Callable[..., Person]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test here is a journey; without a browser they are left out, and said to be."""
    why = environment.left_out().get("chromium")
    for item in items:
        if HERE not in item.path.parents:
            continue
        item.add_marker(pytest.mark.journey)
        if why:
            item.add_marker(pytest.mark.skip(reason=f"left out: chromium ({why})"))


@pytest.fixture(scope="session")
def door(running_thirdparty: ThirdParty) -> Iterator[str]:
    """A server at a host of its own that only leads on to Acme CRM."""

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", running_thirdparty.url + self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def running_site(
    running_thirdparty: ThirdParty, door: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """One product for all journeys of a process."""
    with running(running_thirdparty.url, tmp_path_factory.mktemp("product"), door) as site:
        site.register_at(running_thirdparty)
        yield site


@pytest.fixture
def site(running_site: Site, thirdparty: ThirdParty) -> Site:
    """The product, where nobody has been yet; Acme behaves and has an empty log."""
    running_site.forget()
    thirdparty.reset(data=True)
    return running_site


@pytest.fixture
def browser() -> Iterator[Browser]:
    """A chromium of this test's own: its driver's event loop must not outlive the test."""
    with browsing.browser() as launched:
        yield launched


@pytest.fixture
def meets(browser: Browser, site: Site) -> Iterator[Meets]:
    """Brings somebody: ``meets("alice")``, with options of a browser profile.

    Fails the test when a console said anything, or a script raised.
    """
    met: list[Person] = []

    def bring(name: str = "", **options: Any) -> Person:
        met.append(Person(browser, site, name, **options))
        return met[-1]

    yield bring
    complaints = [said for person in met for said in person.unforgiven()]
    for person in met:
        person.context.close()
    assert complaints == []


@pytest.fixture
def alice(meets: Meets) -> Person:
    return meets("alice")


@pytest.fixture
def bob(meets: Meets) -> Person:
    return meets("bob")
