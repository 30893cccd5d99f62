"""An issuer's public keys over HTTP: how often they are fetched, and which of them are trusted."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import pytest

from latchkey import __version__
from latchkey.adapters.jwks import KeysUnavailable, RemoteKeys
from latchkey.signing.accepted import MEMBER, Accepted
from latchkey.signing.key_set import KeyState, generate
from latchkey.signing.keys import Algorithm
from tests.integration.contract import Clock
from tests.integration.samples import NOW


def new_jwk() -> dict[str, Any]:
    """Return the public half of a new key."""
    key = generate(Algorithm.EdDSA, now=NOW, entropy=os.urandom, state=KeyState.CURRENT)
    return dict(key.verification_key().to_jwk())


OLD, NEW = new_jwk(), new_jwk()


class Issuer:
    """An issuer on this machine: its response, and the number of requests."""

    def __init__(self, port: int) -> None:
        self.uri = f"http://127.0.0.1:{port}/.well-known/jwks.json?stage=prod"
        self.asked: list[str] = []
        self.agents: list[str | None] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.body = b""
        self.pause = 0.0
        self.drip = 0.0
        self.publish(OLD)

    def publish(self, *jwks: Any) -> None:
        """Answer with these keys."""
        self.body = json.dumps({"keys": jwks}).encode()


class _Handler(BaseHTTPRequestHandler):
    issuer: Issuer

    def __init__(self, issuer: Issuer, *rest: Any) -> None:
        self.issuer = issuer
        super().__init__(*rest)

    def do_GET(self) -> None:
        self.issuer.asked.append(self.path)
        self.issuer.agents.append(self.headers["User-Agent"])
        time.sleep(self.issuer.pause)
        self.send_response(self.issuer.status)
        for name, value in self.issuer.headers.items():
            self.send_header(name, value)
        with suppress(ConnectionError):  # a client that timed out has gone
            self.end_headers()
            if not self.issuer.drip:
                self.wfile.write(self.issuer.body)
                return
            for byte in self.issuer.body:
                time.sleep(self.issuer.drip)
                self.wfile.write(bytes([byte]))

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """An issuer with one key."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        issuer = Issuer(server.server_port)
        server.RequestHandlerClass = partial(_Handler, issuer)
        server.daemon_threads = True
        server.block_on_close = False
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield issuer
        server.shutdown()


@pytest.fixture
def clock() -> Clock:
    """A clock of the test's own."""
    return Clock()


@pytest.fixture
def keys(issuer: Issuer, clock: Clock) -> RemoteKeys:
    """The issuer's keys, not fetched yet."""
    return RemoteKeys(issuer.uri, clock)


def test_request_says_who_asks(issuer: Issuer, keys: RemoteKeys) -> None:
    """The request has a `User-Agent`: AWS's common rules for firewalls turn away one without."""
    assert keys.find(OLD["kid"]) is not None
    assert issuer.agents == [f"latchkey/{__version__}"]


def test_a_key_is_found_by_its_id(keys: RemoteKeys, issuer: Issuer) -> None:
    """A published key is found, from the address given with its query, and kept."""
    for _ in range(3):
        found = keys.find(OLD["kid"])
        assert found is not None
        assert found.key.to_jwk() == OLD
    assert issuer.asked == ["/.well-known/jwks.json?stage=prod"]


def test_a_key_published_later_is_found_at_once(keys: RemoteKeys, issuer: Issuer) -> None:
    """An unknown id causes one fetch, so that an early rotation is noticed."""
    keys.find(OLD["kid"])
    issuer.publish(OLD, NEW)
    assert keys.find(NEW["kid"]) is not None
    assert len(issuer.asked) == 2


def test_a_flood_of_unknown_ids_causes_two_fetches(keys: RemoteKeys, issuer: Issuer, clock: Clock) -> None:
    """A thousand unknown ids cause one extra fetch, and one more every ten seconds."""
    keys.find(OLD["kid"])
    assert not any(keys.find(f"stranger-{number}") for number in range(1000))
    assert len(issuer.asked) == 2
    clock.now += 9.9
    assert keys.find("stranger") is None
    assert len(issuer.asked) == 2
    clock.now += 0.1
    assert not any(keys.find(f"stranger-{number}") for number in range(1000))
    assert len(issuer.asked) == 3


