"""Changes of an account that touch several of its items: each is one transaction."""

from __future__ import annotations

from latchkey.adapters.dynamodb import items
from latchkey.adapters.dynamodb.codes import USABLE
from latchkey.adapters.dynamodb.outbox import waiting
from latchkey.adapters.dynamodb.table import Change, TablePart
from latchkey.core.model import Credential, Mail, OneTimeCode, User, UserStatus
from latchkey.core.ports import NewLogin, NewPassword

_CREDENTIAL_STANDS = "#sub = :sub AND #password_hash = :held AND #epoch = :held_epoch"
_USER_STANDS = "#status = :status AND #epoch = :read_epoch"


class UserChanges(TablePart):
    """Implements the part of `UserStore` where items must agree."""

    def replace_pending_user(self, old: User, user: User, credential: Credential, *, mail: Mail | None) -> bool:
        """Put another account in the place of a pending one; its login's item stays and changes hands."""
        changes = (
            Change(
                items.login(credential.login),
                "#sub = :old",
                {
                    "old": old.sub,
                    "sub": credential.sub,
                    "hash": credential.password_hash,
                    "epoch": credential.epoch,
                },
                "SET #sub = :sub, #password_hash = :hash, #epoch = :epoch",
            ),
            Change(items.user(old.sub), "#status = :pending", {"pending": str(UserStatus.PENDING)}),
        )
        return self._table.change_together(changes, [items.encode(items.user(user.sub), user), *waiting(mail)])

    def activate_user(self, sub: str) -> User | None:
        """Make a pending account active."""
        write = self._table.update(
            items.user(sub),
            "SET #status = :active",
            {"active": str(UserStatus.ACTIVE), "pending": str(UserStatus.PENDING)},
            only_if="#status = :pending",
        )
        return items.decode(User, write.item) if write.item else None

    def change_password(self, change: NewPassword) -> bool:
        """Replace hash and epoch with all that belongs to it, or nothing."""
        user, held = change.user, change.held
        pending = user.status is UserStatus.PENDING
        then = UserStatus.ACTIVE if pending else user.status
        changes = [
            Change(
                items.login(held.login),
                _CREDENTIAL_STANDS,
                _as_read(held) | {"hash": change.password_hash, "next": change.epoch},
                "SET #password_hash = :hash, #epoch = :next",
            ),
            Change(
                items.user(user.sub),
                _USER_STANDS,
                {"status": str(user.status), "read_epoch": user.epoch, "next": change.epoch, "then": str(then)},
                "SET #epoch = :next, #status = :then",
            ),
            *_used(change.code, change.now),
        ]
        if change.keep:
            key = items.session(user.sub, change.keep)
            changes.append(Change(key, "attribute_exists(#pk)", {"next": change.epoch}, "SET #epoch = :next"))
        return self._table.change_together(changes, waiting(change.mail))

    def change_login(self, change: NewLogin) -> bool:
        """Move an account to another login with all that belongs to it, or nothing."""
        user, held = change.user, change.held
        moved = Credential(change.login, held.sub, held.password_hash, held.epoch)
        changes = (
            Change(items.login(held.login), _CREDENTIAL_STANDS, _as_read(held)),
            Change(
                items.user(user.sub),
                _USER_STANDS,
                {"status": str(user.status), "read_epoch": user.epoch, "login": change.login},
                "SET #login = :login",
            ),
            *_used(change.code, change.now),
        )
        new = [items.encode(items.login(change.login), moved), *waiting(change.mail)]
        return self._table.change_together(changes, new)

    def begin_deletion(self, user: User, *, mail: Mail | None) -> bool:
        """Mark an account as `deleting`."""
        marked = Change(
            items.user(user.sub),
            _USER_STANDS,
            {
                "status": str(user.status),
                "read_epoch": user.epoch,
                "next": user.epoch + 1,
                "deleting": str(UserStatus.DELETING),
            },
            "SET #status = :deleting, #epoch = :next",
        )
        return self._table.change_together([marked], waiting(mail))

    def delete_user(self, sub: str, login: str) -> bool:
        """Delete an account that is marked, with its login."""
        changes = (
            Change(items.user(sub), "#status = :deleting", {"deleting": str(UserStatus.DELETING)}),
            Change(items.login(login), "#sub = :sub", {"sub": sub}),
        )
        return self._table.change_together(changes)


def _as_read(held: Credential) -> dict[str, str | int]:
    return {"sub": held.sub, "held": held.password_hash, "held_epoch": held.epoch}


def _used(code: OneTimeCode | None, now: int) -> tuple[Change, ...]:
    if code is None:
        return ()
    return (Change(items.code(code.code_hash, code.purpose), USABLE, {"now": now}, "SET #used_at = :now"),)
