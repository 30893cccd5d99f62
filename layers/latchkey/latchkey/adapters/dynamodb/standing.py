"""The standing of an account, and the items that change with it: its list entry, and the count of active admins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from latchkey.adapters.dynamodb import items
from latchkey.adapters.dynamodb.items import Item, Value
from latchkey.adapters.dynamodb.table import Change, Table
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import User, is_active_admin

AS_READ = " AND ".join(f"#{member} = :{member}_read" for member in ("login", "status", "roles", "epoch", "linked_at"))
"""The condition that an account still stands as it was read, and no link was added or confirmed since."""

FIRST_ADMIN = items.key_item(items.ADMINS) | {"n": items.attribute(1)}
ONE_ADMIN_MORE = Change(items.ADMINS, {"one": 1}, add="#n :one")
_ONE_ADMIN_LESS = Change(items.ADMINS, {"minus": -1, "one": 1}, "#n > :one", add="#n :minus")


def read(user: User) -> dict[str, Value]:
    """Return the values of `AS_READ`."""
    return {
        "login_read": user.login,
        "status_read": str(user.status),
        "roles_read": user.roles,
        "epoch_read": user.epoch,
        "linked_at_read": user.linked_at,
    }


def line(user: User) -> Item:
    """Return the item that lists an account."""
    return items.key_item(_place(user)) | {"sub": items.attribute(user.sub)}


def no_line(user: User) -> Change:
    """Return the step that takes an account out of the list."""
    return Change(_place(user))


def counted(user: User) -> tuple[Change, ...]:
    """Return the change of the count for a new account."""
    return (ONE_ADMIN_MORE,) if is_active_admin(user) else ()


def recounted(before: User, after: User) -> tuple[Change, ...]:
    """Return the change of the count for the step from one standing to another. It fails for the last admin."""
    if is_active_admin(before) == is_active_admin(after):
        return ()
    return (ONE_ADMIN_MORE,) if is_active_admin(after) else (_ONE_ADMIN_LESS,)


def restood(read_user: User, wanted: User) -> Change:
    """Return the step from one standing to another, which fails unless the account still stands as it was read."""
    values: dict[str, Value] = {"status": str(wanted.status), "roles": wanted.roles, "epoch": wanted.epoch}
    return Change(
        items.user(read_user.sub),
        read(read_user) | values,
        AS_READ,
        set="#status = :status, #roles = :roles, #epoch = :epoch",
    )


def with_new_password(read_user: User, wanted: User) -> Change:
    """Return the step to a new password, which fails unless the account still stands as it was read."""
    step = restood(read_user, wanted)
    values: dict[str, Value] = {
        "reset_at": wanted.reset_at,
        "verified_at": wanted.verified_at,
        "can_sign_in": wanted.can_sign_in,
    }
    members = "".join(f", #{member} = :{member}" for member in values)
    return replace(step, values={**step.values, **values}, set=step.set + members)


def change(table: Table, changes: Sequence[Change], new: Sequence[Item] = ()) -> bool:
    """Make the changes, the first of which is the standing; say whether it was as read. Raises `LAST_ADMIN`."""
    stands, *others = table.change_all(changes, new)
    if stands and not all(others):
        raise ServiceError(Errors.LAST_ADMIN, "the last active admin")
    return stands


def _place(user: User) -> items.Key:
    return items.listed_user(f"{user.created_at:011d}#{user.sub}")
