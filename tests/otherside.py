"""A server that says exactly what a test wants, byte for byte, and keeps what it was told."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Talk = Callable[["Told", socket.socket], None]


@dataclass
class Told:
    """One request as it came off the wire."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    place: int = 1
    """Which of its connection's requests it is."""

    def header(self, name: str) -> str | None:
        return next((value for known, value in self.headers if known.lower() == name.lower()), None)


@dataclass
class OtherSide:
    """``talk`` is called for each request; what it raises or a closed socket ends the connection."""

    talk: Talk
    tls: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    told: list[Told] = field(default_factory=list)
    connections: int = 0
    ended: int = 0
    reached: list[str] = field(default_factory=list)
    """The address of ours that each connection came to."""

    def __post_init__(self) -> None:
        self.listener = socket.create_server((self.host, 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.accepting = threading.Thread(target=self._accept, daemon=True)
        self.accepting.start()

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{path}"

    def close(self) -> None:
        # The thread first: one that is about to accept would take the next listener's number.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.accepting.join(timeout=5)
        self.listener.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self.reached.append(sock.getsockname()[0])
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), sock:
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
            with sock, sock.makefile("rb") as stream:
                place = 0
                while told := _read_request(stream):
                    told.place = place = place + 1
                    self.told.append(told)
                    self.talk(told, sock)
        self.ended += 1


def _read_request(stream: object) -> Told | None:
    first = stream.readline()  # type: ignore[attr-defined]
    if not first:
        return None
    method, target, _ = first.decode("latin-1").split(" ", 2)
    headers = []
    while line := stream.readline().decode("latin-1").rstrip("\r\n"):  # type: ignore[attr-defined]
        name, _, value = line.partition(": ")
        headers.append((name, value))
    length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
    return Told(method, target, headers, stream.read(length))  # type: ignore[attr-defined]


def answer(
    body: bytes = b"ok", status: str = "200 OK", *headers: str, length: int | None = None
) -> bytes:
    """The bytes of a well-formed answer."""
    size = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {size}", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def says(data: bytes, *, hang_up: bool = False) -> Talk:
    """Answers every request with these bytes."""

    def talk(told: Told, sock: socket.socket) -> None:
        sock.sendall(data)
        if hang_up:
            raise ConnectionError

    return talk


@contextlib.contextmanager
def other_side(
    talk: Talk, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> Iterator[OtherSide]:
    server = OtherSide(talk, tls, host)
    try:
        yield server
    finally:
        server.close()


class Authority:
    """A certificate authority of a test's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test Authority")])
        self.certificate = self._sign(self.name, self.key, [], 0, 30, authority=True)
        self.file = folder / "authority.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def context(self, host: str, *, days_from: int = -1, days_to: int = 30) -> ssl.SSLContext:
        """What a server of this name needs."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        return self._context(key, self._sign(subject, key, [host], days_from, days_to))

    def self_signed(self, host: str) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        return self._context(key, self._sign(name, key, [host], -1, 30, issuer=(name, key)))

    def _context(
        self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate
    ) -> ssl.SSLContext:
        file = self.folder / f"{certificate.serial_number}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        hosts: list[str],
        days_from: int,
        days_to: int,
        *,
        authority: bool = False,
        issuer: tuple[x509.Name, ec.EllipticCurvePrivateKey] | None = None,
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        issuer_name, issuer_key = issuer or (self.name, self.key)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer_name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=days_from - 1))
            .not_valid_after(now + datetime.timedelta(days=days_to))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if hosts:
            names = x509.SubjectAlternativeName([_alternative(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(issuer_key, hashes.SHA256())


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
