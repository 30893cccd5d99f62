"""The public half of the signing policy, read from the table: for functions that verify or compare, and never sign."""

from __future__ import annotations

from collections.abc import Callable

from latchkey.adapters.aws import unavailable
from latchkey.adapters.jwks import UNKNOWN_KID_PAUSE, TrustedKey, read_keys
from latchkey.adapters.last_good import LastGood, Patience, Unreadable
from latchkey.core.errors import ServiceError
from latchkey.core.policy import PolicySource
from latchkey.core.signing_policy.store import PublicKeyStore, PublishedKeys
from latchkey.signing.accepted import Accepted
from latchkey.signing.keys import LAST_GOOD
from latchkey.signing.policy import SigningPolicy

_PAUSE, _PAUSE_EMPTY = 5, 1
"""Seconds; as `Patience` has them."""


class PublishedPolicy:
    """Implements `VerificationKeys` and `NameSource`: at most `max_age` seconds old, or 15 min while reads fail.

    `clock` is monotonic, `now` the time of day; both in seconds.
    """

    def __init__(
        self, store: PublicKeyStore, clock: Callable[[], float], now: Callable[[], float], max_age: float
    ) -> None:
        self._store = store
        self._now = now
        self._published = LastGood(self._read, clock, Patience(max_age, LAST_GOOD, _PAUSE, _PAUSE_EMPTY))

    def accepted(self, now: int) -> Accepted:
        """Return the issuers and audiences that tokens may name at that time."""
        return self._at_most(None).accepted(now)

    def find(self, kid: str) -> TrustedKey | None:
        """Return the key of this id. Unknown ones cause one read in 10 s."""
        key = self._keys(self._at_most(None)).get(kid)
        return key or self._keys(self._at_most(UNKNOWN_KID_PAUSE)).get(kid)

    def _keys(self, published: PublishedKeys) -> dict[str, TrustedKey]:
        try:
            return read_keys(published.jwks_at(int(self._now())))
        except Unreadable as error:
            raise unavailable(str(error)) from None

    def _at_most(self, age: float | None) -> PublishedKeys:
        try:
            return (self._published.get() if age is None else self._published.at_most(age)).value
        except Unreadable as error:
            raise unavailable(str(error)) from None

    def _read(self, held: PublishedKeys | None) -> PublishedKeys:
        try:
            published = self._store.published_keys()
        except ServiceError as error:
            raise Unreadable(error.private) from None
        if published is None:
            raise Unreadable("no keys are published yet")
        if held is not None and published.version < held.version:
            raise Unreadable(f"version {published.version} is older than {held.version}")
        return published


class PolicyKeys:
    """Implements `VerificationKeys` over the policy itself: for a stack that signs with a shared, unpublished key."""

    def __init__(self, policies: PolicySource, now: Callable[[], float]) -> None:
        self._policies = policies
        self._now = now

    def find(self, kid: str) -> TrustedKey | None:
        """Return the key of this id. Unknown ones cause one read in 10 s."""
        return self._find(self._policies.policy(), kid) or self._find(self._policies.reread(), kid)

    def _find(self, policy: SigningPolicy, kid: str) -> TrustedKey | None:
        now = int(self._now())
        key = policy.keys.find(kid, now)
        return TrustedKey(key, policy.accepted(now)) if key else None
