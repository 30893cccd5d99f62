"""The mailer: it turns each mail in the outbox into a code and a letter, and sends the letter.

The mailer makes the code and stores only its SHA-256; six digits are derived, and the request stores their MAC. If a
request names only a login, the mailer also looks up the account, so that the request takes the same time whether or not
the account exists.
"""

from __future__ import annotations

from dataclasses import dataclass

from latchkey.core.credentials.logins import is_email
from latchkey.core.credentials.store import CredentialStore
from latchkey.core.events import Event, Journal
from latchkey.core.ids import Entropy, fingerprint, new_secret
from latchkey.core.mail.codes import CODE_PREFIX, CODES
from latchkey.core.mail.draft_letters import Addressed, DraftLetters
from latchkey.core.mail.mailed_secrets import DIGITS_LIFE, key_in_force, mailed_digits
from latchkey.core.mail.postage import Postage
from latchkey.core.mail.store import CodeStore, LetterWriter, OutboxStore, Postman, Undeliverable
from latchkey.core.model import Mail, MailKind, OneTimeCode, User, UserStatus
from latchkey.core.policy import SealSource

_FOR_ACTIVE_ACCOUNTS = frozenset({MailKind.CONFIRM_ADDRESS, MailKind.RESET, MailKind.CHANGE_EMAIL})
"""Mails that make sense only for an active account. Notices of completed changes are always sent."""


@dataclass(frozen=True, slots=True)
class Mailroom:
    """Sends the mails in the outbox. `link_base` comes from the stack's settings and never from a request."""

    outbox: OutboxStore
    codes: CodeStore
    seals: SealSource
    credentials: CredentialStore
    postage: Postage
    draft_letters: DraftLetters
    writer: LetterWriter
    postman: Postman
    journal: Journal
    entropy: Entropy
    link_base: str
    service_name: str

    def deliver(self, mail: Mail, *, now: int) -> None:
        """Send a mail and remove it from the outbox. A mail that is no longer there was sent before.

        Raises `UNAVAILABLE` when a later try may succeed. If the mailer crashes between the two steps, the mail is sent
        again, and counted once all the same. A mail that is not sent is not counted in the end.
        """
        if self.outbox.find_mail(mail.mail_id, now) is None:
            return
        about_draft = mail.about is MailKind.CONFIRM
        letter = self.draft_letters(mail, self.link_base, now=now) if about_draft else self._letter(mail, now)
        if letter is None:
            self.journal.record(Event("mail_dropped", sub=mail.sub, reason=mail.about))
        if letter and self._sends(letter):
            self.outbox.remove_mail(mail.mail_id)
        else:
            self.postage.give_back(mail, now=now)

    def _letter(self, mail: Mail, now: int) -> Addressed | None:
        """Return the letter of a mail about an account, with a new code if it needs one; `None` if none is to be sent.

        The account is the one that the mail's `sub`, or the login that it goes to, identifies.
        """
        user = self._reader(mail)
        # An account gets mail at its address alone: a second login may be a mailbox that it never confirmed.
        to = user.login if user and not mail.sub else mail.to or (user.login if user else "")
        if not is_email(to) or not self._makes_sense(mail, user, now):
            return None
        if not self.postage.charge(mail, to, now=now):
            return None
        values = {**mail.data, **self._code(mail, to, user, now)}
        locale = mail.locale or (user.locale if user else "")
        return Addressed(to, mail.about, locale, values, user.sub if user else mail.sub)

    def _reader(self, mail: Mail) -> User | None:
        if mail.sub:
            return self.credentials.find_user(mail.sub)
        credential = self.credentials.find_credential(mail.to)
        return self.credentials.find_user(credential.sub) if credential else None

    def _makes_sense(self, mail: Mail, user: User | None, now: int) -> bool:
        if mail.about not in _FOR_ACTIVE_ACCOUNTS:
            return True
        if user is None or user.status is not UserStatus.ACTIVE:
            return False
        if mail.about is MailKind.CONFIRM_ADDRESS:  # the password proves whose account it is
            return not user.verified_at
        if mail.about is MailKind.CHANGE_EMAIL and not self._digits_hold(mail, now):
            return False
        # If the password has changed since the mail was requested, the request is out of date.
        return mail.data.get("epoch") in {None, str(user.epoch)}

    def _digits_hold(self, mail: Mail, now: int) -> bool:
        """Say whether the digits of a mail are still accepted: a reset of the keys ends them, too."""
        return now < mail.created_at + DIGITS_LIFE and key_in_force(self.seals, mail.data["key_id"]) is not None

    def _sends(self, letter: Addressed) -> bool:
        """Send a letter; say whether the service has taken it."""
        values = {"service": self.service_name, **letter.values}
        try:
            self.postman.send(letter.to, self.writer.write(letter.about, letter.locale, values))
        except Undeliverable as error:
            self.journal.record(Event("mail_failed", sub=letter.sub, reason=f"{letter.about}: {error}"))
            return False
        self.journal.record(Event("mail_sent", sub=letter.sub, reason=letter.about))
        return True

    def _code(self, mail: Mail, to: str, user: User | None, now: int) -> dict[str, str]:
        """Store a new code for the account and return the values that the letter shows."""
        if mail.about is MailKind.CHANGE_EMAIL and (key := key_in_force(self.seals, mail.data["key_id"])):
            return {"code": mailed_digits(key, mail.mail_id)}
        rule = CODES.get(mail.about)
        if rule is None or user is None:
            return {}
        text = new_secret(CODE_PREFIX, self.entropy)
        data = {"login": user.login, "epoch": str(user.epoch), "to": to}
        self.codes.save_code(OneTimeCode(fingerprint(text), rule.purpose, user.sub, now + rule.life, data))
        return {"code": text, "link": f"{self.link_base}{rule.path}{text}"}
