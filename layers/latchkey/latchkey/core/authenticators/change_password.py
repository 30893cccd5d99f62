"""Changes of the password: with a code from a mail, or by a signed-in user who knows the present password."""

from __future__ import annotations

from dataclasses import dataclass

from latchkey.core.authenticators.ownership import Ownership
from latchkey.core.authenticators.store import AuthenticatorStore, NewPassword
from latchkey.core.credentials.device_tokens import DeviceTokens
from latchkey.core.credentials.new_passwords import NewPasswords
from latchkey.core.credentials.store import CredentialStore
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.events import Event, Journal
from latchkey.core.grants.sessions import require_live_session
from latchkey.core.grants.store import SessionStore
from latchkey.core.mail.codes import live_code, spent
from latchkey.core.mail.outbox import Outbox
from latchkey.core.mail.store import CodeStore
from latchkey.core.model import CodePurpose, Credential, Link, Mail, MailKind, OneTimeCode, User, UserStatus
from latchkey.core.partners.store import LinkStore
from latchkey.core.throttle import ThrottleStore, strangers_of

_TRIES = 3


@dataclass(frozen=True, slots=True)
class PasswordChanges:
    """Changes passwords. The write that changes a password also raises the epoch, which ends the earlier sessions.

    It forgets the known devices as well. The device that asked gets a new device token, so that its next sign-in does
    not wait for strangers who guess at the login.
    """

    authenticators: AuthenticatorStore
    credentials: CredentialStore
    sessions: SessionStore
    links: LinkStore
    codes: CodeStore
    attempts: ThrottleStore
    devices: DeviceTokens
    new_passwords: NewPasswords
    ownership: Ownership
    outbox: Outbox
    journal: Journal

    def reset(self, text: str, password: str, *, now: int) -> str:
        """Set a new password with a code from a mail, and return a device token. This opens no session.

        It returns the account to the reader of the mailbox: all sessions end, and links open nothing until the owner
        confirms them. The failures of strangers count from 0 again. A weak password does not use the code up. Raises
        `CODE_USED_OR_EXPIRED`, `WEAK_PASSWORD` or `UNAVAILABLE`.
        """
        user, held, code = self._owner(text, now)
        password_hash = self.new_passwords.hash(password, user.login)
        # Before the code is used, so that the owner can try again if this fails. It stays out of the transaction, which
        # strangers who guess at the same time could disturb.
        self.attempts.clear(strangers_of(user.login), now)
        for _ in range(_TRIES):
            suspended, mail = self._suspended(user), self._notice(user, now)
            change = NewPassword(held, user, password_hash, now, code=code, suspended=suspended, mail=mail)
            if self.authenticators.change_password(change):
                break
            user, held, code = self._owner(text, now)
        else:
            raise ServiceError(Errors.UNAVAILABLE, "the account never stood still", retry_after=1)
        self.sessions.end_sessions(user.sub)
        self.journal.record(Event("password_reset", sub=user.sub))
        return self.devices.issue(user.login, now=now, since=now)

    def change(self, sub: str, sid: str, current: str, password: str, *, now: int) -> str:
        """Replace the present password, and return a device token; this session goes on, every other ends.

        Raises `INVALID_TOKEN`, `WEAK_PASSWORD`, `CONFLICT`, and as `Ownership.prove` does.
        """
        user, session = require_live_session(self.sessions, sub, sid, now=now)
        held = self.ownership.prove_password(user, session, current, now=now)
        password_hash = self.new_passwords.hash(password, user.login)
        change = NewPassword(held, user, password_hash, now, keep=sid, mail=self._notice(user, now))
        if not self.authenticators.change_password(change):
            raise ServiceError(Errors.CONFLICT, "the account changed meanwhile")
        self.sessions.end_sessions(sub, keep=sid)
        self.journal.record(Event("password_changed", sub=sub, sid=sid))
        return self.devices.issue(user.login, now=now, since=now)

    def _owner(self, text: str, now: int) -> tuple[User, Credential, OneTimeCode]:
        """Return account and code, unless the code is used or a later change has made it invalid."""
        code = live_code(self.codes, text, CodePurpose.RESET, now)
        user = self.credentials.find_user(code.sub)
        if user is None or user.status is UserStatus.DELETING:
            raise spent("the account is gone")
        held = self.credentials.find_credential(user.login)
        if held is None or held.sub != user.sub:
            raise spent("the account has no credential")
        if (user.login, str(user.epoch)) != (code.data.get("login"), code.data.get("epoch")):
            raise spent("the account has another address or password since")
        return user, held, code

    def _suspended(self, user: User) -> tuple[Link, ...]:
        """Return the links that a reset suspends: all but those with partners that are managed."""
        found = self.links.list_links_and_partners(user.sub)
        return tuple(link for link, partner in found if partner is None or not partner.managed)

    def _notice(self, user: User, now: int) -> Mail | None:
        return self.outbox.mail(MailKind.PASSWORD_CHANGED, to=user.login, sub=user.sub, locale=user.locale, now=now)
