"""The way back from a change of address, for the reader of the former mailbox.

A thief who knew the password may have changed it, the address and more. So the account gets its former login without a
password, loses the links that were added since, and its sessions end. A mail to the former address sets a new password.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from latchkey.core.authenticators.store import AddressStore, Reservation, UndoneChange
from latchkey.core.credentials.passwords import NO_PASSWORD
from latchkey.core.credentials.store import CredentialStore
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.events import Event, Journal
from latchkey.core.grants.store import SessionStore
from latchkey.core.mail.codes import live_code, spent
from latchkey.core.mail.outbox import Outbox
from latchkey.core.mail.store import CodeStore
from latchkey.core.model import CodePurpose, Credential, Link, Mail, MailKind, OneTimeCode, User, UserStatus
from latchkey.core.partners.store import LinkStore

_TRIES = 3


@dataclass(frozen=True, slots=True)
class EmailUndo:
    """Returns accounts to their former logins."""

    addresses: AddressStore
    credentials: CredentialStore
    links: LinkStore
    sessions: SessionStore
    codes: CodeStore
    outbox: Outbox
    journal: Journal

    def __call__(self, text: str, *, now: int) -> None:
        """Undo the change of address that the mail was about, and every later one.

        Raises `CODE_USED_OR_EXPIRED`, and `CONFLICT` if the account keeps changing at the same time.
        """
        for _ in range(_TRIES):
            undone = self._read(live_code(self.codes, text, CodePurpose.UNDO_EMAIL, now), now)
            if undone is not None and self.addresses.undo_change(undone):
                self._finish(undone)
                return
        raise ServiceError(Errors.CONFLICT, "the account never stood still")

    def _read(self, code: OneTimeCode, now: int) -> UndoneChange | None:
        """Return what there is to undo, or `None` if the account changed between two reads."""
        reservation = self.addresses.find_reservation(code.data["to"], now)
        user = self.credentials.find_user(code.sub)
        if reservation is None or reservation.owner != code.sub:
            raise spent("the former login is not reserved any more")
        if user is None or user.status is UserStatus.DELETING:
            raise spent("the account is gone")
        held = self.credentials.find_credential(user.login)
        later = tuple(self._after(reservation, now))
        if held is None or (later or (reservation,))[-1].successor != user.login:
            return None
        credential = Credential(reservation.login, user.sub, NO_PASSWORD, max(held.epoch, user.epoch) + 1, now)
        return UndoneChange(
            reservation=reservation,
            later=later,
            held=held,
            user=user,
            links=tuple(link for link in self.links.list_links(user.sub) if _is_since(link, reservation)),
            credential=credential,
            code=code,
            mails=self._mails(user, credential.login, now),
            now=now,
        )

    def _after(self, reservation: Reservation, now: int) -> Iterator[Reservation]:
        """Yield the reservations of the logins that the account had after this one."""
        following = self.addresses.find_reservation(reservation.successor, now)
        while following and following.owner == reservation.owner:
            yield following
            following = self.addresses.find_reservation(following.successor, now)

    def _mails(self, user: User, login: str, now: int) -> tuple[Mail, ...]:
        """Return the mail that sets a password, and the notice to the address that the account loses."""
        mails = (
            self.outbox.mail(MailKind.RESET, to=login, sub=user.sub, locale=user.locale, now=now),
            self.outbox.mail(MailKind.EMAIL_CHANGE_UNDONE, to=user.login, sub=user.sub, locale=user.locale, now=now),
        )
        return tuple(mail for mail in mails if mail)

    def _finish(self, undone: UndoneChange) -> None:
        """End the sessions, which the new epoch has made invalid already, and report."""
        sub = undone.user.sub
        self.sessions.end_sessions(sub)
        self.journal.record(Event("email_change_undone", sub=sub))
        for link in undone.links:
            self.journal.record(
                Event("identity_unlinked", sub=sub, reason="email_change_undone", partner_id=link.partner_id)
            )


def _is_since(link: Link, reservation: Reservation) -> bool:
    """Say whether a link was added or confirmed since the account had the reserved login."""
    return max(link.created_at, link.confirmed_at) >= reservation.changed_at
