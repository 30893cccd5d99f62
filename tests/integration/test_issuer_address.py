"""The address that is to become the issuer, over HTTP: only this stack's own address is accepted."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from latchkey.adapters.issuer_address import MAX_BYTES, FetchedAddress
from latchkey.core.errors import ServiceError
from latchkey.core.signing_policy.store import PublishedKeys
from latchkey.signing.key_set import KeyState, generate
from latchkey.signing.keys import Algorithm

NOW = 1_800_000_000
OLD = "https://old.example"


def new_jwk() -> dict[str, Any]:
    """Return the public half of a new key."""
    key = generate(Algorithm.EdDSA, now=NOW, entropy=os.urandom, state=KeyState.CURRENT)
    return dict(key.verification_key().to_jwk())


FIRST, SECOND = new_jwk(), new_jwk()


class Site:
    """A web site on this machine: its documents by path, with a status and headers."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.pages: dict[str, tuple[int, dict[str, str], bytes]] = {}

    def serve(self, *, issuer: str = OLD, keys: Any = (FIRST, SECOND), status: int = 200, **headers: str) -> None:
        """Serve metadata and keys."""
        for name, document in (("openid-configuration", {"issuer": issuer}), ("jwks.json", {"keys": keys})):
            self.pages[f"/.well-known/{name}"] = (status, headers, json.dumps(document).encode())


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, site: Site, *rest: Any) -> None:
        self.site = site
        super().__init__(*rest)

    def do_GET(self) -> None:
        status, headers, body = self.site.pages.get(self.path, (404, {}, b""))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[Site]:
    """A site that serves this stack's documents."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        site = Site(server.server_port)
        site.serve()
        server.RequestHandlerClass = partial(_Handler, site)
        server.daemon_threads = True
        server.block_on_close = False
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield site
        server.shutdown()


def check(address: str, *keys: dict[str, Any], issuer: str = OLD) -> str:
    """Return the status, the member and the code of the refusal; nothing if the address is accepted."""
    published = PublishedKeys(7, issuer, "EdDSA", json.dumps({"keys": keys or (FIRST, SECOND)}))
    try:
        FetchedAddress().require_own(address, published, NOW)
    except ServiceError as error:
        return f"{error.kind.status} {error.fields[0].field}: {error.fields[0].code}"
    return ""


def test_own_address_is_accepted(site: Site) -> None:
    """Metadata name an issuer of the stack, and every key is served."""
    assert check(site.address) == ""


def test_retired_key_in_a_cache_is_no_reason_to_refuse(site: Site) -> None:
    """A cache on the way may serve more keys than the stack has now."""
    assert check(site.address, FIRST) == ""


def test_missing_key_is_refused(site: Site) -> None:
    """Tokens signed with it would be rejected."""
    site.serve(keys=[FIRST])
    assert check(site.address) == "422 iss: other_keys"


def test_key_of_the_same_id_is_not_the_same_key(site: Site) -> None:
    """The whole key is compared."""
    site.serve(keys=[FIRST, SECOND | {"x": FIRST["x"]}])
    assert check(site.address) == "422 iss: other_keys"


@pytest.mark.parametrize("keys", [None, {}, "keys", ["key"], []])
def test_list_of_no_keys_is_refused(site: Site, keys: Any) -> None:
    """Another document is refused, and no error escapes."""
    site.serve(keys=keys)
    assert check(site.address) == "422 iss: other_keys"


def test_metadata_of_another_stack_are_refused(site: Site) -> None:
    """A stack that signs with shared secrets publishes no keys: its metadata alone tell it from others."""
    site.serve(issuer="https://other.example", keys=[])
    assert check(site.address) == "422 iss: other_issuer"


@pytest.mark.parametrize("status", [301, 302, 403, 404, 500])
def test_any_other_status_is_no_answer(site: Site, status: int) -> None:
    """A redirect is not followed, whatever its target."""
    site.serve(status=status, Location=f"{site.address}/.well-known/jwks.json")
    assert check(site.address) == "422 iss: no_answer"


def test_endless_document_is_no_answer(site: Site) -> None:
    """The number of bytes that are read is limited."""
    site.serve(keys=[FIRST, "x" * MAX_BYTES])
    assert check(site.address) == "422 iss: no_answer"


@pytest.mark.parametrize(
    "address", ["http://192.0.2.1", "https://127.0.0.1:1", "https://127.0.0.1:x", "http://", "https://nothing.invalid"]
)
def test_address_that_cannot_be_fetched_is_no_answer(address: str) -> None:
    """Plain http beyond this machine, a closed port, no port, no host, no such name."""
    assert check(address) == "422 iss: no_answer"
