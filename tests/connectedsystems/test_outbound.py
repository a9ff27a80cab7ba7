"""One door: who is reached, over which connection, and what is never carried along."""

import contextlib
import os
import pickle
import socket
import ssl
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
import requests
import responses
from authlib.integrations.requests_client import OAuth2Session

from connectedsystems import outbound, redact
from connectedsystems.errors import OutboundFailure
from connectedsystems.network import addresses, curl
from tests.otherside import Authority, Talk, Told, answer, other_side, says

HERE = "127.0.0.1"


@pytest.fixture(autouse=True)
def allowed(settings):
    settings.OUTBOUND_ALLOW = [HERE, "localhost"]
    settings.TIME_LIMITS = 1.0


@pytest.fixture(autouse=True)
def no_connection_left_over():
    curl.idle.close()
    yield
    curl.idle.close()


@pytest.fixture
def server():
    """``server(talk)``: another system for the length of a test."""
    with contextlib.ExitStack() as stack:
        yield lambda *how: stack.enter_context(other_side(*how))


@pytest.fixture
def hello(server):
    return server(says(answer(b"hello")))


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


def send(
    url: str,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    body: bytes | None = None,
    *,
    seconds: float = 5.0,
    max_bytes: int = 1_000_000,
    **how: Any,
) -> outbound.Reply:
    deadline = time.monotonic() + seconds
    how.setdefault("repeatable", method == "GET")
    request = outbound.Request(
        method, url, headers or {}, body, deadline=deadline, max_bytes=max_bytes, **how
    )
    return outbound.send(request)


def failure(url: str, *arguments: Any, **how: Any) -> OutboundFailure:
    with pytest.raises(OutboundFailure) as caught:
        send(url, *arguments, **how)
    return caught.value


