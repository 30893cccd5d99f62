"""Changes of the e-mail address: the password starts a change, and digits sent to the new address complete it.

The former login then stays reserved for three days, and a link in a mail to it undoes the change (`undo_email.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

from latchkey.core.authenticators.address_window import FORMER_LOGIN_HELD, require_settled_address
from latchkey.core.authenticators.ownership import Ownership
from latchkey.core.authenticators.store import AddressStore, NewLogin
from latchkey.core.credentials.device_tokens import DeviceTokens
from latchkey.core.credentials.logins import is_email, parse_login
from latchkey.core.credentials.store import CredentialStore
from latchkey.core.errors import invalid_field
from latchkey.core.events import Event, Journal
from latchkey.core.grants.sessions import require_live_session
from latchkey.core.grants.store import SessionStore
from latchkey.core.ids import fingerprint
from latchkey.core.mail.codes import spent
from latchkey.core.mail.mailed_secrets import (
    DIGITS_LIFE,
    StoredDigits,
    key_id_of,
    mailed_digits,
    require_digits,
    stored_digits,
)
from latchkey.core.mail.outbox import Outbox
from latchkey.core.mail.postage import session_counters
from latchkey.core.mail.store import CodeStore
from latchkey.core.model import CodePurpose, MailKind, OneTimeCode, User
from latchkey.core.policy import SealSource
from latchkey.core.throttle import ADDRESS_CHANGE_RULE, Counter, ThrottleStore, reserve_all


@dataclass(frozen=True, slots=True)
class EmailChanges:
    """Moves an account from one login to another."""

    addresses: AddressStore
    credentials: CredentialStore
    sessions: SessionStore
    codes: CodeStore
    attempts: ThrottleStore
    seals: SealSource
    devices: DeviceTokens
    ownership: Ownership
    outbox: Outbox
    journal: Journal

    def request(self, sub: str, sid: str, email: str, password: str, *, now: int) -> None:
        """Send digits to the new address; nothing changes yet, and a taken address gets the same answer.

        Only this session can use the digits, and only the last ones that it asked for. Raises `INVALID_TOKEN`,
        `RATE_LIMITED`, `INVALID_CREDENTIALS`, `INVALID_REQUEST` or `ADDRESS_CHANGE_PENDING`.
        """
        user, session = require_live_session(self.sessions, sub, sid, now=now)
        to = parse_login(email, "email")
        if not is_email(to):
            raise invalid_field("email", "not_an_address", "This is not an e-mail address.")
        if to == user.login:
            raise invalid_field("email", "unchanged", "The account already has this address.")
        require_settled_address(user, now=now)
        self.ownership.prove_password(user, session, password, now=now)
        counters = (Counter("address_change", sub, ADDRESS_CHANGE_RULE), *session_counters(MailKind.CHANGE_EMAIL, to))
        reserve_all(self.attempts, counters, now)
        self._send_digits(user, sid, to, now)

    def confirm(self, sub: str, sid: str, digits: str, *, now: int) -> str:
        """Move the account to the address that the digits were sent to, and tell the old one. Sessions go on.

        Return a device token: those of the former login do not fit the new one.
        Every wrong text counts as a try. Raises `INVALID_TOKEN`, `CODE_USED_OR_EXPIRED`, and `USER_EXISTS` if the
        address has an account by now; only the reader of that mailbox sees this.
        """
        user, _ = require_live_session(self.sessions, sub, sid, now=now)
        code = self.codes.try_code(fingerprint(sid), CodePurpose.CHANGE_EMAIL, now)
        if code is None:
            raise spent("no digits, or no tries left")
        require_digits(StoredDigits(code.data["key_id"], code.data["mac"]), sid, digits, self.seals)
        if (user.login, str(user.epoch)) != (code.data["login"], code.data["epoch"]):
            raise spent("the account has another address or password since")
        change = self._change(user, code, now)
        if not self.addresses.change_login(change):
            raise spent("the code or the account was used or changed meanwhile")
        self.journal.record(Event("email_changed", sub=sub, sid=sid))
        return self.devices.issue(change.login, now=now, since=change.held.devices_since)

    def _send_digits(self, user: User, sid: str, to: str, now: int) -> None:
        key = self.seals.seal_keys().newest
        data = {"epoch": str(user.epoch), "key_id": key_id_of(key)}
        mail = self.outbox.mail(MailKind.CHANGE_EMAIL, to=to, sub=user.sub, locale=user.locale, data=data, now=now)
        if mail is None:
            return
        stored = stored_digits(key, sid, mailed_digits(key, mail.mail_id))
        facts = {"login": user.login, "epoch": str(user.epoch), "to": to, "key_id": stored.key_id, "mac": stored.mac}
        code = OneTimeCode(fingerprint(sid), CodePurpose.CHANGE_EMAIL, user.sub, now + DIGITS_LIFE, facts)
        if self.addresses.begin_change(code):
            self.outbox.store.post_mail(mail)

    def _change(self, user: User, code: OneTimeCode, now: int) -> NewLogin:
        held = self.credentials.find_credential(user.login)
        if held is None or held.sub != user.sub:
            raise spent("the account has no credential")
        login = code.data["to"]
        notice = self.outbox.mail(
            MailKind.EMAIL_CHANGED, to=user.login, sub=user.sub, locale=user.locale, data={"email": login}, now=now
        )
        # A user name has no mailbox from which the change could be undone, so nothing waits for that.
        reserved_until = now + FORMER_LOGIN_HELD if notice else 0
        return NewLogin(held, user, login, now, code, notice, reserved_until)
