"""The gateway of the template in front of the real authorizer, while its keys can and cannot be fetched over HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from functions.authorizer.app import handler
from infra.local.gateway.dispatch import Gateway
from infra.local.gateway.messages import Request, Response
from infra.local.stack.api import read_api
from infra.local.stack.intrinsics import Resolver
from infra.local.stack.template import translate
from infra.packaging import template as source
from latchkey.adapters.jwks import RemoteKeys
from latchkey.edge import authorizer
from latchkey.signing.key_set import SigningKey, generate
from latchkey.signing.keys import LAST_GOOD, Algorithm
from latchkey.signing.minting import mint_access
from latchkey.signing.tokens import AccessClaims

ISSUER = "https://id.example"


class Issuer:
    """The keys of an issuer, served over HTTP while `is_reachable`. The authorizer's clock is `late` seconds ahead."""

    def __init__(self, key: SigningKey) -> None:
        self.keys = [key]
        self.is_reachable = True
        self.late = 0.0

    def clock(self) -> float:
        """Return the monotonic time of the authorizer, which this test can move."""
        return time.monotonic() + self.late


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, issuer: Issuer, *rest: Any) -> None:
        self.issuer = issuer
        super().__init__(*rest)

    def do_GET(self) -> None:
        keys = [key.verification_key().to_jwk() for key in self.issuer.keys]
        self.send_response(200 if self.issuer.is_reachable else 502)
        self.end_headers()
        self.wfile.write(json.dumps({"keys": keys}).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def new_key() -> SigningKey:
    """Return a new signing key."""
    return generate(Algorithm.EdDSA, now=0, entropy=bytes)


@pytest.fixture
def issuer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Issuer]:
    """An issuer on this machine, where the authorizer looks for keys."""
    issuer = Issuer(new_key())
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, issuer)) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        monkeypatch.setenv("LATCHKEY_ISSUER", ISSUER)
        monkeypatch.setenv("LATCHKEY_AUDIENCE", "latchkey")
        keys = RemoteKeys(f"http://127.0.0.1:{server.server_port}/jwks", issuer.clock, authorizer.OWN_JWKS_AGE)
        monkeypatch.setattr(authorizer, "_keys", lambda _: keys)
        yield issuer
        server.shutdown()


@pytest.fixture(scope="module")
def api() -> Any:
    """The API of the template."""
    return read_api(Resolver(translate(source.PATH.read_text(), {}), {}, {}))


@pytest.fixture
def gateway(api: Any, issuer: Issuer) -> Gateway:
    """The API in front of the real authorizer, with a memory that never holds an answer."""

    def invoke(name: str, event: dict[str, Any]) -> Any:
        return handler(event, None) if name == "AuthorizerFunction" else {"statusCode": 200, "body": "{}"}

    return Gateway(api, invoke)


def asked(gateway: Gateway, key: SigningKey) -> Response:
    """Call a protected route with a new token of this key."""
    now = int(time.time())
    claims = AccessClaims(
        iss=ISSUER,
        sub="usr_ann",
        aud="latchkey",
        client_id="cli_app",
        iat=now,
        exp=now + 900,
        jti=str(time.monotonic_ns()),
        scope="openid",
        sid="ses_a",
        roles=("user",),
    )
    headers = (("Authorization", f"Bearer {mint_access(claims, key)}"),)
    return gateway(Request("GET", "/v1/hello", "", headers, b"", "198.51.100.7"))


def test_out_of_reach_is_a_503_and_then_a_200(gateway: Gateway, issuer: Issuer) -> None:
    """A cold authorizer that finds no keys says when to come back; as soon as it finds them, the token is good."""
    (key,) = issuer.keys
    issuer.is_reachable = False
    refused = asked(gateway, key)
    headers = dict(refused.headers)
    assert (refused.status, json.loads(refused.body)["code"]) == (503, "temporarily_unavailable")
    assert (headers["Content-Type"], headers["Retry-After"]) == ("application/problem+json", "1")
    issuer.is_reachable = True
    issuer.late += int(headers["Retry-After"])
    assert asked(gateway, key).status == 200


def test_last_good_keys_serve_for_15_minutes(gateway: Gateway, issuer: Issuer) -> None:
    """A short outage is not noticed; a longer one is a 503, and never a 401 for a good token."""
    (key,) = issuer.keys
    assert asked(gateway, key).status == 200
    issuer.is_reachable = False
    issuer.late = LAST_GOOD - 60
    assert asked(gateway, key).status == 200
    issuer.late = LAST_GOOD
    assert asked(gateway, key).status == 503


def test_a_key_that_could_not_be_fetched_yet_is_no_reason_for_a_401(gateway: Gateway, issuer: Issuer) -> None:
    """A reset while the keys cannot be fetched: tokens of the new key wait. A stranger's token gets its 401 later."""
    (old,) = issuer.keys
    assert asked(gateway, old).status == 200
    new, strange = new_key(), new_key()
    issuer.keys, issuer.is_reachable, issuer.late = [new], False, 120
    assert [asked(gateway, key).status for key in (new, strange)] == [503, 503]
    issuer.is_reachable, issuer.late = True, 240
    assert [asked(gateway, key).status for key in (new, strange, old)] == [200, 401, 401]