def test_a_flood_on_a_cold_start_causes_one_fetch(keys: RemoteKeys, issuer: Issuer) -> None:
    """Keys that were fetched for a request are not fetched again for the same request."""
    assert not any(keys.find(f"stranger-{number}") for number in range(1000))
    assert len(issuer.asked) == 1


def test_a_flood_of_threads_causes_no_more(issuer: Issuer) -> None:
    """A thousand unknown ids from thirty threads by the real clock cause at most three fetches."""
    keys = RemoteKeys(issuer.uri, time.monotonic)
    issuer.pause = 0.02
    with ThreadPoolExecutor(30) as pool:
        found = list(pool.map(keys.find, (f"stranger-{number}" for number in range(1000))))
    assert not any(found)
    assert 1 <= len(issuer.asked) <= 3


def test_a_known_id_is_served_while_the_gate_is_closed(keys: RemoteKeys) -> None:
    """Unknown ids do not block tokens with a known id."""
    assert keys.find("stranger") is None
    assert keys.find(OLD["kid"]) is not None


@pytest.mark.parametrize("max_age", [1, 60])
def test_keys_are_kept_for_as_long_as_was_said(issuer: Issuer, clock: Clock, max_age: int) -> None:
    """A key that the issuer withdrew is trusted for `max_age` seconds at most."""
    keys = RemoteKeys(issuer.uri, clock, max_age)
    keys.find(OLD["kid"])
    issuer.publish(NEW)
    clock.now += max_age - 0.5
    assert keys.find(OLD["kid"]) is not None
    clock.now += 0.5
    assert keys.find(OLD["kid"]) is None


def test_keys_are_fetched_again_after_five_minutes(keys: RemoteKeys, issuer: Issuer, clock: Clock) -> None:
    """A key that the issuer withdrew is trusted for 300 seconds at most."""
    keys.find(OLD["kid"])
    issuer.publish(NEW)
    clock.now += 299
    assert keys.find(OLD["kid"]) is not None
    clock.now += 1
    assert keys.find(OLD["kid"]) is None


def test_names_come_with_the_keys(keys: RemoteKeys, issuer: Issuer, clock: Clock) -> None:
    """The accepted issuers and audiences are fetched with the keys, and are empty if none are published."""
    found = keys.find(OLD["kid"])
    assert (found and found.accepted) == Accepted()
    names = Accepted({"https://old.example": NOW, "https://id.example": None}, {"latchkey": None})
    issuer.body = json.dumps({"keys": [OLD], MEMBER: names.to_member()}).encode()
    clock.now += 299
    found = keys.find(OLD["kid"])
    assert (found and found.accepted) == Accepted()
    clock.now += 1
    found = keys.find(OLD["kid"])
    assert (found and found.accepted) == names


def test_an_issuer_may_have_no_key_left(keys: RemoteKeys, issuer: Issuer, clock: Clock) -> None:
    """A stack with shared secrets publishes no keys, and keys from before a reset must be dropped."""
    keys.find(OLD["kid"])
    issuer.publish()
    clock.now += 300
    assert keys.find(OLD["kid"]) is None


def broken(issuer: Issuer, how: str) -> None:
    """Make the issuer return an invalid response, which contains a good key if possible."""
    good = {"keys": [OLD, NEW]}
    spoilt: dict[str, dict[str, Any]] = {
        "a server error": {"status": 500},
        "not found": {"status": 404},
        "another success": {"status": 203},
        "a redirect": {"status": 302, "headers": {"Location": issuer.uri}},
        "too large": {"body": json.dumps({"x": "x" * 65_536, **good}).encode()},
        "too large and said so": {
            "headers": {"Content-Length": "70000"},
            "body": json.dumps(good).encode().ljust(70_000),
        },
        "cut short": {"headers": {"Content-Length": "5000"}, "body": json.dumps(good).encode()[:-20]},
        "no JSON": {"body": b"<html>"},
        "two meanings": {"body": b'{"keys": [], "keys": []}'},
        "a list": {"body": json.dumps([OLD, NEW]).encode()},
        "no list of keys": {"body": json.dumps({"keys": {"0": OLD}}).encode()},
        "not one key of use": {"body": b'{"keys": [{"kty": "unheard-of"}]}'},
        "names that are malformed": {"body": json.dumps(good | {MEMBER: {"issuers": [{"iss": 1}]}}).encode()},
        "no HTTP": {"headers": {"X": "y" * 70_000}},
    }
    for name, value in spoilt[how].items():
        setattr(issuer, name, value)


