"""Which addresses may be reached: what a URL says before any name is resolved, and what a name
resolved to.

The lists are our own and fail closed: ``ipaddress.is_global`` lets through NAT64 and 6to4 forms
of inner addresses, multicast, and addresses where clouds keep their metadata.
"""

from __future__ import annotations

import re
import socket
import time
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from queue import Empty, SimpleQueue
from threading import Thread
from typing import NoReturn

import idna
from django.conf import settings

from connectedsystems.errors import OutboundFailure

IPAddress = IPv4Address | IPv6Address

DEFAULT_PORTS = {"http": 80, "https": 443}

_CLOSED = {
    "an unspecified address": "0.0.0.0/8 ::/128",
    "a private address": "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7",
    "a carrier's inner address": "100.64.0.0/10",
    "a loopback address": "127.0.0.0/8 ::1/128",
    "a cloud's metadata address": "168.63.129.16/32",
    "a link-local address": "169.254.0.0/16 fe80::/10",
    "an address for documentation": "192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 2001:db8::/32"
    " 3fff::/20",
    "a multicast address": "224.0.0.0/4 ff00::/8",
    "a tunnel's address": "2001::/32 2002::/16",
    "a reserved address": "192.0.0.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24"
    " 192.175.48.0/24 198.18.0.0/15 240.0.0.0/4 2001::/23 2620:4f:8000::/48",
}
_CLOSED_NETWORKS = [
    (ip_network(each), kind) for kind, networks in _CLOSED.items() for each in networks.split()
]
_OPEN_IPV6 = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")

_INNER_NAMES = re.compile(
    r"(?:.+\.)?(?:localhost|local|localdomain|internal|intranet|home\.arpa)|ip6-(?:localhost|loopback)"
)
_ORIGIN = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)")
_AUTHORITY = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:]+))(?::([0-9]{1,5}))?")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_NEVER_IN_A_URL = re.compile(r"[\x00-\x20\x7f\\]")
_NOT_ASCII = re.compile(r"[^!-~]")


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port; ``allowed``: the operator named it in ``OUTBOUND_ALLOW``.

    ``host`` is lower case and ASCII, without brackets and without a dot at the end.
    """

    scheme: str
    host: str
    port: int
    allowed: bool

    @property
    def authority(self) -> str:
        """As it stands in a URL and in the Host header: a default port is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def literal(self) -> IPAddress | None:
        """The address, where the URL holds one and no name."""
        return _literal(self.host)

    def same_as(self, other: Origin) -> bool:
        """RFC 6454 §5: scheme, host and port are equal."""
        return (self.scheme, self.host, self.port) == (other.scheme, other.host, other.port)


def split(url: str) -> tuple[Origin, str]:
    """The origin and what follows it (path, query, fragment).

    Raises OutboundFailure ``address_refused`` for whatever can be refused without resolving.
    """
    matched = _ORIGIN.match(url)
    if matched is None:
        refuse(None, "it is not an http or https URL")
    rest = url[matched.end() :]
    if _NEVER_IN_A_URL.search(url):
        refuse(host_of(url), "it holds a space, a backslash or a control character")
    return origin(matched[0], tuple(settings.OUTBOUND_ALLOW)), rest


@lru_cache(maxsize=1024)
def origin(text: str, allow: tuple[str, ...]) -> Origin:
    """``scheme://authority``, checked. Raises OutboundFailure ``address_refused``."""
    scheme, _, authority = text.partition("://")
    scheme = scheme.lower()
    if scheme not in DEFAULT_PORTS:
        refuse(None, "its scheme is neither http nor https")
    if "@" in authority:
        refuse(host_of(text), "it holds a user name or a password")
    matched = _AUTHORITY.fullmatch(authority)
    if matched is None:
        refuse(host_of(text), "its host or its port is malformed")
    port = int(matched[3] or DEFAULT_PORTS[scheme])
    host = _ipv6(matched[1]) if matched[1] else _name(matched[2])
    if not 1 <= port <= 65535:
        refuse(host, "its port is not from 1 to 65535")
    if _allowed(allow).holds(host, port):
        return Origin(scheme, host, port, allowed=True)
    _check_unresolved(host)
    if scheme == "http":
        refuse(host, "plain http is for hosts named in OUTBOUND_ALLOW only")
    return Origin(scheme, host, port, allowed=False)


def host_of(url: str) -> str:
    """The host for messages: punycode, without port and credentials; "" where there is none."""
    matched = _ORIGIN.match(url)
    authority = (matched[2] if matched else "").rpartition("@")[2]
    host = re.sub(r":[0-9]*$", "", authority).strip("[]").rstrip(".").lower()
    try:
        host = _ascii(host)
    except UnicodeError:
        host = host.encode("ascii", "backslashreplace").decode()
    return _NOT_ASCII.sub("?", host)[:253]


