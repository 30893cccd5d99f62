"""OAuth clients and API keys.

The lists of all clients and of all keys are separate partitions that hold only ids. The transaction that creates or
deletes a client or a key also writes its entry. So no list needs a Scan, is out of date, or holds copies. Writes are
rare: only operators make them.
"""

from __future__ import annotations

from collections.abc import Mapping

from latchkey.adapters.dynamodb import items
from latchkey.adapters.dynamodb.items import AnyItem, Item, Key, Value
from latchkey.adapters.dynamodb.table import Change, TablePart
from latchkey.core.clients.first_party import or_built_in
from latchkey.core.clients.store import MAX_API_KEYS, ApiKeyChanges, ClientChanges
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import ApiKey, Client, given
from latchkey.core.paging import Page

_EXISTS = "attribute_exists(#pk)"
_ROOM = f"{_EXISTS} AND (attribute_not_exists(#api_keys) OR #api_keys < :most)"
_NO_KEY = f"{_EXISTS} AND (attribute_not_exists(#api_keys) OR #api_keys = :zero)"
_NOT_ROTATED = "attribute_exists(#pk) AND #successor = :none"


class Clients(TablePart):
    """Implements `ClientStore`."""

    def create_client(self, client: Client) -> None:
        """Store a new client; raise `CONFLICT` when its id is taken."""
        record = items.encode(items.client(client.client_id), client)
        if not self._table.put_all_new([record, items.key_item(items.client_listed(client.client_id))]):
            raise ServiceError(Errors.CONFLICT, "the client id is taken")

    def find_client(self, client_id: str) -> Client | None:
        """Return the client, whatever its status."""
        return client_of(client_id, self._table.get(items.client(client_id)))

    def list_clients(self, *, after: str, limit: int) -> Page[Client]:
        """Return the clients in the order of their ids, from behind `after`."""
        listed, last = self._table.page(items.CLIENTS, after=after, limit=limit)
        found = self._table.get_all([items.client(entry["sk"]["S"]) for entry in listed])
        clients = sorted((items.decode(Client, item) for item in found), key=lambda client: client.client_id)
        return Page(tuple(clients), last)

    def update_client(self, client_id: str, changes: ClientChanges, *, as_read: Client | None = None) -> Client | None:
        """Set what an operator changes."""
        members = given(changes)
        if not members:
            return self.find_client(client_id)
        lists = [name for name, value in members.items() if as_read and isinstance(value, tuple)]
        read = {f"{name}_read": getattr(as_read, name) for name in lists}
        condition = " AND ".join([_EXISTS, *(f"#{name} = :{name}_read" for name in lists)])
        change = "SET " + ", ".join(f"#{name} = :{name}" for name in members)
        written = self._table.update(items.client(client_id), change, members | read, only_if=condition)
        if written.item is not None and not written.applied:
            raise ServiceError(Errors.CONFLICT, "the client has changed meanwhile")
        return items.decode(Client, written.item) if written.item else None

    def replace_secrets(self, client_id: str, old: tuple[str, ...], new: tuple[str, ...]) -> bool:
        """Swap the secret hashes of a client if they are still `old`."""
        return self._table.update(
            items.client(client_id),
            "SET #secret_hashes = :new",
            {"old": old, "new": new},
            only_if="#secret_hashes = :old",
        ).applied

    def delete_client(self, client_id: str) -> bool:
        """Delete a client that has no API key left, with its entry in the list."""
        gone = Change(items.client(client_id), {"zero": 0}, _NO_KEY), Change(items.client_listed(client_id))
        if all(self._table.change_all(gone)):
            return True
        if self._table.get(items.client(client_id)) is None:
            return False
        raise ServiceError(Errors.CONFLICT, "it has an API key")

    def create_api_key(self, key: ApiKey) -> None:
        """Store a new key with its entry in the list, and count it with its client."""
        self._require_new(key, *self._table.change_all([_one_key_more(key.client_id)], _entries(key)))

    def find_api_key(self, key_id: str, now: int) -> ApiKey | None:
        """Return the key if it has not expired, whatever its status."""
        item = self._table.get(items.api_key(key_id))
        key = items.decode(ApiKey, item) if item else None
        return None if key is None or _has_expired(key, now) else key

    def list_api_keys(self, client_id: str, *, after: str, limit: int) -> Page[ApiKey]:
        """Return the keys of one client, or of all, expired ones too."""
        prefix = items.api_keys_of(client_id) if client_id else ""
        listed, last = self._table.page(items.API_KEYS, after=after, limit=limit, prefix=prefix)
        found = self._table.get_all([items.api_key(entry["sk"]["S"].rpartition("#")[2]) for entry in listed])
        keys = sorted((items.decode(ApiKey, item) for item in found), key=lambda key: (key.client_id, key.key_id))
        return Page(tuple(keys), last)

    def update_api_key(self, key_id: str, changes: ApiKeyChanges) -> ApiKey | None:
        """Set what an operator changes."""
        item = self._changed(items.api_key(key_id), given(changes))
        return items.decode(ApiKey, item) if item else None

    def rotate_api_key(self, key_id: str, successor: ApiKey, *, expires_at: int) -> bool:
        """Store a new key and let the one before it end, in one transaction."""
        end = Change(
            items.api_key(key_id),
            {"expires_at": expires_at, "successor": successor.key_id, "none": ""},
            _NOT_ROTATED,
            set="#expires_at = :expires_at, #successor = :successor",
        )
        ended, *stored = self._table.change_all([end, _one_key_more(successor.client_id)], _entries(successor))
        if ended:
            self._require_new(successor, *stored)
        return ended

    def delete_api_key(self, key: ApiKey) -> bool:
        """Delete a key with its entry in the list, and count it no more."""
        changes = (
            Change(items.api_key(key.key_id), only_if=_EXISTS),
            Change(items.api_key_listed(key.client_id, key.key_id)),
            Change(items.client(key.client_id), {"minus": -1, "zero": 0}, "#api_keys > :zero", add="#api_keys :minus"),
        )
        return all(self._table.change_all(changes))

    def note_api_key_use(self, key_id: str, day: str) -> None:
        """Remember the day of the last use."""
        earlier = "attribute_exists(#pk) AND #last_used_on < :day"
        self._table.update(items.api_key(key_id), "SET #last_used_on = :day", {"day": day}, only_if=earlier)

    def _changed(self, key: Key, members: Mapping[str, Value]) -> AnyItem | None:
        """Set members of an item that is there; return it as it then stands, or `None`."""
        if not members:
            return self._table.get(key)
        change = "SET " + ", ".join(f"#{name} = :{name}" for name in members)
        return self._table.update(key, change, members, only_if=_EXISTS).item

    def _require_new(self, key: ApiKey, has_room: bool, *new: bool) -> None:  # noqa: FBT001 - an outcome among outcomes
        """Raise the reason if a new key was rejected."""
        if not all(new):
            raise ServiceError(Errors.CONFLICT, "the key id is taken")
        if not has_room and self._table.get(items.client(key.client_id)) is None:
            raise ServiceError(Errors.CONFLICT, "its client is gone")
        if not has_room:
            raise ServiceError(Errors.LIMIT_REACHED, "API keys of one client")


def client_of(client_id: str, item: AnyItem | None) -> Client | None:
    """Return the client of an item that was read, or the built-in record of `cli_app` that has no item."""
    return or_built_in(client_id, items.decode(Client, item) if item else None)


def _one_key_more(client_id: str) -> Change:
    """Return the step that counts a key of an existing client with room: the count is a part of its item."""
    return Change(items.client(client_id), {"one": 1, "most": MAX_API_KEYS}, _ROOM, add="#api_keys :one")


def _entries(key: ApiKey) -> tuple[Item, Item]:
    """Return the items of a new key: itself, and its place in the list."""
    listed = items.api_key_listed(key.client_id, key.key_id)
    return items.encode(items.api_key(key.key_id), key), items.key_item(listed)


def _has_expired(key: ApiKey, now: int) -> bool:
    return key.expires_at is not None and key.expires_at <= now
