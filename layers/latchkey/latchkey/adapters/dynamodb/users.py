"""Accounts and what they sign in with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from latchkey.adapters.dynamodb import items, standing
from latchkey.adapters.dynamodb.grants import live_sessions
from latchkey.adapters.dynamodb.mail import waiting
from latchkey.adapters.dynamodb.table import TablePart
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import Credential, Mail, Session, User
from latchkey.core.paging import Page

_OWNERS_TO_CHANGE = frozenset({"name", "locale"})


class Users(TablePart):
    """Implements `UserStore`."""

    def create_user(self, user: User, credential: Credential, *, mail: Mail | None = None) -> None:
        """Store both or neither; the login's key is what makes it unique."""
        records = (
            items.encode(items.login(credential.login), credential),
            items.encode(items.user(user.sub), user),
            standing.line(user),
            *waiting(mail),
        )
        if not self._table.put_all_new(records, also=standing.counted(user)):
            raise ServiceError(Errors.USER_EXISTS, "the login is taken")

    def create_first_admin(self, user: User, credential: Credential) -> None:
        """Store account, credential and line with the count of admins, which nothing ever deletes."""
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

    def find_credential(self, login: str) -> Credential | None:
        """Return the credential of a canonical login."""
        item = self._table.get(items.login(login))
        return _credential(item) if item else None

    def find_credentials(self, logins: Sequence[str]) -> Mapping[str, Credential]:
        """Return the credentials of those logins that are taken: one read for all of them."""
        found = self._table.get_all([items.login(login) for login in dict.fromkeys(logins)])
        return {credential.login: credential for credential in map(_credential, found)}

    def find_user(self, sub: str) -> User | None:
        """Return the account."""
        item = self._table.get(items.user(sub))
        return items.decode(User, item) if item else None

    def find_user_with_sessions(self, sub: str, now: int) -> tuple[User | None, tuple[Session, ...]]:
        """Return the account and its live sessions, oldest first: they share a partition."""
        key = items.user(sub)
        found = self._table.query(key.pk)
        profile = next((item for item in found if item["sk"] == {"S": key.sk}), None)
        sessions = [item for item in found if item["sk"]["S"].startswith("SESSION#")]
        return items.decode(User, profile) if profile else None, live_sessions(sessions, now)

    def replace_password_hash(self, login: str, old_hash: str, new_hash: str) -> bool:
        """Swap the hash if it is still `old_hash`."""
        return self._table.update(
            items.login(login),
            "SET #password_hash = :new",
            {"old": old_hash, "new": new_hash},
            only_if="#password_hash = :old",
        ).applied

    def update_profile(self, sub: str, changes: Mapping[str, str]) -> User | None:
        """Set `name` and `locale` members; any other raises `ValueError`."""
        if not changes.keys() <= _OWNERS_TO_CHANGE:
            raise ValueError(f"not members of a profile: {sorted(changes.keys() - _OWNERS_TO_CHANGE)}")
        if not changes:
            return self.find_user(sub)
        change = "SET " + ", ".join(f"#{member} = :{member}" for member in changes)
        write = self._table.update(items.user(sub), change, changes, only_if="attribute_exists(#pk)")
        return items.decode(User, write.item) if write.item else None

    def list_users(self, *, after: str, limit: int) -> Page[User]:
        """Return the accounts behind a position, oldest first: one query for who, one read for all of them."""
        listed, last = self._table.page(items.USERS, after=after, limit=limit)
        subs = [item["sub"]["S"] for item in listed]
        found = [items.decode(User, item) for item in self._table.get_all([items.user(sub) for sub in subs])]
        by_sub = {user.sub: user for user in found}
        return Page(tuple(by_sub[sub] for sub in subs if sub in by_sub), last)


def _credential(item: items.AnyItem) -> Credential:
    """Return the credential of an item; one without a hash has an empty one, which no password opens."""
    return items.decode(Credential, {"password_hash": {"S": ""}, **item})