def refusal(address: IPAddress) -> str:
    """What kind of address this is, if nobody outside is there; "" for a public one."""
    address = _unwrapped(address)
    for network, kind in _CLOSED_NETWORKS:
        if address in network:
            return kind
    return "" if address.version == 4 or address in _OPEN_IPV6 else "a reserved address"


def permitted(origin: Origin, deadline: float) -> list[str]:
    """The addresses that may be connected to: of an allowed name all, else the public ones.

    Its name is asked for once. Raises OutboundFailure ``address_refused``, ``connection_failed``,
    ``timeout``; nothing was sent.
    """
    if origin.literal is not None:
        return [origin.host]
    found = _resolved(origin, deadline)
    kinds = {each: "" if origin.allowed else refusal(ip_address(each)) for each in found}
    public = [each for each, kind in kinds.items() if not kind]
    if not public:
        refuse(origin.host, f"its name leads to {kinds[found[0]]}")
    return public


def _resolved(origin: Origin, deadline: float) -> list[str]:
    """What the name stands for. The lookup takes no time limit: a thread of its own gives one."""
    came: SimpleQueue[list[str] | Exception] = SimpleQueue()

    def look_up() -> None:
        try:
            answers = socket.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
            came.put([str(answer[4][0]).partition("%")[0] for answer in answers])
        except (OSError, UnicodeError) as error:
            came.put(error)

    Thread(target=look_up, daemon=True, name="name-lookup").start()
    try:
        found = came.get(timeout=max(0.0, deadline - time.monotonic()))
    except Empty:
        reason = "its name was not resolved in time"
        raise OutboundFailure("timeout", sent=False, reason=reason) from None
    if found and isinstance(found, list):
        return found
    for_now = isinstance(found, socket.gaierror) and found.errno == socket.EAI_AGAIN
    reason = "name lookup failed for now" if for_now else "name not found"
    raise OutboundFailure("connection_failed", sent=False, reason=reason)


def refuse(host: str | None, reason: str) -> NoReturn:
    """Raises OutboundFailure ``address_refused``; nothing was sent."""
    facts = {"reason": reason} if host is None else {"reason": reason, "host": host}
    raise OutboundFailure("address_refused", sent=False, **facts)


def _unwrapped(address: IPAddress) -> IPAddress:
    """The IPv4 address inside an IPv6 one; other tunnels are closed as a whole."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _check_unresolved(host: str) -> None:
    literal = _literal(host)
    if literal is not None:
        if kind := refusal(literal):
            refuse(host, f"it is {kind}")
    elif _NUMBER.fullmatch(host.rpartition(".")[2]):
        refuse(host, "it is an address in disguise: write it as four numbers with dots")
    elif _INNER_NAMES.fullmatch(host):
        refuse(host, "it is a name of this machine or of an inner network")


def _name(written: str) -> str:
    try:
        host = _ascii(written.lower())
    except UnicodeError:
        refuse(host_of(f"x://{written}"), "its host is not a valid name")
    host = host.removesuffix(".")
    if len(host) > 253 or not all(map(_LABEL.fullmatch, host.split("."))):
        refuse(host_of(f"x://{host}"), "its host is not a valid name")
    return host


def _ascii(host: str) -> str:
    """IDNA 2008 with the mapping of UTS 46, which also unmasks full-width digits and dots."""
    if host.isascii():
        return host
    return idna.encode(host, uts46=True).decode("ascii").lower()


def _ipv6(written: str) -> str:
    try:
        return str(IPv6Address(written))
    except ValueError:
        refuse(written.lower(), "its host is not a valid address")


def _literal(host: str) -> IPAddress | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class _Allowed:
    """``OUTBOUND_ALLOW``, read: names and networks, each with a port or None for every port."""

    names: frozenset[tuple[str, int | None]]
    networks: tuple[tuple[IPv4Network | IPv6Network, int | None], ...]

    def holds(self, host: str, port: int) -> bool:
        literal = _literal(host)
        if literal is None:
            return (host, None) in self.names or (host, port) in self.names
        return any(literal in network and only in (None, port) for network, only in self.networks)


@lru_cache(maxsize=16)
def _allowed(entries: tuple[str, ...]) -> _Allowed:
    names: set[tuple[str, int | None]] = set()
    networks: list[tuple[IPv4Network | IPv6Network, int | None]] = []
    for entry in entries:
        network = _network(entry)
        if network is not None:
            networks.append((network, None))
            continue
        matched = _AUTHORITY.fullmatch(entry)
        if matched is None:
            continue
        port = int(matched[3]) if matched[3] else None
        network = _network(matched[1] or matched[2])
        if network is None:
            names.add((_name(matched[2]), port))
        else:
            networks.append((network, port))
    return _Allowed(frozenset(names), tuple(networks))


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text.strip("[]"), strict=False)
    except ValueError:
        return None
