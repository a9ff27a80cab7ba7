"""Acme CRM alone, over real HTTP: that the demo's other system behaves, and misbehaves, as it says."""

import base64
import hashlib
import http.client
import json
import secrets
import subprocess
import sys
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.thirdparty import ALL_SCOPES, ROOT, Browser, ThirdParty

REDIRECT_URI = "http://localhost:8000/connections/callback/11111111-1111-4111-8111-111111111111/"


@dataclass
class Answer:
    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def send(
    method: str,
    url: str,
    *,
    token: str = "",
    content: Any = None,
    form: Any = None,
    basic: str = "",
) -> Answer:
    parts = urllib.parse.urlsplit(url)
    headers, body = {}, None
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if basic:
        headers["Authorization"] = "Basic " + base64.b64encode(basic.encode()).decode()
    if content is not None:
        headers["Content-Type"], body = "application/json", json.dumps(content)
    if form is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        body = urllib.parse.urlencode(form)
    connection = http.client.HTTPConnection(parts.netloc, timeout=20)
    try:
        connection.request(method, f"{parts.path}?{parts.query}", body, headers)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


class Client:
    """A minimal OAuth client, registered at Acme under a name of its own."""

    def __init__(self, acme: ThirdParty) -> None:
        self.acme = acme
        self.id, self.secret = f"client-{secrets.token_hex(4)}", secrets.token_hex(12)
        self.verifier = secrets.token_urlsafe(48)
        acme.register(self.id, self.secret, [REDIRECT_URI])

    def url(self, scope: str = ALL_SCOPES, **more: str) -> str:
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest())
        query = {
            "response_type": "code",
            "client_id": self.id,
            "redirect_uri": REDIRECT_URI,
            "scope": scope,
            "state": "xyz",
            "code_challenge": challenge.decode().rstrip("="),
            "code_challenge_method": "S256",
            **more,
        }
        return f"{self.acme.url}/oauth/authorize?{urllib.parse.urlencode(query)}"

    def callback(self, user: str = "ada", **more: Any) -> dict[str, str]:
        back = self.acme.approve(self.url(**more), user)
        assert back.startswith(REDIRECT_URI)
        return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(back).query))

    def token(self, **form: str) -> Answer:
        return send(
            "POST", f"{self.acme.url}/oauth/token", form=form, basic=f"{self.id}:{self.secret}"
        )

    def exchange(self, code: str) -> Answer:
        return self.token(
            grant_type="authorization_code",
            code=code,
            redirect_uri=REDIRECT_URI,
            code_verifier=self.verifier,
        )

    def refresh(self, refresh_token: str) -> Answer:
        return self.token(grant_type="refresh_token", refresh_token=refresh_token)

    def tokens(self, user: str = "ada", **more: Any) -> dict[str, Any]:
        answer = self.exchange(self.callback(user, **more)["code"])
        assert answer.status == 200, answer.body
        return answer.json

    def get(self, path: str, token: str) -> Answer:
        return send("GET", self.acme.url + path, token=token)


@pytest.fixture
def client(thirdparty: ThirdParty) -> Client:
    return Client(thirdparty)


def test_it_sends_the_user_back_with_code_state_and_issuer(client: Client) -> None:
    back = client.callback()
    assert back["state"] == "xyz"
    assert back["iss"] == client.acme.url
    assert len(back["code"]) > 20


def test_it_sends_the_user_back_with_access_denied(client: Client) -> None:
    back = client.acme.approve(client.url(), allow=False)
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(back).query))
    assert query["error"] == "access_denied"
    assert query["state"] == "xyz"


def test_it_publishes_its_endpoints(client: Client) -> None:
    url = client.acme.url
    found = send("GET", f"{url}/.well-known/oauth-authorization-server").json
    assert found["issuer"] == url
    assert found["authorization_endpoint"] == f"{url}/oauth/authorize"
    assert found["token_endpoint"] == f"{url}/oauth/token"
    assert found["revocation_endpoint"] == f"{url}/oauth/revoke"
    assert found["authorization_response_iss_parameter_supported"] is True


def test_it_keeps_an_unknown_redirect_uri_at_its_own_page(client: Client) -> None:
    page = Browser().get(client.url().replace("11111111-1111", "22222222-2222"))
    page = Browser().get(page.location) if page.location else page
    client.acme.approve(client.url())
    browser = Browser()
    browser.approve(client.url())
    page = browser.get(client.url(redirect_uri="http://localhost:8000/elsewhere/"))
    assert page.status == 400
    assert "cannot go on" in page.text


