"""What designers do with integrations: A11 to A13, in rows or as JSON, tried before they are saved."""

from __future__ import annotations

import json
import re

from playwright.sync_api import Locator, Page, expect

from tests.journeys.browsing import approve, check_looks
from tests.journeys.conftest import Meets
from tests.thirdparty import ThirdParty

ADD = "/admin/integrations/integration/add/?connected_system=acme"


def rows(page: Page, name: str) -> Locator:
    """The rows of one of the form's fields."""
    return page.locator(f"#id_{name} + .row-editor")


def add_pair(page: Page, name: str, key: str, value: str) -> None:
    rows(page, name).get_by_role("button", name="Add a row").click()
    row = rows(page, name).locator(".row").last
    row.get_by_label("Name").fill(key)
    row.get_by_label("Value").fill(value)


def run_test(page: Page) -> None:
    page.get_by_role("button", name="Test", exact=True).click()


def outcome(page: Page) -> Locator:
    return page.locator("[data-test-outcome]")


def test_an_integration_is_written_tried_and_saved(meets: Meets, thirdparty: ThirdParty) -> None:
    page = meets("dora").opens(ADD)
    page.fill("#id_name", "Find contacts")
    page.fill("#id_path", "/contacts")
    add_pair(page, "parameters", "limit", "{limit}")
    page.get_by_role("button", name="Add input limit").click()
    page.get_by_label("Type", exact=True).select_option("integer")
    page.get_by_label("Default", exact=True).fill("3")
    preview = page.locator("[data-preview-line]")
    expect(preview).to_have_text(f"GET {thirdparty.url}/api/contacts?limit=3")
    check_looks(page)

    run_test(page)
    expect(outcome(page)).to_have_attribute("data-test-outcome", "needs_authorization")
    check_looks(page)
    with page.expect_popup() as opened:
        page.locator("[data-test-panel] [data-authorize]").click()
    approve(opened.value)
    expect(outcome(page)).to_have_attribute("data-test-outcome", "success")
    check_looks(page)
    assert thirdparty.count(path="/api/contacts", status=200) == 1

    page.get_by_role("tab", name="HTTP Request").press("Enter")
    shown = page.get_by_role("tabpanel")
    expect(shown).to_contain_text("GET /api/contacts?limit=3 HTTP/1.1")
    expect(shown).to_contain_text("Authorization: Bearer [redacted]")
    page.keyboard.press("ArrowRight")
    expect(shown).to_contain_text("200 OK")
    expect(shown.get_by_role("link", name="Download the whole body")).to_be_visible()
    page.keyboard.press("ArrowRight")
    for words in ("Prepare", "Send", "Receive", "Transform"):
        expect(shown).to_contain_text(words)

    page.get_by_role("button", name="Save", exact=True).click()
    expect(page).to_have_url(re.compile(r"/admin/integrations/integration/$"))
    page.goto("/integrations/find-contacts/")
    expect(page.locator("[data-result]")).to_be_visible()


def test_a_mistake_is_marked_where_it_is(meets: Meets) -> None:
    page = meets("dora").opens(ADD)
    page.fill("#id_name", "With a mistake")
    page.fill("#id_path", "/contacts?limit=3")
    run_test(page)
    problem = page.get_by_role("alert")
    expect(problem).to_contain_text("put its parameters into parameters")
    problem.get_by_role("link", name="Path").click()
    expect(page.locator("#id_path")).to_be_focused()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("[aria-invalid=true]")).to_have_attribute("name", "path")
    expect(page.locator("#id_path")).to_be_focused()
    expect(page.locator("#id_path")).to_have_value("/contacts?limit=3")
    check_looks(page)


def test_rows_and_json_say_the_same(meets: Meets) -> None:
    page = meets("dora").opens(ADD)
    headers = page.locator("#id_headers")
    add_pair(page, "headers", "X-One", "1")
    add_pair(page, "headers", "X-Two", "{two}")
    rows(page, "headers").get_by_role("button", name="Edit as JSON").click()
    expect(headers).to_be_visible()
    assert json.loads(headers.input_value()) == {"X-One": "1", "X-Two": "{two}"}
    headers.fill('{"X-Three": ')
    expect(rows(page, "headers").get_by_role("button", name="Edit as rows")).to_be_disabled()
    headers.fill('{"X-Three": "3"}')
    rows(page, "headers").get_by_role("button", name="Edit as rows").click()
    expect(rows(page, "headers").get_by_label("Name")).to_have_value("X-Three")

    page.locator("#id_method").select_option("POST")
    page.fill("#id_content_type", "application/x-www-form-urlencoded")
    page.locator("#id_content_type").blur()
    add_pair(page, "body", "text", "{text}")
    assert json.loads(page.locator("#id_body").input_value()) == {"text": "{text}"}
    check_looks(page)


def test_without_script_the_form_and_the_test_work(meets: Meets, thirdparty: ThirdParty) -> None:
    page = meets("dora", java_script_enabled=False).opens(ADD.replace("acme", "acme-status"))
    page.fill("#id_name", "Is it up?")
    page.fill("#id_slug", "is-it-up")
    page.fill("#id_path", "/status")
    with page.expect_popup() as opened:
        run_test(page)
    expect(outcome(opened.value)).to_have_attribute("data-test-outcome", "success")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("body")).to_contain_text("Is it up?")
    assert thirdparty.count(path="/api/status", status=200) == 1
