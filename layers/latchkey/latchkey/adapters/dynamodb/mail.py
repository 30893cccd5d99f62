"""Mails that wait to be sent, which the table's stream hands to the mailer, and one-time codes."""

from __future__ import annotations

from latchkey.adapters.dynamodb import items
from latchkey.adapters.dynamodb.items import LINGER, AnyItem, Item
from latchkey.adapters.dynamodb.table import Change, TablePart
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.mail.store import MOST_TRIES
from latchkey.core.model import Mail, OneTimeCode


class OutboxItems(TablePart):
    """Implements `OutboxStore`."""

    def post_mail(self, mail: Mail) -> None:
        """Store a mail to be sent; raise `CONFLICT` when its id is taken."""
        if not self._table.put_new(waiting(mail)[0]):
            raise ServiceError(Errors.CONFLICT, "the mail id is taken")

    def find_mail(self, mail_id: str, now: int) -> Mail | None:
        """Return the mail if it still waits."""
        item = self._table.get(items.mail(mail_id))
        mail = items.decode(Mail, item) if item else None
        return mail if mail and now < mail.expires_at else None

    def remove_mail(self, mail_id: str) -> bool:
        """Take a mail out."""
        return self._table.delete(items.mail(mail_id))


def waiting(mail: Mail | None) -> tuple[Item, ...]:
    """Return the item of a mail; none where there is no mail. It is swept soon, since it holds an address."""
    return () if mail is None else (items.encode(items.mail(mail.mail_id), mail, ttl=mail.expires_at + LINGER),)


def used(code: OneTimeCode, now: int) -> Change:
    """Return the step that uses a code, which fails if the code is used or expired."""
    return Change(items.code(code.code_hash, code.purpose), {"now": now}, USABLE, set="#used_at = :now")


def mail_of(image: AnyItem) -> Mail:
    """Return the mail of an item as the stream shows it."""
    return items.decode(Mail, image)


class Codes(TablePart):
    """Implements `CodeStore`."""

    def save_code(self, code: OneTimeCode) -> None:
        """Store a code; raise `CONFLICT` when it has been stored before, used or not."""
        key = items.code(code.code_hash, code.purpose)
        if not self._table.put_new(items.encode(key, code, ttl=code.expires_at + LINGER)):
            raise ServiceError(Errors.CONFLICT, "the code is taken")

    def find_code(self, code_hash: str, purpose: str, now: int) -> OneTimeCode | None:
        """Return a live, unused code."""
        item = self._table.get(items.code(code_hash, purpose))
        if item is None or "used_at" in item:
            return None
        code = items.decode(OneTimeCode, item)
        return code if code.expires_at > now else None

    def try_code(self, code_hash: str, purpose: str, now: int) -> OneTimeCode | None:
        """Count a try, if the code is usable and has one left. The count is a member of the item alone."""
        write = self._table.update(
            items.code(code_hash, purpose),
            "SET #tried_at = :now ADD #tries :one",
            {"now": now, "one": 1, "most": MOST_TRIES},
            only_if=f"{USABLE} AND {_A_TRY_LEFT}",
        )
        return items.decode(OneTimeCode, write.item) if write.applied and write.item else None

    def consume_code(self, code_hash: str, purpose: str, now: int) -> OneTimeCode | None:
        """Use a code, if it is unused: the purpose is part of the key."""
        write = self._table.update(items.code(code_hash, purpose), "SET #used_at = :now", {"now": now}, only_if=USABLE)
        return items.decode(OneTimeCode, write.item) if write.applied and write.item else None


# A code in time. Using it sets a mark, and the item stays until DynamoDB deletes it. If the code were deleted at once,
# a caller whose first response was lost could not tell its own use from another caller's.
#
#   saved          now          expires_at                    ttl
#   --|-------------|---------------|--------------------------|---->
#     |<--------- usable ---------->|<-------- absent -------->| swept
#
_A_TRY_LEFT = "(attribute_not_exists(#tries) OR #tries < :most)"
USABLE = "#expires_at > :now AND attribute_not_exists(#used_at)"
