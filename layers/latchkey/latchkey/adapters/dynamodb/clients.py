"""OAuth clients and API keys."""

from __future__ import annotations

from latchkey.adapters.dynamodb import items
from latchkey.adapters.dynamodb.table import TablePart
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import ApiKey, Client


class Clients(TablePart):
    """Implements `ClientStore`."""

    def create_client(self, client: Client) -> None:
        """Store a new client; raise `CONFLICT` when its id is taken."""
        if not self._table.put_new(items.encode(items.client(client.client_id), client)):
            raise ServiceError(Errors.CONFLICT, "the client id is taken")

    def find_client(self, client_id: str) -> Client | None:
        """Return the client, enabled or not."""
        item = self._table.get(items.client(client_id))
        return items.decode(Client, item) if item else None

    def create_api_key(self, key: ApiKey) -> None:
        """Store a new key; raise `CONFLICT` when its id is taken."""
        if not self._table.put_new(items.encode(items.api_key(key.key_id), key)):
            raise ServiceError(Errors.CONFLICT, "the key id is taken")

    def find_api_key(self, key_id: str, now: int) -> ApiKey | None:
        """Return the key if it has not expired, enabled or not."""
        item = self._table.get(items.api_key(key_id))
        key = items.decode(ApiKey, item) if item else None
        return None if key is None or (key.expires_at is not None and key.expires_at <= now) else key