def test_it_goes_on_without_a_page_only_where_consent_was_given(client: Client) -> None:
    browser = Browser()
    browser.approve(client.url())
    back = browser.get(client.url(prompt="none")).location
    assert "error=consent_required" in back
    assert f"iss={urllib.parse.quote(client.acme.url, safe='')}" in back
    client.exchange(
        dict(urllib.parse.parse_qsl(browser.approve(client.url()).split("?")[1]))["code"]
    )
    assert "code=" in browser.get(client.url(prompt="none")).location


def test_it_serves_each_user_their_own_contacts(client: Client) -> None:
    ada = client.get("/api/contacts", client.tokens("ada")["access_token"]).json
    ben = client.get("/api/contacts", client.tokens("ben")["access_token"]).json
    names = [{contact["name"] for contact in answer["contacts"]} for answer in (ada, ben)]
    assert ada["total"] >= 12
    assert ben["total"] >= 5
    assert not names[0] & names[1]


def test_it_lists_with_limit_and_search(client: Client) -> None:
    token = client.tokens()["access_token"]
    assert len(client.get("/api/contacts?limit=3", token).json["contacts"]) == 3
    found = client.get("/api/contacts?q=kobayashi", token).json["contacts"]
    assert [contact["company"] for contact in found] == ["Kobayashi Optics"]
    assert client.get(f"/api/contacts/{found[0]['id']}", token).json["name"] == "Hana Kobayashi"
    assert client.get("/api/contacts?limit=0", token).status == 422
    assert client.get("/api/contacts/999999", token).status == 404


@pytest.mark.parametrize("how", ["content", "form"])
def test_it_keeps_a_note(client: Client, how: str) -> None:
    token = client.tokens()["access_token"]
    url = f"{client.acme.url}/api/notes"
    sent: dict[str, Any] = {how: {"text": "Bring <b>cake</b>"}}
    made = send("POST", url, token=token, **sent)
    assert made.status == 201
    assert client.get("/api/notes?limit=1", token).json["notes"][0]["text"] == "Bring <b>cake</b>"
    assert client.acme.count(method="POST", path="/api/notes", user="ada", status=201) == 1
    assert send("POST", url, token=token, content={"text": ""}).status == 422
    assert send("POST", url, token=token, content=[]).status == 422


def test_it_adds_a_contact(client: Client) -> None:
    token = client.tokens("ben")["access_token"]
    url = f"{client.acme.url}/api/contacts"
    assert send("POST", url, token=token, content={"name": "Zoe Quartz"}).status == 201
    assert client.get("/api/contacts?q=Zoe+Quartz", token).json["total"] >= 1


def test_it_says_who_the_token_speaks_for(client: Client) -> None:
    me = client.get("/api/me", client.tokens()["access_token"]).json
    assert (me["account"], me["name"]) == ("ada", "Ada Lovelace")


def test_it_serves_its_status_to_anybody(thirdparty: ThirdParty) -> None:
    assert send("GET", f"{thirdparty.url}/api/status").json["status"] == "ok"


def test_it_challenges_a_request_without_a_token(thirdparty: ThirdParty) -> None:
    answer = send("GET", f"{thirdparty.url}/api/contacts")
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="Acme CRM"'


def test_it_challenges_a_wrong_token(client: Client) -> None:
    answer = client.get("/api/contacts", "nonsense")
    assert answer.status == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_it_names_the_missing_scope(client: Client) -> None:
    answer = client.get("/api/notes", client.tokens(scope="contacts.read")["access_token"])
    assert answer.status == 403
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
    assert 'scope="notes.read"' in answer.headers["WWW-Authenticate"]


def test_it_gives_a_minute_and_rotates(client: Client) -> None:
    first = client.tokens()
    assert first["expires_in"] == 60
    second = client.refresh(first["refresh_token"]).json
    assert second["refresh_token"] != first["refresh_token"]
    assert client.get("/api/me", second["access_token"]).status == 200


def test_ten_parallel_refreshes_give_one_answer_and_kill_the_family(client: Client) -> None:
    """What every client must avoid; measured at the server alone, with no product near."""
    tokens = client.tokens()
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: client.refresh(tokens["refresh_token"]), range(10)))
    assert sorted(answer.status for answer in answers) == [200] + [400] * 9
    won = next(answer.json for answer in answers if answer.status == 200)
    assert {answer.json["error"] for answer in answers if answer.status == 400} == {"invalid_grant"}
    assert client.refresh(won["refresh_token"]).json["error"] == "invalid_grant"
    assert client.get("/api/me", won["access_token"]).status == 401
    assert client.acme.count(grant_type="refresh_token", client=client.id) == 11
    assert client.acme.count(grant_type="refresh_token", status=200) == 1


