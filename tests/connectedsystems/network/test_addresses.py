"""What a URL may say, and which addresses a name may lead to."""

from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectedsystems import outbound
from connectedsystems.errors import OutboundFailure
from connectedsystems.network.addresses import refusal


@pytest.fixture(autouse=True)
def nothing_allowed(settings):
    settings.OUTBOUND_ALLOW = []


def reason(url: str, **options: Any) -> str:
    with pytest.raises(OutboundFailure) as caught:
        outbound.check_url(url, **options)
    assert caught.value.code == "address_refused"
    assert caught.value.sent is False
    return str(caught.value.facts["reason"])


@pytest.mark.parametrize(
    "url",
    [
        "https://api.acme.example",
        "https://api.acme.example:8443/v1?x=1",
        "HTTPS://API.Acme.Example./v1",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]/",
        "https://bücher.example/ü",
        "https://a_b.example/",
    ],
)
def test_public_https_addresses_pass(url):
    outbound.check_url(url)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1",
        "100.64.0.1", "169.254.169.254", "192.0.0.192", "168.63.129.16", "224.0.0.1",
        "255.255.255.255", "198.18.0.1", "192.0.2.1",
        "[::]", "[::1]", "[fc00::1]", "[fd00:ec2::254]", "[fe80::1]", "[ff02::1]",
        "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]",
        "[64:ff9b::169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::1]",
        "[2002:a9fe:a9fe::1]", "[2001:0:a9fe:a9fe::1]", "[2001:db8::1]",
        "2130706433", "0x7f000001", "0x7f.1", "127.1", "127.0.1", "017700000001", "0177.0.0.1",
        "127.0.0.01", "1.1.1.1.1", "256.1.1.1", "0",
        "localhost", "LOCALHOST", "localhost.", "a.localhost", "printer.local",
        "metadata.google.internal", "localhost.localdomain",
        "１２７.0.0.1", "127。0。0。1", "ⓛocalhost", "①②⑦.0.0.1",
    ],
)  # fmt: skip
def test_E1_E2_inner_addresses_in_any_spelling_are_refused(host):
    assert reason(f"https://{host}/")
    assert reason(f"http://{host}:8000/")


@pytest.mark.parametrize(
    "url",
    [
        "", "acme.example", "//acme.example/x", "/x", "javascript:alert(1)", "data:text/html,x",
        "file:///etc/passwd", "ftp://acme.example", "gopher://acme.example", "https:acme.example",
        "https:///x", "https://", "https://:443/", "https://acme.example:0/",
        "https://acme.example:65536/", "https://acme.example:x/", "https://acme.example:/",
        "https://acme .example/", "https://acme.example/a b", "https://acme.example\\@evil.example/",
        "https://acme.example/\r\nX: y", "https://acme.example/\t", "https://acme.example/\x00",
        "https://a..example/", "https://-a.example/", "https://[::1/", "https://[::1]x/",
        "https://%31%32%37.0.0.1/", "https://{subdomain}.example/", "https://" + "a" * 64 + ".example/",
    ],
)  # fmt: skip
def test_E26_what_is_no_http_url_is_refused(url):
    assert reason(url)


@pytest.mark.parametrize("userinfo", ["user", "user:secret", ":secret", ""])
def test_E27_credentials_in_a_url_are_refused_and_not_repeated(userinfo):
    with pytest.raises(OutboundFailure) as caught:
        outbound.check_url(f"https://{userinfo}@acme.example/")
    assert caught.value.facts["host"] == "acme.example"
    assert "user name or a password" in caught.value.facts["reason"]
    assert "secret" not in str(caught.value.facts)


def test_a_fragment_is_refused_unless_it_may_stand_there():
    assert "fragment" in reason("https://acme.example/#/authorize")
    outbound.check_url("https://acme.example/#/authorize", allow_fragment=True)


def test_E19_plain_http_is_for_allowed_hosts_only(settings):
    assert "plain http" in reason("http://acme.example/")
    assert not outbound.uses_allowed_http("http://acme.example/")
    settings.OUTBOUND_ALLOW = ["acme.example"]
    outbound.check_url("http://acme.example/")
    assert outbound.uses_allowed_http("http://acme.example/")
    assert not outbound.uses_allowed_http("https://acme.example/")


@pytest.mark.parametrize(
    ("entry", "allows", "refuses"),
    [
        ("localhost", "http://localhost:1/", "http://127.0.0.1:1/"),
        ("127.0.0.1", "http://127.0.0.1:1/", "http://localhost:1/"),
        ("127.0.0.1", "http://127.0.0.1:1/", "http://127.1:1/"),
        ("127.0.0.1", "http://127.0.0.1:1/", "http://[::ffff:127.0.0.1]:1/"),
        ("localhost:8000", "http://localhost:8000/", "http://localhost:8001/"),
        ("10.0.0.0/8", "http://10.9.8.7/", "http://11.0.0.1/"),
        ("10.1.2.3:8000", "http://10.1.2.3:8000/", "http://10.1.2.3/"),
        ("::1", "http://[::1]:5/", "http://[::2]:5/"),
        ("[::1]:5", "http://[0:0::1]:5/", "http://[::1]:6/"),
        ("Intern.Acme.Local.", "http://intern.acme.local/", "http://other.acme.local/"),
        ("bücher.local", "http://xn--bcher-kva.local/", "http://bucher.local/"),
    ],
)
def test_an_entry_is_compared_with_the_host_as_written(settings, entry, allows, refuses):
    settings.OUTBOUND_ALLOW = [entry]
    outbound.check_url(allows)
    assert reason(refuses)


def test_allowing_a_host_does_not_allow_its_neighbours(settings):
    settings.OUTBOUND_ALLOW = ["acme.example"]
    assert reason("http://sub.acme.example/")
    assert reason("http://acme.example.evil.example/")


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("8.8.8.8", ""), ("2606:4700::1111", ""), ("::ffff:8.8.8.8", ""), ("64:ff9b::808:808", ""),
        ("127.0.0.1", "a loopback address"), ("::ffff:10.0.0.1", "a private address"),
        ("64:ff9b::a00:1", "a private address"), ("100::1", "a reserved address"),
    ],
)  # fmt: skip
def test_wrapped_addresses_are_unwrapped_first(address, kind):
    assert refusal(ip_address(address)) == kind


@given(st.ip_addresses())
def test_nothing_that_python_calls_inner_passes(address):
    if not address.is_global or address.is_multicast:
        wrapped = getattr(address, "ipv4_mapped", None)
        assert (
            refusal(address)
            or (wrapped and not refusal(wrapped))
            or str(address).startswith("64:ff9b::")
        )


@given(st.text())
def test_any_text_is_a_url_or_refused(text):
    for url in (text, f"https://{text}", f"https://acme.example{text}"):
        try:
            outbound.check_url(url)
        except OutboundFailure as failure:
            assert failure.code == "address_refused"
        outbound.host_of(url)


def test_F9_hosts_are_shown_in_punycode():
    assert outbound.host_of("https://аcme.example:8443/x") == "xn--cme-5cd.example"
    assert outbound.host_of("https://user:pw@Acme.Example./x?y") == "acme.example"
    assert outbound.host_of("https://[2606:4700::1111]:8443/x") == "2606:4700::1111"
    assert outbound.host_of("nothing") == ""
