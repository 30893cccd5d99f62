"""One-time codes, and mails that wait to be sent."""

from __future__ import annotations

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.mail.store import MOST_TRIES
from latchkey.core.model import Mail, OneTimeCode
from tests.memory.state import State


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


class Outbox(State):
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

    def remove_mail(self, mail_id: str) -> bool:
        """Take a mail out; say whether this call did."""
        with self._lock:
            return self._mails.pop(mail_id, None) is not None

    def _post(self, mail: Mail | None) -> None:
        if mail is not None:
            self.post_mail(mail)
