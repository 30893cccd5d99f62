"""What changing the authenticators of an account needs from a store."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from latchkey.core.model import Credential, Link, Mail, OneTimeCode, User, UserStatus


@dataclass(frozen=True, slots=True)
class NewPassword:
    """A change of password, made by one write.

    `held` and `user` are the credential and the account as they were read. `code` is the code that allows the change,
    if it came by mail; it then suspends the links `suspended`, as they were read. `keep` names the session that
    continues, and `mail` is the notice to send.
    """

    held: Credential
    user: User
    password_hash: str
    now: int
    code: OneTimeCode | None = None
    suspended: tuple[Link, ...] = ()
    keep: str = ""
    mail: Mail | None = None

    @property
    def epoch(self) -> int:
        """The epoch of the account from then on: sessions of an earlier one have ended."""
        return max(self.held.epoch, self.user.epoch) + 1

    @property
    def changed(self) -> User:
        """The account from then on."""
        user = replace(self.user, epoch=self.epoch, can_sign_in=True)
        return user if self.code is None else self._reset(user, self.code)

    def _reset(self, user: User, code: OneTimeCode) -> User:
        """Return the account of an owner who has read the mail. The links take the roles that they gave with them."""
        given = {role for link in self.suspended for role in link.roles}
        proven = code.data.get("to") == user.login
        return replace(
            user,
            roles=tuple(role for role in user.roles if role not in given),
            reset_at=max(self.now, user.linked_at),  # so that no link, by whatever clock, was confirmed later
            verified_at=max(self.now, user.verified_at) if proven else user.verified_at,
        )


@dataclass(frozen=True, slots=True)
class NewLogin:
    """A change of login, made by one write. The members are those of `NewPassword`; `code` is always needed.

    The former login stays reserved until `reserved_until`; 0 means that it is free at once.
    """

    held: Credential
    user: User
    login: str
    now: int
    code: OneTimeCode
    mail: Mail | None = None
    reserved_until: int = 0

    @property
    def changed(self) -> User:
        """The account from then on: its owner has read the mail that went to the new address."""
        changed_at = self.now if self.reserved_until else 0
        return replace(self.user, login=self.login, verified_at=self.now, address_changed_at=changed_at)

    @property
    def reservation(self) -> Reservation | None:
        """What takes the place of the credential of the former login."""
        if not self.reserved_until:
            return None
        return Reservation(self.user.login, self.user.sub, self.login, self.now, self.reserved_until)


@dataclass(frozen=True, slots=True)
class Reservation:
    """A former login. It opens nothing, and no account can take it before `reserved_until`.

    The account `owner` moved from it to the login `successor` at `changed_at`.
    """

    login: str
    owner: str
    successor: str
    changed_at: int
    reserved_until: int


@dataclass(frozen=True, slots=True)
class UndoneChange:
    """The return of an account to a former login, made by one write.

    `reservation`, `later`, `held`, `user` and `links` are as they were read: the reservation of that login, those of
    the logins that the account had afterwards, its present credential, the account, and the links to remove. The
    account gets `credential`. `mails` are the notices to send.
    """

    reservation: Reservation
    later: tuple[Reservation, ...]
    held: Credential
    user: User
    links: tuple[Link, ...]
    credential: Credential
    code: OneTimeCode
    mails: tuple[Mail, ...]
    now: int

    @property
    def changed(self) -> User:
        """The account from then on. The links take the roles that they gave with them."""
        given = {role for link in self.links for role in link.roles}
        return replace(
            self.user,
            login=self.credential.login,
            epoch=self.credential.epoch,
            roles=tuple(role for role in self.user.roles if role not in given),
            verified_at=self.now,
            address_changed_at=0,
        )


class StandingStore(Protocol):
    """The rights of an account: its status and its roles."""

    def set_standing(self, user: User, *, status: UserStatus, roles: tuple[str, ...], epoch: int) -> User | None:
        """Change the rights of an account if it is unchanged since it was read; return the new account, or `None`.

        Its credential gets the epoch with it. Raise `LAST_ADMIN` when no active admin would be left, however many
        admins go at once: one write, or one transaction with the credential and the count of active admins.
        """


class DeviceStore(Protocol):
    """The devices that are known to a login. There is no list of them."""

    def forget_devices(self, held: Credential, now: int) -> bool:
        """Let the devices that are known by now count as unknown ones; say whether the login is still of the account.

        `held` is the credential as it was read.
        """


class AuthenticatorStore(StandingStore, DeviceStore, Protocol):
    """The password of an account."""

    def change_password(self, change: NewPassword) -> bool:
        """Store hash and account, use the code, carry the kept session over and post the mail: all or nothing.

        The account becomes `change.changed`, its known devices are forgotten, and the links that this suspends lose
        their roles. Say whether it happened. It does not if anything that was read has changed, or if the code is used
        or expired.
        """


class AddressStore(Protocol):
    """The login of an account, and the logins that it had."""

    def begin_change(self, code: OneTimeCode) -> bool:
        """Store a code with all its tries, in place of an earlier one with its key; say whether it did.

        A code that lives longer stays.
        """

    def change_login(self, change: NewLogin) -> bool:
        """Reserve or free the old login, claim the new, use the code and post the mail: all or nothing.

        Say whether it happened. It does not if anything that was read has changed, or if the code is used or expired.
        Raise `USER_EXISTS` if the new login is taken or reserved.
        """

    def find_reservation(self, login: str, now: int) -> Reservation | None:
        """Return the reservation of a canonical login, if it has not expired, read consistently."""

    def undo_change(self, undone: UndoneChange) -> bool:
        """Return the account to its former login, as `UndoneChange` says, and use the code: all or nothing.

        The later logins and the external ids of the links are free again. Say whether it happened. It does not if
        anything that was read has changed, or if the code is used or expired.
        """
