"""Registration by mail: only the reader of the mailbox learns whether the address has an account.

A registration is a draft until it is confirmed. A draft reserves no login and opens nothing, so a stranger can register
another person's address without standing in that person's way. Confirming it needs what only the registrant knows.
"""

from __future__ import annotations

from dataclasses import dataclass

from latchkey.core.credentials.logins import is_email, parse_login
from latchkey.core.credentials.new_passwords import NewPasswords
from latchkey.core.errors import Errors, ServiceError, invalid_field
from latchkey.core.ids import Entropy, fingerprint, new_id, new_secret
from latchkey.core.mail.codes import draft_and_secret
from latchkey.core.mail.outbox import Outbox
from latchkey.core.mail.postage import by_stranger
from latchkey.core.throttle import ThrottleStore, mail_requests_from, registrations_from, reserve_all
from latchkey.core.users.accounts import Registration


@dataclass(frozen=True, slots=True)
class MailedSignUp:
    """Takes registrations and posts them to the mailer, which stores the drafts."""

    attempts: ThrottleStore
    new_passwords: NewPasswords
    outbox: Outbox
    entropy: Entropy

    def register(self, registration: Registration, *, address: str, now: int) -> str:
        """Post a registration, and return the flow: the text that the device keeps, to confirm it with the digits.

        One counter and one mail, whether the login is free or taken: this never looks at an account. Raises
        `INVALID_REQUEST`, `WEAK_PASSWORD` and, before it hashes, `RATE_LIMITED`.
        """
        login = parse_login(registration.login)
        if not is_email(login):
            raise invalid_field("login", "not_an_address", "Here the login must be an e-mail address.")
        if registration.password is None:
            raise invalid_field("password", "required", "This member is required.")
        reserve_all(self.attempts, registrations_from(address), now)
        draft_id, secret = new_id("drf_", self.entropy), new_secret("", self.entropy)
        draft = {
            "draft_id": draft_id,
            "flow_hash": fingerprint(secret),
            "password_hash": self.new_passwords.hash(registration.password, login),
            "name": registration.name,
            "source": registration.source,
        }
        self.outbox.post_for_draft(draft, to=login, locale=registration.locale, asked_by=by_stranger(address), now=now)
        return f"{draft_id}.{secret}"


@dataclass(frozen=True, slots=True)
class MailedAgain:
    """Posts the mail of a draft once more. The mailer checks the flow, and how often the mail may be sent."""

    attempts: ThrottleStore
    outbox: Outbox

    def __call__(self, flow: str, *, address: str, now: int) -> None:
        """Leave a mail for the mailer. An unknown flow changes nothing, and gets the same answer.

        Raises `RATE_LIMITED` for an address that asks too often.
        """
        reserve_all(self.attempts, mail_requests_from(address), now)
        try:
            draft_id, secret = draft_and_secret(flow)
        except ServiceError as error:
            if error.error is not Errors.CODE_USED_OR_EXPIRED:
                raise
            return
        again = {"draft_id": draft_id, "flow_hash": fingerprint(secret)}
        self.outbox.post_for_draft(again, asked_by=by_stranger(address), now=now)
