"""Accounts, from their first write to their last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from latchkey.adapters.dynamodb import items, standing
from latchkey.adapters.dynamodb.credentials import alias, credential_of
from latchkey.adapters.dynamodb.mail import waiting
from latchkey.adapters.dynamodb.table import Change, TablePart
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import ADMIN_ROLE, Credential, Mail, User, UserStatus
from latchkey.core.paging import Page

_OWNERS_TO_CHANGE = frozenset({"name", "locale"})
_IS_ADMIN = "(contains(#roles, :admin) AND #can_sign_in = :yes)"
_NO_ADMIN_WAITS = f"#status = :pending AND NOT {_IS_ADMIN}"
_ADMIN_WAITS = f"#status = :pending AND {_IS_ADMIN}"
_WAKING: dict[str, items.Value] = {
    "active": str(UserStatus.ACTIVE),
    "pending": str(UserStatus.PENDING),
    "admin": ADMIN_ROLE,
    "yes": True,
}


class Users(TablePart):
    """Implements `UserStore`."""

    def create_user(self, user: User, credential: Credential, *, mail: Mail | None = None) -> None:
        """Store both or neither. The keys of the logins make them unique."""
        records = (
            items.encode(items.login(credential.login), credential),
            *alias(user),
            items.encode(items.user(user.sub), user),
            standing.line(user),
            *waiting(mail),
        )
        if not self._table.put_all_new(records, also=standing.counted(user)):
            raise ServiceError(Errors.USER_EXISTS, "the login is taken")

    def create_first_admin(self, user: User, credential: Credential) -> None:
        """Store account, credential, list entry and the count of admins. The count is never deleted."""
        records = (
            standing.FIRST_ADMIN,
            items.encode(items.login(credential.login), credential),
            items.encode(items.user(user.sub), user),
            standing.line(user),
        )
        is_first, *others = self._table.change_all((), records)
        if not is_first:
            raise ServiceError(Errors.ADMIN_EXISTS, "the admins are counted already")
        if not all(others):
            raise ServiceError(Errors.USER_EXISTS, "the login is taken")

    def find_credentials(self, logins: Sequence[str]) -> Mapping[str, Credential]:
        """Return the credentials of those logins that are taken: one read for all of them."""
        keys = {login: items.login(login) for login in logins}
        found = map(credential_of, self._table.get_all(list(dict.fromkeys(keys.values()))))
        taken = {items.login(credential.login): credential for credential in found}
        return {login: taken[key] for login, key in keys.items() if key in taken}

    def update_profile(self, sub: str, changes: Mapping[str, str]) -> User | None:
        """Set `name` and `locale` members; any other raises `ValueError`."""
        if not changes.keys() <= _OWNERS_TO_CHANGE:
            raise ValueError(f"not members of a profile: {sorted(changes.keys() - _OWNERS_TO_CHANGE)}")
        if not changes:
            item = self._table.get(items.user(sub))
            return items.decode(User, item) if item else None
        change = "SET " + ", ".join(f"#{member} = :{member}" for member in changes)
        write = self._table.update(items.user(sub), change, changes, only_if="attribute_exists(#pk)")
        return items.decode(User, write.item) if write.item else None

    def list_users(self, *, after: str, limit: int) -> Page[User]:
        """Return the accounts behind a position, oldest first: one query for the ids, one read for all records."""
        listed, last = self._table.page(items.USERS, after=after, limit=limit)
        subs = [item["sub"]["S"] for item in listed]
        found = [items.decode(User, item) for item in self._table.get_all([items.user(sub) for sub in subs])]
        by_sub = {user.sub: user for user in found}
        return Page(tuple(by_sub[sub] for sub in subs if sub in by_sub), last)

    def replace_pending_user(self, old: User, user: User, credential: Credential, *, mail: Mail | None) -> bool:
        """Replace a pending account with another one. The item of the login stays and names the new account."""
        taken_over = Change(
            items.login(credential.login),
            {"old": old.sub, "sub": credential.sub, "hash": credential.password_hash, "epoch": credential.epoch},
            "#sub = :old",
            set="#sub = :sub, #password_hash = :hash, #epoch = :epoch",
        )
        gone = Change(items.user(old.sub), {"pending": str(UserStatus.PENDING)}, "#status = :pending")
        new = (items.encode(items.user(user.sub), user), standing.line(user), *waiting(mail))
        changes = (taken_over, gone, standing.no_line(old), *standing.counted(user))
        return all(self._table.change_all(changes, new))

    def activate_user(self, sub: str) -> User | None:
        """Make a pending account active. An admin's counts from then on, which takes a transaction."""
        write = self._table.update(items.user(sub), "SET #status = :active", _WAKING, only_if=_NO_ADMIN_WAITS)
        user = items.decode(User, write.item) if write.item else None
        if user is None or user.status is not UserStatus.PENDING:
            return user
        woken = Change(items.user(sub), _WAKING, _ADMIN_WAITS, set="#status = :active")
        self._table.change_all((woken, standing.ONE_ADMIN_MORE))
        item = self._table.get(items.user(sub))
        return items.decode(User, item) if item else None

    def begin_deletion(self, user: User, *, mail: Mail | None) -> bool:
        """Mark an account as `deleting`, if an active admin remains."""
        marked = replace(user, status=UserStatus.DELETING, epoch=user.epoch + 1)
        return standing.change(
            self._table, (standing.restood(user, marked), *standing.recounted(user, marked)), waiting(mail)
        )

    def delete_user(self, user: User) -> bool:
        """Delete an account that is marked, with its logins and its line in the list."""
        logins = (
            Change(items.login(login), {"sub": user.sub}, "#sub = :sub")
            for login in (user.login, user.username)
            if login
        )
        changes = (
            Change(items.user(user.sub), {"deleting": str(UserStatus.DELETING)}, "#status = :deleting"),
            *logins,
            standing.no_line(user),
        )
        return all(self._table.change_all(changes))
