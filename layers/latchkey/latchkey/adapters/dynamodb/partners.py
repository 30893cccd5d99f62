"""Partners, the issuers that they have claimed, their users, and the assertions that were used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from latchkey.adapters.dynamodb import items, standing
from latchkey.adapters.dynamodb.items import LINGER, Item, Key
from latchkey.adapters.dynamodb.mail import waiting
from latchkey.adapters.dynamodb.table import Change, TablePart, Write
from latchkey.core.model import Link, Mail, Partner, User
from latchkey.core.paging import Page

_FIXED = frozenset({"partner_id", "issuer", "created_at"})
_CHANGEABLE = tuple(field.name for field in fields(Partner) if field.name not in _FIXED)
_READ = "#version = :read"

# An assertion in time. Only the presence of the mark counts, not its time, so a fast clock cannot lose it.
#
#   used          until                    ttl
#   --|-------------|-----------------------|---->
#     |<--- its signature is still good --->|
#     |<-------- marked as used ----------->| swept
#
_ROOM = "attribute_not_exists(#n) OR #n < :most"
_STANDS = f"attribute_exists(#pk) AND {standing.AS_READ}"


class Partners(TablePart):
    """Implements `PartnerStore`."""

    def create_partner(self, partner: Partner) -> bool:
        """Store a new partner and claim its issuer, or neither. The key of the issuer makes it unique."""
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
        """Return the partners behind a position, oldest first: one query for the ids, one read for all records."""
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
        """Store an account without a login, and its link. The key of the external id makes them unique."""
        records = (*_linked(link), items.encode(items.user(user.sub), user), standing.line(user))
        return self._table.put_all_new(records, also=standing.counted(user))

    def add_link(self, user: User, link: Link, *, mail: Mail | None = None) -> bool:
        """Link an external id to an account that stands as it was read."""
        return all(self._table.change_all((_linking(user, link),), (*_linked(link), *waiting(mail))))

    def confirm_link(self, user: User, link: Link, *, mail: Mail | None = None) -> bool:
        """Store when a link was confirmed, if it still leads to the same identity."""
        confirmed = Change(
            items.link(link.sub, link.partner_id),
            {"id": link.external_id, "now": link.confirmed_at},
            "#external_id = :id",
            set="#confirmed_at = :now",
        )
        return all(self._table.change_all((_linking(user, link), confirmed), waiting(mail)))

    def find_link(self, sub: str, partner_id: str) -> Link | None:
        """Return the link of an account with a partner."""
        item = self._table.get(items.link(sub, partner_id))
        return items.decode(Link, item) if item else None

    def find_partner_and_link(self, sub: str, partner_id: str) -> tuple[Partner | None, Link | None]:
        """Return partner and link: two items, one batch."""
        partner, link = items.partner(partner_id), items.link(sub, partner_id)
        found = self._table.get_each([partner, link])
        return (
            items.decode(Partner, found[partner]) if partner in found else None,
            items.decode(Link, found[link]) if link in found else None,
        )

    def list_links(self, sub: str) -> tuple[Link, ...]:
        """Return the links of an account, by partner."""
        return tuple(items.decode(Link, item) for item in self._table.query(items.user(sub).pk, items.LINK))

    def list_links_and_partners(self, sub: str) -> tuple[tuple[Link, Partner | None], ...]:
        """Return the links of an account with their partners: one query, and one batch if there are any."""
        links = self.list_links(sub)
        keys = [items.partner(link.partner_id) for link in links]
        found = self._table.get_each(keys)
        partners = [items.decode(Partner, found[key]) if key in found else None for key in keys]
        return tuple(zip(links, partners, strict=True))

    def renew_link(self, user: User, renewed: User, link: Link) -> bool:
        """Store the data of a new token, if the account is unchanged since it was read."""
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

    def remove_link(self, user: User, link: Link, *, besides: Link | None = None, mail: Mail | None = None) -> bool:
        """Remove a link with the roles that it gave, and free its external id."""
        own = tuple(role for role in user.roles if role not in link.roles)
        changes = (
            Change(items.user(user.sub), {**standing.read(user), "roles": own}, _STANDS, set="#roles = :roles"),
            *([_still_there(besides)] if besides else []),
            Change(items.link(link.sub, link.partner_id), {"id": link.external_id}, "#external_id = :id"),
            Change(items.external(link.partner_id, link.external_id), {"sub": link.sub}, "#sub = :sub"),
        )
        return all(self._table.change_all(changes, waiting(mail)))

    def forget_links(self, sub: str) -> int:
        """Delete the links of an account, but keep its external ids reserved."""
        return sum(self._table.delete(items.link(sub, link.partner_id)) for link in self.list_links(sub))


def _linking(user: User, link: Link) -> Change:
    """Return the step that notes a link with its account, which fails unless that stands as it was read."""
    values = {**standing.read(user), "linked_at": max(user.linked_at, link.confirmed_at)}
    return Change(items.user(user.sub), values, _STANDS, set="#linked_at = :linked_at")


def _still_there(link: Link) -> Change:
    """Return a step that changes nothing, and fails where the link is gone."""
    there = "#external_id = :kept"
    return Change(items.link(link.sub, link.partner_id), {"kept": link.external_id}, there, set=there)


def _linked(link: Link) -> tuple[Item, ...]:
    """Return the items of a link: where its external id leads, without the id itself, and what the account keeps."""
    leads = items.key_item(items.external(link.partner_id, link.external_id)) | {"sub": items.attribute(link.sub)}
    return leads, items.encode(items.link(link.sub, link.partner_id), link)
