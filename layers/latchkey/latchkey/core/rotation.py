"""The one writer of the signing policy: changes by an admin, and the four steps of Secrets Manager's rotation.

Whoever writes holds a lease, so that two never build on the same version. The public half is published before the
private half is put in force, so that no key signs that a verifier could not know. A writer may die after any of its
writes: what it published has signed nothing, and what it staged is dropped when it has grown old.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.identifiers import new_id
from latchkey.core.model import Event
from latchkey.core.ports import Journal, LeaseStore, PublicKeyStore, PublishedKeys, SigningSecret
from latchkey.signing.keys import Algorithm
from latchkey.signing.minting import mint_access
from latchkey.signing.policy import Lifetimes, Moment, SigningPolicy, first_policy, parse, rotate
from latchkey.signing.tokens import AccessClaims, verify

NOT_YET = "{}"
"""The text of the secret before its first rotation."""

LEASE = 60
"""Seconds that a writer may take: more than any function of ours runs for."""

_TOKEN_BYTES = 16  # in hex, the 32 characters that Secrets Manager asks for at least


@dataclass(frozen=True, slots=True)
class FirstPolicy:
    """What the stack's parameters say about its very first signing policy."""

    issuer: str
    algorithm: Algorithm
    lifetimes: Lifetimes


@dataclass(frozen=True, slots=True)
class PolicyWriter:
    """Puts policies in force, one at a time."""

    secret: SigningSecret
    keys: PublicKeyStore
    leases: LeaseStore
    journal: Journal

    def read(self) -> SigningPolicy:
        """Return the policy in force, not from any cache. Raises `UNAVAILABLE` before the first rotation."""
        text = self.secret.current()
        if text.strip() == NOT_YET:
            raise ServiceError(Errors.UNAVAILABLE, "there is no signing policy yet", retry_after=5)
        return parse(text)

    def change(self, make: Callable[[SigningPolicy], SigningPolicy], *, expected: int, moment: Moment) -> SigningPolicy:
        """Put in force what `make` makes of the policy, if its version is still the one expected; return it.

        Raises `CONFLICT` when somebody else is writing or has written.
        """
        with self.alone(moment):
            policy = self.read()
            if policy.version != expected:
                raise ServiceError(Errors.CONFLICT, f"version {policy.version}, not {expected}")
            successor = make(policy)
            if successor is not policy:
                self.publish(successor, moment.now)
                token = moment.entropy(_TOKEN_BYTES).hex()
                self.secret.put_pending(token, successor.to_json())
                self.secret.promote(token)
            return successor

    @contextmanager
    def alone(self, moment: Moment) -> Iterator[None]:
        """Hold the lease. Raises `CONFLICT` when another has it."""
        owner = new_id("", moment.entropy)
        if not self.leases.take_lease("signing", owner, now=moment.now, until=moment.now + LEASE):
            raise ServiceError(Errors.CONFLICT, "another writer holds the lease", retry_after=LEASE)
        try:
            yield
        finally:
            self.leases.return_lease("signing", owner)

    def publish(self, policy: SigningPolicy, now: int) -> None:
        """Publish the public half of a policy. Raises `CONFLICT` when a newer one is out."""
        if not self.keys.publish_keys(public_half(policy, now)):
            raise ServiceError(Errors.CONFLICT, "a newer policy is published")


def public_half(policy: SigningPolicy, now: int) -> PublishedKeys:
    """Return what verifiers may know of a policy."""
    keys = policy.keys.published(now)
    return PublishedKeys(
        version=policy.version,
        issuer=policy.issuer,
        algorithm=policy.algorithm.value,
        jwks=json.dumps({"keys": [key.verification_key().to_jwk() for key in keys]}),
        retire_at={key.kid: key.retire_at for key in keys if key.retire_at is not None},
    )


@dataclass(frozen=True, slots=True)
class Rotation:
    """Carries out `createSecret`, `setSecret`, `testSecret` and `finishSecret`; `token` names the rotation.

    Each step may run twice. A step that finds the staged policy out of date, because somebody changed the policy
    meanwhile or the rotation was left lying, drops it and raises `CONFLICT`; the next rotation begins anew.
    """

    writer: PolicyWriter
    first: FirstPolicy

    def create(self, token: str, moment: Moment) -> None:
        """Stage the successor of the policy in force, or the first policy of all."""
        if self.writer.secret.pending(token) is None:
            self.writer.secret.put_pending(token, self._successor(moment).to_json())

    def publish(self, token: str, moment: Moment) -> None:
        """Publish the public half of the staged policy."""
        with self.writer.alone(moment):
            self.writer.publish(self._staged(token, moment), moment.now)

    def test(self, token: str, moment: Moment) -> None:
        """Prove that every key of the staged policy signs what its public half verifies."""
        policy = self._staged(token, moment)
        for key in policy.keys.keys:
            probe = mint_access(_probe(policy, moment.now), key)
            find = {key.kid: key.verification_key()}.get
            verify(probe, find_key=find, issuer=policy.issuer, audience=_PROBE, now=moment.now)

    def finish(self, token: str, moment: Moment) -> None:
        """Put the staged policy in force."""
        with self.writer.alone(moment):
            policy = self._staged(token, moment)
            self.writer.publish(policy, moment.now)
            self.writer.secret.promote(token)
        self.writer.journal.record(Event("signing_rotated", reason=f"version {policy.version}"))

    def _successor(self, moment: Moment) -> SigningPolicy:
        text = self.writer.secret.current()
        if text.strip() == NOT_YET:
            return first_policy(self.first.issuer, self.first.algorithm, self.first.lifetimes, moment)
        policy = parse(text)
        successor = rotate(policy, moment)
        # Where an heir waits already there is nothing to change, but the rotation must have its version.
        return replace(policy, version=policy.version + 1, made_at=moment.now) if successor is policy else successor

    def _staged(self, token: str, moment: Moment) -> SigningPolicy:
        """Return the staged policy if it still follows the one in force, or is it."""
        text, current = self.writer.secret.pending(token), self.writer.secret.current()
        if text is None:
            raise ServiceError(Errors.CONFLICT, "nothing is staged under this token")
        if text == current:
            return parse(text)
        policy, before = parse(text), 0 if current.strip() == NOT_YET else parse(current).version
        fresh = moment.now - policy.made_at <= moment.caches.staging
        if policy.version != before + 1 or not fresh:
            self.writer.secret.unstage(token)
            self.writer.journal.record(Event("rotation_dropped", reason=f"version {policy.version} after {before}"))
            raise ServiceError(Errors.CONFLICT, "the staged policy is out of date")
        return policy


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