def test_it_refuses_a_wrong_secret(client: Client) -> None:
    code = client.callback()["code"]
    client.secret = "wrong"
    answer = client.exchange(code)
    assert (answer.status, answer.json["error"]) == (401, "invalid_client")


def test_it_demands_the_code_verifier(client: Client) -> None:
    code = client.callback()["code"]
    client.verifier = secrets.token_urlsafe(48)
    assert client.exchange(code).json["error"] == "invalid_grant"


def test_it_revokes(client: Client) -> None:
    tokens = client.tokens()
    answer = send(
        "POST",
        f"{client.acme.url}/oauth/revoke",
        form={"token": tokens["refresh_token"], "token_type_hint": "refresh_token"},
        basic=f"{client.id}:{client.secret}",
    )
    assert answer.status == 200
    assert client.get("/api/me", tokens["access_token"]).status == 401
    assert client.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"
    assert client.acme.count(path="/oauth/revoke", client=client.id) == 1


def test_its_users_can_take_access_away(client: Client) -> None:
    tokens = client.tokens()
    browser = Browser()
    browser.approve(client.url())
    home = browser.get(f"{client.acme.url}/")
    browser.fill(home, "client", client=client.id)
    assert client.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"


def test_its_log_holds_no_token(client: Client) -> None:
    tokens = client.tokens()
    client.get(f"/api/contacts?access_token={tokens['access_token']}", tokens["access_token"])
    client.refresh(tokens["refresh_token"])
    text = (client.acme.data / "requests.log").read_text()
    for secret in (tokens["access_token"], tokens["refresh_token"], client.secret, client.verifier):
        assert secret not in text
    assert client.acme.count(method="GET", path="/api/contacts", client=client.id, user="ada") == 1


def test_it_lets_all_access_tokens_expire(client: Client) -> None:
    tokens = client.tokens()
    client.acme.control(expire=True)
    assert client.get("/api/me", tokens["access_token"]).status == 401
    assert client.refresh(tokens["refresh_token"]).status == 200


def test_it_revokes_everything_of_a_user(client: Client) -> None:
    ada, ben = client.tokens("ada"), client.tokens("ben")
    client.acme.control(client=client.id, revoke_user="ada")
    assert client.get("/api/me", ada["access_token"]).status == 401
    assert client.refresh(ada["refresh_token"]).status == 400
    assert client.get("/api/me", ben["access_token"]).status == 200


def test_it_asks_for_consent_again(client: Client) -> None:
    tokens = client.tokens()
    client.acme.control(client=client.id, reconsent=True)
    assert client.get("/api/me", tokens["access_token"]).status == 200
    assert client.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_its_api_answers_wrongly_to_one_client(client: Client, status: int) -> None:
    other = Client(client.acme)
    client.acme.control(client=client.id, api={"status": status, "retry_after": 7})
    answer = client.get("/api/me", client.tokens()["access_token"])
    assert answer.status == status
    assert answer.headers["Retry-After"] == "7"
    assert ("WWW-Authenticate" in answer.headers) is (status == 401)
    assert other.get("/api/me", other.tokens()["access_token"]).status == 200


def test_its_token_endpoint_answers_wrongly_once(client: Client) -> None:
    tokens = client.tokens()
    client.acme.control(token={"status": 503, "times": 1, "grant_type": "refresh_token"})
    assert client.refresh(tokens["refresh_token"]).status == 503
    assert client.refresh(tokens["refresh_token"]).status == 200


def test_its_token_endpoint_answers_html(client: Client) -> None:
    client.acme.control(token={"status": 200, "body": "<h1>Hello</h1>"})
    answer = client.refresh("any")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.body == b"<h1>Hello</h1>"


def test_it_may_act_and_lose_the_answer(client: Client) -> None:
    token = client.tokens()["access_token"]
    client.acme.control(api={"cut": True, "act_first": True})
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        send("POST", f"{client.acme.url}/api/notes", token=token, content={"text": "Unheard"})
    client.acme.control(api=None)
    assert client.get("/api/notes?limit=1", token).json["notes"][0]["text"] == "Unheard"
    assert client.acme.count(path="/api/notes", method="POST", status=0) == 1


def test_it_may_be_slow(client: Client) -> None:
    client.acme.control(api={"delay": 0.3})
    tokens = client.tokens()
    assert client.get("/api/me", tokens["access_token"]).status == 200


