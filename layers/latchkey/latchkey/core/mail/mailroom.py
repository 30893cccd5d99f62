"""The mailer: it turns each mail in the outbox into a code and a letter, and sends the letter.

The mailer makes the code and stores only its SHA-256. If a request names only a login, the mailer also looks up the
account, so that the request takes the same time whether or not the account exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from latchkey.core.credentials.logins import is_email
from latchkey.core.credentials.store import CredentialStore
from latchkey.core.events import Event, Journal
from latchkey.core.ids import Entropy, fingerprint, new_secret
from latchkey.core.mail.codes import CODE_PREFIX, CODES
from latchkey.core.mail.store import CodeStore, LetterWriter, OutboxStore, Postman, Undeliverable
from latchkey.core.model import Mail, MailKind, OneTimeCode, User, UserStatus

_FIT: Mapping[MailKind, frozenset[UserStatus]] = MappingProxyType(
    {
        MailKind.CONFIRM: frozenset({UserStatus.PENDING}),
        MailKind.RESET: frozenset({UserStatus.ACTIVE, UserStatus.PENDING}),
        MailKind.CHANGE_EMAIL: frozenset({UserStatus.ACTIVE}),
        MailKind.ALREADY_REGISTERED: frozenset({UserStatus.ACTIVE, UserStatus.PENDING}),
    }
)
"""The status that an account must have for a mail to be sent. Notices of completed changes are always sent."""


@dataclass(frozen=True, slots=True)
class Mailroom:
    """Sends the mails in the outbox. `link_base` comes from the stack's settings and never from a request."""

    outbox: OutboxStore
    codes: CodeStore
    credentials: CredentialStore
    writer: LetterWriter
    postman: Postman
    journal: Journal
    entropy: Entropy
    link_base: str
    service_name: str

    def deliver(self, mail: Mail, *, now: int) -> None:
        """Send a mail and remove it from the outbox. A mail that is no longer there was sent before.

        Raises `UNAVAILABLE` when a later try may succeed. If the mailer crashes between the two steps, the mail is sent
        again.
        """
        if self.outbox.find_mail(mail.mail_id, now) is None:
            return
        user = self._reader(mail)
        # An account gets mail at its address alone: a second login may be a mailbox that it never confirmed.
        to = user.login if user and not mail.sub else mail.to or (user.login if user else "")
        if is_email(to) and self._makes_sense(mail, user):
            self._send(mail, to, user, now)
        else:
            self.journal.record(Event("mail_dropped", sub=mail.sub, reason=mail.about))
        self.outbox.remove_mail(mail.mail_id)

    def _reader(self, mail: Mail) -> User | None:
        """Return the account that a mail is about: its `sub`, or the login that it goes to, identifies it."""
        if mail.sub:
            return self.credentials.find_user(mail.sub)
        credential = self.credentials.find_credential(mail.to)
        return self.credentials.find_user(credential.sub) if credential else None

    def _makes_sense(self, mail: Mail, user: User | None) -> bool:
        fit = _FIT.get(mail.about)
        if fit is None:
            return True
        # If the password has changed since the mail was requested, the request is out of date.
        return user is not None and user.status in fit and mail.data.get("epoch") in {None, str(user.epoch)}

    def _send(self, mail: Mail, to: str, user: User | None, now: int) -> None:
        values = {"service": self.service_name, **mail.data, **self._code(mail, to, user, now)}
        locale = mail.locale or (user.locale if user else "")
        sub = user.sub if user else mail.sub
        try:
            self.postman.send(to, self.writer.write(mail.about, locale, values))
        except Undeliverable as error:
            self.journal.record(Event("mail_failed", sub=sub, reason=f"{mail.about}: {error}"))
        else:
            self.journal.record(Event("mail_sent", sub=sub, reason=mail.about))

    def _code(self, mail: Mail, to: str, user: User | None, now: int) -> dict[str, str]:
        """Store a new code for the account and return the values that the letter shows."""
        rule = CODES.get(mail.about)
        if rule is None or user is None:
            return {}
        text = new_secret(CODE_PREFIX, self.entropy)
        data = {"login": user.login, "epoch": str(user.epoch), "to": to}
        self.codes.save_code(OneTimeCode(fingerprint(text), rule.purpose, user.sub, now + rule.life, data))
        return {"code": text, "link": f"{self.link_base}{rule.path}{text}"}
