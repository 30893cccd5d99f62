"""Administration of API keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from latchkey.core.clients.admin import what_client_gives
from latchkey.core.clients.directory import new_api_key
from latchkey.core.clients.store import MAX_API_KEYS, ApiKeyChanges, ClientStore
from latchkey.core.errors import Errors, ServiceError, invalid_field
from latchkey.core.events import Event, Journal
from latchkey.core.ids import Entropy
from latchkey.core.model import ApiKey, Client, ClientKind, Status, given
from latchkey.core.paging import Page
from latchkey.core.roles.authority import (
    Act,
    Authority,
    given_by,
    known_scopes,
    require_known_roles,
    require_known_scopes,
)
from latchkey.core.roles.roles import OF_MACHINES, Operator, Roles

MAX_OVERLAP = 604_800
"""Seconds that a rotated key may live on beside its successor: a week."""

LATEST_END = 253_402_300_799
"""The last second that a calendar has a date for. A key without an end never expires."""

_ALL = ""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key to be made; `roles` and `scopes` of `None` are all that its client has."""

    client_id: str
    name: str
    roles: tuple[str, ...] | None = None
    scopes: tuple[str, ...] | None = None
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class ApiKeyAdmin:
    """Creates, shows, changes, rotates and deletes API keys.

    A key never has more rights than the operator who creates it.
    """

    store: ClientStore
    roles: Roles
    journal: Journal
    entropy: Entropy = field(repr=False)

    def create(self, operator: Operator, asked: NewApiKey, *, now: int) -> tuple[ApiKey, str]:
        """Return the new key and its text, which is shown this once.

        Raises `INVALID_REQUEST` for rights that its client lacks, `VALIDATION_FAILED` for an unknown role or scope,
        `FORBIDDEN` for rights that the operator lacks, and `LIMIT_REACHED` if its client has a hundred live keys.
        """
        owner = self._owner(asked.client_id)
        authority = Authority(operator, self.roles.registry())
        key_id, text, stored = new_api_key(self.entropy)
        key = ApiKey(
            key_id=key_id,
            client_id=owner.client_id,
            name=asked.name,
            secret_hash=stored,
            created_at=now,
            scopes=known_scopes(owner.scopes, authority.registry) if asked.scopes is None else asked.scopes,
            roles=owner.roles if asked.roles is None else asked.roles,
            expires_at=asked.expires_at,
        )
        require_known_roles(asked.roles or (), authority.registry)
        require_known_scopes(key.scopes, authority.registry)
        _check(key, owner, now)
        _require(authority, Act.GIVE, key, owner)
        self._with_room(owner.client_id, now, lambda: self.store.create_api_key(key))
        self._record("api_key_created", operator, key)
        return key, text

    def page(self, *, after: str, limit: int, client_id: str = _ALL) -> Page[ApiKey]:
        """Return some of the keys of one client, or of all, expired ones too."""
        return self.store.list_api_keys(client_id, after=after, limit=limit)

    def get(self, key_id: str) -> ApiKey:
        """Return the key, expired or not. Raises `NOT_FOUND`."""
        key = self.store.find_api_key(key_id, 0)
        if key is None:
            raise ServiceError(Errors.NOT_FOUND, "no such key")
        return key

    def change(self, operator: Operator, key_id: str, changes: ApiKeyChanges) -> ApiKey:
        """Change the name or the status of a key and return it.

        A disabled key is rejected until it is enabled again. To enable it, the operator must hold all that it gives.
        Raises `NOT_FOUND`, and `FORBIDDEN`.
        """
        key = self.get(key_id)
        self._require(operator, _act(key, changes), key)
        changed = self.store.update_api_key(key_id, changes)
        if changed is None:
            raise ServiceError(Errors.NOT_FOUND, "deleted meanwhile")
        self._record("api_key_changed", operator, changed, " ".join(sorted(given(changes))))
        return changed

    def delete(self, operator: Operator, key_id: str) -> None:
        """Delete a key: its next use is rejected, and so is the next refresh of a session that it opened.

        Raises `NOT_FOUND`, and `FORBIDDEN` if it gives an operator's permission that this operator lacks.
        """
        key = self.get(key_id)
        self._require(operator, Act.KEEP, key)
        if not self.store.delete_api_key(key):
            raise ServiceError(Errors.NOT_FOUND, "deleted meanwhile")
        self._record("api_key_revoked", operator, key)

    def rotate(self, operator: Operator, key_id: str, overlap: int, *, now: int) -> tuple[ApiKey, str]:
        """Return a new key with the rights and the life of the old one, which ends `overlap` seconds from now.

        Raises `NOT_FOUND`, `FORBIDDEN`, `LIMIT_REACHED`, `INVALID_REQUEST` for a disabled key, and `CONFLICT` for a key
        that has been rotated before.
        """
        old = self.get(key_id)
        if old.expires_at is not None and old.expires_at <= now:
            raise ServiceError(Errors.NOT_FOUND, "the key has expired")
        if old.status is not Status.ACTIVE:  # its successor would be disabled too, or would enable it
            raise invalid_field("key_id", "disabled", "This key is disabled. Enable it before you rotate it.")
        self._require(operator, Act.GIVE, old)
        new_id, text, stored = new_api_key(self.entropy)
        new = replace(
            old, key_id=new_id, secret_hash=stored, created_at=now, expires_at=_renewed(old, now), last_used_on=""
        )
        ends_at = now + overlap if old.expires_at is None else min(now + overlap, old.expires_at)
        rotate = partial(self.store.rotate_api_key, key_id, new, expires_at=ends_at)
        if not self._with_room(old.client_id, now, rotate):
            raise ServiceError(Errors.CONFLICT, "the key has been rotated or deleted")
        self._record("api_key_rotated", operator, old)
        return new, text

    def _require(self, operator: Operator, act: Act, key: ApiKey) -> None:
        """Raise `FORBIDDEN` unless the operator may do this to an existing key."""
        owner = self.store.find_client(key.client_id)
        _require(Authority(operator, self.roles.registry()), act, key, owner)

    def _owner(self, client_id: str) -> Client:
        owner = self.store.find_client(client_id)
        if owner is None or owner.kind is ClientKind.PUBLIC:
            raise invalid_field("client_id", "unknown_client", "This must be a client that can keep a secret.")
        return owner

    def _with_room(self, client_id: str, now: int, store_it: Callable[[], T]) -> T:
        """Store a key. If the client has no room, delete its expired keys, which still count, and retry."""
        try:
            return store_it()
        except ServiceError as error:
            if error.error is not Errors.LIMIT_REACHED:
                raise
        for key in self.store.list_api_keys(client_id, after="", limit=MAX_API_KEYS).items:
            if key.expires_at is not None and key.expires_at <= now:
                self.store.delete_api_key(key)
        return store_it()

    def _record(self, name: str, operator: Operator, key: ApiKey, what: str = "") -> None:
        reason = f"{key.key_id} {what}".rstrip()
        self.journal.record(Event(name, client_id=key.client_id, reason=reason, actor=operator.sub))


