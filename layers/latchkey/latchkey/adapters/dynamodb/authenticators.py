"""Changes of an account that touch several of its items: each is one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from latchkey.adapters.dynamodb import items, standing
from latchkey.adapters.dynamodb.items import Item
from latchkey.adapters.dynamodb.mail import USABLE, waiting
from latchkey.adapters.dynamodb.table import Change, TablePart
from latchkey.core.authenticators.store import NewLogin, NewPassword
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import ADMIN_ROLE, Credential, Mail, OneTimeCode, User, UserStatus

_CREDENTIAL_STANDS = "#sub = :sub AND #password_hash = :held AND #epoch = :held_epoch"
_NO_ADMIN_WAITS = "#status = :pending AND NOT contains(#roles, :admin)"
_ADMIN_WAITS = "#status = :pending AND contains(#roles, :admin)"
_WAKING: dict[str, items.Value] = {
    "active": str(UserStatus.ACTIVE),
    "pending": str(UserStatus.PENDING),
    "admin": ADMIN_ROLE,
}


class UserChanges(TablePart):
    """Implements the part of `UserStore` where items must agree."""

    def replace_pending_user(self, old: User, user: User, credential: Credential, *, mail: Mail | None) -> bool:
        """Put another account in the place of a pending one; its login's item stays and changes hands."""
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

    def change_password(self, change: NewPassword) -> bool:
        """Replace hash and epoch with all that belongs to it, or nothing."""
        user, held = change.user, change.held
        status = UserStatus.ACTIVE if user.status is UserStatus.PENDING else user.status
        changed = replace(user, epoch=change.epoch, status=status)
        changes = [
            Change(
                items.login(held.login),
                _as_read(held) | {"hash": change.password_hash, "next": change.epoch},
                _CREDENTIAL_STANDS,
                set="#password_hash = :hash, #epoch = :next",
            ),
            _new_standing(user, changed),
            *standing.recounted(user, changed),
            *_used(change.code, change.now),
        ]
        if change.keep:
            key = items.session(user.sub, change.keep)
            changes.append(Change(key, {"next": change.epoch}, "attribute_exists(#pk)", set="#epoch = :next"))
        return all(self._table.change_all(changes, waiting(change.mail)))

    def change_login(self, change: NewLogin) -> bool:
        """Move an account to another login with all that belongs to it, or nothing."""
        user, held = change.user, change.held
        changes = (
            Change(items.login(held.login), _as_read(held), _CREDENTIAL_STANDS),
            Change(
                items.user(user.sub),
                standing.read(user) | {"login": change.login},
                standing.AS_READ,
                set="#login = :login",
            ),
            *_used(change.code, change.now),
        )
        moved = replace(held, login=change.login)
        new = (items.encode(items.login(change.login), moved), *waiting(change.mail))
        return all(self._table.change_all(changes, new))

    def set_standing(self, user: User, *, status: UserStatus, roles: tuple[str, ...], epoch: int) -> User | None:
        """Change what an account may do if it still stands as it was read, and some admin stays."""
        changed = replace(user, status=status, roles=roles, epoch=epoch)
        changes = [_new_standing(user, changed), *standing.recounted(user, changed)]
        if epoch != user.epoch and user.login:
            key = items.login(user.login)
            changes.append(Change(key, {"epoch": epoch}, "attribute_exists(#pk)", set="#epoch = :epoch"))
        return changed if self._stands_anew(changes) else None

    def begin_deletion(self, user: User, *, mail: Mail | None) -> bool:
        """Mark an account as `deleting`, if some admin stays."""
        marked = replace(user, status=UserStatus.DELETING, epoch=user.epoch + 1)
        return self._stands_anew((_new_standing(user, marked), *standing.recounted(user, marked)), waiting(mail))

    def delete_user(self, user: User) -> bool:
        """Delete an account that is marked, with its login and its line in the list."""
        login = (Change(items.login(user.login), {"sub": user.sub}, "#sub = :sub"),) if user.login else ()
        changes = (
            Change(items.user(user.sub), {"deleting": str(UserStatus.DELETING)}, "#status = :deleting"),
            *login,
            standing.no_line(user),
        )
        return all(self._table.change_all(changes))

    def _stands_anew(self, changes: Sequence[Change], new: Sequence[Item] = ()) -> bool:
        """Make the changes, the first of which is the standing; say whether it was as read. Raises `LAST_ADMIN`."""
        stands, *others = self._table.change_all(changes, new)
        if stands and not all(others):
            raise ServiceError(Errors.LAST_ADMIN, "the last active admin")
        return stands


def _as_read(held: Credential) -> dict[str, items.Value]:
    return {"sub": held.sub, "held": held.password_hash, "held_epoch": held.epoch}


def _new_standing(read: User, wanted: User) -> Change:
    values: dict[str, items.Value] = {"status": str(wanted.status), "roles": wanted.roles, "epoch": wanted.epoch}
    return Change(
        items.user(read.sub),
        standing.read(read) | values,
        standing.AS_READ,
        set="#status = :status, #roles = :roles, #epoch = :epoch",
    )


def _used(code: OneTimeCode | None, now: int) -> tuple[Change, ...]:
    if code is None:
        return ()
    return (Change(items.code(code.code_hash, code.purpose), {"now": now}, USABLE, set="#used_at = :now"),)
