"""The store's contract for the custom roles of a stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from latchkey.core.roles.roles import CustomRoles

if TYPE_CHECKING:
    from latchkey.adapters.store import Store

FIRST = CustomRoles(1, {"help": "users:read", "none": ""})


def test_there_are_none_at_first(empty_store: Store) -> None:
    """A new stack has the built-in roles alone."""
    assert empty_store.custom_roles() == CustomRoles(0, {}, (), (), ("user",))


def test_what_is_stored_is_found(empty_store: Store) -> None:
    """Names and permissions, and an empty role too."""
    assert (empty_store.replace_roles(FIRST), empty_store.custom_roles()) == (True, FIRST)


def test_permissions_and_lists_are_found_in_their_order(empty_store: Store) -> None:
    """Deleted roles are remembered oldest first."""
    whole = CustomRoles(1, {"desk": "orders:read"}, ("z users:read", "a"), ("orders:read", "b c"), ("user", "desk"))
    assert (empty_store.replace_roles(whole), empty_store.custom_roles()) == (True, whole)
    bare = CustomRoles(2, {}, customer_roles=())
    assert (empty_store.replace_roles(bare), empty_store.custom_roles()) == (True, bare)


def test_the_next_version_replaces_the_last(empty_store: Store) -> None:
    """The stored roles are those of the newest version alone."""
    empty_store.replace_roles(FIRST)
    second = CustomRoles(2, {"desk": "audit:read"})
    assert (empty_store.replace_roles(second), empty_store.custom_roles()) == (True, second)


def test_a_change_of_what_is_no_longer_there_is_refused(empty_store: Store) -> None:
    """A repeated version, one too far ahead and one behind change nothing."""
    empty_store.replace_roles(FIRST)
    for version in (1, 3, 0):
        assert not empty_store.replace_roles(CustomRoles(version, {}))
    assert empty_store.custom_roles() == FIRST
