"""The letters about registrations: the mailer stores the draft, decides what the letter says, and derives its secrets.

Only the mailer looks whether a login is taken, so that the request makes the same calls for every login. If the login
is taken, or a limit allows no mail, the draft is a decoy: it looks like any other, and no code fits it.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace

from latchkey.core.credentials.store import CredentialStore
from latchkey.core.ids import fingerprint
from latchkey.core.mail.codes import CONFIRM_PATH, DRAFT_LIFE, draft_code
from latchkey.core.mail.mailed_secrets import (
    DIGITS_LIFE,
    key_id_of,
    key_in_force,
    mailed_digits,
    mailed_link_secret,
    stored_digits,
)
from latchkey.core.mail.postage import Postage
from latchkey.core.mail.store import DraftStore
from latchkey.core.model import Draft, Mail, MailKind, User, UserStatus
from latchkey.core.policy import SealSource
from latchkey.signing.sealing import SealKey

MOST_MAILS = 5
"""Mails for one draft. Each has new digits, so this and the tries for each bound the guesses at one draft: 25."""

_NO_LETTER = ""
_DECOY = "decoy"


@dataclass(frozen=True, slots=True)
class Addressed:
    """A letter to be written: to whom, about what, in which language, with which values. `sub` is for the log."""

    to: str
    about: MailKind
    locale: str
    values: dict[str, str]
    sub: str = ""


@dataclass(frozen=True, slots=True)
class DraftLetters:
    """Prepares the letter of a mail that is about a draft, and stores the draft that goes with it."""

    drafts: DraftStore
    postage: Postage
    credentials: CredentialStore
    seals: SealSource

    def __call__(self, mail: Mail, link_base: str, *, now: int) -> Addressed | None:
        """Return the letter, or `None` if none is to be sent. The same mail gives the same letter each time."""
        held = self.drafts.find_draft(mail.data["draft_id"], now)
        if held is None and "password_hash" in mail.data:
            self._save(mail, now)
        elif isinstance(held, Draft) and held.mail_id != mail.mail_id and "password_hash" not in mail.data:
            self._renew(held, mail, now)
        draft = self.drafts.find_draft(mail.data["draft_id"], now)
        if not isinstance(draft, Draft) or draft.mail_id != mail.mail_id:
            return None
        return self._letter(draft, link_base)

    def _save(self, mail: Mail, now: int) -> None:
        draft = self._prepared(_draft_of(mail, now), mail, now)
        if draft.letter != _NO_LETTER and not self.postage.charge(mail, draft.login, now=now):
            draft = self._decoy(replace(draft, mails=0), _NO_LETTER)
        self.drafts.save_draft(draft)

    def _renew(self, held: Draft, mail: Mail, now: int) -> None:
        if held.mails < MOST_MAILS and hmac.compare_digest(held.flow_hash, mail.data["flow_hash"]):
            renewed = self._prepared(replace(held, mails=held.mails + 1), mail, now)
            if self.postage.charge(mail, held.login, now=now):
                self.drafts.renew_draft(held, renewed, now)

    def _prepared(self, draft: Draft, mail: Mail, now: int) -> Draft:
        """Return the draft with all that this mail changes in it."""
        key = self.seals.seal_keys().newest
        draft = replace(draft, mail_id=mail.mail_id, key_id=key_id_of(key), digits_expires_at=now + DIGITS_LIFE)
        if self.credentials.find_credential(draft.login):
            owner = self._owner(draft)
            return self._decoy(draft, MailKind.ALREADY_REGISTERED if owner else _NO_LETTER)
        digits = stored_digits(key, draft.draft_id, mailed_digits(key, mail.mail_id))
        link_hash = fingerprint(mailed_link_secret(key, draft.first_mail_id))
        return replace(draft, letter=MailKind.CONFIRM, link_hash=link_hash, digits_mac=digits.mac)

    def _decoy(self, draft: Draft, letter: str) -> Draft:
        """Return the draft with hashes that nothing has: they come from the seal key, as those of other drafts do."""
        unknown = self.seals.seal_keys().newest.derive(_DECOY, draft.draft_id).hex()
        return replace(draft, letter=letter, link_hash=unknown, digits_mac=unknown)

    def _letter(self, draft: Draft, link_base: str) -> Addressed | None:
        if draft.letter == MailKind.ALREADY_REGISTERED:
            owner = self._owner(draft)
            return Addressed(draft.login, MailKind.ALREADY_REGISTERED, owner.locale, {}, owner.sub) if owner else None
        key = key_in_force(self.seals, draft.key_id)
        if draft.letter != MailKind.CONFIRM or key is None:
            return None
        return Addressed(draft.login, MailKind.CONFIRM, draft.locale, _secrets(draft, key, link_base))

    def _owner(self, draft: Draft) -> User | None:
        """Return the active account that has the login of a draft."""
        credential = self.credentials.find_credential(draft.login)
        user = self.credentials.find_user(credential.sub) if credential else None
        return user if user and user.status is UserStatus.ACTIVE else None


def _draft_of(mail: Mail, now: int) -> Draft:
    """Return the draft that a registration asks for, as yet without secrets."""
    return Draft(
        draft_id=mail.data["draft_id"],
        login=mail.to,
        password_hash=mail.data["password_hash"],
        flow_hash=mail.data["flow_hash"],
        expires_at=now + DRAFT_LIFE,
        first_mail_id=mail.mail_id,
        mail_id=mail.mail_id,
        letter=_NO_LETTER,
        link_hash="",
        digits_mac="",
        key_id="",
        digits_expires_at=now,
        name=mail.data["name"],
        locale=mail.locale,
        source=mail.data["source"],
    )


def _secrets(draft: Draft, key: SealKey, link_base: str) -> dict[str, str]:
    code = draft_code(draft.draft_id, mailed_link_secret(key, draft.first_mail_id))
    return {"code": mailed_digits(key, draft.mail_id), "link": f"{link_base}{CONFIRM_PATH}{code}"}
