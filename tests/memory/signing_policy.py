"""The public keys of the signing policy, and the leases of its writers."""

from __future__ import annotations

from latchkey.core.signing_policy.store import PublishedKeys
from tests.memory.state import State


class PublicKeys(State):
    """Implements `PublicKeyStore`."""

    def publish_keys(self, keys: PublishedKeys) -> bool:
        """Store if no newer version is stored."""
        with self._lock:
            if self._published is not None and self._published.version > keys.version:
                return False
            self._published = keys
            return True

    def published_keys(self) -> PublishedKeys | None:
        """Return what is published, or `None` before the first rotation."""
        with self._lock:
            return self._published


class Leases(State):
    """Implements `LeaseStore`."""

    def take_lease(self, name: str, owner: str, *, now: int, until: int) -> bool:
        """Take the lease if it is free."""
        with self._lock:
            holder, ends_at = self._leases.get(name, (owner, until))
            if holder != owner and now < ends_at:
                return False
            self._leases[name] = (owner, until)
            return True

    def return_lease(self, name: str, owner: str) -> None:
        """Give the lease back if `owner` still holds it."""
        with self._lock:
            if self._leases.get(name, ("", 0))[0] == owner:
                del self._leases[name]
