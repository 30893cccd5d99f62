"""The contract of `ClientStore` for lists, changes, secrets and API keys, checked on every store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from latchkey.core.clients.first_party import BUILT_IN_APP
from latchkey.core.clients.store import MAX_API_KEYS, ClientChanges
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import Status
from tests.integration import races, samples
from tests.integration.contract import refuses
from tests.integration.samples import NOW

if TYPE_CHECKING:
    from latchkey.adapters.store import Store
    from latchkey.core.model import ApiKey, Client
    from latchkey.core.paging import Page


@pytest.fixture
def client(store: Store) -> Client:
    """A client in the store."""
    client = samples.client()
    store.create_client(client)
    return client


@pytest.fixture
def key(store: Store) -> ApiKey:
    """An API key in the store, the only one of its client."""
    return samples.owned_key(store)


def walk(fetch: Callable[[str], Page[Client]] | Callable[[str], Page[ApiKey]], limit: int) -> list[object]:
    """Return all items of a list, page by page."""
    found: list[object] = []
    after = ""
    while True:
        page = fetch(after)
        assert len(page.items) <= limit
        found += page.items
        after = page.after
        if not after:
            return found


# Lists


def test_an_empty_store_lists_nothing(empty_store: Store) -> None:
    """No client, no key, no next page."""
    lists = empty_store.list_clients(after="", limit=10), empty_store.list_api_keys("", after="", limit=10)
    assert [(page.items, page.after) for page in lists] == [((), ""), ((), "")]


@pytest.mark.parametrize("limit", [1, 2, 3, 4])
def test_every_client_is_listed_once(empty_store: Store, limit: int) -> None:
    """The pages together are all clients with every member, in the order of their ids, wherever the pages end."""
    clients = [samples.client() for _ in range(3)]
    for client in clients:
        empty_store.create_client(client)
    found = walk(lambda after: empty_store.list_clients(after=after, limit=limit), limit)
    assert found == sorted(clients, key=lambda each: each.client_id)


def test_a_full_last_page_is_the_last(empty_store: Store) -> None:
    """A full page that ends the list announces no other page."""
    empty_store.create_client(samples.client())
    assert empty_store.list_clients(after="", limit=1).after == ""


def test_keys_are_listed_by_client(empty_store: Store) -> None:
    """One client's keys, expired ones too, are told from another's on every page."""
    mine = [samples.owned_key(empty_store, client_id="cli_mine", expires_at=NOW - 1) for _ in range(3)]
    for other in ("cli_min", "cli_mine2"):
        samples.owned_key(empty_store, client_id=other)
    found = walk(lambda after: empty_store.list_api_keys("cli_mine", after=after, limit=2), 2)
    assert found == sorted(mine, key=lambda each: each.key_id)


def test_all_keys_are_listed(empty_store: Store) -> None:
    """Without a client's id the list is of all keys."""
    keys = [samples.owned_key(empty_store) for _ in range(3)]
    found = walk(lambda after: empty_store.list_api_keys("", after=after, limit=2), 2)
    assert found == sorted(keys, key=lambda each: (each.client_id, each.key_id))


# Changes of a client


def test_a_change_sets_what_it_names(store: Store, client: Client) -> None:
    """The other members stay, and the list shows the change."""
    changed = store.update_client(client.client_id, ClientChanges(name="New", roles=(), status=Status.ACTIVE))
    assert changed == replace(client, name="New", roles=(), status=Status.ACTIVE) == store.find_client(client.client_id)


def test_a_list_is_changed_only_as_it_was_read(store: Store, client: Client) -> None:
    """A list that has changed meanwhile is a conflict, and nothing is written. Other members are not compared."""
    store.update_client(client.client_id, ClientChanges(scopes=("email",), name="New"))
    with pytest.raises(ServiceError) as raised:
        store.update_client(client.client_id, ClientChanges(scopes=(), name="Mine"), as_read=client)
    assert raised.value.error is Errors.CONFLICT
    now = store.find_client(client.client_id)
    assert now == replace(client, scopes=("email",), name="New")
    changed = store.update_client(client.client_id, ClientChanges(name="Mine", roles=()), as_read=client)
    assert changed == replace(now, name="Mine", roles=())
    missing = samples.unique("cli_")
    assert store.update_client(missing, ClientChanges(scopes=()), as_read=client) is None


