"""Administration of OAuth clients.

A client gives its roles and scopes to itself, and its scopes through its users. A first-party client gives everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from latchkey.core.clients.directory import new_client_secret
from latchkey.core.clients.first_party import require_not_needed, store_first_change, with_built_in
from latchkey.core.clients.redirects import check_redirect_uri
from latchkey.core.clients.store import ClientChanges, ClientStore
from latchkey.core.errors import Errors, ServiceError, invalid_field
from latchkey.core.events import Event, Journal
from latchkey.core.ids import Entropy, new_id
from latchkey.core.model import Client, ClientKind, Grant, Status, given
from latchkey.core.paging import Page
from latchkey.core.roles.authority import (
    Act,
    Authority,
    given_by,
    is_within,
    require_known_roles,
    require_known_scopes,
)
from latchkey.core.roles.roles import OF_MACHINES, Operator, RoleRegistry, Roles

MAX_SECRETS = 2
"""Live secrets of a client: the one in use, and the one that takes over."""

FINGERPRINT_LENGTH = 16
"""Hex digits of a secret's SHA-256 that distinguish it from the other secret."""

GRANTS: Mapping[ClientKind, tuple[Grant, ...]] = {
    ClientKind.PUBLIC: (Grant.AUTHORIZATION_CODE, Grant.REFRESH_TOKEN, Grant.JWT_BEARER),
    ClientKind.CONFIDENTIAL: (
        Grant.AUTHORIZATION_CODE,
        Grant.REFRESH_TOKEN,
        Grant.CLIENT_CREDENTIALS,
        Grant.JWT_BEARER,
    ),
    ClientKind.SERVICE: (Grant.CLIENT_CREDENTIALS,),
}
"""The grants that each kind of client may have: a public client acts only for users, and a service has no user."""

_TRIES = 3


@dataclass(frozen=True, slots=True)
class NewClient:
    """A client to be registered; `grants` of `None` are those of its kind."""

    kind: ClientKind
    name: str
    redirect_uris: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    grants: tuple[str, ...] | None = None
    roles: tuple[str, ...] = ()
    first_party: bool = False


