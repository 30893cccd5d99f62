"""The outbox: where a flow leaves a mail, so that no caller waits for one to be sent.

The write of a change also stores the mail that announces it, so a committed change never loses its mail.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from latchkey.core.credentials.logins import is_email
from latchkey.core.ids import Entropy, new_id
from latchkey.core.mail.store import OutboxStore
from latchkey.core.model import Mail, MailKind

MAIL_LIFE = 3_600
"""Seconds after which a mail is not worth sending any more."""


@dataclass(frozen=True, slots=True)
class Outbox:
    """Makes and posts mails. `sends` is false in a stack without a sender address: it sends no mail."""

    store: OutboxStore
    entropy: Entropy
    sends: bool

    def mail(  # noqa: PLR0913 - as many as a mail has members
        self,
        about: MailKind,
        *,
        to: str = "",
        sub: str = "",
        locale: str = "",
        data: Mapping[str, str] | None = None,
        asked_by: str = "",
        now: int,
    ) -> Mail | None:
        """Return a mail to store together with a change, or `None` if the stack cannot send mail.

        `asked_by` is for mail that someone asks for (`postage`). Without it, no limit applies.
        """
        if not self.sends or not (to or sub) or (to and not is_email(to)):
            return None
        return Mail(new_id("mail_", self.entropy), about, now, now + MAIL_LIFE, to, sub, locale, data or {}, asked_by)

    def post_for_draft(
        self, draft: Mapping[str, str], *, to: str = "", locale: str = "", asked_by: str, now: int
    ) -> None:
        """Post the mail of a registration. Without `to`, it goes to the address that the stored draft has."""
        mail_id = new_id("mail_", self.entropy)
        self.store.post_mail(Mail(mail_id, MailKind.CONFIRM, now, now + MAIL_LIFE, to, "", locale, draft, asked_by))

    def request(self, about: MailKind, login: str, *, asked_by: str, now: int) -> None:
        """Post a mail for the account of a login, which may be a user name: the mailer finds its address, if any."""
        if self.sends:
            mail_id = new_id("mail_", self.entropy)
            self.store.post_mail(Mail(mail_id, about, now, now + MAIL_LIFE, login, asked_by=asked_by))

    def post(  # noqa: PLR0913 - as many as a mail has members
        self,
        about: MailKind,
        *,
        to: str = "",
        sub: str = "",
        locale: str = "",
        data: Mapping[str, str] | None = None,
        asked_by: str = "",
        now: int,
    ) -> bool:
        """Post a mail that announces no change in the store; say whether the stack can send it."""
        mail = self.mail(about, to=to, sub=sub, locale=locale, data=data, asked_by=asked_by, now=now)
        if mail is not None:
            self.store.post_mail(mail)
        return mail is not None
