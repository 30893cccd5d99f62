"""Requests for mail that need only a login: to confirm the address again, or to set a new password.

Neither looks at an account. Both count the request and leave a mail in the outbox. The mailer then finds out whether
there is an account. So the answer and its time are the same for every login (OWASP ASVS 5.0 6.3.8).
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
        """Leave a mail for the mailer, at most one a minute for a login: further ones are dropped silently.

        Raises `INVALID_REQUEST`, and `RATE_LIMITED` for an address that asks too often, for any logins.
        """
        canonical = parse_login(login)
        self.attempts.reserve_attempt(Counter("mail_from", address, MAIL_ADDRESS_RULE), now)
        if may_mail(self.attempts, canonical, now=now):
            self.outbox.request(about, canonical, now=now)


def may_mail(attempts: ThrottleStore, to: str, *, now: int) -> bool:
    """Count a mail that someone's request sends to `to`; say whether it may be sent."""
    try:
        attempts.reserve_attempt(Counter("mail_to", to, MAIL_RULE), now)
    except ServiceError as error:
        if error.error is Errors.RATE_LIMITED:
            return False
        raise
    return True
