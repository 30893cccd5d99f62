"""Requests for mail by who has only a login: confirm it again, or set a new password.

Neither looks at an account. Both count, leave a note in the outbox and are done; who reads the note finds out whether
there is an account. So the answer and its time are the same for everybody (OWASP ASVS 5.0 6.3.8).
"""

from __future__ import annotations

from dataclasses import dataclass

from latchkey.core.credentials.logins import parse_login
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.mail.outbox import Outbox
from latchkey.core.model import MailKind
from latchkey.core.throttle import MAIL_ADDRESS_RULE, MAIL_RULE, Counter, ThrottleStore


@dataclass(frozen=True, slots=True)
class MailRequests:
    """Takes requests for mail."""

    attempts: ThrottleStore
    outbox: Outbox

    def __call__(self, about: MailKind, login: str, *, address: str, now: int) -> None:
        """Leave a note for the mailer, at most one a minute for a login: one more is dropped, and nobody is told.

        Raises `INVALID_REQUEST`, and `RATE_LIMITED` for an address that asks too often, whomever it asks about.
        """
        canonical = parse_login(login)
        self.attempts.reserve_attempt(Counter("mail_from", address, MAIL_ADDRESS_RULE), now)
        if may_mail(self.attempts, canonical, now=now):
            self.outbox.post(about, to=canonical, now=now)


def may_mail(attempts: ThrottleStore, to: str, *, now: int) -> bool:
    """Count a mail that someone's request sends to `to`; say whether it may be sent."""
    try:
        attempts.reserve_attempt(Counter("mail_to", to, MAIL_RULE), now)
    except ServiceError as error:
        if error.error is Errors.RATE_LIMITED:
            return False
        raise
    return True
