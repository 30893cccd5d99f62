"""The limits of mail that someone asks for: who asked, what is counted, and when a count is given back.

The mailer counts, and not the request: only the mailer knows which mailbox a login has, and whether a mail is to be
sent at all. It counts a mail once, however often the stream delivers it. A stranger, a session and an operator have
counters of their own, and so has each kind of mail. So a stranger who uses up one limit delays no other mail.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from latchkey.core.mail.store import OutboxStore
from latchkey.core.model import Mail, MailKind
from latchkey.core.throttle import LETTER_RULE, MAILBOX_RULE, Counter, from_address

_STRANGER, _SESSION, _OPERATOR = "stranger", "session", "operator"
_WITHOUT_DOTS = frozenset({"gmail.com", "googlemail.com"})


def by_stranger(address: str) -> str:
    """Return the asker of a request without a session: the address that it came from."""
    return f"{_STRANGER} {address}"


def by_operator(sub: str) -> str:
    """Return the asker of an operator's request."""
    return f"{_OPERATOR} {sub}"


def letter_counters(about: MailKind, to: str, asked_by: str) -> tuple[Counter, ...]:
    """Return what a mail to `to` is counted on: its asker's counter for this mailbox, and that of the mailbox."""
    who, _, whose = asked_by.partition(" ")
    mailbox = mailbox_of(to)
    askers = from_address(f"letter_{who}_{about}", whose, LETTER_RULE)
    return (*(replace(each, who=f"{each.who} {mailbox}") for each in askers), _mailbox(who, about, mailbox))


def session_counters(about: MailKind, to: str) -> tuple[Counter, ...]:
    """Return what a signed-in user's mail to another mailbox is counted on, besides the counter of the account."""
    return (_mailbox(_SESSION, about, mailbox_of(to)),)


def mailbox_of(address: str) -> str:
    """Return one text for all addresses of a mailbox: without its tag and, at Gmail, without dots. Only for counting.

    A login is never folded: at other providers, two such addresses may belong to two people.
    """
    local, _, domain = address.casefold().rpartition("@")
    local = local.partition("+")[0] or local
    return f"{local.replace('.', '')}@gmail.com" if domain in _WITHOUT_DOTS else f"{local}@{domain}"


@dataclass(frozen=True, slots=True)
class Postage:
    """Counts mails before they are sent."""

    outbox: OutboxStore

    def charge(self, mail: Mail, to: str, *, now: int) -> bool:
        """Count a mail to `to`; say whether it may be sent. One that no one asked for has no limit."""
        if not mail.asked_by:
            return True
        return self.outbox.charge_mail(mail, to, letter_counters(mail.about, to, mail.asked_by), now)

    def give_back(self, mail: Mail, *, now: int) -> None:
        """Remove a mail that was not sent, with what it was counted on, if it was counted."""
        held = self.outbox.find_mail(mail.mail_id, now) if mail.asked_by else None
        if held is not None and held.charged_at:
            self.outbox.return_mail(held, letter_counters(held.about, held.charged_to, held.asked_by))
        else:
            self.outbox.remove_mail(mail.mail_id)


def _mailbox(who: str, about: MailKind, mailbox: str) -> Counter:
    return Counter(f"mailbox_{who}_{about}", mailbox, MAILBOX_RULE)
