"""Changes of the login of an account."""

from __future__ import annotations

from dataclasses import replace

from latchkey.core.authenticators.store import NewLogin, Reservation, UndoneChange
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import Link, OneTimeCode, User
from tests.memory.mail import Codes, Outbox
from tests.memory.standing import Standing


class Addresses(Codes, Outbox, Standing):
    """Implements `AddressStore`."""

    def begin_change(self, code: OneTimeCode) -> bool:
        """Store a code in place of an earlier one."""
        with self._lock:
            key = (code.code_hash, code.purpose)
            if key in self._codes and self._codes[key].expires_at > code.expires_at:
                return False
            self._codes[key] = code
            self._used_codes.discard(key)
            self._code_tries.pop(key, None)
            return True

    def change_login(self, change: NewLogin) -> bool:
        """Move an account to another login with all that belongs to it, or nothing."""
        with self._lock:
            code = self.find_code(change.code.code_hash, change.code.purpose, change.now)
            if code is None or not self._stands(change.held, change.user):
                return False
            if not self._is_free(change.login, change.now):
                raise ServiceError(Errors.USER_EXISTS, "the new login is taken or reserved")
            del self._credentials[change.held.login]
            if change.reservation:
                self._reservations[change.held.login] = change.reservation
            self._reservations.pop(change.login, None)
            self._credentials[change.login] = replace(change.held, login=change.login)
            self._move(change.changed)
            self.consume_code(code.code_hash, code.purpose, change.now)
            self._post(change.mail)
            return True

    def find_reservation(self, login: str, now: int) -> Reservation | None:
        """Return the reservation of a login, if it has not expired."""
        with self._lock:
            reservation = self._reservations.get(login)
            return reservation if reservation and reservation.reserved_until > now else None

    def undo_change(self, undone: UndoneChange) -> bool:
        """Return an account to its former login with all that belongs to it, or nothing."""
        with self._lock:
            if not self._can_return(undone):
                return False
            for reservation in (undone.reservation, *undone.later):
                del self._reservations[reservation.login]
            del self._credentials[undone.held.login]
            self._credentials[undone.credential.login] = undone.credential
            for link in undone.links:
                del self._links[link.sub, link.partner_id]
                del self._externals[link.partner_id, link.external_id]
            self._move(undone.changed)
            self.consume_code(undone.code.code_hash, undone.code.purpose, undone.now)
            for mail in undone.mails:
                self._post(mail)
            return True

    def _can_return(self, undone: UndoneChange) -> bool:
        return (
            self.find_reservation(undone.reservation.login, undone.now) == undone.reservation
            and all(self._reservations.get(each.login) == each for each in undone.later)
            and self._stands(undone.held, undone.user)
            and all(self._leads_on(link) for link in undone.links)
            and self.find_code(undone.code.code_hash, undone.code.purpose, undone.now) is not None
        )

    def _leads_on(self, link: Link) -> bool:
        held = self._links.get((link.sub, link.partner_id))
        return held is not None and held.external_id == link.external_id

    def _move(self, changed: User) -> None:
        """Store an account with its new login and what goes with it. The lock is held."""
        self._restand(
            replace(
                self._users[changed.sub],
                login=changed.login,
                status=changed.status,
                roles=changed.roles,
                epoch=changed.epoch,
                verified_at=changed.verified_at,
                address_changed_at=changed.address_changed_at,
            )
        )