def test_an_unknown_client_is_not_changed(store: Store) -> None:
    """A change makes no client."""
    client_id = samples.unique("cli_")
    assert (store.update_client(client_id, ClientChanges(name="x")), store.find_client(client_id)) == (None, None)


@pytest.mark.parametrize("member", ["client_id", "kind", "secret_hashes", "created_at"])
def test_what_makes_a_client_is_no_member_of_its_changes(member: str) -> None:
    """The changes of a client have no member for it, so no caller can request it."""
    with pytest.raises(TypeError, match=member):
        ClientChanges(**{member: "x"})  # type: ignore[arg-type]


def test_secrets_are_swapped_if_they_stand_as_read(store: Store, client: Client) -> None:
    """A swap that comes too late changes nothing."""
    first, second = client.secret_hashes
    swaps = [
        store.replace_secrets(client.client_id, client.secret_hashes, (second,)),
        store.replace_secrets(client.client_id, client.secret_hashes, (first,)),
        store.replace_secrets(samples.unique("cli_"), (), ("x",)),
    ]
    found = store.find_client(client.client_id)
    assert (swaps, found and found.secret_hashes) == ([True, False, False], (second,))


def test_a_client_is_deleted_once(store: Store, client: Client) -> None:
    """A deleted client is neither found nor listed, and only one caller is told that they deleted it."""
    told = [store.delete_client(client.client_id) for _ in range(2)]
    listed = walk(lambda after: store.list_clients(after=after, limit=100), 100)
    assert (told, store.find_client(client.client_id), client in listed) == ([True, False], None, False)


def test_a_client_with_a_key_stays(store: Store, client: Client) -> None:
    """A client can be deleted as soon as its last key is gone."""
    key = replace(samples.api_key(), client_id=client.client_id)
    store.create_api_key(key)
    with refuses(Errors.CONFLICT):
        store.delete_client(client.client_id)
    assert store.find_client(client.client_id) == client
    store.delete_api_key(key)
    assert store.delete_client(client.client_id)


# API keys


def test_a_deleted_key_is_gone(store: Store, key: ApiKey) -> None:
    """A deleted key is neither found nor listed, and only one caller is told that they deleted it."""
    told = [store.delete_api_key(key) for _ in range(2)]
    listed = store.list_api_keys(key.client_id, after="", limit=10).items
    assert (told, store.find_api_key(key.key_id, NOW), listed) == ([True, False], None, ())


def test_a_key_needs_its_client(store: Store, client: Client) -> None:
    """No key is made for a client that is gone, and none is listed."""
    assert store.delete_client(client.client_id)
    key = replace(samples.api_key(), client_id=client.client_id)
    with refuses(Errors.CONFLICT):
        store.create_api_key(key)
    listed = store.list_api_keys(client.client_id, after="", limit=10).items
    assert (store.find_api_key(key.key_id, NOW), listed) == (None, ())


def test_a_client_has_a_hundred_keys_at_most(store: Store) -> None:
    """The key after the hundredth is rejected and leaves nothing. After a deletion there is room for one more."""
    client_id = samples.unique("cli_")
    keys = [samples.owned_key(store, client_id=client_id) for _ in range(MAX_API_KEYS)]
    late = replace(samples.api_key(), client_id=client_id)
    with refuses(Errors.LIMIT_REACHED):
        store.create_api_key(late)
    assert store.find_api_key(late.key_id, NOW) is None
    store.delete_api_key(keys[0])
    store.create_api_key(late)
    assert len(walk(lambda after: store.list_api_keys(client_id, after=after, limit=60), 60)) == MAX_API_KEYS


