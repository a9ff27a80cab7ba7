"""Ten mistakes, one at a time: each leads to words that name the wrong field, and on to that field."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.journeys.browsing import check_looks
from tests.journeys.conftest import Meets
from tests.journeys.mistaken import TOLD
from tests.mistakes import MISTAKES, label
from tests.thirdparty import ThirdParty


@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_a_mistake_leads_to_its_field(meets: Meets, thirdparty: ThirdParty, mistake: str) -> None:
    dora, told = meets("dora"), TOLD[mistake]
    box = told.walk(dora, thirdparty)
    expect(box).to_have_attribute("data-code", told.code)
    expect(box).to_contain_text(told.message)
    page = dora.page
    if told.where == "Done Authorizing":
        expect(page.locator("[aria-invalid=true]")).to_have_id(f"id_{mistake}")
        expect(page.locator("[aria-invalid=true]")).to_be_focused()
    check_looks(page)
    link = box.get_by_role("link", name=re.compile(f"^Look at {label(mistake)}( of |$)"))
    expect(link).to_have_count(1)
    if told.where == "Test of an integration":
        with page.expect_popup() as opened:
            link.click()
        page = opened.value
        expect(page).to_have_url(re.compile(f"#id_{mistake}$"))
    else:
        link.click()
    field = page.locator(f"#id_{mistake}")
    expect(field).to_be_visible()
    expect(field).to_be_focused()
