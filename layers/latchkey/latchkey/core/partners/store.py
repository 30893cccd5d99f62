"""What partners and their users need from outside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from latchkey.core.model import Link, Mail, Partner, User
from latchkey.core.paging import Page
from latchkey.signing.assertion_keys import AssertionKey


class PartnerStore(Protocol):
    """Partners. An issuer belongs to one of them at a time."""

    def create_partner(self, partner: Partner) -> bool:
        """Store a new partner and claim its issuer, or neither; say whether the issuer was free.

        One parallel call wins.
        """

    def find_partner(self, partner_id: str) -> Partner | None:
        """Return the partner, enabled or not, read consistently."""

    def find_issuer(self, issuer: str) -> Partner | None:
        """Return the partner of an issuer, enabled or not, read consistently."""

    def list_partners(self, *, after: str, limit: int) -> Page[Partner]:
        """Return the partners behind a position, oldest first; an empty position is the beginning."""

    def replace_partner(self, partner: Partner) -> bool:
        """Store if the version stored is the one before; say whether it was. Its issuer never changes."""

    def delete_partner(self, partner: Partner) -> bool:
        """Delete a partner of this version, and free its issuer, in one write; say whether this call did."""


class AssertionStore(Protocol):
    """The assertions that were used."""

    def use_assertion(self, digest: str, *, until: int) -> bool:
        """Mark an assertion as used until at least that second.

        Of many callers, only one is told that it was the first.
        """

    def was_used(self, digest: str) -> bool:
        """Say whether an assertion is remembered as used, read consistently. `use_assertion` alone decides."""


class LinkStore(Protocol):
    """The links between accounts and the users of partners, and the number of users of each partner.

    An external id leads to one account, and an account has one per partner. An external id stays reserved after its
    account is deleted, so that it never opens another account.
    """

    def take_seat(self, partner_id: str, most: int) -> bool:
        """Count one more user of a partner, if there are fewer than `most` or that is 0; say whether it was counted."""

    def return_seat(self, partner_id: str) -> None:
        """Count one user less."""

    def find_external(self, partner_id: str, external_id: str) -> str | None:
        """Return the `sub` that an external id leads to, though its account may be gone."""

    def create_external_user(self, user: User, link: Link) -> bool:
        """Store an account without a login, and its link, or neither; say whether the external id was free."""

    def add_link(self, user: User, link: Link, *, mail: Mail | None = None) -> bool:
        """Link an external id to an account that stands as it was read, and post the mail, or do nothing.

        Say whether both id and place were free. The account's `linked_at` follows, so a reset never overlooks the link.
        """

    def confirm_link(self, user: User, link: Link, *, mail: Mail | None = None) -> bool:
        """Store when a link was confirmed, if the account stands as it was read, and post the mail, or do nothing.

        Say whether it happened. It does not if the link is gone or leads to another identity. The account's `linked_at`
        follows, as in `add_link`.
        """

    def find_link(self, sub: str, partner_id: str) -> Link | None:
        """Return the link of an account with a partner, read consistently."""

    def find_partner_and_link(self, sub: str, partner_id: str) -> tuple[Partner | None, Link | None]:
        """Return a partner, whatever its status, and an account's link with it, in one consistent read."""

    def list_links(self, sub: str) -> tuple[Link, ...]:
        """Return the links of an account, by partner."""

    def list_links_and_partners(self, sub: str) -> tuple[tuple[Link, Partner | None], ...]:
        """Return the links of an account, each with its partner, whatever its status, or `None` if that is gone."""

    def renew_link(self, user: User, renewed: User, link: Link) -> bool:
        """Store name, locale and roles of `renewed`, and the new link, if `user` is unchanged since it was read.

        Say whether both were stored.
        """

    def remove_link(self, user: User, link: Link, *, besides: Link | None = None, mail: Mail | None = None) -> bool:
        """Remove a link with the roles that it gave, free its external id, and post the mail, in one write.

        Say whether it happened. It does not unless the account stands as it was read and the link is there. With
        `besides`, that other link of the account must exist too: if two links are removed at once, one stays.
        """

    def forget_links(self, sub: str) -> int:
        """Delete the links of an account, but keep its external ids reserved; return how many links it had."""


class PartnerKeys(Protocol):
    """The keys that partners publish. `alg` is the algorithm of the keys that name none, where it fits them."""

    def find(self, jwks_uri: str, kid: str, *, alg: str) -> AssertionKey | None:
        """Return the key of this id. Raise `KeysUnreachable` when there are none, not even old ones."""

    def list(self, jwks_uri: str, *, alg: str) -> Sequence[AssertionKey]:
        """Return all usable keys, in the order of the document. Raise as `find` does."""

    def read(self, jwks_uri: str, *, alg: str) -> Sequence[AssertionKey]:
        """Return all usable keys as they are published at this moment.

        Raise `KeysUnreachable`, which says why there are none.
        """


class KeysUnreachable(Exception):
    """A partner's keys cannot be fetched, or none can be used. The message is for the log and for operators."""