BROKEN = [
    "a server error",
    "not found",
    "another success",
    "a redirect",
    "too large",
    "too large and said so",
    "cut short",
    "no JSON",
    "two meanings",
    "a list",
    "no list of keys",
    "not one key of use",
    "names that are malformed",
    "no HTTP",
]


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_answer_keeps_the_old_keys(keys: RemoteKeys, issuer: Issuer, clock: Clock, how: str) -> None:
    """The last good keys serve for 15 minutes; after that, and for an unknown id meanwhile, there is no verdict."""
    keys.find(OLD["kid"])
    broken(issuer, how)
    clock.now += 899
    assert keys.find(OLD["kid"]) is not None
    with pytest.raises(KeysUnavailable, match="kid is unknown"):
        keys.find(NEW["kid"])
    assert len(issuer.asked) == 2
    clock.now += 1
    with pytest.raises(KeysUnavailable, match="JWKS"):
        keys.find(OLD["kid"])


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_answer_at_first_is_no_key(keys: RemoteKeys, issuer: Issuer, how: str) -> None:
    """An authorizer that never had a key reports an outage; it does not reject tokens."""
    broken(issuer, how)
    with pytest.raises(KeysUnavailable, match="JWKS"):
        keys.find(OLD["kid"])
    assert len(issuer.asked) == 1


def test_a_redirect_is_not_followed(keys: RemoteKeys, issuer: Issuer) -> None:
    """The client asks the configured address alone."""
    issuer.status, issuer.headers = 302, {"Location": "/elsewhere"}
    with pytest.raises(KeysUnavailable, match="302"):
        keys.find(OLD["kid"])
    assert issuer.asked == ["/.well-known/jwks.json?stage=prod"]


def test_failed_fetches_are_rare(keys: RemoteKeys, issuer: Issuer, clock: Clock) -> None:
    """With old keys in hand a failed fetch is repeated after ten seconds, not with every token."""
    keys.find(OLD["kid"])
    issuer.status = 500
    clock.now += 300
    for elapsed, asked in ((0, 2), (9.9, 2), (0.1, 3), (5, 3)):
        clock.now += elapsed
        assert keys.find(OLD["kid"]) is not None
        assert len(issuer.asked) == asked


def test_a_first_fetch_that_fails_is_repeated_after_a_second(keys: RemoteKeys, issuer: Issuer, clock: Clock) -> None:
    """Without any keys the fetch is retried after one second, because the issuer may have been starting."""
    issuer.status = 500
    for _ in range(1000):
        with pytest.raises(KeysUnavailable):
            keys.find(OLD["kid"])
    assert len(issuer.asked) == 1
    issuer.status = 200
    clock.now += 1
    assert keys.find(OLD["kid"]) is not None


def test_silence_is_a_failure(issuer: Issuer, clock: Clock) -> None:
    """Waiting for an issuer that does not respond ends after the configured time."""
    keys = RemoteKeys(issuer.uri, clock, timeout=0.1)
    issuer.pause = 0.5
    with pytest.raises(KeysUnavailable, match="too slow"):
        keys.find(OLD["kid"])


def test_an_issuer_that_trickles_is_a_failure(issuer: Issuer, clock: Clock) -> None:
    """The time bounds the whole answer, not each of its parts."""
    issuer.body, issuer.drip = b" " * 40, 0.05
    began = time.monotonic()
    with pytest.raises(KeysUnavailable, match="too slow"):
        RemoteKeys(issuer.uri, clock, timeout=0.2).find(OLD["kid"])
    assert time.monotonic() - began < 1


