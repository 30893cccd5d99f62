"""Changes of the e-mail address: the password starts a change, and a code sent to the new address completes it."""

from __future__ import annotations

from dataclasses import dataclass

from latchkey.core.authenticators.ownership import Ownership
from latchkey.core.authenticators.store import AuthenticatorStore, NewLogin
from latchkey.core.credentials.logins import is_email, parse_login
from latchkey.core.credentials.store import CredentialStore
from latchkey.core.errors import Errors, ServiceError, invalid_field
from latchkey.core.events import Event, Journal
from latchkey.core.grants.sessions import require_live_session
from latchkey.core.grants.store import SessionStore
from latchkey.core.mail.codes import live_code, spent
from latchkey.core.mail.outbox import Outbox
from latchkey.core.mail.requests import may_mail
from latchkey.core.mail.store import CodeStore
from latchkey.core.model import CodePurpose, MailKind, OneTimeCode, User, UserStatus
from latchkey.core.throttle import ThrottleStore


@dataclass(frozen=True, slots=True)
class EmailChanges:
    """Moves an account from one login to another."""

    authenticators: AuthenticatorStore
    credentials: CredentialStore
    sessions: SessionStore
    codes: CodeStore
    attempts: ThrottleStore
    ownership: Ownership
    outbox: Outbox
    journal: Journal

    def request(self, sub: str, sid: str, email: str, password: str, *, now: int) -> None:
        """Send a code to the new address; nothing changes yet, and a taken address gets the same answer.

        Raises `INVALID_TOKEN`, `RATE_LIMITED`, `INVALID_CREDENTIALS` or `INVALID_REQUEST`.
        """
        user, session = require_live_session(self.sessions, sub, sid, now=now)
        to = parse_login(email, "email")
        if not is_email(to):
            raise invalid_field("email", "not_an_address", "This is not an e-mail address.")
        if to == user.login:
            raise invalid_field("email", "unchanged", "The account already has this address.")
        self.ownership.prove_password(user, session, password, now=now)
        if may_mail(self.attempts, to, now=now):
            epoch = {"epoch": str(user.epoch)}
            self.outbox.post(MailKind.CHANGE_EMAIL, to=to, sub=sub, locale=user.locale, data=epoch, now=now)

    def confirm(self, text: str, *, now: int) -> None:
        """Move the account to the address that the code was sent to, and tell the old one. Sessions go on.

        Raises `CODE_USED_OR_EXPIRED`, and `USER_EXISTS` if the address has an account by now; only the reader of that
        mailbox sees this.
        """
        code = live_code(self.codes, text, CodePurpose.CHANGE_EMAIL, now)
        user, login = self._owner(code), code.data["to"]
        held = self.credentials.find_credential(user.login)
        if held is None or held.sub != user.sub:
            raise spent("the account has no credential")
        mail = self.outbox.mail(
            MailKind.EMAIL_CHANGED, to=user.login, sub=user.sub, locale=user.locale, data={"email": login}, now=now
        )
        if not self.authenticators.change_login(NewLogin(held, user, login, now, code, mail)):
            raise self._refusal(login)
        self.journal.record(Event("email_changed", sub=user.sub))

    def _owner(self, code: OneTimeCode) -> User:
        """Return the account of a code, if neither address nor password has changed since."""
        user = self.credentials.find_user(code.sub)
        if user is None or user.status is not UserStatus.ACTIVE:
            raise spent("the account is gone or not active")
        if (user.login, str(user.epoch)) != (code.data.get("login"), code.data.get("epoch")):
            raise spent("the account has another address or password since")
        return user

    def _refusal(self, login: str) -> ServiceError:
        if self.credentials.find_credential(login) is not None:
            return ServiceError(Errors.USER_EXISTS, "the new login is taken")
        return spent("the code or the account was used or changed meanwhile")
