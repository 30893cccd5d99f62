"""The public half of the signing policy."""

from __future__ import annotations

from latchkey.adapters.dynamodb import items
from latchkey.adapters.dynamodb.table import TablePart
from latchkey.core.ports import PublishedKeys

_NOT_NEWER = "attribute_not_exists(#pk) OR #version <= :version"


class PublicKeys(TablePart):
    """Implements `PublicKeyStore`."""

    def publish_keys(self, keys: PublishedKeys) -> bool:
        """Store if no newer version is stored."""
        return self._table.put_if(items.encode(items.JWKS, keys), _NOT_NEWER, {"version": keys.version})

    def published_keys(self) -> PublishedKeys | None:
        """Return what is published, or `None` before the first rotation."""
        item = self._table.get(items.JWKS)
        return items.decode(PublishedKeys, item) if item else None
