"""Accounts and what they sign in with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from latchkey.adapters.dynamodb import items
from latchkey.adapters.dynamodb.sessions import live_sessions
from latchkey.adapters.dynamodb.table import Change, TablePart
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import Credential, Session, User, UserStatus, is_active_admin
from latchkey.core.ports import UserPage

_OWNERS_TO_CHANGE = frozenset({"name", "locale"})
_ONE_ADMIN_MORE = (Change(items.ADMINS, {"one": 1}, add="#n :one"),)
_ONE_ADMIN_LESS = (Change(items.ADMINS, {"minus": -1, "one": 1}, "#n > :one", add="#n :minus"),)
_AS_READ = "#login = :login AND #status = :status_read AND #roles = :roles_read AND #epoch = :epoch_read"


class Users(TablePart):
    """Implements `UserStore`."""

    def create_user(self, user: User, credential: Credential) -> None:
        """Store both or neither; the login's key is what makes it unique."""
        records = (
            items.encode(items.login(credential.login), credential),
            items.encode(items.user(user.sub), user),
            items.key_item(items.listed_user(_position(user))) | {"sub": items.attribute(user.sub)},
        )
        if not self._table.put_all_new(records, also=_ONE_ADMIN_MORE if is_active_admin(user) else ()):
            raise ServiceError(Errors.USER_EXISTS, "the login is taken")

    def find_credential(self, login: str) -> Credential | None:
        """Return the credential of a canonical login."""
        item = self._table.get(items.login(login))
        return items.decode(Credential, item) if item else None

    def find_user(self, sub: str) -> User | None:
        """Return the account."""
        item = self._table.get(items.user(sub))
        return items.decode(User, item) if item else None

    def find_user_with_sessions(self, sub: str, now: int) -> tuple[User | None, tuple[Session, ...]]:
        """Return the account and its live sessions, oldest first: they share a partition."""
        key = items.user(sub)
        found = self._table.query(key.pk)
        profile = next((item for item in found if item["sk"] == {"S": key.sk}), None)
        sessions = [item for item in found if item is not profile]
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

    def list_users(self, *, after: str, limit: int) -> UserPage:
        """Return the accounts behind a position, oldest first: one query for who, one read for all of them."""
        listed, last = self._table.page(items.USERS, after=after, limit=limit)
        subs = [item["sub"]["S"] for item in listed]
        found = [items.decode(User, item) for item in self._table.get_all([items.user(sub) for sub in subs])]
        by_sub = {user.sub: user for user in found}
        return UserPage(tuple(by_sub[sub] for sub in subs if sub in by_sub), last)

    def set_standing(self, user: User, *, status: UserStatus, roles: tuple[str, ...], epoch: int) -> User | None:
        """Change what an account may do if it still stands as it was read, and some admin stays."""
        changed = replace(user, status=status, roles=roles, epoch=epoch)
        changes = [_new_standing(user, changed), *_change_of_admins(user, changed)]
        if epoch != user.epoch:
            key = items.login(user.login)
            changes.append(Change(key, {"epoch": epoch}, "attribute_exists(#pk)", set="#epoch = :epoch"))
        stands, *others = self._table.change_all(changes)
        if not stands:
            return None
        if not all(others):
            raise ServiceError(Errors.LAST_ADMIN, "the last active admin")
        return changed


def _position(user: User) -> str:
    return f"{user.created_at:011d}#{user.sub}"


def _new_standing(read: User, wanted: User) -> Change:
    values: dict[str, items.Value] = {
        "login": read.login,
        "status_read": read.status,
        "roles_read": read.roles,
        "epoch_read": read.epoch,
        "status": wanted.status,
        "roles": wanted.roles,
        "epoch": wanted.epoch,
    }
    key = items.user(read.sub)
    return Change(key, values, _AS_READ, set="#status = :status, #roles = :roles, #epoch = :epoch")


def _change_of_admins(read: User, wanted: User) -> tuple[Change, ...]:
    if is_active_admin(read) == is_active_admin(wanted):
        return ()
    return _ONE_ADMIN_MORE if is_active_admin(wanted) else _ONE_ADMIN_LESS
