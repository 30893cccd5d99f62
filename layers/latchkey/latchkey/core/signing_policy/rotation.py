"""The one writer of the signing policy: changes by an admin, and the four steps of Secrets Manager's rotation.

A writer holds a lease, so that two writers never build on the same version. It publishes the public half before it puts
the private half in force, so that no key signs before verifiers can know it. It removes old keys only after that. A
writer may crash after any of its writes: its published keys also serve the earlier policy, and a staged policy is
dropped once it is out of date.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.events import Event, Journal
from latchkey.core.ids import new_id
from latchkey.core.signing_policy.seals import SealWriter
from latchkey.core.signing_policy.store import LeaseStore, PublicKeyStore, PublishedKeys, SigningSecret
from latchkey.signing.key_set import RSA_BITS, SigningKey
from latchkey.signing.keys import Algorithm
from latchkey.signing.minting import mint_access
from latchkey.signing.names import Planned
from latchkey.signing.policy import (
    Lifetimes,
    Moment,
    PolicyTooLong,
    SigningPolicy,
    first_policy,
    parse,
    plan_audience_move,
    rotate,
)
from latchkey.signing.tokens import AccessClaims, verify

NOT_YET = "{}"
"""The text of the secret before its first rotation."""

LEASE = 60
"""Seconds that a writer may take: more than any function of ours runs for."""

_TOKEN_BYTES = 16  # in hex, the 32 characters that Secrets Manager asks for at least


@dataclass(frozen=True, slots=True)
class FirstPolicy:
    """The stack's parameters for its very first signing policy.

    Only `audience` matters later too: each rotation plans a move to it, unless it is empty.
    """

    issuer: str
    algorithm: Algorithm
    lifetimes: Lifetimes
    audience: str = ""
    rsa_bits: int = RSA_BITS


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
        """Put the policy that `make` returns in force, if the version is still the expected one; return that policy.

        Raises `CONFLICT` if another writer is writing or has written, and `RATE_LIMITED` if there is no room for
        another key, because too many still verify.
        """
        with self.alone(moment):
            policy = self.read()
            if policy.version != expected:
                raise ServiceError(Errors.CONFLICT, f"version {policy.version}, not {expected}")
            successor = _made(make, policy, moment.now)
            if successor is not policy:
                token = moment.entropy(_TOKEN_BYTES).hex()
                self.secret.put_pending(token, successor.to_json())
                self.put_in_force(token, policy, successor, moment.now)
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

    def put_in_force(self, token: str, before: SigningPolicy | None, policy: SigningPolicy, now: int) -> None:
        """Put the policy staged under `token` in the place of the one before. Raises `CONFLICT`."""
        self.publish(announcement(before, policy, now))
        self.secret.promote(token)
        self.publish(public_half(policy, now))

    def publish_again(self, moment: Moment) -> None:
        """Publish the public half of the policy in force again, in case its writer crashed before doing so.

        If the keys of a newer policy are already published, nothing changes: they also serve the policy in force.
        """
        with self.alone(moment):
            self.keys.publish_keys(public_half(self.read(), moment.now))

    def publish(self, keys: PublishedKeys) -> None:
        """Publish these keys. Raises `CONFLICT` if keys of a newer policy are published."""
        if not self.keys.publish_keys(keys):
            raise ServiceError(Errors.CONFLICT, "a newer policy is published")


def _made(make: Callable[[SigningPolicy], SigningPolicy], policy: SigningPolicy, now: int) -> SigningPolicy:
    try:
        return make(policy)
    except PolicyTooLong as error:
        ends = [key.retire_at for key in policy.keys.keys if key.retire_at is not None and key.lives(now)]
        raise ServiceError(Errors.RATE_LIMITED, str(error), retry_after=min(ends, default=now + LEASE) - now) from None


def public_half(policy: SigningPolicy, now: int) -> PublishedKeys:
    """Return the public half of a policy."""
    keys, issuers = policy.keys.published(now), policy.issuers.at(now)
    return PublishedKeys(
        version=policy.version,
        issuer=issuers.current,
        algorithm=policy.algorithm.value,
        jwks=_jwks(keys),
        retire_at={key.kid: key.retire_at for key in keys if key.retire_at is not None},
        names=json.dumps(policy.accepted(now).to_member()),
        next_issuer=issuers.planned.name if issuers.planned else "",
        next_issuer_at=issuers.planned.at if issuers.planned else 0,
    )


def announcement(before: SigningPolicy | None, policy: SigningPolicy, now: int) -> PublishedKeys:
    """Return the public half for the time when either policy may come into force: the keys of both, without any end.

    The end of a key is part of the change: if the change never happens, the key goes on signing. For the same
    reason the names of both are accepted, each until its later end, and tokens carry the issuer of the policy before.
    """
    keys = {key.kid: key for each in (policy, before) if each for key in each.keys.published(now)}
    in_force = before or policy
    return replace(
        public_half(in_force, now),
        version=policy.version,
        algorithm=policy.algorithm.value,
        jwks=_jwks(keys.values()),
        retire_at={},
        names=json.dumps(in_force.accepted(now).joined(policy.accepted(now)).to_member()),
    )


def _jwks(keys: Iterable[SigningKey]) -> str:
    return json.dumps({"keys": [key.verification_key().to_jwk() for key in keys]})


@dataclass(frozen=True, slots=True)
class Rotation:
    """Carries out `createSecret`, `setSecret`, `testSecret` and `finishSecret`; `token` names the rotation.

    Each step may run twice. A staged policy is out of date if the policy has changed meanwhile, or if the rotation was
    abandoned. Then the step drops it and raises `CONFLICT`, and the next rotation starts again.
    """

    writer: PolicyWriter
    seals: SealWriter
    first: FirstPolicy

    def create(self, token: str, moment: Moment) -> None:
        """Stage the successor of the policy in force, or the first policy of all."""
        if self.writer.secret.pending(token) is None:
            self.writer.secret.put_pending(token, self._successor(moment).to_json())

    def publish(self, token: str, moment: Moment) -> None:
        """Publish the public half of the staged policy, beside that of the policy in force."""
        with self.writer.alone(moment):
            staged = self._staged(token, moment)
            self.seals.rotate(moment)  # first, because a function that can sign may need to seal
            self.writer.publish(announcement(*staged, moment.now))

    def test(self, token: str, moment: Moment) -> None:
        """Prove that every key of the staged policy signs what its public half verifies."""
        _, policy = self._staged(token, moment)
        for key in policy.keys.keys:
            probe = mint_access(_probe(policy, moment.now), key)
            find = {key.kid: key.verification_key()}.get
            issuers = policy.accepted(moment.now).issuers_at(moment.now)
            verify(probe, find_key=find, issuers=issuers, audiences={_PROBE}, now=moment.now)

    def finish(self, token: str, moment: Moment) -> None:
        """Put the staged policy in force."""
        with self.writer.alone(moment):
            before, policy = self._staged(token, moment)
            self.writer.put_in_force(token, before, policy, moment.now)
        self.writer.journal.record(Event("signing_rotated", reason=f"version {policy.version}"))
        if before and _planned_audience(policy) not in {None, _planned_audience(before)}:
            self.writer.journal.record(Event("audience_move_planned", reason=f"version {policy.version}"))

    def _successor(self, moment: Moment) -> SigningPolicy:
        text = self.writer.secret.current()
        if text.strip() == NOT_YET:
            return _first(self.first, moment)
        policy = parse(text)
        successor = rotate(policy, moment)
        if self.first.audience:
            successor = plan_audience_move(successor, self.first.audience, moment)
        # The rotation makes one version, even if it makes two changes or, if an heir is already waiting, none.
        return replace(successor, version=policy.version + 1, made_at=moment.now)

    def _staged(self, token: str, moment: Moment) -> tuple[SigningPolicy | None, SigningPolicy]:
        """Return the policy in force, if any, and the staged policy, if it follows or equals the policy in force."""
        text, current = self.writer.secret.pending(token), self.writer.secret.current()
        if text is None:
            raise ServiceError(Errors.CONFLICT, "nothing is staged under this token")
        before, policy = None if current.strip() == NOT_YET else parse(current), parse(text)
        follows = policy.version == (before.version if before else 0) + 1
        # Before the first policy, no cache exists, so the first rotation may take longer.
        fresh = before is None or moment.now - policy.made_at <= moment.caches.staging
        if text != current and not (follows and fresh):
            self.writer.secret.unstage(token)
            self.writer.journal.record(Event("rotation_dropped", reason=f"version {policy.version}"))
            raise ServiceError(Errors.CONFLICT, "the staged policy is out of date")
        return before, policy


def _planned_audience(policy: SigningPolicy) -> Planned | None:
    return policy.audiences.planned if policy.audiences else None


def _first(first: FirstPolicy, moment: Moment) -> SigningPolicy:
    return first_policy(
        first.issuer, first.algorithm, first.lifetimes, moment, audience=first.audience, rsa_bits=first.rsa_bits
    )


_PROBE = "rotation-test"


def _probe(policy: SigningPolicy, now: int) -> AccessClaims:
    return AccessClaims(
        iss=policy.issuers.minted(now),
        sub=f"cli_{_PROBE}",
        aud=_PROBE,
        client_id=f"cli_{_PROBE}",
        iat=now,
        exp=now + policy.access_ttl,
        jti=_PROBE,
        scope=_PROBE,
    )
