"""Registration by mail: only the reader of the mailbox learns whether the address has an account."""

from __future__ import annotations

from dataclasses import dataclass

from latchkey.core.credentials.logins import is_email
from latchkey.core.credentials.store import CredentialStore
from latchkey.core.errors import Errors, ServiceError, invalid_field
from latchkey.core.events import Event, Journal
from latchkey.core.mail.codes import CODES, live_code, spent
from latchkey.core.mail.outbox import Outbox
from latchkey.core.mail.requests import may_mail
from latchkey.core.mail.store import CodeStore
from latchkey.core.model import CodePurpose, Credential, MailKind, OneTimeCode, User, UserStatus
from latchkey.core.throttle import ThrottleStore
from latchkey.core.users.accounts import Accounts, Registration
from latchkey.core.users.store import UserStore


@dataclass(frozen=True, slots=True)
class MailedSignUp:
    """Opens accounts that are pending until the code in a mail activates them."""

    users: UserStore
    credentials: CredentialStore
    codes: CodeStore
    attempts: ThrottleStore
    accounts: Accounts
    outbox: Outbox
    journal: Journal

    def register(self, registration: Registration, *, now: int) -> None:
        """Open a pending account, or write to the owner of the existing one. Both hash, and both give the same answer.

        A registration that was never confirmed gives way to a new one after a day, when its code has died. Raises
        `INVALID_REQUEST` or `WEAK_PASSWORD`.
        """
        user, credential = self.accounts.draft(registration, roles=("user",), status=UserStatus.PENDING, now=now)
        if not is_email(user.login):
            raise invalid_field("login", "not_an_address", "Here the login must be an e-mail address.")
        mail = self.outbox.mail(MailKind.CONFIRM, to=user.login, sub=user.sub, locale=user.locale, now=now)
        try:
            self.users.create_user(user, credential, mail=mail)
        except ServiceError as error:
            if error.error is not Errors.USER_EXISTS:
                raise
            self._meet_owner(user, credential, now)
        else:
            self.journal.record(Event("user_registered", sub=user.sub))

    def status(self, text: str, *, now: int) -> UserStatus:
        """Return the status of the account of a code, and change nothing: programs that scan mail follow links too.

        Raises `CODE_USED_OR_EXPIRED`.
        """
        return self._account(live_code(self.codes, text, CodePurpose.CONFIRM, now)).status

    def confirm(self, text: str, *, now: int) -> None:
        """Activate the account of a code. Repeating it is harmless. Raises `CODE_USED_OR_EXPIRED`."""
        code = live_code(self.codes, text, CodePurpose.CONFIRM, now)
        if self._account(code).status is UserStatus.ACTIVE:
            return
        user = self.users.activate_user(code.sub)
        if user is None or user.status is not UserStatus.ACTIVE:
            raise spent("the account went away meanwhile")
        self.journal.record(Event("user_confirmed", sub=user.sub))

    def _account(self, code: OneTimeCode) -> User:
        """Return the account, if it is still the one that the mail was about."""
        user = self.credentials.find_user(code.sub)
        if user is None or user.login != code.data.get("login"):
            raise spent("the account is gone, or has another address")
        if user.status not in {UserStatus.ACTIVE, UserStatus.PENDING}:
            raise spent("the account is not active")
        return user

    def _meet_owner(self, user: User, credential: Credential, now: int) -> None:
        held = self.credentials.find_credential(user.login)
        holder = self.credentials.find_user(held.sub) if held else None
        if holder and holder.status is UserStatus.PENDING and holder.created_at + CODES[MailKind.CONFIRM].life <= now:
            mail = self.outbox.mail(MailKind.CONFIRM, to=user.login, sub=user.sub, locale=user.locale, now=now)
            if self.users.replace_pending_user(holder, user, credential, mail=mail):
                self.journal.record(Event("user_registered", sub=user.sub, reason="never confirmed before"))
        elif may_mail(self.attempts, user.login, now=now):
            self.outbox.post(MailKind.ALREADY_REGISTERED, to=user.login, now=now)
