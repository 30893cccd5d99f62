"""Keys that partners publish are fetched from the public internet only, within a time limit."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from latchkey.adapters.fetch import Line, PinnedConnection
from latchkey.adapters.partner_jwks import PublishedPartnerKeys, is_public
from latchkey.core.partners.store import KeysUnreachable
from tests.e2e.partners import published
from tests.e2e.tls_front import TlsFront
from tests.integration.contract import Clock
from tests.partner_world import Signer

MODULE = "latchkey.adapters.partner_jwks"
ADDRESS = "https://keys.example/jwks.json"
PRIVATE = [
    *["127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1"],  # noqa: S104
    *["::1", "fe80::1", "fd00::1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "2001:db8::1"],
    *["2001::1", "ff02::1", "::", "192.0.2.1", "240.0.0.1", "3fff::1"],
]


@pytest.mark.parametrize("address", PRIVATE)
def test_address_that_is_not_public_is_never_connected_to(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A private address is rejected for any host name, even if the first address is public."""
    connected: list[object] = []
    monkeypatch.setattr(f"{MODULE}.socket.create_connection", lambda *args: connected.append(args))
    for found in ([address], ["93.184.216.34", address]):
        keys = PublishedPartnerKeys(Clock(), resolve=lambda *_, found=found: found)
        with pytest.raises(KeysUnreachable, match="not public"):
            keys.find(ADDRESS, "k1", alg="")
    assert connected == []


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "0", "[::ffff:7f00:1]", "localhost"])
def test_this_machine_is_known_by_every_spelling(host: str) -> None:
    """The check looks at the address that the system resolves, not at the spelling."""
    with pytest.raises(KeysUnreachable, match="not public"):
        PublishedPartnerKeys(Clock()).find(f"https://{host}/jwks.json", "k1", alg="")


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:4700::1111"])
def test_public_address_is_public(address: str) -> None:
    """Public addresses are accepted."""
    assert is_public(ip_address(address))


def test_address_that_was_looked_at_is_the_one_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is resolved once, so a second DNS answer cannot redirect the connection."""
    asked: list[str] = []
    connected: list[tuple[str, int]] = []

    def resolve(host: str, _: int) -> list[str]:
        asked.append(host)
        return ["93.184.216.34"]

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(f"{MODULE}.socket.create_connection", connect)
    with pytest.raises(KeysUnreachable, match="ConnectionRefusedError"):
        PublishedPartnerKeys(Clock(), resolve=resolve).find(ADDRESS, "k1", alg="")
    assert (asked, connected) == (["keys.example"], [("93.184.216.34", 443)])


@pytest.mark.parametrize("address", ["http://keys.example/jwks.json", "http://127.0.0.1:1/jwks.json", "ftp://x/"])
def test_nothing_but_https_is_asked(address: str) -> None:
    """Plain http is rejected, even to this machine, unless the twin allows it."""
    with pytest.raises(KeysUnreachable, match="not https"):
        PublishedPartnerKeys(Clock(), resolve=lambda *_: ["93.184.216.34"]).find(address, "k1", alg="")


def test_certificate_must_be_the_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TLS verifies the host name, although the connection goes to an address."""
    with TlsFront(tmp_path) as front:
        trusting = ssl.create_default_context(cafile=front.certificate)
        monkeypatch.setattr("latchkey.adapters.fetch.ssl.create_default_context", lambda: trusting)
        port = int(front.address.rpartition(":")[2])
        line = Line()
        right = PinnedConnection("localhost", port, "127.0.0.1", 2, line)
        right.connect()
        right.close()
        line.release()
        with pytest.raises(ssl.SSLCertVerificationError):
            PinnedConnection("keys.example", port, "127.0.0.1", 2, line).connect()
        line.release()


