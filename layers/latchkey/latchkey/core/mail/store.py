"""What mail needs from outside: an outbox, codes, words and a postman."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from latchkey.core.model import Mail, MailKind, OneTimeCode

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


class OutboxStore(Protocol):
    """Mails that wait to be sent. Each stored mail is delivered to the mailer at least once."""

    def post_mail(self, mail: Mail) -> None:
        """Store a mail to be sent; raise `CONFLICT` when its id is taken."""

    def find_mail(self, mail_id: str, now: int) -> Mail | None:
        """Return the mail if it still waits."""

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
