"""The public half of the signing policy, and the leases of its writers."""

from __future__ import annotations

from latchkey.adapters.dynamodb import items
from latchkey.adapters.dynamodb.items import LINGER
from latchkey.adapters.dynamodb.table import TablePart
from latchkey.core.signing_policy.store import PublishedKeys

_NOT_NEWER = "attribute_not_exists(#pk) OR #version <= :version"

# A lease in time. If its owner crashes, others wait only until the lease ends.
#
#   taken          now           ends_at
#   --|-------------|---------------|---->
#     |<-- of its owner alone ----->|<-- free
#
_FREE = "attribute_not_exists(#pk) OR #owner = :owner OR #ends_at <= :now"


class PublicKeys(TablePart):
    """Implements `PublicKeyStore`."""

    def publish_keys(self, keys: PublishedKeys) -> bool:
        """Store if no newer version is stored."""
        return self._table.put_if(items.encode(items.JWKS, keys), _NOT_NEWER, {"version": keys.version})

    def published_keys(self) -> PublishedKeys | None:
        """Return what is published, or `None` before the first rotation."""
        item = self._table.get(items.JWKS)
        return items.decode(PublishedKeys, item) if item else None


class Leases(TablePart):
    """Implements `LeaseStore`."""

    def take_lease(self, name: str, owner: str, *, now: int, until: int) -> bool:
        """Take the lease if it is free."""
        write = self._table.update(
            items.lease(name),
            "SET #owner = :owner, #ends_at = :ends_at, #ttl = :ttl",
            {"owner": owner, "ends_at": until, "ttl": until + LINGER, "now": now},
            only_if=_FREE,
        )
        return write.applied

    def return_lease(self, name: str, owner: str) -> None:
        """Let the lease end now, if `owner` still holds it."""
        end_it = "SET #ends_at = :past"
        self._table.update(items.lease(name), end_it, {"past": 0, "owner": owner}, only_if="#owner = :owner")
