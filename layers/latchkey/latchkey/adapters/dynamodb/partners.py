"""Partners, and the issuers that they have claimed."""

from __future__ import annotations

from dataclasses import fields

from latchkey.adapters.dynamodb import items
from latchkey.adapters.dynamodb.items import Key
from latchkey.adapters.dynamodb.table import Change, TablePart
from latchkey.core.model import Partner
from latchkey.core.ports import Page

_FIXED = frozenset({"partner_id", "issuer", "created_at"})
_CHANGEABLE = tuple(field.name for field in fields(Partner) if field.name not in _FIXED)
_READ = "#version = :read"


class Partners(TablePart):
    """Implements `PartnerStore`."""

    def create_partner(self, partner: Partner) -> bool:
        """Store a new partner and claim its issuer, or neither; the issuer's key is what makes it unique."""
        pointer = {"partner_id": items.attribute(partner.partner_id)}
        records = (
            items.key_item(items.issuer(partner.issuer)) | pointer,
            items.encode(items.partner(partner.partner_id), partner),
            items.key_item(_place(partner)) | pointer,
        )
        return self._table.put_all_new(records)

    def find_partner(self, partner_id: str) -> Partner | None:
        """Return the partner, enabled or not."""
        item = self._table.get(items.partner(partner_id))
        return items.decode(Partner, item) if item else None

    def find_issuer(self, issuer: str) -> Partner | None:
        """Return the partner of an issuer, enabled or not."""
        item = self._table.get(items.issuer(issuer))
        return self.find_partner(item["partner_id"]["S"]) if item else None

    def list_partners(self, *, after: str, limit: int) -> Page[Partner]:
        """Return the partners behind a position, oldest first: one query for who, one read for all of them."""
        listed, last = self._table.page(items.PARTNERS, after=after, limit=limit)
        ids = [item["partner_id"]["S"] for item in listed]
        found = [items.decode(Partner, item) for item in self._table.get_all([items.partner(each) for each in ids])]
        by_id = {partner.partner_id: partner for partner in found}
        return Page(tuple(by_id[each] for each in ids if each in by_id), last)

    def replace_partner(self, partner: Partner) -> bool:
        """Store if the version stored is the one before."""
        change = "SET " + ", ".join(f"#{name} = :{name}" for name in _CHANGEABLE)
        values: dict[str, items.Value] = {name: getattr(partner, name) for name in _CHANGEABLE}
        values["read"] = partner.version - 1
        return self._table.update(items.partner(partner.partner_id), change, values, only_if=_READ).applied

    def delete_partner(self, partner: Partner) -> bool:
        """Delete a partner of this version, its issuer's claim and its line in the list."""
        changes = (
            Change(items.partner(partner.partner_id), {"read": partner.version}, _READ),
            Change(items.issuer(partner.issuer), {"id": partner.partner_id}, "#partner_id = :id"),
            Change(_place(partner)),
            Change(items.seats(partner.partner_id)),
        )
        return all(self._table.change_all(changes))


def _place(partner: Partner) -> Key:
    return items.listed_partner(f"{partner.created_at:011d}#{partner.partner_id}")
