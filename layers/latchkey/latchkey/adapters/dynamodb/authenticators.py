"""Changes of the authenticators of an account. Each changes several items in one transaction."""

from __future__ import annotations

from dataclasses import replace

from latchkey.adapters.dynamodb import items, standing
from latchkey.adapters.dynamodb.mail import USABLE, waiting
from latchkey.adapters.dynamodb.table import Change, TablePart
from latchkey.core.authenticators.store import NewLogin, NewPassword
from latchkey.core.model import Credential, Link, OneTimeCode, User, UserStatus

_CREDENTIAL_STANDS = "#sub = :sub AND #password_hash = :held AND #epoch = :held_epoch"


class Authenticators(TablePart):
    """Implements `AuthenticatorStore`."""

    def change_password(self, change: NewPassword) -> bool:
        """Replace hash and account, and make the changes that belong to it, or do nothing."""
        user, held, changed = change.user, change.held, change.changed
        changes = [
            Change(
                items.login(held.login),
                _as_read(held) | {"hash": change.password_hash, "next": change.epoch},
                _CREDENTIAL_STANDS,
                set="#password_hash = :hash, #epoch = :next",
            ),
            standing.with_new_password(user, changed),
            *standing.recounted(user, changed),
            *_used(change.code, change.now),
            *(_without_roles(link) for link in change.suspended if link.roles),
        ]
        if change.keep:
            key = items.session(user.sub, change.keep)
            changes.append(Change(key, {"next": change.epoch}, "attribute_exists(#pk)", set="#epoch = :next"))
        return all(self._table.change_all(changes, waiting(change.mail)))

    def change_login(self, change: NewLogin) -> bool:
        """Move an account to another login, and make the changes that belong to it, or do nothing."""
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
        """Change the rights of an account if it is unchanged since it was read, and an active admin remains."""
        changed = replace(user, status=status, roles=roles, epoch=epoch)
        changes = [standing.restood(user, changed), *standing.recounted(user, changed)]
        if epoch != user.epoch and user.login:
            key = items.login(user.login)
            changes.append(Change(key, {"epoch": epoch}, "attribute_exists(#pk)", set="#epoch = :epoch"))
        return changed if standing.change(self._table, changes) else None


def _as_read(held: Credential) -> dict[str, items.Value]:
    return {"sub": held.sub, "held": held.password_hash, "held_epoch": held.epoch}


def _without_roles(link: Link) -> Change:
    none: dict[str, items.Value] = {"roles": ()}
    return Change(items.link(link.sub, link.partner_id), none, "attribute_exists(#pk)", set="#roles = :roles")


def _used(code: OneTimeCode | None, now: int) -> tuple[Change, ...]:
    if code is None:
        return ()
    return (Change(items.code(code.code_hash, code.purpose), {"now": now}, USABLE, set="#used_at = :now"),)