def resolves(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """The name ``acme.example`` leads to these addresses, one answer after the other."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def resolve(host: str, port: int, *arguments: Any, **more: Any) -> Any:
        if host != "acme.example":
            return real(host, port, *arguments, **more)
        found = answers[min(len(asked), len(answers) - 1)]
        asked.append(host)
        return [
            (
                socket.AF_INET6 if ":" in ip else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (ip, port),
            )
            for ip in found
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


# A request and its reply


def test_it_sends_what_it_is_given_and_gives_what_it_hears(server):
    there = server(says(answer(b"[1]", "201 Made", "X-A: 1", "X-A: 2", "Set-Cookie: a=b")))
    reply = send(
        there.url("/x?q=1#f"), "POST", {"Content-Type": "application/json", "X-T": "ü"}, b"{}"
    )
    told = there.told[0]
    assert (told.method, told.target, told.body) == ("POST", "/x?q=1", b"{}")
    assert (told.header("Host"), told.header("Content-Length")) == (f"127.0.0.1:{there.port}", "2")
    assert told.header("X-T") == "ü".encode().decode("latin-1")
    assert (reply.status, reply.reason, reply.body) == (201, "Made", b"[1]")
    assert (reply.headers["x-a"], reply.headers.get_all("x-A")) == ("1, 2", ["1", "2"])
    assert "X-A" in list(reply.headers) and reply.headers.get("nothing") is None


def test_the_path_is_percent_encoded_and_kept_otherwise(hello):
    send(hello.url("/a%2Fb/ü/../c?x=%26&y=ü"))
    assert hello.told[0].target == "/a%2Fb/%C3%BC/../c?x=%26&y=%C3%BC"


def test_a_write_without_body_says_so(hello):
    send(hello.url(), "POST")
    send(hello.url(), "DELETE")
    assert [told.header("Content-Length") for told in hello.told] == ["0", None]


def test_timings_tell_a_new_connection_from_an_old_one(hello):
    first, second = send(hello.url()).timings, send(hello.url()).timings
    assert in_order(first.connect, first.sent, first.first_byte, first.done)
    assert second.connect is None
    assert in_order(second.sent, second.first_byte, second.done)


def in_order(*moments: float | None) -> bool:
    found = [moment for moment in moments if moment is not None]
    return len(found) == len(moments) and [0, *found, 5] == sorted([0, *found, 5])


def test_C13_no_repr_shows_what_was_sent_or_heard(hello):
    request = outbound.Request(
        "GET",
        hello.url("/?token=hidden"),
        {"Authorization": "hidden"},
        b"hidden",
        deadline=1,
        max_bytes=1,
    )
    reply = send(hello.url())
    assert "hidden" not in repr(request)
    assert "hello" not in repr(reply)


def test_replies_can_be_pickled(hello):
    reply = send(hello.url())
    assert pickle.loads(pickle.dumps(reply)).headers["content-length"] == "5"


# What is never carried along


def test_E29_it_says_who_it_is_and_nothing_about_the_host(hello):
    send(hello.url(), headers={"X-Forwarded-For": "1.2.3.4", "Accept": "text/plain"})
    names = {name.lower() for name, _ in hello.told[0].headers}
    assert names == {"host", "user-agent", "accept", "accept-encoding", "x-forwarded-for"}
    assert hello.told[0].header("User-Agent") == "ConnectedSystems/1"
    assert hello.told[0].header("Accept-Encoding") == "gzip, deflate"


def test_E11_headers_of_the_connection_are_ours(hello):
    given = {
        "Host": "evil",
        "Content-Length": "99",
        "Transfer-Encoding": "chunked",
        "Cookie": "a=b",
        "Connection": "close",
        "Expect": "x",
    }
    send(hello.url(), headers=given)
    told = hello.told[0]
    assert told.header("Host") == f"127.0.0.1:{hello.port}"
    assert [
        told.header(name)
        for name in ("Content-Length", "Transfer-Encoding", "Cookie", "Connection", "Expect")
    ] == [None] * 5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X", "a\r\nB: c"),
        ("X", "a\nb"),
        ("X", "a\x00"),
        ("X\r\nB", "c"),
        ("X Y", "c"),
        ("", "c"),
        ("X", "\ud800"),
    ],
)
def test_E11_no_header_can_add_another(hello, name, value):
    caught = failure(hello.url(), headers={name: value})
    assert (caught.code, caught.sent, hello.told) == ("address_refused", False, [])


def test_no_cookie_goes_from_one_request_to_the_next(server):
    there = server(says(answer(b"", "200 OK", "Set-Cookie: session=alice; Path=/")))
    for _ in range(3):
        send(there.url())
    assert there.connections == 1
    assert [told.header("Cookie") for told in there.told] == [None] * 3


def test_E12_the_environment_is_not_asked(hello, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text(f"machine {HERE} login u password p\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/")
    assert send(hello.url()).body == b"hello"
    assert hello.told[0].header("Authorization") is None


# Connections


def test_connections_are_kept_and_shared_within_a_pool_only(hello):
    for _ in range(3):
        send(hello.url(), pool="a")
    assert hello.connections == 1
    send(hello.url(), pool="b")
    assert hello.connections == 2


def test_a_connection_is_not_kept_after_an_error(server):
    def talk(told, sock):
        sock.sendall(answer(b"x" * 100 if told.target == "/large" else b"small"))

    there = server(talk)
    assert failure(there.url("/large"), max_bytes=10).code == "too_large"
    assert send(there.url("/small")).body == b"small"
    assert there.connections == 2


def test_an_idle_connection_that_was_closed_is_not_used(server):
    there = server(says(answer(b"bye"), hang_up=True))
    for _ in range(3):
        assert send(there.url(), "POST", body=b"x").body == b"bye"
        time.sleep(0.05)
    assert (there.connections, len(there.told)) == (3, 3)


def dropped_on_reuse(told: Told, sock: socket.socket) -> None:
    """Answers the first request of a connection, and hangs up on the second without a word."""
    if told.target == "/again":
        raise ConnectionError
    sock.sendall(answer(b"first"))


def test_a_read_that_met_a_dying_connection_is_made_once_more(server):
    def talk(told, sock):
        if told.target == "/again" and there.connections == 1:
            raise ConnectionError
        sock.sendall(answer(b"fine"))

    there = server(talk)
    send(there.url())
    assert send(there.url("/again")).body == b"fine"
    assert (there.connections, len(there.told)) == (2, 3)


def test_E20_a_write_that_met_a_dying_connection_is_not_repeated(server):
    there = server(dropped_on_reuse)
    send(there.url())
    caught = failure(there.url("/again"), "POST", body=b"x")
    assert (caught.code, caught.sent) == ("connection_failed", True)
    assert [told.method for told in there.told] == ["GET", "POST"]


def test_E20_a_read_is_repeated_only_where_the_connection_was_old(server):
    there = server(dropped_on_reuse)
    caught = failure(there.url("/again"))
    assert (caught.code, caught.sent, len(there.told)) == ("connection_failed", True, 1)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_E20_what_must_not_happen_twice_takes_no_connection_that_was_used(hello, method):
    send(hello.url())
    send(hello.url(), method, repeatable=False)
    assert hello.connections == 2


def test_the_connection_of_what_must_not_happen_twice_is_closed_after_it(hello):
    send(hello.url(), "POST", body=b"x")
    assert soon(lambda: hello.ended == 1)


def test_a_query_that_is_posted_shares_connections_and_is_made_once_more(server):
    def talk(told, sock):
        if told.target == "/again" and there.connections == 1:
            raise ConnectionError
        sock.sendall(answer(b"fine"))

    there = server(talk)
    for _ in range(2):
        send(there.url(), "POST", body=b"x", repeatable=True)
    assert there.connections == 1
    assert send(there.url("/again"), "POST", body=b"x", repeatable=True).body == b"fine"
    assert [told.body for told in there.told] == [b"x"] * 4


def test_a_request_leaves_nothing_to_the_next(server):
    there = server(says(answer(b"")))
    send(there.url(), "POST", {"Authorization": "a", "X-A": "1"}, b"x", repeatable=True)
    send(there.url("/b"))
    send(there.url(), "HEAD", repeatable=True)
    send(there.url("/c"), headers={"X-C": "1"})
    send(there.url("/d"))
    assert there.connections == 1
    assert [told.method for told in there.told] == ["POST", "GET", "HEAD", "GET", "GET"]
    assert [told.body for told in there.told[1:]] == [b""] * 4
    for told in there.told[1:]:
        names = {name for name, _ in told.headers} - {"X-C"}
        assert names == {"Host", "User-Agent", "Accept-Encoding", "Accept"}
    assert [told.header("X-C") for told in there.told] == [None, None, None, "1", None]


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("POST", b"x")])
@pytest.mark.parametrize("times", [1, 2])
def test_no_token_and_no_body_stay_in_a_connection_that_is_kept(server, method, body, times):
    there = server(says(answer(b"")))
    for _ in range(times):
        send(there.url(), method, {"Authorization": "Bearer abc"}, body, repeatable=True)
    (handle,) = curl.idle._handles
    handle.curl.perform()  # whatever is left of the request goes out again
    *asked, last = there.told
    assert [told.header("Authorization") for told in asked] == ["Bearer abc"] * times
    assert (last.header("Authorization"), last.body) == (None, b"")
    assert there.connections == 1


def test_an_answer_before_the_whole_body_was_taken_is_heard(server):
    def talk(told, sock):
        sock.sendall(answer(b"too much", "413 Content Too Large", "Connection: close"))
        raise ConnectionError

    there = server(talk)
    assert send(there.url(), "POST", body=b"x" * 3_000_000).status == 413


def test_threads_share_the_door(hello):
    errors = []

    def work():
        try:
            for _ in range(20):
                assert send(hello.url()).body == b"hello"
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not errors
    assert hello.connections <= 16


def test_a_forked_child_opens_connections_of_its_own(hello):
    send(hello.url())
    child = os.fork()
    if not child:
        try:
            ok = send(hello.url()).body == b"hello"
        finally:
            os._exit(0 if ok else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert send(hello.url()).body == b"hello"
    assert hello.connections == 2


def test_a_fork_says_nothing_on_the_parents_connection_and_does_not_hold_it(server, trusted):
    """Not even good-bye: TLS would end for the parent, too."""
    there = server(says(answer(b"safe")), trusted.context("localhost"))
    send(there.url(host="localhost"))
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.read(read, 1)  # lives on until the parent has seen its connection end
        os._exit(0)
    try:
        assert send(there.url(host="localhost")).body == b"safe"
        assert there.connections == 1
        curl.idle.close()
        assert soon(lambda: there.ended == 1)
    finally:
        os.write(write, b"x")
        os.waitpid(child, 0)
        os.close(read)
        os.close(write)


def test_connections_that_are_idle_for_long_are_closed(server, hello, monkeypatch):
    send(hello.url())
    monkeypatch.setattr(curl, "SECONDS", -1.0)
    send(server(says(answer(b"other"))).url())
    assert soon(lambda: hello.ended == 1)


def test_there_is_a_bound_on_connections_of_one_origin_and_on_all(server, monkeypatch):
    monkeypatch.setattr(curl, "MOST_OF_ONE", 2)
    monkeypatch.setattr(curl, "MOST", 3)
    together = threading.Barrier(5)

    def talk(told, sock):
        together.wait(10)
        sock.sendall(answer(b"hello"))

    there, other = server(talk), server(says(answer(b"other")))
    threads = [threading.Thread(target=send, args=(there.url(),)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert soon(lambda: there.ended == 3)
    for pool in ("a", "b"):
        send(other.url(), pool=pool)
    assert soon(lambda: there.ended == 4)
    assert other.ended == 0


def test_connections_are_closed_at_the_end(hello):
    send(hello.url())
    curl.idle.close()
    assert soon(lambda: hello.ended == 1)


def soon(holds: Any) -> bool:
    ends = time.monotonic() + 10
    while not holds() and time.monotonic() < ends:
        time.sleep(0.01)
    return bool(holds())


# Addresses


def test_E1_an_inner_address_is_refused_before_anything_is_sent(hello, settings):
    settings.OUTBOUND_ALLOW = []
    caught = failure(hello.url())
    assert (caught.code, caught.sent, hello.connections) == ("address_refused", False, 0)


def test_E1_an_open_connection_does_not_outlive_its_permission(hello, settings):
    send(hello.url())
    settings.OUTBOUND_ALLOW = []
    assert failure(hello.url()).code == "address_refused"


@pytest.mark.parametrize(
    "inner",
    [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "fd00::1",
    ],
)
def test_E1_a_name_that_leads_inside_is_refused_when_connecting(monkeypatch, inner):
    opened = []
    resolves(monkeypatch, [inner])
    monkeypatch.setattr(curl.socket, "socket", lambda *a: opened.append(a))
    caught = failure("https://acme.example/")
    assert (caught.code, caught.sent, opened) == ("address_refused", False, [])
    assert caught.facts["host"] == "acme.example"


def test_E4_a_name_is_resolved_once_and_the_checked_address_connected(monkeypatch, hello, settings):
    settings.OUTBOUND_ALLOW = ["acme.example"]
    asked = resolves(monkeypatch, [HERE], ["8.8.8.8"])
    assert send(hello.url(host="acme.example")).body == b"hello"
    assert asked == ["acme.example"]
    assert hello.told[0].header("Host") == f"acme.example:{hello.port}"


@pytest.fixture
def everywhere(server, trusted, monkeypatch):
    """acme.example at all addresses of this machine, of which 127.0.0.2 counts as public."""
    real = addresses.refusal
    monkeypatch.setattr(
        addresses, "refusal", lambda found: "" if str(found) == "127.0.0.2" else real(found)
    )
    return server(says(answer(b"safe")), trusted.context("acme.example"), "0.0.0.0")


def test_E4_a_name_that_changes_between_check_and_connection_reaches_nothing_inner(
    everywhere, monkeypatch
):
    url = everywhere.url(host="acme.example")
    asked = resolves(monkeypatch, ["127.0.0.2"], ["127.0.0.1"])
    assert send(url).body == b"safe"
    assert (asked, everywhere.reached) == (["acme.example"], ["127.0.0.2"])
    curl.idle.close()
    assert failure(url).code == "address_refused"
    assert everywhere.reached == ["127.0.0.2"]


def test_E4_a_kept_connection_that_died_is_replaced_by_a_name_that_is_asked_again(
    everywhere, monkeypatch
):
    url = everywhere.url(host="acme.example")
    resolves(monkeypatch, ["127.0.0.2"], ["127.0.0.1"])
    everywhere.talk = says(answer(b"bye"), hang_up=True)
    assert send(url).body == b"bye"
    assert failure(url).code == "address_refused"
    assert everywhere.reached == ["127.0.0.2"]


def test_E4_libcurl_opens_nothing_by_itself_where_a_kept_connection_dies(everywhere, monkeypatch):
    """It would send the request again to the address that was checked for the one before."""
    url = everywhere.url(host="acme.example")
    resolves(monkeypatch, ["127.0.0.2"], ["127.0.0.1"])
    everywhere.talk = dropped_on_reuse
    assert send(url).body == b"first"
    assert failure(f"{url}again").code == "address_refused"
    assert everywhere.reached == ["127.0.0.2"]
    assert len(everywhere.told) == 2


def test_E5_of_several_addresses_only_the_public_ones_are_used(everywhere, monkeypatch):
    resolves(monkeypatch, ["127.0.0.1", "127.0.0.2", "::1"])
    assert send(everywhere.url(host="acme.example")).body == b"safe"
    assert everywhere.reached == ["127.0.0.2"]


def test_E4_the_socket_leads_where_the_check_led_whatever_is_made_of_the_url(
    hello, monkeypatch, settings
):
    """As if libcurl read another host than we do: it gets no socket, and no name of its own."""
    settings.OUTBOUND_ALLOW = ["acme.example"]
    resolves(monkeypatch, ["127.0.0.2"])
    other = property(lambda origin: f"{HERE}:{origin.port}")
    monkeypatch.setattr(addresses.Origin, "authority", other)
    caught = failure(hello.url(host="acme.example"))
    assert (caught.code, caught.sent) == ("address_refused", False)
    assert hello.connections == 0


def test_an_allowed_name_may_lead_inside(monkeypatch, hello, settings):
    settings.OUTBOUND_ALLOW = ["acme.example"]
    resolves(monkeypatch, [HERE])
    assert send(hello.url(host="acme.example")).body == b"hello"


def test_the_next_address_is_tried_when_one_does_not_answer(monkeypatch, hello, settings):
    settings.OUTBOUND_ALLOW = ["acme.example"]
    resolves(monkeypatch, ["127.0.0.2", HERE])
    assert send(hello.url(host="acme.example")).body == b"hello"


def test_a_name_that_does_not_exist(monkeypatch):
    def resolve(*arguments, **more):
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    caught = failure("https://acme.example/")
    assert (caught.code, caught.sent) == ("connection_failed", False)
    assert caught.facts == {"host": "acme.example", "path": "/", "reason": "name not found"}


def test_E15_a_name_server_that_does_not_answer_ends_at_the_deadline(monkeypatch):
    def resolve(*arguments, **more):
        time.sleep(1)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    started = time.monotonic()
    caught = failure("https://acme.example/", seconds=0.2)
    assert (caught.code, caught.sent) == ("timeout", False)
    assert time.monotonic() - started < 1


def test_a_port_nobody_listens_on():
    with socket.create_server((HERE, 0)) as listener:
        port = listener.getsockname()[1]
    caught = failure(f"http://{HERE}:{port}/x?secret=1")
    assert (caught.code, caught.sent) == ("connection_failed", False)
    assert caught.facts == {"host": HERE, "path": "/x", "reason": "connection refused"}


def test_a_secret_in_the_path_stays_out_of_the_facts():
    with redact.scope():
        redact.remember("bot-12345")
        assert failure(f"http://{HERE}:1/bot-12345/send").facts["path"] == "/[redacted]/send"


# Time and size


def test_E15_a_slow_answer_ends_at_the_deadline_and_says_it_was_sent(server):
    there = server(lambda told, sock: time.sleep(3))
    started = time.monotonic()
    caught = failure(there.url(), seconds=0.3)
    assert (caught.code, caught.sent, caught.facts["host"]) == ("timeout", True, HERE)
    assert time.monotonic() - started < 1


def test_E15_one_deadline_holds_for_all_hops(server):
    def talk(told, sock):
        time.sleep(0.15)
        sock.sendall(answer(b"", "302 Found", f"Location: /{int(told.target[1:] or 0) + 1}"))

    there = server(talk)
    assert failure(there.url(), seconds=0.4, follow_same_origin=True).code == "timeout"


def test_time_limits_follow_the_operators_factor(settings):
    settings.TIME_LIMITS = 0.5
    assert outbound.time_limit(10) == 5
    assert outbound.deadline_in(10) == pytest.approx(time.monotonic() + 5, abs=0.1)


def test_E16_a_large_answer_is_named_with_its_limit(server):
    caught = failure(server(says(answer(b"x" * 2000))).url(), max_bytes=1000)
    assert (caught.code, caught.facts["limit"]) == ("too_large", 1000)


# Redirects


def redirects(location: str, status: str = "302 Found") -> Talk:
    return says(answer(b"", status, f"Location: {location}"))


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example/x", "//evil.example/x", "http://127.0.0.1:1/", "https://127.0.0.1/",
        "http://localhost:{port}/", "http://169.254.169.254/latest/meta-data/", "file:///etc/passwd",
        "http://user@127.0.0.1:{port}/", "gopher://evil.example", "http://127.1:{port}/",
    ],
)  # fmt: skip
def test_E6_E7_no_redirect_is_followed_to_another_origin(server, hello, location):
    def talk(told, sock):
        where = location.format(port=there.port)
        sock.sendall(answer(b"", "302 Found", f"Location: {where}"))

    there = server(talk)
    caught = failure(there.url(), headers={"Authorization": "Bearer x"}, follow_same_origin=True)
    assert (caught.code, caught.facts["status"]) == ("redirect_refused", 302)
    assert (
        caught.facts["target_host"] == outbound.host_of(location.format(port=1))
        or "://" not in location
    )
    assert len(there.told) == 1


def test_E6_the_target_is_named(server):
    caught = failure(server(redirects("https://Evil.example/x?token=1")).url())
    assert caught.facts == {
        "host": HERE, "status": 302, "target_host": "evil.example", "reason": "redirects are not followed here",
    }  # fmt: skip


@pytest.mark.parametrize("status", ["301 a", "302 a", "303 a", "307 a", "308 a"])
def test_E8_within_the_origin_a_read_follows(server, status):
    def talk(told, sock):
        ready = told.target == "/b/d"
        sock.sendall(answer(b"here") if ready else answer(b"", status, "Location: ../b/d"))

    there = server(talk)
    reply = send(there.url("/a/c"), headers={"Authorization": "Bearer x"}, follow_same_origin=True)
    assert (reply.body, reply.url) == (b"here", there.url("/b/d"))
    assert [told.header("Authorization") for told in there.told] == ["Bearer x", "Bearer x"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_E8_a_write_is_never_sent_elsewhere(server, method):
    there = server(redirects("/elsewhere", "307 Temporary Redirect"))
    assert failure(there.url(), method, follow_same_origin=True).code == "redirect_refused"
    assert len(there.told) == 1


def test_E8_without_being_asked_it_follows_nothing(server):
    there = server(redirects("/elsewhere"))
    assert failure(there.url()).code == "redirect_refused"
    assert len(there.told) == 1


def test_E9_a_redirect_loop_ends(server):
    there = server(redirects("/again"))
    assert failure(there.url(), follow_same_origin=True).code == "redirect_refused"
    assert len(there.told) == 6


def test_what_is_no_redirect_is_a_reply(server):
    assert send(server(says(answer(b"", "304 Not Modified"))).url()).status == 304
    assert send(server(says(answer(b"", "302 Found"))).url()).status == 302
    assert (
        send(server(says(answer(b"", "201 Made", "Location: https://evil.example"))).url()).status
        == 201
    )


# TLS


@pytest.fixture
def trusted(authority, settings):
    settings.OUTBOUND_CA_FILE = str(authority.file)
    return authority


def test_E19_good_tls_works_and_is_kept(server, trusted):
    there = server(says(answer(b"safe")), trusted.context("localhost"))
    assert send(there.url(host="localhost")).body == b"safe"
    assert send(there.url(host="localhost")).timings.connect is None
    assert there.connections == 1


def test_E19_a_certificate_for_an_address_works(server, trusted):
    there = server(says(answer(b"safe")), trusted.context(HERE))
    assert send(there.url()).body == b"safe"


def test_E4_name_and_certificate_stay_when_the_address_is_pinned(
    server, trusted, monkeypatch, settings
):
    settings.OUTBOUND_ALLOW = ["acme.example"]
    resolves(monkeypatch, [HERE])
    context, asked = trusted.context("acme.example"), []
    context.sni_callback = lambda sock, name, old: asked.append(name)
    there = server(says(answer(b"safe")), context)
    assert send(there.url(host="acme.example")).body == b"safe"
    assert asked == ["acme.example"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda a: a.context("localhost", days_from=-20, days_to=-2), "expired"),
        (lambda a: a.context("localhost", days_from=5), "not valid yet"),
        (lambda a: a.context("other.example"), "another name"),
        (lambda a: a.self_signed("localhost"), "self-signed"),
    ],
)
def test_E19_what_is_wrong_with_a_certificate_is_said_in_words(server, trusted, make, words):
    there = server(says(answer(b"unsafe")), make(trusted))
    caught = failure(there.url(host="localhost"), "POST", body=b"x")
    assert (caught.code, caught.sent, there.told) == ("tls_error", False, [])
    assert words in caught.facts["reason"]


def test_E19_an_unknown_authority(server, authority):
    there = server(says(answer(b"unsafe")), authority.context("localhost"))
    caught = failure(there.url(host="localhost"))
    assert (caught.code, there.told) == ("tls_error", [])
    assert "unknown authority" in caught.facts["reason"]


@pytest.mark.parametrize(
    "words", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"220 mail.example ESMTP\r\n"]
)
def test_E19_a_port_that_does_not_speak_tls(trusted, words):
    with socket.create_server((HERE, 0)) as listener:

        def greet():
            sock, _ = listener.accept()
            with sock:
                sock.sendall(words)
                sock.recv(1000)

        threading.Thread(target=greet, daemon=True).start()
        caught = failure(f"https://{HERE}:{listener.getsockname()[1]}/")
    assert caught.code == "tls_error"
    assert "does not speak TLS" in caught.facts["reason"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_E19_an_old_tls_version(server, trusted):
    context = trusted.context("localhost")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("ALL:@SECLEVEL=0")
    there = server(says(answer(b"unsafe")), context)
    caught = failure(there.url(host="localhost"))
    assert (caught.code, there.told) == ("tls_error", [])
    assert "TLS version" in caught.facts["reason"]


def test_E15_a_handshake_that_hangs_ends_at_the_deadline(trusted):
    with socket.create_server((HERE, 0)) as listener:
        caught = failure(f"https://{HERE}:{listener.getsockname()[1]}/", seconds=0.3)
    assert (caught.code, caught.sent) == ("timeout", False)


def test_E19_tls_keys_are_written_nowhere(server, trusted, tmp_path):
    """libcurl asks the environment for it when a process makes its first connection."""
    there = server(says(answer(b"safe")), trusted.context("localhost"))
    script = f"""
import time, django
django.setup()
from django.conf import settings
from connectedsystems import outbound
settings.OUTBOUND_ALLOW, settings.OUTBOUND_CA_FILE = ["localhost"], {str(trusted.file)!r}
limits = dict(deadline=time.monotonic() + 20, max_bytes=100)
print(outbound.send(outbound.Request("GET", {there.url(host="localhost")!r}, {{}}, **limits)).body)
"""
    environment = {
        **os.environ,
        "SSLKEYLOGFILE": str(tmp_path / "keys"),
        "DJANGO_SETTINGS_MODULE": "tests.settings",
    }
    ran = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True
    )
    assert "b'safe'" in ran.stdout, ran.stderr
    assert not (tmp_path / "keys").exists()


# Test doubles


@responses.activate
def test_a_double_that_replaces_the_adapter_works(settings):
    settings.OUTBOUND_ALLOW = []
    responses.post("https://acme.example/x", json={"a": 1}, status=201, headers={"X-A": "1"})
    reply = send("https://acme.example/x?q=1", "POST", {"Authorization": "Bearer t"}, b"{}")
    assert (reply.status, reply.body, reply.headers["x-a"]) == (201, b'{"a": 1}', "1")
    told = responses.calls[0].request
    assert (told.url, told.body, told.headers["authorization"]) == (
        "https://acme.example/x?q=1",
        b"{}",
        "Bearer t",
    )


@responses.activate
def test_a_double_may_let_through(hello):
    responses.add_passthru("http://127.0.0.1")
    assert send(hello.url()).body == b"hello"


@responses.activate
@pytest.mark.parametrize(
    ("error", "code", "sent"),
    [
        (requests.ConnectTimeout(), "timeout", False),
        (requests.ReadTimeout(), "timeout", True),
        (requests.exceptions.SSLError(), "tls_error", False),
        (requests.ConnectionError("x"), "connection_failed", True),
        (requests.exceptions.ChunkedEncodingError(), "bad_response", True),
    ],
)
def test_what_a_double_raises_gets_our_names(error, code, sent):
    responses.get("https://acme.example/", body=error)
    caught = failure("https://acme.example/")
    assert (caught.code, caught.sent) == (code, sent)


@responses.activate
def test_the_rules_hold_for_doubles_too():
    responses.get("https://acme.example/", body="x" * 100)
    responses.get(
        "https://acme.example/away", status=302, headers={"Location": "https://evil.example/"}
    )
    assert failure("https://acme.example/", max_bytes=10).code == "too_large"
    assert failure("https://acme.example/away", follow_same_origin=True).code == "redirect_refused"


@responses.activate
@pytest.mark.parametrize("url", ["http://10.0.0.1/", "https://localhost.localdomain/"])
def test_a_refused_address_is_refused_behind_a_double_too(url):
    responses.get(url, body="inner")
    assert failure(url).code == "address_refused"


# Sessions of Authlib


def session(seconds: float = 5.0, max_bytes: int = 1000) -> OAuth2Session:
    made = OAuth2Session("client", "secret")
    outbound.mount(made, time.monotonic() + seconds, max_bytes)
    return made


def ask(made: OAuth2Session, url: str, **how: Any) -> requests.Response:
    return made.request("POST", url, withhold_token=True, data=b"a=b", **how)


def test_an_authlib_session_goes_through_the_same_door(server):
    there = server(
        says(answer(b'{"a": 1}', "200 OK", "Content-Type: application/json", "Set-Cookie: a=b"))
    )
    with session() as made:
        heard = ask(made, there.url("/token?x=1"))
        ask(made, there.url("/token"))
        assert (heard.status_code, heard.json(), heard.headers["content-type"]) == (
            200,
            {"a": 1},
            "application/json",
        )
        assert not made.cookies
    told = there.told[-1]
    assert (told.method, told.target, told.body) == ("POST", "/token", b"a=b")
    assert (told.header("User-Agent"), told.header("Cookie")) == ("ConnectedSystems/1", None)
    # A code, a refresh token and a revocation are told once: never on a connection that was used.
    assert there.connections == 2


def test_E6_a_token_request_follows_no_redirect(server):
    there = server(redirects("https://evil.example/token", "307 Temporary Redirect"))
    for follow in (True, False):
        with pytest.raises(OutboundFailure) as caught, session() as made:
            ask(made, there.url(), allow_redirects=follow)
        assert (caught.value.code, caught.value.facts["target_host"]) == (
            "redirect_refused",
            "evil.example",
        )
    assert len(there.told) == 2


@pytest.mark.parametrize(
    ("talk", "code"),
    [
        (says(answer(b"x" * 2000)), "too_large"),
        (says(answer(b"x", length=5), hang_up=True), "bad_response"),
        (says(b"", hang_up=True), "connection_failed"),
        (lambda told, sock: time.sleep(3), "timeout"),
    ],
)
def test_a_sessions_errors_are_ours(server, talk, code):
    with pytest.raises(OutboundFailure) as caught, session(0.3) as made:
        ask(made, server(talk).url())
    assert caught.value.code == code


@pytest.mark.parametrize(
    "url", ["https://10.0.0.1/token", "ftp://acme.example/", "https://", "https://[::1/"]
)
def test_a_session_reaches_nothing_that_is_refused(url):
    with pytest.raises(OutboundFailure) as caught, session() as made:
        ask(made, url)
    assert (caught.value.code, caught.value.sent) == ("address_refused", False)


@responses.activate
def test_a_double_works_below_a_session():
    responses.post("https://acme.example/token", json={"access_token": "t"})
    responses.post("https://acme.example/gone", body=requests.ConnectionError("x"))
    with session() as made:
        assert ask(made, "https://acme.example/token").json() == {"access_token": "t"}
        with pytest.raises(OutboundFailure):
            ask(made, "https://acme.example/gone")
