"""The rotation of the signing secret, in the four steps of Secrets Manager.

Each step may run twice, and may die after any of its writes: the next run finds what it left and goes on. The public
half is published before the private half is put in force, so no key signs that a verifier could not know.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.identifiers import Entropy
from latchkey.core.model import Event
from latchkey.core.ports import Journal, PublicKeyStore, PublishedKeys, SigningSecret
from latchkey.signing.keys import Algorithm
from latchkey.signing.minting import mint_access
from latchkey.signing.policy import SigningPolicy, first_policy, parse, rotate
from latchkey.signing.tokens import AccessClaims, verify

NOT_YET = "{}"
"""The text of the secret before its first rotation."""


@dataclass(frozen=True, slots=True)
class FirstPolicy:
    """What the stack's parameters say about its very first signing policy. Lifetimes are in seconds."""

    issuer: str
    algorithm: str
    access_ttl: int
    refresh_ttl: int
    refresh_idle_ttl: int
    refresh_retry_limit: int


@dataclass(frozen=True, slots=True)
class Rotation:
    """Carries out `createSecret`, `setSecret`, `testSecret` and `finishSecret`; `token` names the rotation."""

    secret: SigningSecret
    keys: PublicKeyStore
    first: FirstPolicy
    journal: Journal
    entropy: Entropy

    def create(self, token: str, *, now: int) -> None:
        """Stage the successor of the policy in force, or the first policy of all."""
        if self.secret.pending(token) is not None:
            return
        text = self.secret.current()
        successor = self._first(now) if text.strip() == NOT_YET else rotate(parse(text), now=now, entropy=self.entropy)
        self.secret.put_pending(token, successor.to_json())

    def publish(self, token: str, *, now: int) -> None:
        """Publish the public half of the staged policy, unless a newer one is out already."""
        policy = self._staged(token)
        published = PublishedKeys(
            policy.version, policy.issuer, str(policy.algorithm), json.dumps(policy.keys.jwks(now))
        )
        if not self.keys.publish_keys(published):
            raise ServiceError(Errors.CONFLICT, "a newer policy is published")

    def test(self, token: str, *, now: int) -> None:
        """Prove that every key of the staged policy signs what its public half verifies."""
        policy = self._staged(token)
        for key in policy.keys.keys:
            probe = mint_access(_probe(policy, now), key)
            verify(
                probe, find_key={key.kid: key.verification_key()}.get, issuer=policy.issuer, audience=_PROBE, now=now
            )

    def finish(self, token: str) -> None:
        """Put the staged policy in force."""
        self.secret.promote(token)
        self.journal.record(Event("signing_rotated"))

    def _first(self, now: int) -> SigningPolicy:
        return first_policy(
            issuer=self.first.issuer,
            now=now,
            entropy=self.entropy,
            algorithm=Algorithm(self.first.algorithm),
            access_ttl=self.first.access_ttl,
            refresh_ttl=self.first.refresh_ttl,
            refresh_idle_ttl=self.first.refresh_idle_ttl,
            refresh_retry_limit=self.first.refresh_retry_limit,
        )

    def _staged(self, token: str) -> SigningPolicy:
        text = self.secret.pending(token)
        if text is None:
            raise ServiceError(Errors.CONFLICT, "nothing is staged under this token")
        return parse(text)


_PROBE = "rotation-test"


def _probe(policy: SigningPolicy, now: int) -> AccessClaims:
    return AccessClaims(
        iss=policy.issuer,
        sub=f"cli_{_PROBE}",
        aud=_PROBE,
        client_id=f"cli_{_PROBE}",
        iat=now,
        exp=now + policy.access_ttl,
        jti=_PROBE,
        scope=_PROBE,
    )
