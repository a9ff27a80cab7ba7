"""A second real OAuth server, node's oidc-provider, and the product beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests import environment
from tests.acme import Visitor
from tests.journeys import browsing
from tests.journeys.conftest import alice, browser, meets  # noqa: F401
from tests.journeys.site import Site
from tests.journeys.site import running as running_product
from tests.otherservers.otherserver import OtherServer, running

HERE = Path(__file__).parent
expect.set_options(timeout=browsing.SECONDS * 1000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without the server, and for journeys without a browser, tests are left out and said to be."""
    missing = environment.left_out()
    for item in items:
        if HERE not in item.path.parents:
            continue
        wanted = ["oidc-provider"]
        if item.get_closest_marker("journey"):
            wanted.append("chromium")
        for name in missing.keys() & wanted:
            item.add_marker(pytest.mark.skip(reason=f"left out: {name} ({missing[name]})"))


@pytest.fixture(scope="session")
def running_other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OtherServer]:
    """One server for all tests of a process."""
    with running(tmp_path_factory.mktemp("otherserver")) as server:
        yield server


@pytest.fixture
def other(running_other: OtherServer) -> OtherServer:
    """The server with an empty log, whose access tokens last an hour."""
    running_other.control(reset=True)
    return running_other


@pytest.fixture(scope="session")
def running_site(
    running_other: OtherServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """One product for all journeys of a process; the server knows the system called Notebook."""
    folder = tmp_path_factory.mktemp("product")
    bundles = ("tests/otherservers/bundle.yaml",)
    with running_product(running_other.url, folder, bundles=bundles) as site:
        for client_id, client_secret, redirect_uri in site.registrations:
            running_other.register(client_id, client_secret, [redirect_uri])
        yield site


@pytest.fixture
def site(running_site: Site, other: OtherServer) -> Site:
    """The product, where nobody has been yet."""
    running_site.forget()
    return running_site


@pytest.fixture
def visitor(member: Callable[[str], Any], other: OtherServer) -> Callable[..., Visitor]:
    """Makes a visitor: ``visitor("alice")`` is ada at the other server."""
    return lambda name, as_="ada": Visitor(member(name), other, as_)
