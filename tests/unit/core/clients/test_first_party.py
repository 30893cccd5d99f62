"""The first-party app `cli_app`: there from the start, changed as any other client, and never closed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from latchkey.core.clients.admin import ClientAdmin, NewClient
from latchkey.core.clients.first_party import BUILT_IN_APP
from latchkey.core.clients.store import ClientChanges
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import FIRST_PARTY_CLIENT, Client, ClientKind, Status
from latchkey.core.roles.roles import BUILT_IN
from tests.memory.store import MemoryStore
from tests.partner_world import ADMIN, refuses
from tests.world import NOW, Kept


@pytest.fixture
def admin() -> ClientAdmin:
    """The administration of clients, on an empty table."""
    return ClientAdmin(MemoryStore(), BUILT_IN, Kept(), bytes)


def stored(admin: ClientAdmin) -> dict[str, Client]:
    """Return the clients that have an item."""
    return dict(vars(admin.store)["_clients"])


def test_the_app_is_shown_before_it_is_stored(admin: ClientAdmin) -> None:
    """It is public and first-party, with the scopes of a sign-in."""
    shown = admin.get(FIRST_PARTY_CLIENT)
    assert (shown.kind, shown.status, shown.first_party) == (ClientKind.PUBLIC, Status.ACTIVE, True)
    assert shown.scopes == ("openid", "profile", "offline_access")
    assert stored(admin) == {}


def test_the_first_change_stores_the_app(admin: ClientAdmin) -> None:
    """The members that the change does not name are those of the built-in record."""
    changed = admin.change(ADMIN, FIRST_PARTY_CLIENT, ClientChanges(name="Shop", scopes=("openid",)))
    assert changed == replace(BUILT_IN_APP, name="Shop", scopes=("openid",))
    assert stored(admin) == {FIRST_PARTY_CLIENT: changed}
    again = admin.change(ADMIN, FIRST_PARTY_CLIENT, ClientChanges(redirect_uris=("https://shop.example/cb",)))
    assert again == replace(changed, redirect_uris=("https://shop.example/cb",)) == admin.get(FIRST_PARTY_CLIENT)


def test_of_two_first_changes_at_once_one_is_stored(admin: ClientAdmin, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other is told to read again, as for any other client: it was allowed for the record that it had read."""
    update = admin.store.update_client

    def overtaken(client_id: str, changes: ClientChanges, *, as_read: Client) -> Client | None:
        monkeypatch.setattr(admin.store, "update_client", update)
        found = update(client_id, changes, as_read=as_read)
        admin.change(ADMIN, FIRST_PARTY_CLIENT, ClientChanges(name="Other"))
        return found

    monkeypatch.setattr(admin.store, "update_client", overtaken)
    with refuses(Errors.CONFLICT):
        admin.change(ADMIN, FIRST_PARTY_CLIENT, ClientChanges(scopes=("openid",)))
    assert admin.get(FIRST_PARTY_CLIENT) == replace(BUILT_IN_APP, name="Other")


@pytest.mark.parametrize("after_a_change", [False, True])
@pytest.mark.parametrize(
    "changes",
    [
        ClientChanges(status=Status.DISABLED),
        ClientChanges(name="x", status=Status.DISABLED),
        ClientChanges(first_party=False),
    ],
    ids=["disabled", "disabled and renamed", "not first-party"],
)
def test_the_app_is_not_closed(admin: ClientAdmin, changes: ClientChanges, after_a_change: bool) -> None:
    """Operators sign in with it too, so no one could undo this. Nothing is changed or journaled."""
    if after_a_change:
        admin.change(ADMIN, FIRST_PARTY_CLIENT, ClientChanges(name="Shop"))
    before = stored(admin)
    with refuses(Errors.IN_USE):
        admin.change(ADMIN, FIRST_PARTY_CLIENT, changes)
    with refuses(Errors.IN_USE):
        admin.delete(ADMIN, FIRST_PARTY_CLIENT)
    assert stored(admin) == before


def test_a_change_that_leaves_the_app_open_may_say_so(admin: ClientAdmin) -> None:
    """A document that was read may be sent back."""
    changes = ClientChanges(status=Status.ACTIVE, first_party=True)
    assert admin.change(ADMIN, FIRST_PARTY_CLIENT, changes) == BUILT_IN_APP


def test_any_other_client_is_disabled_and_deleted_as_before(admin: ClientAdmin) -> None:
    """A first-party client that is not `cli_app` may be closed."""
    made, _ = admin.create(ADMIN, NewClient(ClientKind.PUBLIC, "Second app", first_party=True), now=NOW)
    assert made.first_party
    assert not admin.change(ADMIN, made.client_id, ClientChanges(first_party=False)).first_party
    assert admin.change(ADMIN, made.client_id, ClientChanges(status=Status.DISABLED)).status is Status.DISABLED
    admin.delete(ADMIN, made.client_id)
    with refuses(Errors.NOT_FOUND):
        admin.get(made.client_id)


def test_a_service_is_never_first_party(admin: ClientAdmin) -> None:
    """It has no users whose rights its tokens could carry."""
    with pytest.raises(ServiceError) as caught:
        admin.create(ADMIN, NewClient(ClientKind.SERVICE, "Job", first_party=True), now=NOW)
    assert caught.value.fields[0].field == "first_party"


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
@pytest.mark.parametrize(
    "others", [(), ("cli_a",), ("cli_z",), ("cli_a", "cli_b", "cli_x", "cli_y"), ("cli_ap", "cli_apz")]
)
@pytest.mark.parametrize("is_stored", [False, True])
def test_the_app_is_listed_once_in_its_place(
    admin: ClientAdmin, limit: int, others: tuple[str, ...], is_stored: bool
) -> None:
    """On pages of any size, stored or not, and no page is longer than asked for."""
    for name in others:
        admin.store.create_client(Client(name, ClientKind.PUBLIC, name, NOW))
    if is_stored:
        admin.store.create_client(BUILT_IN_APP)
    seen: list[str] = []
    after = ""
    while True:
        page = admin.page(after=after, limit=limit)
        assert len(page.items) <= limit
        seen += [client.client_id for client in page.items]
        if not page.after:
            break
        after = page.after
    assert seen == sorted((*others, FIRST_PARTY_CLIENT))
