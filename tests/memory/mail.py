"""One-time codes, and mails that wait to be sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.mail.store import MOST_LINK_TRIES, MOST_TRIES, Door
from latchkey.core.model import Draft, Mail, OneTimeCode, UsedDraft
from latchkey.core.throttle import Counter
from tests.memory.state import State
from tests.memory.throttle import AttemptCounters


class Codes(State):
    """Implements `CodeStore`."""

    def save_code(self, code: OneTimeCode) -> None:
        """Store a code; raise `CONFLICT` when it has been stored before, used or not."""
        with self._lock:
            if (code.code_hash, code.purpose) in self._codes:
                raise ServiceError(Errors.CONFLICT, "the code is taken")
            self._codes[code.code_hash, code.purpose] = code

    def find_code(self, code_hash: str, purpose: str, now: int) -> OneTimeCode | None:
        """Return a live code that has not been used."""
        with self._lock:
            code = self._codes.get((code_hash, purpose))
            return code if code and code.expires_at > now and (code_hash, purpose) not in self._used_codes else None

    def try_code(self, code_hash: str, purpose: str, now: int) -> OneTimeCode | None:
        """Count a try at a live code that has not been used; return nothing after the last."""
        with self._lock:
            code, tries = self.find_code(code_hash, purpose, now), self._code_tries[code_hash, purpose]
            if code is None or tries >= MOST_TRIES:
                return None
            self._code_tries[code_hash, purpose] += 1
            return code

    def consume_code(self, code_hash: str, purpose: str, now: int) -> OneTimeCode | None:
        """Use a code if it is live and has not been used."""
        with self._lock:
            code = self._codes.get((code_hash, purpose))
            if code is None or code.expires_at <= now or (code_hash, purpose) in self._used_codes:
                return None
            self._used_codes.add((code_hash, purpose))
            return code


class Drafts(State):
    """Implements `DraftStore`."""

    def save_draft(self, draft: Draft) -> bool:
        """Store a draft."""
        with self._lock:
            if draft.draft_id in self._drafts:
                return False
            self._drafts[draft.draft_id] = draft
            self._draft_expiry[draft.draft_id] = draft.expires_at
            return True

    def renew_draft(self, held: Draft, renewed: Draft, now: int) -> bool:
        """Store what a mail changes in a draft."""
        with self._lock:
            standing = self.find_draft(held.draft_id, now)
            if not isinstance(standing, Draft) or standing.mail_id != held.mail_id:
                return False
            self._drafts[held.draft_id] = renewed
            self._draft_tries.pop((held.draft_id, Door.FLOW), None)
            return True

    def find_draft(self, draft_id: str, now: int) -> Draft | UsedDraft | None:
        """Return a draft, used or not, that has not expired."""
        with self._lock:
            return self._drafts.get(draft_id) if now < self._draft_expiry.get(draft_id, 0) else None

    def try_draft(self, draft_id: str, door: Door, secret_hash: str, now: int) -> Draft | UsedDraft | None:
        """Count a try if draft, secret and number allow it."""
        with self._lock:
            draft = self.find_draft(draft_id, now)
            if not isinstance(draft, Draft):
                return draft
            held, most = (draft.link_hash, MOST_LINK_TRIES) if door is Door.LINK else (draft.flow_hash, MOST_TRIES)
            is_late = door is Door.FLOW and draft.digits_expires_at <= now
            if held != secret_hash or is_late or self._draft_tries[draft_id, door] >= most:
                return None
            self._draft_tries[draft_id, door] += 1
            return draft


class Outbox(AttemptCounters):
    """Implements `OutboxStore`."""

    def post_mail(self, mail: Mail) -> None:
        """Store a mail to be sent; raise `CONFLICT` when its id is taken."""
        with self._lock:
            if mail.mail_id in self._mails:
                raise ServiceError(Errors.CONFLICT, "the mail id is taken")
            self._mails[mail.mail_id] = mail

    def find_mail(self, mail_id: str, now: int) -> Mail | None:
        """Return the mail if it still waits."""
        with self._lock:
            mail = self._mails.get(mail_id)
            return mail if mail and now < mail.expires_at else None

    def charge_mail(self, mail: Mail, to: str, charges: Sequence[Counter], now: int) -> bool:
        """Count a mail on all these counters and mark it, or find the mark."""
        with self._lock:
            held = self.find_mail(mail.mail_id, now)
            if held is None or held.charged_at:
                return held is not None
            if any(each.rule.wait(self.attempts(each, now), now) for each in charges):
                return False
            for each in charges:
                self.count_attempt(each, now)
            self._mails[mail.mail_id] = replace(held, charged_at=now, charged_to=to)
            return True

    def return_mail(self, mail: Mail, charges: Sequence[Counter]) -> bool:
        """Take a mail out, and give back what it was counted on."""
        with self._lock:
            if not self.remove_mail(mail.mail_id):
                return False
            for each in charges:
                self.give_back(each, mail.charged_at)
            return True

    def remove_mail(self, mail_id: str) -> bool:
        """Take a mail out; say whether this call did."""
        with self._lock:
            return self._mails.pop(mail_id, None) is not None

    def _post(self, mail: Mail | None) -> None:
        if mail is not None:
            self.post_mail(mail)
