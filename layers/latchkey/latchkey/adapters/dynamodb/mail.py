"""Mails that wait to be sent, which the table's stream hands to the mailer, and one-time codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from latchkey.adapters.dynamodb import items
from latchkey.adapters.dynamodb.items import LINGER, AnyItem, Item, Value
from latchkey.adapters.dynamodb.table import Change, TablePart
from latchkey.adapters.dynamodb.throttle import given_back, reserved
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.mail.store import MOST_LINK_TRIES, MOST_TRIES, Door
from latchkey.core.model import Draft, Mail, OneTimeCode, UsedDraft
from latchkey.core.throttle import Counter


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

    def charge_mail(self, mail: Mail, to: str, charges: Sequence[Counter], now: int) -> bool:
        """Count a mail and mark it, or find the mark."""
        marks = "#charged_at = :now, #charged_to = :to"
        mark = Change(items.mail(mail.mail_id), {"now": now, "to": to, "no": 0}, "#charged_at = :no", set=marks)
        is_first, *allowed = self._table.change_all((mark, *(reserved(each, now) for each in charges)))
        if is_first:
            return all(allowed)
        held = self.find_mail(mail.mail_id, now)
        return held is not None and held.charged_at > 0

    def return_mail(self, mail: Mail, charges: Sequence[Counter]) -> bool:
        """Take a mail out, and give back. Counters that have nothing to give are left out of a second try."""
        removal = Change(items.mail(mail.mail_id), only_if="attribute_exists(#pk)")
        was_there, *given = self._table.change_all((removal, *(given_back(each, mail.charged_at) for each in charges)))
        if was_there and not all(given):
            return self.return_mail(mail, [each for each, gave in zip(charges, given, strict=True) if gave])
        return was_there

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


class Drafts(TablePart):
    """Implements `DraftStore`. A used draft stays as a mark, so that a mail delivered again does not store it again."""

    def save_draft(self, draft: Draft) -> bool:
        """Store a draft."""
        return self._table.put_new(items.encode(items.draft(draft.draft_id), draft, ttl=draft.expires_at + LINGER))

    def renew_draft(self, held: Draft, renewed: Draft, now: int) -> bool:
        """Store what a mail changes: its own members, and no tries yet."""
        values: dict[str, Value] = {name: getattr(renewed, name) for name in _OF_A_MAIL}
        change = ", ".join(f"#{name} = :{name}" for name in _OF_A_MAIL)
        return self._table.update(
            items.draft(held.draft_id),
            f"SET {change} REMOVE #tries",
            {**values, "now": now, "held": held.mail_id},
            only_if=f"{USABLE} AND #mail_id = :held",
        ).applied

    def find_draft(self, draft_id: str, now: int) -> Draft | UsedDraft | None:
        """Return a draft, used or not, that has not expired."""
        return _draft_of(self._table.get(items.draft(draft_id)), now)

    def try_draft(self, draft_id: str, door: Door, secret_hash: str, now: int) -> Draft | UsedDraft | None:
        """Count a try if draft, secret and number allow it. A used draft comes back with the refusal."""
        condition, tries, most = _DOORS[door]
        write = self._table.update(
            items.draft(draft_id),
            f"SET #tried_at = :now ADD #{tries} :one",
            {"now": now, "hash": secret_hash, "one": 1, "most": most},
            only_if=f"{USABLE} AND {condition} AND (attribute_not_exists(#{tries}) OR #{tries} < :most)",
        )
        found = _draft_of(write.item, now)
        return found if write.applied or isinstance(found, UsedDraft) else None


_OF_A_MAIL = ("mail_id", "letter", "link_hash", "digits_mac", "key_id", "digits_expires_at", "mails")
_DOORS = {
    Door.FLOW: ("#flow_hash = :hash AND #digits_expires_at > :now", "tries", MOST_TRIES),
    Door.LINK: ("#link_hash = :hash", "link_tries", MOST_LINK_TRIES),
}
_ALL_BUT_THE_MARK = ", ".join(f"#{each.name}" for each in fields(Draft) if each.name not in {"draft_id", "expires_at"})


def use_of(used: UsedDraft) -> Change:
    """Return the step of a transaction that uses a draft and leaves nothing in it but the mark."""
    values: dict[str, Value] = {"now": used.used_at, "proof_mac": used.proof_mac, "proof_key_id": used.proof_key_id}
    marks = "#used_at = :now, #proof_mac = :proof_mac, #proof_key_id = :proof_key_id"
    return Change(items.draft(used.draft_id), values, USABLE, set=marks, remove=_ALL_BUT_THE_MARK)


def _draft_of(item: AnyItem | None, now: int) -> Draft | UsedDraft | None:
    if item is None or int(item["expires_at"]["N"]) <= now:
        return None
    return items.decode(UsedDraft, item) if "used_at" in item else items.decode(Draft, item)


# A code in time. Using it sets a mark, and the item stays until DynamoDB deletes it. If the code were deleted at once,
# a caller whose first response was lost could not tell its own use from another caller's.
#
#   saved          now          expires_at                    ttl
#   --|-------------|---------------|--------------------------|---->
#     |<--------- usable ---------->|<-------- absent -------->| swept
#
_A_TRY_LEFT = "(attribute_not_exists(#tries) OR #tries < :most)"
USABLE = "#expires_at > :now AND attribute_not_exists(#used_at)"
