"""Which account is whose with a partner, and which assertions were used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from latchkey.adapters.dynamodb import items, standing
from latchkey.adapters.dynamodb.items import LINGER, Item
from latchkey.adapters.dynamodb.table import Change, TablePart
from latchkey.core.model import Link, User

if TYPE_CHECKING:
    from latchkey.adapters.dynamodb.table import Write

# An assertion in time. The mark is there or it is not: nobody reads its time, so no clock that runs ahead can lose it.
#
#   used          until                    ttl
#   --|-------------|-----------------------|---->
#     |<--- its signature is still good --->|
#     |<-------- marked as used ----------->| swept
#
_ROOM = "attribute_not_exists(#n) OR #n < :most"
_STANDS = f"attribute_exists(#pk) AND {standing.AS_READ}"


class Links(TablePart):
    """Implements `LinkStore`."""

    def use_assertion(self, digest: str, *, until: int) -> bool:
        """Remember an assertion; say whether this was the first time."""
        return self._table.put_new(items.key_item(items.assertion(digest)) | {"ttl": items.attribute(until + LINGER)})

    def was_used(self, digest: str) -> bool:
        """Say whether an assertion is remembered as used."""
        return self._table.get(items.assertion(digest)) is not None

    def take_seat(self, partner_id: str, most: int) -> bool:
        """Count one more user of a partner, if there is room."""
        limit = {"most": most} if most else {}
        return self._counted(partner_id, {"by": 1, **limit}, only_if=_ROOM if most else "").applied

    def return_seat(self, partner_id: str) -> None:
        """Count one user less."""
        self._counted(partner_id, {"by": -1})

    def _counted(self, partner_id: str, values: Mapping[str, int], *, only_if: str = "") -> Write:
        change = "SET #partner_id = :partner_id ADD #n :by"
        return self._table.update(
            items.seats(partner_id), change, {**values, "partner_id": partner_id}, only_if=only_if
        )

    def find_external(self, partner_id: str, external_id: str) -> str | None:
        """Return the `sub` that an external id leads to."""
        item = self._table.get(items.external(partner_id, external_id))
        return item["sub"]["S"] if item else None

    def create_external_user(self, user: User, link: Link) -> bool:
        """Store an account without a login, and its link; the external id's key is what makes them unique."""
        records = (*_linked(link), items.encode(items.user(user.sub), user), standing.line(user))
        return self._table.put_all_new(records, also=standing.counted(user))

    def add_link(self, user: User, link: Link) -> bool:
        """Link an external id to an account that stands as it was read."""
        stands = Change(items.user(user.sub), standing.read(user), _STANDS, set="#status = :status_read")
        return all(self._table.change_all((stands,), _linked(link)))

    def find_link(self, sub: str, partner_id: str) -> Link | None:
        """Return the link of an account with a partner."""
        item = self._table.get(items.link(sub, partner_id))
        return items.decode(Link, item) if item else None

    def list_links(self, sub: str) -> tuple[Link, ...]:
        """Return the links of an account, by partner."""
        return tuple(items.decode(Link, item) for item in self._table.query(items.user(sub).pk, items.LINK))

    def renew_link(self, user: User, renewed: User, link: Link) -> bool:
        """Store what a partner says anew, if the account still stands as it was read."""
        values: dict[str, items.Value] = {"roles": renewed.roles, "name": renewed.name, "locale": renewed.locale}
        changes = (
            Change(
                items.user(user.sub),
                standing.read(user) | values,
                _STANDS,
                set="#roles = :roles, #name = :name, #locale = :locale",
            ),
            Change(
                items.link(link.sub, link.partner_id),
                {"roles": link.roles, "attributes": link.attributes},
                "attribute_exists(#pk)",
                set="#roles = :roles, #attributes = :attributes",
            ),
        )
        return all(self._table.change_all(changes))

    def remove_link(self, link: Link, *, besides: Link | None = None) -> bool:
        """Take a link away and set its external id free."""
        changes = (
            *([_still_there(besides)] if besides else []),
            Change(items.link(link.sub, link.partner_id), {"id": link.external_id}, "#external_id = :id"),
            Change(items.external(link.partner_id, link.external_id), {"sub": link.sub}, "#sub = :sub"),
        )
        return all(self._table.change_all(changes))

    def forget_links(self, sub: str) -> int:
        """Delete the links of an account, all but where its external ids lead."""
        return sum(self._table.delete(items.link(sub, link.partner_id)) for link in self.list_links(sub))


def _still_there(link: Link) -> Change:
    """Return a step that changes nothing, and fails where the link is gone."""
    there = "#external_id = :kept"
    return Change(items.link(link.sub, link.partner_id), {"kept": link.external_id}, there, set=there)


def _linked(link: Link) -> tuple[Item, ...]:
    """Return the items of a link: where its external id leads, without the id itself, and what the account keeps."""
    leads = items.key_item(items.external(link.partner_id, link.external_id)) | {"sub": items.attribute(link.sub)}
    return leads, items.encode(items.link(link.sub, link.partner_id), link)
