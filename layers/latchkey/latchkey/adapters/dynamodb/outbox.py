"""Mails that wait to be sent. The table's stream hands each new item to the mailer."""

from __future__ import annotations

from latchkey.adapters.dynamodb import items
from latchkey.adapters.dynamodb.items import AnyItem, Item
from latchkey.adapters.dynamodb.table import TablePart
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import Mail


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
    return () if mail is None else (items.encode(items.mail(mail.mail_id), mail, ttl=mail.expires_at + items.LINGER),)


def mail_of(image: AnyItem) -> Mail:
    """Return the mail of an item as the stream shows it."""
    return items.decode(Mail, image)
