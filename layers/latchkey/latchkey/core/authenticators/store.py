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
            status=UserStatus.ACTIVE if user.status is UserStatus.PENDING else user.status,
            roles=tuple(role for role in user.roles if role not in given),
            reset_at=max(self.now, user.linked_at),  # so that no link, by whatever clock, was confirmed later
            verified_at=max(self.now, user.verified_at) if proven else user.verified_at,
        )


@dataclass(frozen=True, slots=True)
class NewLogin:
    """A change of login, made by one write. The members are those of `NewPassword`; `code` is always needed."""

    held: Credential
    user: User
    login: str
    now: int
    code: OneTimeCode
    mail: Mail | None = None


class StandingStore(Protocol):
    """The rights of an account: its status and its roles."""

    def set_standing(self, user: User, *, status: UserStatus, roles: tuple[str, ...], epoch: int) -> User | None:
        """Change the rights of an account if it is unchanged since it was read; return the new account, or `None`.

        Its credential gets the epoch with it. Raise `LAST_ADMIN` when no active admin would be left, however many
        admins go at once: one write, or one transaction with the credential and the count of active admins.
        """


class AuthenticatorStore(StandingStore, Protocol):
    """The password and the login of an account."""

    def change_password(self, change: NewPassword) -> bool:
        """Store hash and account, use the code, carry the kept session over and post the mail: all or nothing.

        The account becomes `change.changed`, and the links that this suspends lose their roles. Say whether it
        happened. It does not if anything that was read has changed, or if the code is used or expired.
        """

    def change_login(self, change: NewLogin) -> bool:
        """Free the old login, claim the new, use the code and post the mail: all or nothing. Say whether it happened.

        It does not when the new login is taken, anything that was read has changed, or the code is used or expired.
        """