def test_a_name_that_does_not_resolve_in_time_is_a_failure(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time includes the look-up of the name, which no time-out of a socket bounds."""
    released = Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait(5) and [])
    began = time.monotonic()
    try:
        with pytest.raises(KeysUnavailable, match="too slow"):
            RemoteKeys("https://issuer.example/jwks.json", clock, timeout=0.1).find(OLD["kid"])
        assert time.monotonic() - began < 1
    finally:
        released.set()


def test_an_issuer_that_is_not_there_is_a_failure(clock: Clock) -> None:
    """A refused connection leaves nothing to verify with."""
    with pytest.raises(KeysUnavailable, match="ConnectionRefusedError"):
        RemoteKeys("http://127.0.0.1:9/jwks.json", clock).find(OLD["kid"])


def test_odd_keys_are_left_out(keys: RemoteKeys, issuer: Issuer) -> None:
    """A key of an unknown kind, a private or symmetric one, or no key at all does not spoil its neighbours."""
    odd: list[object] = [
        {"kty": "unheard-of", "kid": "a", "alg": "XY1"},
        {**OLD, "kid": "b", "d": "AAAA"},
        {**OLD, "kid": "c", "use": "enc"},
        {**OLD, "kid": 7},
        {"kty": "oct", "kid": "d", "alg": "HS256", "k": "A" * 43},
        {},
        None,
        "key",
        [],
    ]
    issuer.publish(*odd, OLD)
    assert keys.find(OLD["kid"]) is not None
    assert [keys.find(kid) for kid in ("a", "b", "c", "d", "7", "")] == [None] * 6


@pytest.mark.parametrize(
    "uri",
    [
        "http://issuer.example/jwks.json",
        "http://127.0.0.1.issuer.example/",
        "http://localhost@issuer.example/",
        "http://0.0.0.0/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "https:///jwks.json",
        "issuer.example/jwks.json",
        "",
    ],
)
def test_only_https_or_this_machine_is_asked(uri: str, clock: Clock) -> None:
    """Keys sent over plain http could come from anyone."""
    with pytest.raises(ValueError, match="https"):
        RemoteKeys(uri, clock)


@pytest.mark.parametrize(
    "uri", ["https://issuer.example/j", "HTTPS://[2001:db8::1]/", "http://[::1]:80/", "http://localhost/"]
)
def test_https_and_this_machine_are_asked(uri: str, clock: Clock) -> None:
    """Every https address is accepted, and plain http on this machine."""
    RemoteKeys(uri, clock)


@pytest.mark.parametrize("host", ["172.17.0.1", "192.168.65.254", "host.docker.internal"])
def test_a_container_of_sam_local_asks_the_machine_that_runs_it(host: str, clock: Clock) -> None:
    """SAM starts functions in containers, which reach this machine by a private address, and only they may."""
    uri = f"http://{host}:8090/.well-known/jwks.json"
    RemoteKeys(uri, clock, sam_local=True)
    with pytest.raises(ValueError, match="https"):
        RemoteKeys(uri, clock)


@pytest.mark.parametrize("host", ["issuer.example", "8.8.8.8", "172.17.0.1.issuer.example"])
def test_a_container_of_sam_local_asks_no_one_else_over_http(host: str, clock: Clock) -> None:
    """Elsewhere keys need https there too."""
    with pytest.raises(ValueError, match="https"):
        RemoteKeys(f"http://{host}/", clock, sam_local=True)


def test_a_certificate_must_be_trusted(issuer: Issuer, clock: Clock) -> None:
    """A server without a trusted certificate provides no keys."""
    with pytest.raises(KeysUnavailable, match="SSL"):
        RemoteKeys(issuer.uri.replace("http:", "https:"), clock).find(OLD["kid"])
    assert issuer.asked == []


def test_no_proxy_is_asked(keys: RemoteKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that names a proxy changes nothing."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert keys.find(OLD["kid"]) is not None


def test_what_a_cold_start_must_not_pay_for_is_not_imported() -> None:
    """The authorizer's half of the adapters loads none of the slow modules."""
    slow = {"boto3", "botocore", "urllib.request", "asyncio", "jwt", "aws_lambda_powertools", "pydantic"}
    program = "import sys, latchkey.adapters.jwks; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "latchkey.adapters.jwks" in loaded
    assert slow.isdisjoint(loaded)
