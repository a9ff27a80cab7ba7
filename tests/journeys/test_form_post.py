"""An answer that comes as a form of another site: a real browser brings the session along."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from playwright.sync_api import expect

from tests.journeys.conftest import Meets
from tests.thirdparty import ThirdParty

POSTS = """([address, fields]) => {
    const form = Object.assign(document.createElement('form'), {method: 'post', action: address});
    for (const [name, value] of fields) {
        form.append(Object.assign(document.createElement('input'), {name, value, type: 'hidden'}));
    }
    document.body.append(form);
    form.submit();
}"""


def test_a_form_of_another_site_ends_the_walk(meets: Meets, thirdparty: ThirdParty) -> None:
    alice = meets("alice", bypass_csp=True)
    page = alice.opens("/connections/acme/authorize/?next=/pages/pages/contacts/")
    with page.expect_request(f"{thirdparty.url}/oauth/authorize?*") as asked:
        page.get_by_role("button", name="Continue to Acme CRM").click()
    page.wait_for_load_state()
    assert urlsplit(page.url).hostname != urlsplit(alice.site.url).hostname
    back = urlsplit(thirdparty.approve(asked.value.url))
    address = f"{back.scheme}://{back.netloc}{back.path}"
    with page.expect_request(address) as sent:
        page.evaluate(POSTS, [address, parse_qsl(back.query)])
    expect(page.locator("[data-result]")).to_be_visible()
    assert sent.value.method == "POST"
    assert "sessionid" not in sent.value.all_headers().get("cookie", "")
