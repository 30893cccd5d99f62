"""Partners for the end-to-end tests: registered by the admin, signing for themselves."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

from tests.e2e.accounts import Person
from tests.e2e.client import Response, RunningTwin
from tests.partner_world import Signer

PARTNERS = "/v1/admin/partners"
EXCHANGE = "/v1/auth/external-token"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_NUMBERS = count(1)


@dataclass
class TestPartner:
    """A partner that is registered with a twin."""

    __test__ = False

    twin: RunningTwin
    boss: Person
    record: dict[str, Any]
    signer: Signer
    said: dict[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The path of the partner in the admin API."""
        return f"{PARTNERS}/{self.record['id']}"

    def claims(self, sub: str = "u-1", **members: Any) -> dict[str, Any]:
        """Return what a token of the standard profile says now; a member that is `None` is left out."""
        now = int(time.time())
        said = {"iss": self.record["issuer"], "aud": self.twin.dev["issuer"], "sub": sub, "iat": now, "exp": now + 300}
        said |= {"jti": f"j{next(_NUMBERS)}"} | members
        return {name: value for name, value in said.items() if value is not None}

    def token(self, sub: str = "u-1", **members: Any) -> str:
        """Sign such a token."""
        return self.signer.sign(self.claims(sub, **members))

    def exchange(self, token: str, **members: Any) -> Response:
        """Give a token for a session."""
        return self.twin.call("POST", EXCHANGE, json={"token": token} | members)

    def grant(self, token: str, **parameters: str) -> Response:
        """Give a token at the OAuth endpoint."""
        return self.twin.call("POST", "/oauth2/token", form={"grant_type": GRANT, "assertion": token} | parameters)

    def come(self, sub: str = "u-1", **members: Any) -> Person:
        """Sign in a user of the partner."""
        answer = self.exchange(self.token(sub, **members))
        assert answer.status in {200, 201}, answer.body
        return Person(self.twin, "", answer.json)

    def come_to(self, client_id: str, *scopes: str, sub: str = "u-1") -> Person:
        """Sign in a user of the partner to a public client, for these scopes."""
        answer = self.grant(self.token(sub), client_id=client_id, scope=" ".join(scopes))
        assert answer.status == 200, answer.body
        return Person(self.twin, "", answer.json)

    def change(self, **members: Any) -> Response:
        """Change the record."""
        return self.twin.call("PATCH", self.path, json=members, headers=self.boss.bearer)


def register(twin: RunningTwin, boss: Person, signer: Signer | None = None, **members: Any) -> TestPartner:
    """Register a partner with one key."""
    signer = signer or Signer()
    wanted = {"name": "Shop", "issuer": f"https://shop{next(_NUMBERS)}.example"} | members
    if "jwks_uri" not in wanted:
        wanted["keys"] = [{"jwk": signer.key().to_jwk()}]
    answer = twin.call("POST", PARTNERS, json=wanted, headers=boss.bearer)
    assert answer.status == 201, answer.body
    return TestPartner(twin, boss, answer.json, signer)


def register_app(twin: RunningTwin, boss: Person, *scopes: str, **members: Any) -> tuple[str, TestPartner]:
    """Register a public client, and a partner whose users sign in to it; return the id of the client, and the partner.

    The client is not first-party, unless `members` says so.
    """
    app = {"kind": "public", "name": "An app", "scopes": list(scopes)} | members
    made = twin.call("POST", "/v1/admin/clients", json=app, headers=boss.bearer)
    assert made.status == 201, made.body
    client_id = made.json["id"]
    return client_id, register(twin, boss, clients=[client_id], scopes=list(scopes))


@contextmanager
def published(*signers: Signer) -> Iterator[str]:
    """Publish keys on this machine, and yield the address."""
    body = json.dumps({"keys": [signer.key().to_jwk() for signer in signers]}).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/jwks.json"
        server.shutdown()
