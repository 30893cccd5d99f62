"""Partners, the assertions that were used, and the links of accounts with partners."""

from __future__ import annotations

from dataclasses import replace

from latchkey.core.model import Link, Mail, Partner, User
from latchkey.core.paging import Page
from tests.memory.mail import Outbox
from tests.memory.standing import standing_of
from tests.memory.state import State, page_of


class Partners(State):
    """Implements `PartnerStore`."""

    def create_partner(self, partner: Partner) -> bool:
        """Store a new partner if its issuer is free."""
        with self._lock:
            if partner.partner_id in self._partners or self.find_issuer(partner.issuer):
                return False
            self._partners[partner.partner_id] = partner
            return True

    def find_partner(self, partner_id: str) -> Partner | None:
        """Return the partner, enabled or not."""
        with self._lock:
            return self._partners.get(partner_id)

    def find_issuer(self, issuer: str) -> Partner | None:
        """Return the partner of an issuer, enabled or not."""
        with self._lock:
            return next((each for each in self._partners.values() if each.issuer == issuer), None)

    def list_partners(self, *, after: str, limit: int) -> Page[Partner]:
        """Return the partners behind a position, oldest first."""
        with self._lock:
            positions = {f"{each.created_at:011d}#{each.partner_id}": each for each in self._partners.values()}
            return page_of(positions, after, limit)

    def replace_partner(self, partner: Partner) -> bool:
        """Store if the version stored is the one before."""
        with self._lock:
            held = self._partners.get(partner.partner_id)
            if held is None or held.version != partner.version - 1:
                return False
            self._partners[partner.partner_id] = replace(partner, issuer=held.issuer)
            return True

    def delete_partner(self, partner: Partner) -> bool:
        """Delete a partner of this version."""
        with self._lock:
            held = self._partners.get(partner.partner_id)
            if held is None or held.version != partner.version:
                return False
            del self._partners[partner.partner_id]
            self._seats.pop(partner.partner_id, None)
            return True


class Links(Outbox):
    """Implements `AssertionStore` and `LinkStore`."""

    def use_assertion(self, digest: str, *, until: int) -> bool:  # memory is never swept
        """Remember an assertion; say whether this was the first time."""
        with self._lock:
            if digest in self._used_assertions:
                return False
            self._used_assertions.add(digest)
            return True

    def was_used(self, digest: str) -> bool:
        """Return whether an assertion has been used."""
        with self._lock:
            return digest in self._used_assertions

    def take_seat(self, partner_id: str, most: int) -> bool:
        """Count one more user of a partner, if there is room."""
        with self._lock:
            taken = self._seats.get(partner_id, 0)
            if most and taken >= most:
                return False
            self._seats[partner_id] = taken + 1
            return True

    def return_seat(self, partner_id: str) -> None:
        """Count one user less."""
        with self._lock:
            self._seats[partner_id] = self._seats.get(partner_id, 0) - 1

    def find_external(self, partner_id: str, external_id: str) -> str | None:
        """Return the `sub` that an external id leads to."""
        with self._lock:
            return self._externals.get((partner_id, external_id))

    def create_external_user(self, user: User, link: Link) -> bool:
        """Store an account without a login, and its link, or neither."""
        with self._lock:
            if (link.partner_id, link.external_id) in self._externals or user.sub in self._users:
                return False
            self._users[user.sub] = user
            self._links[link.sub, link.partner_id] = link
            self._externals[link.partner_id, link.external_id] = link.sub
            return True

    def add_link(self, user: User, link: Link, *, mail: Mail | None = None) -> bool:
        """Link an external id to an account that has not changed since it was read."""
        with self._lock:
            place = link.sub, link.partner_id
            taken = place in self._links or (link.partner_id, link.external_id) in self._externals
            if taken or not self._is_as_read(user):
                return False
            self._externals[link.partner_id, link.external_id] = link.sub
            self._link(link, mail)
            return True

    def confirm_link(self, user: User, link: Link, *, mail: Mail | None = None) -> bool:
        """Store when a link was confirmed."""
        with self._lock:
            held = self.find_link(link.sub, link.partner_id)
            if held is None or held.external_id != link.external_id or not self._is_as_read(user):
                return False
            self._link(replace(held, confirmed_at=link.confirmed_at), mail)
            return True

    def _link(self, link: Link, mail: Mail | None) -> None:
        """Store a link that was made or confirmed just now, with its account and its mail."""
        user = self._users[link.sub]
        self._links[link.sub, link.partner_id] = link
        self._users[link.sub] = replace(user, linked_at=max(user.linked_at, link.confirmed_at))
        self._post(mail)

    def _is_as_read(self, user: User) -> bool:
        standing = self._users.get(user.sub)
        return standing is not None and standing_of(standing) == standing_of(user)

    def find_link(self, sub: str, partner_id: str) -> Link | None:
        """Return the link of an account with a partner."""
        with self._lock:
            return self._links.get((sub, partner_id))

    def find_partner_and_link(self, sub: str, partner_id: str) -> tuple[Partner | None, Link | None]:
        """Return partner and link."""
        with self._lock:
            return self._partners.get(partner_id), self.find_link(sub, partner_id)

    def list_links(self, sub: str) -> tuple[Link, ...]:
        """Return the links of an account, by partner."""
        with self._lock:
            return tuple(self._links[place] for place in sorted(self._links) if place[0] == sub)

    def list_links_and_partners(self, sub: str) -> tuple[tuple[Link, Partner | None], ...]:
        """Return the links of an account with their partners."""
        with self._lock:
            return tuple((link, self._partners.get(link.partner_id)) for link in self.list_links(sub))

    def renew_link(self, user: User, renewed: User, link: Link) -> bool:
        """Store what a partner now says, if the account has not changed since it was read."""
        with self._lock:
            held = self.find_link(link.sub, link.partner_id)
            if held is None or not self._is_as_read(user):
                return False
            standing = self._users[user.sub]
            self._users[user.sub] = replace(standing, roles=renewed.roles, name=renewed.name, locale=renewed.locale)
            self._links[link.sub, link.partner_id] = replace(held, roles=link.roles, attributes=link.attributes)
            return True

    def remove_link(self, user: User, link: Link, *, besides: Link | None = None, mail: Mail | None = None) -> bool:
        """Remove a link with the roles that it gave, and free its external id."""
        with self._lock:
            gone = any((each.sub, each.partner_id) not in self._links for each in (link, besides) if each)
            if gone or not self._is_as_read(user):
                return False
            del self._links[link.sub, link.partner_id]
            self._externals.pop((link.partner_id, link.external_id), None)
            standing = self._users[user.sub]
            roles = tuple(role for role in standing.roles if role not in link.roles)
            self._users[user.sub] = replace(standing, roles=roles)
            self._post(mail)
            return True

    def forget_links(self, sub: str) -> int:
        """Delete the links of an account, but keep the record of which account its external ids lead to."""
        with self._lock:
            gone = [place for place in self._links if place[0] == sub]
            for place in gone:
                del self._links[place]
            return len(gone)