def test_a_rotation_ends_the_old_key_and_makes_the_new(store: Store, key: ApiKey) -> None:
    """The old key lives until its end and names its successor."""
    new = replace(samples.api_key(), client_id=key.client_id)
    assert store.rotate_api_key(key.key_id, new, expires_at=NOW + 60)
    found = [store.find_api_key(each.key_id, now) for each in (key, new) for now in (NOW + 59, NOW + 60)]
    assert found == [replace(key, expires_at=NOW + 60, successor=new.key_id), None, new, new]


def test_a_key_is_rotated_once(store: Store, key: ApiKey) -> None:
    """A second successor is not stored, and a missing key gets no successor."""
    first, second = (replace(samples.api_key(), client_id=key.client_id) for _ in range(2))
    told = [
        store.rotate_api_key(key.key_id, first, expires_at=NOW),
        store.rotate_api_key(key.key_id, second, expires_at=NOW),
        store.rotate_api_key(samples.unique(""), second, expires_at=NOW),
    ]
    assert (told, store.find_api_key(second.key_id, NOW)) == ([True, False, False], None)


def test_a_rotation_counts(store: Store) -> None:
    """A client with a hundred keys cannot rotate either, and the old key stays as it was."""
    client_id = samples.unique("cli_")
    keys = [samples.owned_key(store, client_id=client_id) for _ in range(MAX_API_KEYS)]
    with refuses(Errors.LIMIT_REACHED):
        store.rotate_api_key(keys[0].key_id, replace(samples.api_key(), client_id=client_id), expires_at=NOW)
    assert store.find_api_key(keys[0].key_id, NOW) == keys[0]


def test_the_last_day_of_use_only_moves_on(store: Store, key: ApiKey) -> None:
    """A day is recorded unless a later one is, and none is recorded for a deleted key."""
    for day in ("2026-02-02", "2026-02-03", "2026-02-01"):
        store.note_api_key_use(key.key_id, day)
    gone = samples.unique("")
    store.note_api_key_use(gone, "2026-02-01")
    found = store.find_api_key(key.key_id, NOW)
    assert (found and found.last_used_on, store.find_api_key(gone, NOW)) == ("2026-02-03", None)


# Races


def test_thirty_at_ninety_nine_make_one_key(new_store: Callable[[], Store]) -> None:
    """The limit holds for parallel calls."""
    races.race_for_the_last_key(new_store())


def test_a_client_that_goes_leaves_no_key(new_store: Callable[[], Store]) -> None:
    """Of a deletion and thirty new keys at one moment, either the client stays or no key is made."""
    store = new_store()
    for _ in range(5):
        races.race_of_a_deletion_and_new_keys(store)


def test_thirty_rotations_make_one_successor(new_store: Callable[[], Store]) -> None:
    """One key has one successor, in every round."""
    store = new_store()
    for _ in range(5):  # a transaction of four items each: a few rounds take as long as twenty of the others
        races.race_for_a_successor(store)


# The first-party app


def test_the_first_party_app_is_found_before_it_is_stored(empty_store: Store) -> None:
    """Every way to read it returns the built-in record. It can be neither changed nor deleted in the store."""
    app = BUILT_IN_APP.client_id
    assert empty_store.find_client(app) == BUILT_IN_APP
    assert empty_store.find_user_and_client("usr_gone", app) == (None, BUILT_IN_APP)
    assert empty_store.find_user_client_and_session("usr_gone", app, "ses_gone", NOW) == (None, BUILT_IN_APP, None)
    assert empty_store.update_client(app, ClientChanges(name="New")) is None
    assert not empty_store.delete_client(app)
    assert empty_store.list_clients(after="", limit=10).items == ()


def test_the_first_party_app_that_is_stored_is_that_record(empty_store: Store) -> None:
    """The built-in record is no longer in the way."""
    stored = replace(BUILT_IN_APP, name="Shop", scopes=("openid",))
    empty_store.create_client(stored)
    app = stored.client_id
    assert empty_store.find_client(app) == stored
    assert empty_store.find_user_and_client("usr_gone", app)[1] == stored
    assert empty_store.find_user_client_and_session("usr_gone", app, "ses_gone", NOW)[1] == stored
    changed = empty_store.update_client(app, ClientChanges(first_party=False))
    assert changed == replace(stored, first_party=False) == empty_store.find_client(app)
