"""Administration of OAuth clients."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
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
from latchkey.core.roles.grantable import OF_MACHINES, require_grantable, require_held
from latchkey.core.roles.roles import Operator, Roles

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

SCOPE = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]{1,64}")
"""One scope (RFC 6749 section 3.3), of at most 64 characters."""

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

        Raises `INVALID_REQUEST` for a member that its kind may not have, `VALIDATION_FAILED` for a role that is not
        known, and `FORBIDDEN` for one with permissions that the operator lacks.
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
        require_grantable(operator, client.roles, self.roles, free=OF_MACHINES)
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

        An operator who lacks a permission of the client can only disable it: with its secret, its address or its
        status, the operator could gain that permission. Raises as `create` does, `NOT_FOUND`, and `IN_USE` for a change
        that would close `cli_app`.
        """
        client = self.get(client_id)
        require_not_needed(client_id, changes)
        wanted = replace(client, **given(changes))
        _check(wanted)
        if changes != ClientChanges(status=Status.DISABLED):
            require_held(operator, client.roles, self.roles, free=OF_MACHINES)
        added = set(wanted.roles) - set(client.roles)
        require_grantable(operator, added, self.roles, free=OF_MACHINES)
        changed = self.store.update_client(client_id, changes) or store_first_change(self.store, wanted, changes)
        if changed is None:
            raise ServiceError(Errors.NOT_FOUND, "deleted meanwhile")
        self._record("client_changed", operator, changed, " ".join(sorted(given(changes))))
        return changed

    def delete(self, operator: Operator, client_id: str) -> None:
        """Delete a client and all its API keys. The client goes last, so that a deletion can be repeated after a crash.

        Raises `NOT_FOUND`; `IN_USE` for `cli_app`; `CONFLICT` if other requests keep creating keys for it.
        """
        client = self.get(client_id)
        require_not_needed(client_id, ClientChanges(status=Status.DISABLED))
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

        Anyone who holds a secret acts as the client, so operators cannot create one for a client with permissions that
        they lack. Raises `NOT_FOUND`, `FORBIDDEN`, `LIMIT_REACHED`, `CONFLICT`, and `INVALID_REQUEST` for a public
        client.
        """
        client = self.get(client_id)
        require_held(operator, client.roles, self.roles, free=OF_MACHINES)
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

        Raises `NOT_FOUND`, `CONFLICT`, and `INVALID_REQUEST` for the last one.
        """
        client = self.get(client_id)
        left = tuple(stored for stored in client.secret_hashes if stored[:FINGERPRINT_LENGTH] != named)
        if left == client.secret_hashes:
            raise ServiceError(Errors.NOT_FOUND, "no such secret")
        if not left:
            raise invalid_field(
                "fingerprint", "last_secret", "The last secret stays. Add another, or disable the client."
            )
        self._record("client_secret_removed", operator, self._swap_secrets(client, left), named)

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


def check_scopes(scopes: Iterable[str]) -> None:
    """Raise `INVALID_REQUEST` for a malformed scope (RFC 6749 section 3.3)."""
    if not all(SCOPE.fullmatch(scope) for scope in scopes):
        raise invalid_field(
            "scopes", "bad_scope", "A scope is 1 to 64 visible characters, without blank, quote, backslash."
        )


def _check(client: Client) -> None:
    """Raise `INVALID_REQUEST` for a member that a client of this kind may not have."""
    check_scopes(client.scopes)
    if not set(client.grants) <= set(GRANTS[client.kind]):
        allowed = ", ".join(GRANTS[client.kind])
        raise invalid_field("grants", "bad_grant", f"A {client.kind} client may have {allowed}.")
    if client.redirect_uris and Grant.AUTHORIZATION_CODE not in GRANTS[client.kind]:
        raise invalid_field("redirect_uris", "not_for_this_kind", f"A {client.kind} client is never redirected to.")
    if client.first_party and client.kind is ClientKind.SERVICE:
        raise invalid_field("first_party", "not_for_this_kind", "A service has no users.")
    for uri in client.redirect_uris:
        check_redirect_uri(uri, client.kind)
