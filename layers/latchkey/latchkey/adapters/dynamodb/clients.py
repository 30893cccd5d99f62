"""OAuth clients and API keys.

The lists of all clients and of all keys are partitions of their own that hold ids alone, written in the transaction
that makes or deletes what they name: so no list needs a Scan, is behind the truth, or has a copy to keep in step. Few
write here: an operator now and then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from latchkey.adapters.dynamodb import items
from latchkey.adapters.dynamodb.table import Delete, Put, TablePart, Update
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import ApiKey, Client
from latchkey.core.ports import MAX_API_KEYS, Page

if TYPE_CHECKING:
    from latchkey.adapters.dynamodb.table import Table

_OPERATORS_TO_CHANGE = frozenset({"name", "redirect_uris", "scopes", "grants", "roles", "enabled"})
_EXISTS = "attribute_exists(#pk)"
_ROOM = "attribute_not_exists(#n) OR #n < :most"
_NO_KEY = "attribute_not_exists(#n) OR #n = :zero"
_NOT_ROTATED = "attribute_exists(#pk) AND #successor = :none"


class Clients(TablePart):
    """Implements `ClientStore`."""

    def create_client(self, client: Client) -> None:
        """Store a new client; raise `CONFLICT` when its id is taken."""
        record = items.encode(items.client(client.client_id), client)
        if not self._table.put_all_new([record, items.key_item(items.client_listed(client.client_id))]):
            raise ServiceError(Errors.CONFLICT, "the client id is taken")

    def find_client(self, client_id: str) -> Client | None:
        """Return the client, enabled or not."""
        item = self._table.get(items.client(client_id))
        return items.decode(Client, item) if item else None

    def list_clients(self, after: str, limit: int) -> Page[Client]:
        """Return the clients in the order of their ids, from behind `after`."""
        ids, more = self._table.sort_keys("CLIENTS", "", after, limit)
        found = self._table.get_each([items.client(client_id) for client_id in ids])
        return Page(tuple(items.decode(Client, item) for item in found), more)

    def update_client(self, client_id: str, changes: Mapping[str, str | bool | tuple[str, ...]]) -> Client | None:
        """Set what an operator may change; any other member raises `ValueError`."""
        if not changes.keys() <= _OPERATORS_TO_CHANGE:
            raise ValueError(f"not to be changed: {sorted(changes.keys() - _OPERATORS_TO_CHANGE)}")
        if not changes:
            return self.find_client(client_id)
        change = "SET " + ", ".join(f"#{member} = :{member}" for member in changes)
        write = self._table.update(items.client(client_id), change, changes, only_if=_EXISTS)
        return items.decode(Client, write.item) if write.item else None

    def replace_secrets(self, client_id: str, old: tuple[str, ...], new: tuple[str, ...]) -> bool:
        """Swap the secret hashes of a client if they are still `old`."""
        return self._table.update(
            items.client(client_id),
            "SET #secret_hashes = :new",
            {"old": old, "new": new},
            only_if="#secret_hashes = :old",
        ).applied

    def delete_client(self, client_id: str) -> bool:
        """Delete a client that has no API key left, with its entry in the list and its count."""
        count = Delete(items.api_key_count(client_id), _NO_KEY, {"zero": 0})
        refused = self._table.transact(Delete(items.client(client_id)), Delete(items.client_listed(client_id)), count)
        if count in refused:
            raise ServiceError(Errors.CONFLICT, "it has an API key")
        return not refused

    def create_api_key(self, key: ApiKey) -> None:
        """Store a new key with its entry in the list, and count it."""
        if refused := self._table.transact(*_new_key(key)):
            raise _refusal(refused)

    def find_api_key(self, key_id: str, now: int) -> ApiKey | None:
        """Return the key if it has not expired, enabled or not."""
        item = self._table.get(items.api_key(key_id))
        key = items.decode(ApiKey, item) if item else None
        return None if key is None or (key.expires_at is not None and key.expires_at <= now) else key

    def list_api_keys(self, client_id: str, after: str, limit: int) -> Page[ApiKey]:
        """Return the keys of one client, or of all, expired ones too."""
        prefix = items.api_keys_of(client_id) if client_id else ""
        return _listed_keys(self._table, prefix, after, limit)

    def rotate_api_key(self, key_id: str, successor: ApiKey, *, expires_at: int) -> bool:
        """Store a new key and let the one before it end, in one transaction."""
        end = Update(
            items.api_key(key_id),
            "SET #expires_at = :expires_at, #successor = :successor",
            {"expires_at": expires_at, "successor": successor.key_id, "none": ""},
            _NOT_ROTATED,
        )
        refused = self._table.transact(*_new_key(successor), end)
        if refused and end not in refused:
            raise _refusal(refused)
        return not refused

    def delete_api_key(self, key: ApiKey) -> bool:
        """Delete a key with its entry in the list, and count it no more."""
        one_less = Update(items.api_key_count(key.client_id), "SET #n = #n - :one", {"one": 1, "zero": 0}, "#n > :zero")
        key_item, entry = items.api_key(key.key_id), items.api_key_listed(key.client_id, key.key_id)
        return not self._table.transact(Delete(key_item), Delete(entry), one_less)

    def note_api_key_use(self, key_id: str, day: str) -> None:
        """Remember the day of the last use."""
        earlier = "attribute_exists(#pk) AND #last_used_on < :day"
        self._table.update(items.api_key(key_id), "SET #last_used_on = :day", {"day": day}, only_if=earlier)


def _new_key(key: ApiKey) -> tuple[Put, Put, Update]:
    one_more = Update(
        items.api_key_count(key.client_id),
        "SET #n = if_not_exists(#n, :zero) + :one",
        {"one": 1, "zero": 0, "most": MAX_API_KEYS},
        _ROOM,
    )
    record = items.encode(items.api_key(key.key_id), key)
    return Put(record), Put(items.key_item(items.api_key_listed(key.client_id, key.key_id))), one_more


def _refusal(refused: Sequence[Put | Update | Delete]) -> ServiceError:
    """Return why a new key is refused: its count is the one update among its parts."""
    if any(isinstance(part, Update) for part in refused):
        return ServiceError(Errors.LIMIT_REACHED, "API keys of one client")
    return ServiceError(Errors.CONFLICT, "the key id is taken")


def _listed_keys(table: Table, prefix: str, after: str, limit: int) -> Page[ApiKey]:
    entries, more = table.sort_keys("APIKEYS", prefix, after, limit)
    found = table.get_each([items.api_key(entry.rpartition("#")[2]) for entry in entries])
    return Page(tuple(items.decode(ApiKey, item) for item in found), more)
