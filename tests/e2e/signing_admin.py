"""The seeded admin at the routes of the signing policy."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from tests.e2e.accounts import Person, admin
from tests.e2e.client import Response, RunningTwin
from tests.e2e.tokens import kid

ROUTE = "/v1/admin/signing"

WAIT = 20.0
"""Seconds that a key may take to begin to sign: four by the twin's caches, the rest for a busy machine."""

_NAP = 0.05


@dataclass(slots=True)
class SigningAdmin:
    """Changes the signing policy."""

    me: Person

    @classmethod
    def of(cls, twin: RunningTwin) -> SigningAdmin:
        """Return the seeded admin, signed in."""
        return cls(admin(twin))

    def ask(self, method: str, path: str = "", json: object = None) -> Response:
        """Ask one of the routes."""
        return self.me.twin.call(method, ROUTE + path, json=json, headers=self.me.bearer)

    def policy(self) -> dict[str, Any]:
        """Return the policy as it stands."""
        return done(self.ask("GET"))

    def signer(self) -> str:
        """Return the kid of the key that signs."""
        return signer_to_be(self.policy())

    def rotate(self) -> str:
        """Rotate, wait for the new key to sign, and return its kid."""
        return self._new_signer(self.ask("POST", "/rotate"))

    def switch(self, algorithm: str) -> str:
        """Change the algorithm, wait for the new key to sign, and return its kid."""
        return self._new_signer(self.ask("PATCH", json={"algorithm": algorithm}))

    def reset(self, *, end_sessions: bool = False) -> dict[str, Any]:
        """Reset in its two steps and return the policy."""
        asked = self.ask("POST", "/reset", {"end_sessions": end_sessions})
        assert asked.status == 409, asked.body
        return done(self.ask("POST", "/reset", confirmed(asked)))

    def published(self) -> set[str]:
        """Return the kids of the JWKS."""
        return {key["kid"] for key in done(self.me.twin.call("GET", "/.well-known/jwks.json"))["keys"]}

    def _new_signer(self, answer: Response) -> str:
        wanted = signer_to_be(done(answer))
        deadline = time.monotonic() + WAIT
        while kid(self.me.refresh()["access_token"]) != wanted:
            assert time.monotonic() < deadline, f"{wanted} does not sign"
            time.sleep(_NAP)
        return wanted


def done(answer: Response) -> dict[str, Any]:
    """Return the body of an answer that must be a 200."""
    assert answer.status == 200, answer.body
    body: dict[str, Any] = answer.json
    return body


def confirmed(asked: Response) -> dict[str, Any]:
    """Return the second request of a reset, after the answer to the first."""
    return {"confirmation_token": asked.json["confirmation_token"], "understood": True}


def signer_to_be(policy: dict[str, Any]) -> str:
    """Return the kid of the heir or, where none waits, of the current key."""
    keys = policy["keys"]
    heirs = [key["kid"] for key in keys if key["state"] == "next" and key["activates_at"] is not None]
    return str(heirs[0] if heirs else next(key["kid"] for key in keys if key["state"] == "current"))