def test_it_may_leave_members_out_of_its_answer(client: Client) -> None:
    client.acme.control(token={"change": {"refresh_token": None, "expires_in": "soon"}})
    tokens = client.tokens()
    assert "refresh_token" not in tokens
    assert tokens["expires_in"] == "soon"


def test_it_may_keep_a_refresh_token_without_sending_it_again(client: Client) -> None:
    client.acme.control(client=client.id, keep_refresh_token=True)
    tokens = client.tokens()
    for _ in range(2):
        renewed = client.refresh(tokens["refresh_token"])
        assert renewed.status == 200
        assert "refresh_token" not in renewed.json
        assert client.get("/api/me", renewed.json["access_token"]).status == 200


@pytest.mark.parametrize(
    ("taken", "error"),
    [("client_secret_post", "invalid_client"), ("client_secret_basic", "invalid_grant")],
)
def test_it_may_take_one_client_authentication_only(client: Client, taken: str, error: str) -> None:
    client.acme.control(client=client.id, client_authentication=taken)
    answer = client.token(grant_type="authorization_code", code="nobody-issued-it")
    assert answer.json["error"] == error


def test_it_may_give_another_lifetime(client: Client) -> None:
    client.acme.control(client=client.id, lifetime=3)
    assert client.tokens()["expires_in"] == 3


def test_it_forgets_and_remembers_a_registration(client: Client) -> None:
    tokens = client.tokens()
    client.acme.control(client=client.id, forget="client")
    assert client.refresh(tokens["refresh_token"]).json["error"] == "invalid_client"
    client.acme.reset()
    client.acme.control(client=client.id, forget="redirect_uri")
    with pytest.raises(AssertionError, match="cannot go on"):
        client.acme.approve(client.url())
    client.acme.reset()
    assert client.refresh(tokens["refresh_token"]).status == 200
    assert client.callback()["code"]


def test_it_changes_a_client_secret(client: Client) -> None:
    tokens = client.tokens()
    client.acme.control(client=client.id, rotate_secret="another")
    assert client.refresh(tokens["refresh_token"]).json["error"] == "invalid_client"
    client.secret = "another"
    assert client.refresh(tokens["refresh_token"]).status == 200


def test_it_refuses_an_unknown_switch(thirdparty: ThirdParty) -> None:
    answer = send("POST", f"{thirdparty.url}/control/", content={"explode": True})
    assert answer.status == 400
    assert "explode" in answer.json["error"]
    answer = send("POST", f"{thirdparty.url}/control/", content={"api": {"colour": "red"}})
    assert "colour" in answer.json["error"]


def test_its_control_page_can_be_clicked(client: Client) -> None:
    browser = Browser()
    page = browser.get(f"{client.acme.url}/control/")
    assert "Acme behaves" in page.text
    number = page.text.split("Refuse: 403<")[0].rsplit('value="', 1)[1].split('"')[0]
    after = browser.fill(page, "csrfmiddlewaretoken", client=client.id, button=number)
    said = browser.get(after.location)
    assert "Done: Refuse: 403" in said.text
    assert client.get("/api/me", client.tokens()["access_token"]).status == 403
    form = page.form("csrfmiddlewaretoken")
    assert form
    browser.post(f"{client.acme.url}/control/reset", form.fields)
    assert client.get("/api/me", client.tokens()["access_token"]).status == 200


def test_its_control_page_is_closed_to_forms_of_other_origins(thirdparty: ThirdParty) -> None:
    assert send("POST", f"{thirdparty.url}/control/", form={"button": "0"}).status == 403
    assert send("POST", f"{thirdparty.url}/control/reset", form={}).status == 403


def test_its_cookies_have_names_of_their_own(client: Client) -> None:
    answer = send("GET", f"{client.acme.url}/login/")
    assert answer.headers["Set-Cookie"].startswith("acme_csrf=")


def test_it_says_that_its_port_is_taken(thirdparty: ThirdParty, tmp_path: Path) -> None:
    port = thirdparty.url.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "demo.thirdparty", "--port", port, "--data", str(tmp_path)]
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert second.returncode == 1
    assert second.stderr == f"Acme CRM cannot listen on 127.0.0.1:{port}: Address already in use.\n"


def test_it_ends_with_its_standard_input(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "demo.thirdparty", "--port", "0", "--data", str(tmp_path)]
    ended = subprocess.run(
        [*command, "--exit-with-stdin", "--register", "a:b:http://localhost/c"],
        cwd=ROOT,
        input="",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
