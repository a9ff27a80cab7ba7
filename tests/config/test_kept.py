"""What browsers may keep of us: nothing of somebody who is logged in, and nothing at all afterwards."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client
from django.urls import path

from config import urls
from tests.config.test_start import PYTHON, start
from tests.desk import House


def fine(request: HttpRequest) -> HttpResponse:
    return HttpResponse("text")


def public(request: HttpRequest) -> HttpResponse:
    return JsonResponse({}, headers={"Cache-Control": "public, max-age=60"})


def download(request: HttpRequest) -> HttpResponse:
    return HttpResponse("a,b", content_type="text/csv")


def logo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(
        "", content_type="image/png", headers={"Cache-Control": "private, no-cache"}
    )


urlpatterns = [
    path("try/fine/", fine),
    path("try/public/", public),
    path("try/download/", download),
    path("try/logo/", logo),
    *urls.urlpatterns,
]
pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db]


@pytest.mark.parametrize(
    "address",
    [
        "/",
        "/connections/",
        "/connections/closing/",
        "/connections/no/status/",
        "/integrations/held/",
        "/integrations/no/",
        "/references/",
        "/references/K7-42QX/",
        "/admin/",
        "/admin/connectedsystems/connectedsystem/",
        "/admin/connectedsystems/connectedsystem/add/",
        "/admin/autocomplete/",
        "/accounts/login/",
        "/no/",
        "/try/fine/",
        "/try/public/",
    ],
)
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_G14_no_page_of_somebody_who_is_logged_in_is_kept(
    house: House, as_user: Callable[..., Client], address: str, accept: str
) -> None:
    answer = as_user(house.root).get(address, headers={"accept": accept})
    assert "no-store" in answer["Cache-Control"], answer.status_code


def test_G14_what_is_no_page_is_its_readers_own(alice: Any, as_user: Callable[..., Client]) -> None:
    client = as_user(alice)
    assert client.get("/try/download/")["Cache-Control"] == "private"
    assert client.get("/try/logo/")["Cache-Control"] == "private, no-cache"
    with contextlib.closing(client.get("/static/css/app.css")) as static:
        assert "public" in static["Cache-Control"]
    assert Client().get("/try/public/")["Cache-Control"] == "public, max-age=60"


def test_G14_the_answer_to_a_log_in_is_not_kept(alice: Any) -> None:
    answer = Client().post("/accounts/login/", {"username": "alice", "password": "alice"})
    assert (answer.status_code, "no-store" in answer["Cache-Control"]) == (302, True)


@pytest.mark.parametrize("address", ["/accounts/logout/", "/admin/logout/"])
def test_H19_log_out_leaves_nothing(
    admin: Any, as_user: Callable[..., Client], address: str
) -> None:
    client = as_user(admin)
    client.get("/admin/auth/user/add/")  # a form: the CSRF cookie is there
    client.cookies["messages"] = "planted-message"
    answer = client.post(address)
    assert answer["Clear-Site-Data"] == '"storage"'
    assert "no-store" in answer["Cache-Control"]
    for name in ("sessionid", "csrftoken", "messages"):
        cookie = answer.cookies[name]
        assert (cookie.value, cookie["max-age"], cookie["path"]) == ("", 0, "/"), name
        assert not cookie["domain"]
    assert client.get("/").status_code == 302
    assert "Clear-Site-Data" not in client.get("/accounts/login/").headers


@pytest.mark.processes
@pytest.mark.parametrize(
    ("address", "names"),
    [
        ("http://localhost:8000", "sessionid_8000 csrftoken_8000 messages_8000"),
        ("http://localhost:80", "sessionid csrftoken messages"),
        ("https://connect.example.org", "__Host-sessionid __Host-csrftoken __Host-messages"),
        (
            "https://connect.example.org:8443",
            "__Host-sessionid_8443 __Host-csrftoken_8443 __Host-messages_8443",
        ),
    ],
)
def test_A4_cookies_are_named_by_the_port(address: str, names: str) -> None:
    script = (
        "import config.wsgi\n"
        "from django.conf import settings as s\n"
        "from config.messages import _Cookie\n"
        "print(s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME, _Cookie.cookie_name)"
    )
    ended = start([*PYTHON, "-c", script], PUBLIC_BASE_URL=address)
    assert ended.stdout.splitlines()[-1] == names, ended.stderr
