"""What mail needs from outside: an outbox, codes, words and a postman."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from latchkey.core.model import Draft, Mail, MailKind, OneTimeCode, UsedDraft
from latchkey.core.throttle import Counter

MOST_TRIES = 5
"""Tries of one short code. Six digits have a million values, so these tries find one with a chance of 1 in 200,000."""


class CodeStore(Protocol):
    """One-time codes."""

    def save_code(self, code: OneTimeCode) -> None:
        """Store an unused code."""

    def find_code(self, code_hash: str, purpose: str, now: int) -> OneTimeCode | None:
        """Return a live, unused code of that purpose, and leave it unused."""

    def try_code(self, code_hash: str, purpose: str, now: int) -> OneTimeCode | None:
        """Count a try at a live, unused code and return it, and leave it unused; after `MOST_TRIES`, return `None`.

        For short codes, whose key is the SHA-256 of an id. One conditional write, so that N parallel callers never get
        more tries.
        """

    def consume_code(self, code_hash: str, purpose: str, now: int) -> OneTimeCode | None:
        """Take a live code of that purpose out of the store; of many callers at most one gets it."""


MOST_LINK_TRIES = 10
"""Tries of the link of one draft. Its secret cannot be guessed, so this bounds guesses at the password behind it."""


class Door(StrEnum):
    """The two ways to confirm a draft: on the device that registered, or with the link in the mail."""

    FLOW = "flow"
    LINK = "link"


class DraftStore(Protocol):
    """Registrations that are not confirmed yet."""

    def save_draft(self, draft: Draft) -> bool:
        """Store a new draft. Return false if it is stored already, used or not."""

    def renew_draft(self, held: Draft, renewed: Draft, now: int) -> bool:
        """Store what another mail changes in a draft, with new tries.

        Return false if the draft is used or expired, or has had another mail since it was read.
        """

    def find_draft(self, draft_id: str, now: int) -> Draft | UsedDraft | None:
        """Return a live draft, or what is left of a used one until it would have expired."""

    def try_draft(self, draft_id: str, door: Door, secret_hash: str, now: int) -> Draft | UsedDraft | None:
        """Count a try at a live draft whose secret of that door has this hash, and return it. One conditional write.

        Return what is left of a used draft, and `None` if there is no such draft or no try is left.
        """


class OutboxStore(Protocol):
    """Mails that wait to be sent. Each stored mail is delivered to the mailer at least once."""

    def post_mail(self, mail: Mail) -> None:
        """Store a mail to be sent; raise `CONFLICT` when its id is taken."""

    def find_mail(self, mail_id: str, now: int) -> Mail | None:
        """Return the mail if it still waits."""

    def charge_mail(self, mail: Mail, to: str, charges: Sequence[Counter], now: int) -> bool:
        """Count a mail that goes to `to` on all these counters, or on none; say whether it may be sent.

        One transaction that also marks the mail, so that a mail is counted once: one that is marked may be sent. Return
        false if a counter's rule does not allow it, or the mail does not wait any more.
        """

    def return_mail(self, mail: Mail, charges: Sequence[Counter]) -> bool:
        """Remove a counted mail and give back what it was counted on, never below 0; say whether this call did."""

    def remove_mail(self, mail_id: str) -> bool:
        """Remove a mail; say whether this call did."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A finished mail: a subject, and one text in two forms."""

    subject: str
    text: str
    html: str


class LetterWriter(Protocol):
    """Writes the text of mails."""

    def write(self, about: MailKind, locale: str, values: Mapping[str, str]) -> Letter:
        """Return the letter in the language of `locale`, or in English."""


class Undeliverable(Exception):
    """A mail that the service will never accept. The message is for the log."""


class Postman(Protocol):
    """Sends mail."""

    def send(self, to: str, letter: Letter) -> None:
        """Hand a letter over. Raise `Undeliverable`, or `UNAVAILABLE` when a later try may succeed."""
