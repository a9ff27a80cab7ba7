"""The ten mistakes of a configuration, one at a time, against a second real OAuth server."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import pytest

from connectedsystems.models import ConnectedSystem
from integrations import call_integration
from tests.acme import make_integration
from tests.mistakes import MISTAKES, label
from tests.otherservers.mistaken import CODES, HOW, Made
from tests.otherservers.otherserver import SCOPE, OtherServer
from tests.workbench.test_drafts import CLIENT_ID, DRAFT, JSON, Designer, crm  # noqa: F401

# A key for HS256 has 32 bytes at least.
CLIENT_SECRET = "mistaken-beside-another-server-Pk9"


class Typist(Designer):
    """A designer whose form is about this server, right in everything but the mistake."""

    def __init__(self, person: Any, other: OtherServer, application: Any) -> None:
        super().__init__(person, other, application)
        self.other = other

    def makes(self, made: Made) -> None:
        url = self.other.url
        self.typed |= {
            "client_secret": CLIENT_SECRET,
            "authorization_endpoint": f"{url}/auth",
            "token_endpoint": f"{url}/token",
            "issuer": url,
            "scope": SCOPE,
        }
        self.typed |= {name: value.format(url=url) for name, value in made.typed.items()}
        known = {"redirect_uris": [self.redirect_uri], **made.registered}
        self.other.register(CLIENT_ID, CLIENT_SECRET, **known)

    def walks(self) -> dict[str, Any]:
        """Authorize, be ada there as far as it lets her, Done Authorizing."""
        page = self.other.visit(self.authorize()["url"])
        if page.location:
            back = urlsplit(page.location)
            self.client.get(f"{back.path}?{back.query}")
        return self.done()

    def wrong(self) -> dict[str, str]:
        """What Check configuration finds wrong: the field it leads to, and its words."""
        answer = self.client.post(f"{DRAFT}check/", self.typed, **JSON)
        html = b"".join(answer.streaming_content).decode()
        steps = re.findall(r'<li[^>]*data-outcome="fail".*?</li>', html, re.DOTALL)
        return {re.findall(r'href="#id_(\w+)"', step)[0]: words(step) for step in steps}


def words(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def code_in(said: dict[str, Any]) -> str:
    """The failure's code, or that of the caution beside a success."""
    return said["code"] or " ".join(re.findall(r'data-code="(\w+)"', said["html"]))


@pytest.fixture
def dora(user: Callable[..., Any], other: OtherServer, crm: Any) -> Typist:  # noqa: F811
    return Typist(user("dora", groups=["crm-designers"]), other, crm)


def test_all_mistakes_are_made() -> None:
    assert set(HOW) == set(CODES) == set(MISTAKES)


def test_without_a_mistake_all_is_well(dora: Typist) -> None:
    dora.makes(Made())
    assert dora.wrong() == {}
    said = dora.walks()
    assert (said["tone"], code_in(said)) == ("good", "")


@pytest.mark.parametrize("mistake", [each for each in MISTAKES if each != "base_url"])
def test_a_mistake_names_its_field(dora: Typist, mistake: str) -> None:
    dora.makes(HOW[mistake])
    said = dora.walks()
    assert code_in(said) == CODES[mistake]
    assert label(mistake).lower() in words(said["html"]).lower()
    assert f'href="#id_{mistake}"' in said["html"]
    assert said["fields"] == ([mistake] if said["tone"] == "bad" else [])


@pytest.mark.parametrize(
    "mistake",
    [
        "authorization_endpoint",
        "token_endpoint",
        "client_id",
        "client_secret",
        "client_authentication",
        "redirect_uri",
        "pkce",
    ],
)
def test_a_check_names_it_before_anybody_walks(dora: Typist, mistake: str) -> None:
    dora.makes(HOW[mistake])
    wrong = dora.wrong()
    assert mistake in wrong
    assert label(mistake).lower() in wrong[mistake].lower()


def test_a_check_names_the_authentication_that_works(dora: Typist) -> None:
    dora.makes(HOW["client_authentication"])
    assert "Choose client_secret_jwt" in dora.wrong()["client_authentication"]
    dora.typed["client_authentication"] = "client_secret_jwt"
    assert dora.wrong() == {}
    assert dora.walks()["tone"] == "good"


def test_a_wrong_base_url_is_named_by_the_first_call(dora: Typist) -> None:
    dora.makes(HOW["base_url"])
    dora.walks()
    dora.saves()
    make_integration(ConnectedSystem.objects.get(), "who-am-i", path="/me")
    error = call_integration("who-am-i", dora.person).error
    assert error is not None
    assert error.code == CODES["base_url"]
    assert label("base_url") in f"{error.detail} {' '.join(map(str, error.next_steps))}"
