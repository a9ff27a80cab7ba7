"""Our own pages for what goes wrong, and the headers and addresses of every page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path

from config import urls
from connectedsystems.diagnosis import CATALOGUE

REFERENCE = r"[2-9A-Z]{2}-[2-9A-Z]{4}"


def missing(request: HttpRequest) -> HttpResponse:
    raise Http404("a sentence about the inside")


def forbidden(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


def broken(request: HttpRequest) -> HttpResponse:
    token = "planted-local-value-1"
    raise RuntimeError(f"planted-in-message {request.GET.get('code')} {len(token)}")


def fine(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{request.is_secure()} {request.GET.urlencode()}")


handler400, handler403 = urls.handler400, urls.handler403
handler404, handler500 = urls.handler404, urls.handler500
urlpatterns = [
    *urls.urlpatterns,
    path("try/missing/", missing),
    path("try/forbidden/", forbidden),
    path("try/broken/", broken),
    path("try/fine/", fine),
]

pytestmark = pytest.mark.urls(__name__)


@pytest.fixture
def visitor() -> Client:
    return Client(raise_request_exception=False)


def alert(html: str) -> tuple[str, str]:
    found = re.findall(r'role="alert"[^>]*data-code="(\w+)"\s+data-reference="([^"]+)"', html)
    assert len(found) == 1
    return found[0]


@pytest.mark.django_db
@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize(
    ("address", "status", "code"),
    [("missing", 404, "not_found"), ("forbidden", 403, "not_allowed")],
)
def test_G11_a_refusal_has_a_page_of_ours(
    visitor: Client, address: str, status: int, code: str, debug: bool
) -> None:
    with override_settings(DEBUG=debug):
        page = visitor.get(f"/try/{address}/")
    assert page.status_code == status
    found, reference = alert(page.text)
    assert found == code
    assert re.fullmatch(REFERENCE, reference)
    assert "inside" not in page.text
    assert page["Cache-Control"] == "no-store"


@pytest.mark.django_db
def test_an_address_that_leads_nowhere_has_the_same_page(visitor: Client) -> None:
    page = visitor.get("/no/such/page/")
    assert (page.status_code, alert(page.text)[0]) == (404, "not_found")


def test_I6_a_failure_of_ours_shows_the_reference_of_its_log(
    visitor: Client, log_lines: Any
) -> None:
    page = visitor.get("/try/broken/")
    assert page.status_code == CATALOGUE["internal_error"].status == 503
    code, reference = alert(page.text)
    assert code == "internal_error"
    assert "planted" not in page.text
    failed = [line for line in log_lines() if line["event"] == "request_failed"]
    assert [line["reference"] for line in failed] == [reference]


def test_the_page_of_a_failure_does_not_fail(
    visitor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_template(*args: Any, **kwargs: Any) -> None:
        raise OSError("templates are gone")

    monkeypatch.setattr("django.template.loader.get_template", no_template)
    page = visitor.get("/try/broken/")
    assert (page.status_code, alert(page.text)[0]) == (503, "internal_error")


@pytest.mark.parametrize(
    ("address", "status", "code"),
    [("missing", 404, "not_found"), ("broken", 503, "internal_error")],
)
def test_a_client_that_reads_json_gets_json(
    visitor: Client, address: str, status: int, code: str
) -> None:
    answer = visitor.get(f"/try/{address}/", headers={"accept": "application/json"})
    assert answer.status_code == status
    body = answer.json()
    assert (body["success"], body["error"]["code"]) == (False, code)
    assert re.fullmatch(REFERENCE, body["reference"])


@pytest.mark.django_db
def test_G2_a_form_without_its_token_is_refused_with_a_way_on(alice: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    page = client.post("/accounts/logout/")
    assert (page.status_code, alert(page.text)[0]) == (403, "form_expired")


def test_A27_an_unknown_host_is_refused(visitor: Client) -> None:
    page = visitor.get("/try/fine/", headers={"host": "evil.example"})
    assert (page.status_code, alert(page.text)[0]) == (400, "bad_request")
    assert "evil.example" not in page.text


@pytest.mark.parametrize("name", ["x-forwarded-host", "x-forwarded-proto", "forwarded"])
def test_A27_what_a_client_says_about_itself_counts_for_nothing(visitor: Client, name: str) -> None:
    value = {"x-forwarded-proto": "https"}.get(name, "evil.example")
    assert visitor.get("/try/fine/", headers={name: value}).text == "False "


@override_settings(
    ALLOWED_HOSTS=["testserver", "other.example"], PUBLIC_BASE_URL="http://testserver"
)
def test_another_allowed_host_leads_to_the_public_address(visitor: Client) -> None:
    here = {"host": "other.example"}
    answer = visitor.get("/try/fine/?a=1&code=x", headers=here)
    assert answer.status_code == 302
    assert answer["Location"] == "http://testserver/try/fine/?a=1&code=x"
    assert "no-store" in answer["Cache-Control"]
    assert visitor.post("/try/fine/", headers=here).status_code == 200
    for address in ("/healthz",):
        assert visitor.get(address, headers=here).status_code == 200
    assert visitor.get("/try/fine/", headers={"host": "testserver:8080"}).status_code == 200


@override_settings(PUBLIC_BASE_URL="https://testserver", SECURE_HSTS_SECONDS=60)
def test_http_leads_to_https_where_that_is_the_public_address(visitor: Client) -> None:
    answer = visitor.get("/try/fine/?a=1")
    assert (answer.status_code, answer["Location"]) == (302, "https://testserver/try/fine/?a=1")
    page = visitor.get("/try/fine/", secure=True)
    assert page["Strict-Transport-Security"] == "max-age=60"


@override_settings(
    PUBLIC_BASE_URL="https://testserver",
    SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
)
def test_a_trusted_proxy_says_that_it_is_https(visitor: Client) -> None:
    page = visitor.get("/try/fine/", headers={"x-forwarded-proto": "https"})
    assert (page.status_code, page.text) == (200, "True ")


@pytest.mark.parametrize("address", ["/try/fine/", "/try/broken/", "/accounts/login/", "/no/"])
@pytest.mark.django_db
def test_G9_every_page_has_its_headers(visitor: Client, address: str) -> None:
    page = visitor.get(address)
    policy = page["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert page["X-Content-Type-Options"] == "nosniff"
    assert page["Referrer-Policy"] == "same-origin"
    assert page["X-Frame-Options"] == "DENY"
    assert page["Cross-Origin-Opener-Policy"].startswith("same-origin")
    assert "camera=()" in page["Permissions-Policy"]


@pytest.mark.django_db
def test_G9_the_policy_is_relaxed_at_the_desk_alone(
    as_user: Callable[..., Client], admin: Any
) -> None:
    client = as_user(admin)
    assert "'unsafe-eval'" in client.get("/admin/")["Content-Security-Policy"]
    assert "unsafe" not in client.get("/administrator/")["Content-Security-Policy"]


@pytest.mark.django_db
def test_I1_a_log_line_has_no_query(visitor: Client, log_lines: Any) -> None:
    visitor.get("/try/fine/?code=planted-code-1&state=planted-state-1")
    visitor.get("/no/?code=planted-code-1")
    visitor.post("/try/fine/?code=planted-code-1", {"password": "planted-word-1"})
    visitor.get("/try/broken/?code=planted-code-1")
    lines = log_lines()
    assert {line["request"] for line in lines if line["event"] == "request_finished"} == {
        "GET /try/fine/",
        "GET /no/",
        "POST /try/fine/",
        "GET /try/broken/",
    }
    text = json.dumps(lines)
    assert "planted-in-message" in text
    for value in ("planted-code-1", "planted-state-1", "planted-word-1", "planted-local-value-1"):
        assert value not in text


@pytest.mark.django_db
def test_I4_one_event_is_one_line(visitor: Client, log_lines: Any) -> None:
    visitor.get("/no/%0d%0a%7b%22event%22:%22forged%22%7d/%1b[31m")
    visitor.get("/try/fine/", headers={"host": "evil\x1b.example"})
    lines = log_lines()
    assert "forged" not in {line["event"] for line in lines}
    assert any("\r\n" in line.get("request", "") for line in lines)


@pytest.mark.django_db
@override_settings(DEBUG=True)
def test_G11_the_report_with_debug_shows_no_value(visitor: Client) -> None:
    visitor.cookies["sessionid"] = "planted-cookie-value"
    page = visitor.post("/try/broken/?code=planted-code-1", {"password": "planted-word-1"})
    assert page.status_code == 500
    assert "RuntimeError" in page.text
    assert "token" in page.text
    for value in ("planted-code-1", "planted-word-1", "planted-cookie-value", "0123456789"):
        assert value not in page.text
    shown = page.text.replace("token = &quot;planted-local-value-1&quot;", "")
    assert "planted-local-value-1" not in shown


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "cookie"),
    [
        ("/connections/", 'sessionid="\\000aaaaaaaaaaaa"'),
        ("/accounts/login/", 'csrftoken="\\000aaaa"'),
        ("/admin/auth/user/?q=%00", ""),
        ("/admin/auth/user/%00/change/", ""),
        ("/integrations/%00/", ""),
    ],
)
def test_F12_a_zero_byte_is_refused_before_a_database_meets_it(
    visitor: Client, address: str, cookie: str
) -> None:
    page = visitor.get(address, HTTP_COOKIE=cookie)
    assert (page.status_code, alert(page.text)[0]) == (400, "bad_request")


@pytest.mark.django_db
def test_a_session_that_is_none_is_no_failure(visitor: Client) -> None:
    visitor.cookies["sessionid"] = "x" * 5000
    assert visitor.get("/accounts/login/").status_code == 200
    assert visitor.get("/connections/").status_code == 302
