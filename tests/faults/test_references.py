"""What stands under a reference, for whom, and how it is found."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.test import Client

from authlinks.models import AuthorizationAttempt
from integrations.models import CallRecord
from integrations.referenceviews import written
from tests.acme import make_integration, make_system
from tests.faults.room import (
    ACCESS,
    Guest,
    Room,
    attempt,
    expire,
    granted,
    html,
    leaks,
    said,
)
from tests.faults.test_calls import ODD as ODD_CALLS
from tests.faults.token_answers import ODD as ODD_TOKENS


@pytest.fixture
def admin(room: Room, django_user_model: Any) -> Client:
    client = Client()
    client.force_login(django_user_model.objects.create_superuser("root", password="root"))
    return client


def steps_on(page: Any) -> list[str]:
    """The sentences of the timeline, without times."""
    found = re.findall(r"<li[^>]*>\s*<p>(.*?)</p>", page.content.decode(), re.S)
    texts = [re.sub(r"<time.*?</time>|<span.*?</span>|<[^>]+>", "", each) for each in found]
    return [" ".join(unescape(text).split()) for text in texts]


def http_on(page: Any) -> str:
    """All that was sent and received, as the page shows it."""
    return unescape(
        "\n".join(re.findall(r"<pre.*?><code>(.*?)</code>", page.content.decode(), re.S))
    )


def test_a_call_that_failed_is_told_step_by_step(room: Room, guest: Guest, admin: Client) -> None:
    guest.connects()
    expire()
    room.api = said({"message": "no such table", "echo": ACCESS}, "500 Internal Server Error")
    guest.lists()
    record = CallRecord.objects.get()
    page = guest.client.get(f"/references/{record.reference}/")
    assert steps_on(page) == [
        "This site asked Acme CRM for permission to speak for you. It answered.",
        "This site asked Acme CRM for data. It answered with 500 Internal Server Error.",
    ]
    assert http_on(page) == ""
    detail = http_on(admin.get(f"/references/{record.reference}/"))
    assert f"GET {room.url}/api/contacts" in detail
    assert "Authorization: [redacted]" in detail
    assert '"grant_type": "refresh_token"' in detail
    assert '"refresh_token": "[redacted]"' in detail
    assert '{"message": "no such table", "echo": "[redacted]"}' in detail
    assert leaks(detail, page.content.decode()) == []


def test_an_attempt_is_told_from_leaving_to_the_answer(
    room: Room,
    guest: Guest,
    admin: Client,
) -> None:
    room.token = html("404 Not Found")
    guest.authorizes()
    page = guest.client.get(f"/references/{attempt().reference}/")
    assert steps_on(page) == [
        "You were sent to Acme CRM (127.0.0.1).",
        "You came back from Acme CRM.",
        "This site asked Acme CRM for permission to speak for you. It answered with 404 Not Found.",
    ]
    seen_by_admin = admin.get(f"/references/{attempt().reference}/")
    assert steps_on(seen_by_admin)[0] == "alice was sent to Acme CRM (127.0.0.1)."
    detail = http_on(seen_by_admin)
    assert "response_type=code" in detail and "state=[redacted]" in detail
    assert "code=[redacted]" in detail
    assert "<h1>Oops</h1>" in detail
    assert leaks(detail) == []


def test_a_refusal_there_is_a_step(room: Room, guest: Guest) -> None:
    guest.comes_back("error=access_denied&error_description=Not+today&state={state}")
    page = guest.client.get(f"/references/{attempt().reference}/")
    assert steps_on(page)[1] == "You came back from Acme CRM, which gave a reason."
    assert "Not today" in page.content.decode()


@pytest.mark.parametrize("place", ["header", "query"])
def test_an_api_key_is_in_no_timeline(
    place: str, room: Room, admin: Client, member: Callable[[str], Any]
) -> None:
    key = "planted-timeline-key-5Tz2"
    system = make_system(
        room.url,
        "keyed",
        authentication="api_key",
        api_key={"name": "key", "value": key, "place": place},
    )
    make_integration(system, "keyed-list")
    room.api = said({"message": f"The key {key} is not known"}, "500 Internal Server Error")
    alice = Client()
    alice.force_login(member("alice"))
    alice.get("/integrations/keyed-list/")
    (told,) = room.asked("/api")
    assert key in told.target + str(told.headers)
    page = admin.get(f"/references/{CallRecord.objects.get().reference}/")
    assert "The key [redacted] is not known" in http_on(page)
    assert key not in page.content.decode()


def test_what_was_never_sent_says_so(room: Room, guest: Guest) -> None:
    guest.lists()
    page = guest.client.get(f"/references/{CallRecord.objects.get().reference}/")
    assert "Nothing was sent." in page.content.decode()


def test_a_delivered_write_keeps_no_words(room: Room, guest: Guest, admin: Client) -> None:
    guest.connects()
    room.api = said({"stored": "Words of hers"})
    assert guest.adds("Words of hers").status_code == 200
    record = CallRecord.objects.get()
    page = admin.get(f"/references/{record.reference}/")
    assert steps_on(page) == ["This site sent data to Acme CRM. It answered."]
    assert "bytes, not kept" in http_on(page)
    assert "Words of hers" not in page.content.decode()


@pytest.mark.parametrize("odd", ODD_TOKENS, ids=str)
def test_I1_no_token_answer_leaks_in_its_timeline(
    odd: Any,
    room: Room,
    guest: Guest,
    admin: Client,
    settings: Any,
) -> None:
    if odd.quick:
        settings.TIME_LIMITS = 0.05
    room.token = odd.wire
    guest.authorizes()
    page = admin.get(f"/references/{attempt().reference}/")
    assert page.status_code == 200 and len(steps_on(page)) == 3
    assert leaks(page.content.decode()) == []
    assert len(page.content) < 30_000


@pytest.mark.parametrize("odd", ODD_CALLS, ids=str)
def test_I1_no_odd_answer_leaks_in_its_timeline(
    odd: Any,
    room: Room,
    guest: Guest,
    admin: Client,
    settings: Any,
) -> None:
    guest.connects()
    if odd.quick:
        settings.TIME_LIMITS = 0.02
    room.api = odd.wire
    guest.lists()
    page = admin.get(f"/references/{CallRecord.objects.get().reference}/")
    assert page.status_code == 200 and steps_on(page)
    assert leaks(page.content.decode()) == []
    assert len(page.content) < 100_000


def test_details_for_support_are_what_the_page_shows(
    room: Room,
    guest: Guest,
    admin: Client,
) -> None:
    guest.connects()
    room.api = html("500 Internal Server Error")
    guest.lists()
    record = CallRecord.objects.get()

    def support(client: Client) -> str:
        page = client.get(f"/references/{record.reference}/").content.decode()
        assert 'data-copy="details"' in page
        found = re.search(r'<textarea id="details".*?>(.*?)</textarea>', page, re.S)
        assert found is not None
        return unescape(found[1])

    mine = support(guest.client)
    assert mine.startswith(
        f"Reference: {record.reference}\nWhat: Call of list at Acme CRM\nWho: alice\n"
    )
    assert "Failure code: call_failed" in mine and "500 Internal Server Error" in mine
    assert "/api/contacts" not in mine
    assert f"GET {room.url}/api/contacts" in support(admin)


@pytest.mark.parametrize("typed", ["K7-42QX", "k7-42qx", " K742QX ", "k7 42 qx"])
def test_a_reference_is_read_however_it_was_typed(typed: str) -> None:
    assert written(typed) == "K7-42QX"


def test_one_box_finds_attempts_and_calls(
    room: Room,
    guest: Guest,
    member: Callable[[str], Any],
) -> None:
    guest.connects()
    room.api = html("500 Internal Server Error")
    guest.lists()
    stranger = Client()
    stranger.force_login(member("bob"))
    for row in (AuthorizationAttempt.objects.get(), CallRecord.objects.get()):
        asked = {"q": row.reference.lower().replace("-", "")}
        found = guest.client.get("/references/", asked)
        assert (found.status_code, found["Location"]) == (302, f"/references/{row.reference}/")
        page = stranger.get("/references/", asked)
        assert page.status_code == 404
        assert 'data-code="not_found"' in page.content.decode()
        assert f'value="{asked["q"]}"' in page.content.decode()


@pytest.mark.parametrize("typed", ["", " ", "a\x00b", "<script>", "K" * 500, "ΩΩ-ΩΩΩΩ"])
def test_odd_words_in_the_box_find_nothing(typed: str, alice: Any) -> None:
    client = Client()
    client.force_login(alice)
    page = client.get("/references/", {"q": typed})
    assert page.status_code == (404 if typed.strip() else 200)
    assert b"<script>" not in page.content


def test_a_timeline_that_does_not_open_leaves_the_rest(room: Room, guest: Guest) -> None:
    room.token = granted(access_token=None)
    guest.authorizes()
    row = attempt()
    AuthorizationAttempt.objects.update(user_id=row.user_id, timeline=row.verifier)
    CallRecord.objects.all().delete()
    page = guest.client.get(f"/references/{row.reference}/")
    assert page.status_code == 200
    assert "Step by step" not in page.content.decode()
