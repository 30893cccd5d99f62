"""The first-party app `cli_app`. Every stack has it from the start, so no item is needed to sign in."""

from __future__ import annotations

from latchkey.core.clients.store import ClientChanges, ClientStore
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import FIRST_PARTY_CLIENT, Client, ClientKind, Grant, Status
from latchkey.core.paging import Page

BUILT_IN_APP = Client(
    client_id=FIRST_PARTY_CLIENT,
    kind=ClientKind.PUBLIC,
    name="App",
    created_at=0,
    scopes=("openid", "profile", "offline_access"),
    grants=(Grant.AUTHORIZATION_CODE, Grant.REFRESH_TOKEN, Grant.JWT_BEARER),
    first_party=True,
)
"""The record that stands in for `cli_app` until an operator changes it."""


def or_built_in(client_id: str, stored: Client | None) -> Client | None:
    """Return the stored record of a client or, for `cli_app` without one, the built-in record."""
    return BUILT_IN_APP if stored is None and client_id == FIRST_PARTY_CLIENT else stored


def with_built_in(page: Page[Client], *, after: str, limit: int) -> Page[Client]:
    """Return a page of stored clients with the built-in record in its place, if that is on this page."""
    in_range = after < FIRST_PARTY_CLIENT and (not page.after or page.after > FIRST_PARTY_CLIENT)
    if not in_range or any(each.client_id == FIRST_PARTY_CLIENT for each in page.items):
        return page
    clients = sorted((*page.items, BUILT_IN_APP), key=lambda client: client.client_id)
    if len(clients) <= limit:
        return Page(tuple(clients), page.after)
    return Page(tuple(clients[:limit]), clients[limit - 1].client_id)


def require_not_needed(client_id: str, changes: ClientChanges) -> None:
    """Raise `IN_USE` for a change that would sign everyone out of `cli_app`, the operator who could undo it too."""
    if client_id == FIRST_PARTY_CLIENT and (changes.status is Status.DISABLED or changes.first_party is False):
        raise ServiceError(Errors.IN_USE, "the app that operators sign in with")


def store_first_change(store: ClientStore, changed: Client) -> Client | None:
    """Store the built-in record as its first change leaves it; return `None` for any other client.

    Raises `CONFLICT` if a parallel request has stored it.
    """
    if changed.client_id != FIRST_PARTY_CLIENT:
        return None
    store.create_client(changed)
    return changed
