"""Accounts, from their first write to their last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from latchkey.adapters.dynamodb import items, standing
from latchkey.adapters.dynamodb.credentials import alias, claim, credential_of, is_reserved
from latchkey.adapters.dynamodb.mail import use_of, waiting
from latchkey.adapters.dynamodb.table import Change, TablePart
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import Credential, Mail, UsedDraft, User, UserStatus
from latchkey.core.paging import Page

_OWNERS_TO_CHANGE = frozenset({"name", "locale"})
_HAS_LOGIN = "#login = :login AND #status = :active"


class Users(TablePart):
    """Implements `UserStore`."""

    def create_user(self, user: User, credential: Credential) -> None:
        """Store all or nothing. The keys of the logins make them unique."""
        records = (*alias(user), items.encode(items.user(user.sub), user), standing.line(user))
        claimed = claim(credential, user.created_at)
        if not self._table.put_all_new(records, also=(claimed, *standing.counted(user))):
            raise ServiceError(Errors.USER_EXISTS, "the login is taken")

    def create_first_admin(self, user: User, credential: Credential) -> None:
        """Store account, credential, list entry and the count of admins. The count is never deleted."""
        records = (
            standing.FIRST_ADMIN,
            items.encode(items.user(user.sub), user),
            standing.line(user),
        )
        is_free, is_first, *others = self._table.change_all((claim(credential, user.created_at),), records)
        if not is_first:
            raise ServiceError(Errors.ADMIN_EXISTS, "the admins are counted already")
        if not (is_free and all(others)):
            raise ServiceError(Errors.USER_EXISTS, "the login is taken")

    def find_credentials(self, logins: Sequence[str]) -> Mapping[str, Credential]:
        """Return the credentials of those logins that are taken: one read for all of them."""
        keys = {login: items.login(login) for login in logins}
        found = self._table.get_all(list(dict.fromkeys(keys.values())))
        credentials = [credential_of(item) for item in found if not is_reserved(item)]
        taken = {items.login(credential.login): credential for credential in credentials}
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

    def confirm_draft(self, user: User, credential: Credential, used: UsedDraft) -> bool:
        """Store an account and use its draft. The key of the login makes it unique."""
        new = (items.encode(items.user(user.sub), user), standing.line(user))
        return all(self._table.change_all((use_of(used), claim(credential, used.used_at)), new))

    def verify_login(self, sub: str, login: str, now: int) -> bool:
        """Set `verified_at` of an active account that has this login, unless it is set."""
        known = {"login": login, "active": str(UserStatus.ACTIVE)}
        write = self._table.update(
            items.user(sub),
            "SET #verified_at = :now",
            {**known, "now": now, "never": 0},
            only_if=f"{_HAS_LOGIN} AND (attribute_not_exists(#verified_at) OR #verified_at = :never)",
        )
        user = items.decode(User, write.item) if write.item else None
        return user is not None and (user.login, user.status) == (login, UserStatus.ACTIVE) and user.verified_at > 0

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
