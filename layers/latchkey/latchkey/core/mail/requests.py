"""Requests for mail that need only a login: to confirm the address again, or to set a new password.

Neither looks at an account, nor at the limits of its mail. Both count the caller's address and leave a mail in the
outbox. The mailer then finds out whether there is an account, and whether its mailbox may have another mail. So the
answer and its time are the same for every login (OWASP ASVS 5.0 6.3.8).
"""

from __future__ import annotations

from dataclasses import dataclass

from latchkey.core.credentials.logins import parse_login
from latchkey.core.mail.outbox import Outbox
from latchkey.core.mail.postage import by_stranger
from latchkey.core.model import MailKind
from latchkey.core.throttle import ThrottleStore, mail_requests_from, reserve_all


@dataclass(frozen=True, slots=True)
class MailRequests:
    """Takes requests for mail."""

    attempts: ThrottleStore
    outbox: Outbox

    def __call__(self, about: MailKind, login: str, *, address: str, now: int) -> None:
        """Leave a mail for the mailer, which drops it silently if the limits of the mailbox allow no more.

        Raises `INVALID_REQUEST`, and `RATE_LIMITED` for an address that asks too often, for any logins.
        """
        canonical = parse_login(login)
        reserve_all(self.attempts, mail_requests_from(address), now)
        self.outbox.request(about, canonical, asked_by=by_stranger(address), now=now)