@contextmanager
def answering(*parts: bytes, pause: float = 0) -> Iterator[str]:
    """Answer any request with these bytes, with a pause before each part."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                for part in parts:
                    time.sleep(pause)
                    try:
                        connection.sendall(part)
                    except OSError:
                        return

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/jwks.json"


def ok(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body


MANY = json.dumps({"keys": [Signer(f"k{number}").key().to_jwk() for number in range(101)]}).encode()
HOSTILE = {
    "redirect": (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nConnection: close\r\n\r\n", "status 302"),
    "failure": (b"HTTP/1.1 500 No\r\nConnection: close\r\n\r\n", "status 500"),
    "HTML": (ok(b"<html></html>"), "not_json"),
    "too large": (ok(b" " * 300_000), "over 262144 bytes"),
    "too many keys": (ok(MANY), "over 100 keys"),
    "no keys": (ok(b'{"keys":[]}'), "not one key"),
    "shared secret": (ok(b'{"keys":[{"kty":"oct","k":"AAAA","alg":"HS256","kid":"k1"}]}'), "not one key"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_answer_is_no_key(kind: str) -> None:
    """A hostile response is rejected with a reason, and no redirect is followed."""
    answer, reason = HOSTILE[kind]
    with answering(answer) as address, pytest.raises(KeysUnreachable, match=reason):
        PublishedPartnerKeys(Clock(), local=True).find(address, "k1", alg="")


def test_answer_without_a_usable_key_says_why() -> None:
    """The reasons of the first kinds are for the operator who registers the address."""
    weak = {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "k1"}
    body = json.dumps({"keys": [weak, 7, Signer().key().to_jwk() | {"use": "enc"}]}).encode()
    with answering(ok(body)) as address, pytest.raises(KeysUnreachable) as refused:
        PublishedPartnerKeys(Clock(), local=True).read(address, alg="")
    assert str(refused.value).startswith("JWKS: not one key of use: ")
    assert "not for signatures" in str(refused.value)


@pytest.mark.parametrize(
    ("alg", "kept"), [("", ["RS256", "ES256"]), ("PS384", ["PS384", "ES256"]), ("ES256", ["RS256", "ES256"])]
)
def test_keys_that_name_no_algorithm_get_one_that_fits(alg: str, kept: list[str]) -> None:
    """The partner's setting, where it fits the key, or else the usual algorithm of its kind."""
    rsa = Signer("k1", "RS256", generate_private_key(65537, 2048)).key().to_jwk()
    keys = [{name: value for name, value in jwk.items() if name != "alg"} for jwk in (rsa, Signer("k2").key().to_jwk())]
    del keys[1]["kid"]
    source = PublishedPartnerKeys(Clock(), local=True)
    with answering(ok(json.dumps({"keys": keys}).encode())) as address:
        listed = source.list(address, alg=alg)
        assert [key.alg for key in listed] == kept
        assert source.find(address, "k1", alg=alg) == listed[0]  # one fetch


DRIPS = {
    "headers": (b"HTTP/1.1 200 OK\r\n", *[b"x"] * 50),
    "body": (ok(b""), *[b" "] * 50),
}


@pytest.mark.parametrize("kind", DRIPS)
def test_dripping_answer_is_given_up(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """The timeout covers the whole response, not each byte, and no thread is left waiting."""
    monkeypatch.setattr(f"{MODULE}.TIMEOUT", 0.2)
    began, before = time.monotonic(), threading.active_count()
    with answering(*DRIPS[kind], pause=0.1) as address, pytest.raises(KeysUnreachable, match="too slow"):
        PublishedPartnerKeys(Clock(), local=True).find(address, "k1", alg="")
    assert time.monotonic() - began < 1
    while threading.active_count() > before:
        time.sleep(0.01)
    assert time.monotonic() - began < 2


def test_line_that_was_cut_takes_no_socket() -> None:
    """A name that took too long to resolve opens no connection."""
    line = Line()
    line.cut()
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(TimeoutError):
        line.hold(socket.create_connection(server.getsockname()))


def test_strangers_cause_one_fetch_in_ten_seconds_while_the_address_is_away() -> None:
    """Repeated requests for a partner whose keys are unreachable cause one fetch."""
    clock, asked = Clock(), 0

    def nowhere(_host: str, _port: int) -> list[str]:
        nonlocal asked
        asked += 1
        raise OSError

    keys = PublishedPartnerKeys(clock, resolve=nowhere)
    for second in range(20):
        for stranger in range(5):
            with pytest.raises(KeysUnreachable):
                keys.find("https://keys.example/", f"k{second}-{stranger}", alg="")
        clock.now += 1
    assert asked == 2


def test_keys_are_kept_and_strangers_cause_no_fetches() -> None:
    """All callers share one fetch. While the address is unreachable, the last keys serve for an hour."""
    signer, clock = Signer(), Clock()
    keys = PublishedPartnerKeys(clock, local=True)
    with published(signer) as address:
        assert keys.find(address, "k1", alg="") is not None
    clock.now += 400
    assert keys.find(address, "k1", alg="") is not None
    for number in range(100):
        with pytest.raises(KeysUnreachable, match="kid is unknown"):
            keys.find(address, f"stranger{number}", alg="")
    assert keys.find(address, "k1", alg="") is not None
    clock.now += 3600
    with pytest.raises(KeysUnreachable):
        keys.find(address, "k1", alg="")
