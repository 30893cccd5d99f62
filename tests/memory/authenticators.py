"""Changes of an account's password, and of what the account may do."""

from __future__ import annotations

from dataclasses import replace

from latchkey.core.authenticators.store import NewPassword
from latchkey.core.model import Credential, User, UserStatus
from tests.memory.mail import Codes, Outbox
from tests.memory.standing import Standing, standing_of


class Authenticators(Codes, Outbox, Standing):
    """Implements `AuthenticatorStore`."""

    def change_password(self, change: NewPassword) -> bool:
        """Replace hash and epoch with all that belongs to it, or nothing."""
        with self._lock:
            kept = (change.user.sub, change.keep)
            if not self._stands(change.held, change.user) or (change.keep and kept not in self._sessions):
                return False
            if any((link.sub, link.partner_id) not in self._links for link in change.suspended):
                return False
            if change.code and not self.consume_code(change.code.code_hash, change.code.purpose, change.now):
                return False
            self._credentials[change.held.login] = replace(
                change.held, password_hash=change.password_hash, epoch=change.epoch, devices_since=change.now
            )
            changed, held = change.changed, self._users[change.user.sub]
            self._users[changed.sub] = replace(changed, name=held.name, locale=held.locale)
            for link in change.suspended:
                self._links[link.sub, link.partner_id] = replace(link, roles=())
            if change.keep:
                self._sessions[kept] = replace(self._sessions[kept], epoch=change.epoch)
            self._post(change.mail)
            return True

    def forget_devices(self, held: Credential, now: int) -> bool:
        """Note the time in the credential of the login."""
        with self._lock:
            found = self._credentials.get(held.login)
            if found is None or found.sub != held.sub:
                return False
            self._credentials[held.login] = replace(found, devices_since=now)
            return True

    def set_standing(self, user: User, *, status: UserStatus, roles: tuple[str, ...], epoch: int) -> User | None:
        """Change what an account may do if it has not changed since it was read, and an admin remains."""
        with self._lock:
            held = self._users.get(user.sub)
            if held is None or standing_of(held) != standing_of(user):
                return None
            changed = self._restand(replace(held, status=status, roles=roles, epoch=epoch))
            if epoch != held.epoch and held.login:
                self._credentials[held.login] = replace(self._credentials[held.login], epoch=epoch)
            return changed
