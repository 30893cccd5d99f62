"""What OAuth clients and API keys need from a store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from latchkey.core.model import ApiKey, Client, Status
from latchkey.core.paging import Page

MAX_API_KEYS = 100
"""API keys that one client may have. Expired keys count until they are deleted."""


@dataclass(frozen=True, slots=True)
class ClientChanges:
    """The changes of a client; `None` leaves a member unchanged."""

    name: str | None = None
    redirect_uris: tuple[str, ...] | None = None
    scopes: tuple[str, ...] | None = None
    grants: tuple[str, ...] | None = None
    roles: tuple[str, ...] | None = None
    status: Status | None = None
    first_party: bool | None = None


@dataclass(frozen=True, slots=True)
class ApiKeyChanges:
    """The changes of an API key; `None` leaves a member unchanged."""

    name: str | None = None
    status: Status | None = None


class ClientStore(Protocol):
    """OAuth clients and API keys."""

    def create_client(self, client: Client) -> None:
        """Store a new client; raise `CONFLICT` when its id is taken."""

    def find_client(self, client_id: str) -> Client | None:
        """Return the client, whatever its status. `cli_app` that is not stored is the built-in record."""

    def list_clients(self, *, after: str, limit: int) -> Page[Client]:
        """Return at most `limit` stored clients in the order of their ids, starting after `after`."""

    def update_client(self, client_id: str, changes: ClientChanges, *, as_read: Client | None = None) -> Client | None:
        """Change members of a stored client; return the changed client, or `None`.

        With `as_read`, raise `CONFLICT` if a list that changes is no longer as it was read.
        """

    def replace_secrets(self, client_id: str, old: tuple[str, ...], new: tuple[str, ...]) -> bool:
        """Swap the secret hashes of a client if they are still `old`; say whether they were."""

    def delete_client(self, client_id: str) -> bool:
        """Delete a client that has no API key left; say whether it was there. Raise `CONFLICT` when it has one."""

    def create_api_key(self, key: ApiKey) -> None:
        """Store a new key, and count it for its client.

        Raise `CONFLICT` when its id is taken or its client is gone, and `LIMIT_REACHED` when its client has
        `MAX_API_KEYS`, however many are created at once.
        """

    def find_api_key(self, key_id: str, now: int) -> ApiKey | None:
        """Return the key if it has not expired, whatever its status."""

    def list_api_keys(self, client_id: str, *, after: str, limit: int) -> Page[ApiKey]:
        """Return the keys of one client, or of all for an empty `client_id`, expired ones too, `limit` at most."""

    def update_api_key(self, key_id: str, changes: ApiKeyChanges) -> ApiKey | None:
        """Change members of an existing key; return the changed key, or `None`."""

    def rotate_api_key(self, key_id: str, successor: ApiKey, *, expires_at: int) -> bool:
        """Store a new key and let the one before it end at `expires_at`, both or neither; say whether it is done.

        A key is rotated once: of many callers one succeeds. Raise `LIMIT_REACHED` as `create_api_key` does.
        """

    def delete_api_key(self, key: ApiKey) -> bool:
        """Delete a key, expired or not, and reduce the count. Of many callers, only one is told that it did."""

    def note_api_key_use(self, key_id: str, day: str) -> None:
        """Remember that the key was used on that day, unless the same day or a later one is remembered."""
