"""Changes of the authenticators of an account. Each changes several items in one transaction."""

from __future__ import annotations

from dataclasses import replace

from latchkey.adapters.dynamodb import items, standing
from latchkey.adapters.dynamodb.credentials import CREDENTIAL_STANDS, as_read
from latchkey.adapters.dynamodb.mail import used, waiting
from latchkey.adapters.dynamodb.table import Change, TablePart
from latchkey.core.authenticators.store import NewPassword
from latchkey.core.model import Credential, Link, User, UserStatus


class Authenticators(TablePart):
    """Implements `AuthenticatorStore`."""

    def change_password(self, change: NewPassword) -> bool:
        """Replace hash and account, and make the changes that belong to it, or do nothing."""
        user, held, changed = change.user, change.held, change.changed
        changes = [
            Change(
                items.login(held.login),
                as_read(held) | {"hash": change.password_hash, "next": change.epoch, "now": change.now},
                CREDENTIAL_STANDS,
                set="#password_hash = :hash, #epoch = :next, #devices_since = :now",
            ),
            standing.with_new_password(user, changed),
            *standing.recounted(user, changed),
            *([used(change.code, change.now)] if change.code else []),
            *(_without_roles(link) for link in change.suspended if link.roles),
        ]
        if change.keep:
            key = items.session(user.sub, change.keep)
            changes.append(Change(key, {"next": change.epoch}, "attribute_exists(#pk)", set="#epoch = :next"))
        return all(self._table.change_all(changes, waiting(change.mail)))

    def forget_devices(self, held: Credential, now: int) -> bool:
        """Note the time in the credential of the login."""
        values: dict[str, items.Value] = {"now": now, "sub": held.sub}
        return self._table.update(
            items.login(held.login), "SET #devices_since = :now", values, only_if="#sub = :sub"
        ).applied

    def set_standing(self, user: User, *, status: UserStatus, roles: tuple[str, ...], epoch: int) -> User | None:
        """Change the rights of an account if it is unchanged since it was read, and an active admin remains."""
        changed = replace(user, status=status, roles=roles, epoch=epoch)
        changes = [standing.restood(user, changed), *standing.recounted(user, changed)]
        if epoch != user.epoch and user.login:
            key = items.login(user.login)
            changes.append(Change(key, {"epoch": epoch}, "attribute_exists(#pk)", set="#epoch = :epoch"))
        return changed if standing.change(self._table, changes) else None


def _without_roles(link: Link) -> Change:
    none: dict[str, items.Value] = {"roles": ()}
    return Change(items.link(link.sub, link.partner_id), none, "attribute_exists(#pk)", set="#roles = :roles")