def _require(authority: Authority, act: Act, key: ApiKey, owner: Client | None) -> None:
    """Raise `FORBIDDEN` unless the operator may do this. The key of a first-party client gives everything."""
    gives = given_by(authority.registry, key.roles, key.scopes)
    if owner is not None and owner.first_party:
        gives = what_client_gives(owner, authority.registry)
    authority.require(act, before=gives, after=gives, free=OF_MACHINES)


def _act(key: ApiKey, changes: ApiKeyChanges) -> Act:
    if changes == ApiKeyChanges(status=Status.DISABLED):
        return Act.STOP
    enabled = changes.status is Status.ACTIVE and key.status is not Status.ACTIVE
    return Act.GIVE if enabled else Act.KEEP


def _renewed(old: ApiKey, now: int) -> int | None:
    """Return when the successor expires: it lives as long as the old key did."""
    return None if old.expires_at is None else now + (old.expires_at - old.created_at)


def _check(key: ApiKey, owner: Client, now: int) -> None:
    """Raise `INVALID_REQUEST` for rights that the key's client lacks, and for an expiry in the past."""
    if not set(key.roles) <= set(owner.roles):
        raise invalid_field("roles", "beyond_client", "A key has no role that its client lacks.")
    if not set(key.scopes) <= set(owner.scopes):
        raise invalid_field("scopes", "beyond_client", "A key has no scope that its client lacks.")
    if key.expires_at is not None and key.expires_at <= now:
        raise invalid_field("expires_at", "in_the_past", "This time is in the past.")
    if key.expires_at is not None and key.expires_at > LATEST_END:
        raise invalid_field("expires_at", "out_of_range", "This time is beyond the year 9999.")