@dataclass(frozen=True, slots=True)
class ClientAdmin:
    """Registers, shows, changes and deletes clients, and exchanges their secrets."""

    store: ClientStore
    roles: Roles
    journal: Journal
    entropy: Entropy = field(repr=False)

    def create(self, operator: Operator, asked: NewClient, *, now: int) -> tuple[Client, str]:
        """Return the new client and its secret, which is shown this once; a public client has none.

        Raises `INVALID_REQUEST` for a member that its kind may not have, `VALIDATION_FAILED` for a role or scope that
        is not known, and `FORBIDDEN` if the operator lacks a permission that the client gives.
        """
        grants = tuple(GRANTS[asked.kind]) if asked.grants is None else asked.grants
        text, stored = ("", "") if asked.kind is ClientKind.PUBLIC else new_client_secret(self.entropy)
        client = Client(
            client_id=new_id("cli_", self.entropy),
            kind=asked.kind,
            name=asked.name,
            created_at=now,
            secret_hashes=(stored,) if stored else (),
            redirect_uris=asked.redirect_uris,
            scopes=asked.scopes,
            grants=grants,
            roles=asked.roles,
            first_party=asked.first_party,
        )
        _check(client)
        authority = self._authority(operator)
        require_known_roles(client.roles, authority.registry)
        require_known_scopes(client.scopes, authority.registry)
        _require(authority, Act.GIVE, None, client)
        self.store.create_client(client)
        self._record("client_created", operator, client)
        return client, text

    def page(self, *, after: str, limit: int) -> Page[Client]:
        """Return some of all clients, in the order of their ids."""
        return with_built_in(self.store.list_clients(after=after, limit=limit), after=after, limit=limit)

    def get(self, client_id: str) -> Client:
        """Return the client. Raises `NOT_FOUND`."""
        client = self.store.find_client(client_id)
        if client is None:
            raise ServiceError(Errors.NOT_FOUND, "no such client")
        return client

    def change(self, operator: Operator, client_id: str, changes: ClientChanges) -> Client:
        """Change some members of a client and return it.

        With its secret, its address or its status, an operator could gain what the client gives. So the operator must
        hold all of it, unless the change only reduces it. Raises as `create` does, `NOT_FOUND`, `CONFLICT`, and
        `IN_USE` for a change that would close `cli_app`.
        """
        client = self.get(client_id)
        require_not_needed(client_id, changes)
        wanted = replace(client, **given(changes))
        _check(wanted)
        authority = self._authority(operator)
        require_known_roles(set(wanted.roles) - set(client.roles), authority.registry)
        require_known_scopes(changes.scopes or (), authority.registry)
        _require(authority, _act(client, wanted, changes, authority.registry), client, wanted)
        changed = self.store.update_client(client_id, changes, as_read=client)
        changed = changed or store_first_change(self.store, wanted)
        if changed is None:
            raise ServiceError(Errors.NOT_FOUND, "deleted meanwhile")
        self._record("client_changed", operator, changed, " ".join(sorted(given(changes))))
        return changed

    def delete(self, operator: Operator, client_id: str) -> None:
        """Delete a client and all its API keys. The client goes last, so that a deletion can be repeated after a crash.

        Raises `NOT_FOUND`; `IN_USE` for `cli_app`; `FORBIDDEN` if it gives an operator's permission that this operator
        lacks; `CONFLICT` if other requests keep creating keys for it.
        """
        client = self.get(client_id)
        require_not_needed(client_id, ClientChanges(status=Status.DISABLED))
        _require(self._authority(operator), Act.KEEP, client, client)
        for tries_left in reversed(range(_TRIES)):
            self._delete_keys(client_id)
            try:
                self.store.delete_client(client_id)
            except ServiceError as error:
                if error.error is not Errors.CONFLICT or not tries_left:
                    raise
            else:
                break
        self._record("client_deleted", operator, client)

    def add_secret(self, operator: Operator, client_id: str) -> tuple[Client, str]:
        """Return the client and a second secret for it, shown this once.

        Anyone who holds a secret acts as the client, so the operator must hold all that the client gives. Raises
        `NOT_FOUND`, `FORBIDDEN`, `LIMIT_REACHED`, `CONFLICT`, and `INVALID_REQUEST` for a public client.
        """
        client = self.get(client_id)
        _require(self._authority(operator), Act.GIVE, client, client)
        if client.kind is ClientKind.PUBLIC:
            raise invalid_field("client_id", "public_client", "A public client has no secret.")
        if len(client.secret_hashes) >= MAX_SECRETS:
            raise ServiceError(Errors.LIMIT_REACHED, "live secrets of a client")
        text, stored = new_client_secret(self.entropy)
        client = self._swap_secrets(client, (*client.secret_hashes, stored))
        self._record("client_secret_added", operator, client)
        return client, text

    def remove_secret(self, operator: Operator, client_id: str, named: str) -> None:
        """Revoke the secret with this fingerprint at once.

        The last secret cannot be revoked: disable the client instead.

        Raises `NOT_FOUND`, `FORBIDDEN` as `delete` does, `CONFLICT`, and `INVALID_REQUEST` for the last one.
        """
        client = self.get(client_id)
        _require(self._authority(operator), Act.KEEP, client, client)
        left = tuple(stored for stored in client.secret_hashes if stored[:FINGERPRINT_LENGTH] != named)
        if left == client.secret_hashes:
            raise ServiceError(Errors.NOT_FOUND, "no such secret")
        if not left:
            raise invalid_field(
                "fingerprint", "last_secret", "The last secret stays. Add another, or disable the client."
            )
        self._record("client_secret_removed", operator, self._swap_secrets(client, left), named)

    def _authority(self, operator: Operator) -> Authority:
        return Authority(operator, self.roles.registry())

    def _swap_secrets(self, client: Client, secrets: tuple[str, ...]) -> Client:
        if not self.store.replace_secrets(client.client_id, client.secret_hashes, secrets):
            raise ServiceError(Errors.CONFLICT, "its secrets changed meanwhile")
        return replace(client, secret_hashes=secrets)

    def _delete_keys(self, client_id: str) -> None:
        after = ""
        while True:
            page = self.store.list_api_keys(client_id, after=after, limit=50)
            for key in page.items:
                self.store.delete_api_key(key)
            if not page.after:
                return
            after = page.after

    def _record(self, name: str, operator: Operator, client: Client, reason: str = "") -> None:
        self.journal.record(Event(name, client_id=client.client_id, reason=reason, actor=operator.sub))


def _require(authority: Authority, act: Act, before: Client | None, after: Client) -> None:
    held = what_client_gives(before, authority.registry) if before else ()
    authority.require(act, before=held, after=what_client_gives(after, authority.registry), free=OF_MACHINES)


def what_client_gives(client: Client, registry: RoleRegistry) -> frozenset[str]:
    """Return the permissions that a client gives, to itself or through its users."""
    return registry.admin_permissions if client.first_party else given_by(registry, client.roles, client.scopes)


def _act(before: Client, after: Client, changes: ClientChanges, registry: RoleRegistry) -> Act:
    members = given(changes)
    if members == {"status": Status.DISABLED}:
        return Act.STOP
    reduced = {
        "name": True,
        "redirect_uris": set(after.redirect_uris) <= set(before.redirect_uris),
        "grants": set(after.grants) <= set(before.grants),
        "scopes": is_within(after.scopes, before.scopes, registry),
        "roles": set(registry.permissions(after.roles)) <= set(registry.permissions(before.roles)),
        "status": after.status is not Status.ACTIVE or before.status is Status.ACTIVE,
    }
    return Act.KEEP if all(reduced.get(name, False) for name in members) else Act.GIVE


def _check(client: Client) -> None:
    """Raise `INVALID_REQUEST` for a member that a client of this kind may not have."""
    if not set(client.grants) <= set(GRANTS[client.kind]):
        allowed = ", ".join(GRANTS[client.kind])
        raise invalid_field("grants", "bad_grant", f"A {client.kind} client may have {allowed}.")
    if client.redirect_uris and Grant.AUTHORIZATION_CODE not in GRANTS[client.kind]:
        raise invalid_field("redirect_uris", "not_for_this_kind", f"A {client.kind} client is never redirected to.")
    if client.first_party and client.kind is ClientKind.SERVICE:
        raise invalid_field("first_party", "not_for_this_kind", "A service has no users.")
    for uri in client.redirect_uris:
        check_redirect_uri(uri, client.kind)
