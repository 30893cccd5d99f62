"""OAuth clients, and the API keys of services."""

from __future__ import annotations

from dataclasses import replace

from latchkey.core.clients.first_party import or_built_in
from latchkey.core.clients.store import MAX_API_KEYS, ApiKeyChanges, ClientChanges
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import ApiKey, Client, given
from latchkey.core.paging import Page
from tests.memory.state import State, page_of


class Clients(State):
    """Implements `ClientStore`."""

    def create_client(self, client: Client) -> None:
        """Store a new client; raise `CONFLICT` when its id is taken."""
        with self._lock:
            if client.client_id in self._clients:
                raise ServiceError(Errors.CONFLICT, "the client id is taken")
            self._clients[client.client_id] = client

    def find_client(self, client_id: str) -> Client | None:
        """Return the client, enabled or not."""
        with self._lock:
            return or_built_in(client_id, self._clients.get(client_id))

    def list_clients(self, *, after: str, limit: int) -> Page[Client]:
        """Return the clients in the order of their ids, from behind `after`."""
        with self._lock:
            return page_of(self._clients, after, limit)

    def update_client(self, client_id: str, changes: ClientChanges, *, as_read: Client | None = None) -> Client | None:
        """Set what an operator changes."""
        members = given(changes)
        with self._lock:
            held = self._clients.get(client_id)
            if held is None:
                return None
            lists = [name for name, value in members.items() if as_read and isinstance(value, tuple)]
            if any(getattr(held, name) != getattr(as_read, name) for name in lists):
                raise ServiceError(Errors.CONFLICT, "the client has changed meanwhile")
            self._clients[client_id] = replace(held, **members)
            return self._clients[client_id]

    def replace_secrets(self, client_id: str, old: tuple[str, ...], new: tuple[str, ...]) -> bool:
        """Swap the secret hashes of a client if they are still `old`."""
        with self._lock:
            held = self._clients.get(client_id)
            if held is None or held.secret_hashes != old:
                return False
            self._clients[client_id] = replace(held, secret_hashes=new)
            return True

    def delete_client(self, client_id: str) -> bool:
        """Delete a client that has no API key left; say whether it was there."""
        with self._lock:
            if any(key.client_id == client_id for key in self._api_keys.values()):
                raise ServiceError(Errors.CONFLICT, "it has an API key")
            return self._clients.pop(client_id, None) is not None

    def create_api_key(self, key: ApiKey) -> None:
        """Store a new key; raise `CONFLICT` or `LIMIT_REACHED`."""
        with self._lock:
            if key.key_id in self._api_keys:
                raise ServiceError(Errors.CONFLICT, "the key id is taken")
            if key.client_id not in self._clients:
                raise ServiceError(Errors.CONFLICT, "its client is gone")
            if sum(other.client_id == key.client_id for other in self._api_keys.values()) >= MAX_API_KEYS:
                raise ServiceError(Errors.LIMIT_REACHED, "API keys of one client")
            self._api_keys[key.key_id] = key

    def find_api_key(self, key_id: str, now: int) -> ApiKey | None:
        """Return the key if it has not expired, enabled or not."""
        with self._lock:
            key = self._api_keys.get(key_id)
        return None if key is None or (key.expires_at is not None and key.expires_at <= now) else key

    def list_api_keys(self, client_id: str, *, after: str, limit: int) -> Page[ApiKey]:
        """Return the keys of one client, or of all, expired ones too."""
        with self._lock:
            wanted = [key for key in self._api_keys.values() if client_id in {"", key.client_id}]
            return page_of({f"{key.client_id}#{key.key_id}": key for key in wanted}, after, limit)

    def update_api_key(self, key_id: str, changes: ApiKeyChanges) -> ApiKey | None:
        """Set what an operator changes."""
        with self._lock:
            if key_id in self._api_keys:
                self._api_keys[key_id] = replace(self._api_keys[key_id], **given(changes))
            return self._api_keys.get(key_id)

    def rotate_api_key(self, key_id: str, successor: ApiKey, *, expires_at: int) -> bool:
        """Store a new key and let the one before it end, both or neither."""
        with self._lock:
            key = self._api_keys.get(key_id)
            if key is None or key.successor:
                return False
            self.create_api_key(successor)
            self._api_keys[key_id] = replace(key, expires_at=expires_at, successor=successor.key_id)
            return True

    def delete_api_key(self, key: ApiKey) -> bool:
        """Delete a key, expired or not."""
        with self._lock:
            return self._api_keys.pop(key.key_id, None) is not None

    def note_api_key_use(self, key_id: str, day: str) -> None:
        """Remember the day of the last use."""
        with self._lock:
            key = self._api_keys.get(key_id)
            if key is not None and key.last_used_on < day:
                self._api_keys[key_id] = replace(key, last_used_on=day)
