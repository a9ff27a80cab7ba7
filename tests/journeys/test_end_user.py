"""What end users do: see their data, be asked, go back on it. The walks of docs/walks.md, and more."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.journeys.browsing import Person, check_looks, link_to, wait_until_closed
from tests.journeys.conftest import Meets
from tests.thirdparty import ThirdParty

CONTACTS = "/pages/pages/contacts/"


def test_alice_sees_her_contacts(alice: Person, thirdparty: ThirdParty) -> None:
    page = alice.opens(CONTACTS)
    link = link_to(page)
    expect(page.get_by_text("You are alice here.")).to_be_visible()
    check_looks(page)
    with page.expect_popup() as opened:
        link.click()
    popup = opened.value
    expect(page.get_by_text("Waiting for your approval in the other window")).to_be_visible()
    popup.get_by_role("button", name="Be ada").click()
    expect(popup.get_by_role("heading", name="Allow Connected Systems demo?")).to_be_visible()
    popup.get_by_role("button", name="Allow").click(no_wait_after=True)
    expect(page.locator("[data-result]")).to_contain_text("Mina Castellan")
    wait_until_closed(popup)
    check_looks(page)
    assert thirdparty.count(path="/oauth/token", status=200) == 1


def test_bob_is_asked_and_sees_his_own(alice: Person, bob: Person) -> None:
    page = alice.opens(CONTACTS)
    alice.authorizes(page)
    expect(page.locator("[data-result]")).to_contain_text("Mina Castellan")
    page = bob.opens(CONTACTS)
    expect(page.get_by_text("You are bob here.")).to_be_visible()
    expect(page.locator("[data-result]")).to_have_count(0)
    bob.authorizes(page, as_="ben")
    expect(page.locator("[data-result]")).to_be_visible()
    expect(page.locator("[data-result]")).not_to_contain_text("Mina Castellan")


def test_alice_disconnects(alice: Person, thirdparty: ThirdParty) -> None:
    page = alice.opens(CONTACTS)
    alice.authorizes(page)
    expect(page.locator("[data-result]")).to_be_visible()
    page = alice.opens("/connections/")
    check_looks(page)
    page.get_by_role("button", name="Disconnect").click()
    expect(
        page.get_by_text("Acme CRM confirmed that it no longer accepts the permission")
    ).to_be_visible()
    assert thirdparty.count(path="/oauth/revoke", status=200) == 2
    page = alice.opens(CONTACTS)
    expect(link_to(page)).to_be_visible()


def test_admin_sees_states_and_no_token(alice: Person, meets: Meets) -> None:
    page = alice.opens(CONTACTS)
    alice.authorizes(page)
    expect(page.locator("[data-result]")).to_be_visible()
    sealed = [
        str(row[0])
        for row in alice.site.execute("SELECT access_token FROM authlinks_authorization")
    ]
    admin = meets("admin")
    page = admin.opens("/admin/")
    page.goto("/admin/authlinks/authorization/")
    row = page.get_by_role("row").filter(has_text="alice")
    expect(row).to_contain_text("Acme CRM")
    assert not any(each in page.content() for each in sealed)
    page.goto("/admin/authlinks/authorizationattempt/")
    expect(page.get_by_role("row").filter(has_text="alice")).to_be_visible()
