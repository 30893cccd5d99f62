"""Links: a partner's token may open an existing account too.

Only the owner of the account can add, confirm or remove a link, and hears of each change by mail.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from latchkey.core.authenticators.ownership import Ownership
from latchkey.core.errors import Errors, FieldError, ServiceError
from latchkey.core.events import Event, Journal
from latchkey.core.grants.sessions import require_live_session
from latchkey.core.grants.store import SessionStore
from latchkey.core.mail.outbox import Outbox
from latchkey.core.model import Link, Mail, MailKind, Partner, Status, User, is_live
from latchkey.core.partners.assertions import AssertionCheck, Proven
from latchkey.core.partners.store import LinkStore


@dataclass(frozen=True, slots=True)
class NewLink:
    """A user's request to link a partner: the partner's token, and the password if the account has one."""

    assertion: str
    issuer_id: str
    password: str
    address: str


@dataclass(frozen=True, slots=True)
class OwnLink:
    """A link as its owner sees it. A suspended one opens nothing until they confirm it."""

    link: Link
    suspended: bool


@dataclass(frozen=True, slots=True)
class Links:
    """Links accounts with partners, and removes links, at the request of their owners."""

    links: LinkStore
    sessions: SessionStore
    check: AssertionCheck
    ownership: Ownership
    outbox: Outbox
    journal: Journal

    def add(self, sub: str, sid: str, asked: NewLink, *, now: int) -> OwnLink:
        """Link the identity that a partner's token proves, and return the link, even if it existed before.

        A suspended link to this identity is confirmed. Raises `INVALID_TOKEN`, `INVALID_GRANT`, `ALREADY_LINKED`, and
        as `Ownership.prove` does.
        """
        user, session = require_live_session(self.sessions, sub, sid, now=now)
        self.ownership.prove(user, session, asked.password, now=now)
        proven = self.check(asked.assertion, issuer_id=asked.issuer_id, address=asked.address, now=now)
        self.check.use(proven, now=now)
        partner = proven.partner
        held = self.links.find_link(sub, partner.partner_id)
        if held is not None and held.external_id == proven.identity.external_id:
            return self._confirmed(user, sid, held, partner, now)
        link = _new_link(user, proven, now)
        mail = self._notice(MailKind.IDENTITY_LINKED, user, partner.name, now)
        if not self.links.add_link(user, link, mail=mail):
            raise ServiceError(Errors.ALREADY_LINKED, "the identity or the partner is linked, or the account changed")
        self.journal.record(Event("identity_linked", sub=sub, sid=sid, partner_id=link.partner_id))
        return OwnLink(link, suspended=False)

    def of(self, sub: str, sid: str, *, now: int) -> tuple[OwnLink, ...]:
        """Return the links of an account. Raises `INVALID_TOKEN`."""
        user, _ = require_live_session(self.sessions, sub, sid, now=now)
        return tuple(
            OwnLink(link, suspended=partner is not None and not is_live(link, partner, reset_at=user.reset_at))
            for link, partner in self.links.list_links_and_partners(sub)
        )

    def confirm(self, sub: str, sid: str, partner_id: str, password: str, *, now: int) -> OwnLink:
        """Let a link that a reset of the password has suspended open the account again.

        Confirming a link that is not suspended changes nothing. Raises `INVALID_TOKEN`, `NOT_FOUND`, `CONFLICT`, and as
        `Ownership.prove` does.
        """
        user, session = require_live_session(self.sessions, sub, sid, now=now)
        self.ownership.prove(user, session, password, now=now)
        partner, link = self.links.find_partner_and_link(sub, partner_id)
        if partner is None or link is None:
            raise ServiceError(Errors.NOT_FOUND, "no such link, or no such partner any more")
        return self._confirmed(user, sid, link, partner, now)

    def remove(self, sub: str, sid: str, partner_id: str, password: str, *, now: int) -> None:
        """Remove the link of an account with a partner, and end the sessions that the partner opened.

        The roles that the partner gave go with it. Raises `INVALID_TOKEN`, `NOT_FOUND`, `CONFLICT`,
        `VALIDATION_FAILED` if the account has no other way to sign in, and as `Ownership.prove` does.
        """
        user, session = require_live_session(self.sessions, sub, sid, now=now)
        self.ownership.prove(user, session, password, now=now)
        partner, link = self.links.find_partner_and_link(sub, partner_id)
        if link is None:
            raise ServiceError(Errors.NOT_FOUND, "no such link")
        name = partner.name if partner else partner_id
        mail = self._notice(MailKind.IDENTITY_UNLINKED, user, name, now)
        if not self.links.remove_link(user, link, besides=self._other_way_in(user, partner_id), mail=mail):
            raise ServiceError(Errors.CONFLICT, "the account or its links changed meanwhile")
        self.journal.record(Event("identity_unlinked", sub=sub, sid=sid, partner_id=partner_id))
        for each in self.sessions.list_sessions(sub, now):
            if each.partner_id == partner_id:
                self.sessions.end_session(sub, each.sid)

    def _confirmed(self, user: User, sid: str, link: Link, partner: Partner, now: int) -> OwnLink:
        if is_live(link, partner, reset_at=user.reset_at):
            return OwnLink(link, suspended=False)
        confirmed = replace(link, confirmed_at=_moment(user, now))
        mail = self._notice(MailKind.IDENTITY_LINKED, user, partner.name, now)
        if not self.links.confirm_link(user, confirmed, mail=mail):
            raise ServiceError(Errors.CONFLICT, "the account or the link changed meanwhile")
        self.journal.record(Event("identity_confirmed", sub=user.sub, sid=sid, partner_id=link.partner_id))
        return OwnLink(confirmed, suspended=False)

    def _other_way_in(self, user: User, partner_id: str) -> Link | None:
        """Return the link that must stay if the account has no authenticator of its own."""
        if user.can_sign_in:
            return None
        for each, partner in self.links.list_links_and_partners(user.sub):
            if each.partner_id != partner_id and partner is not None and partner.status is Status.ACTIVE:
                return each
        fault = FieldError("partner_id", "only_way_in", "This account has no other way to sign in.")
        raise ServiceError(Errors.VALIDATION_FAILED, "the only way in", fields=(fault,))

    def _notice(self, about: MailKind, user: User, partner: str, now: int) -> Mail | None:
        """Return the mail to the owner. An account without a login has no address."""
        if not user.login:
            return None
        data = {"partner": partner}
        return self.outbox.mail(about, to=user.login, sub=user.sub, locale=user.locale, data=data, now=now)


def _new_link(user: User, proven: Proven, now: int) -> Link:
    identity = proven.identity
    return Link(
        sub=user.sub,
        partner_id=proven.partner.partner_id,
        external_id=identity.external_id,
        created_at=now,
        attributes=identity.attributes,
        first=identity.first,
        confirmed_at=_moment(user, now),
    )


def _moment(user: User, now: int) -> int:
    """Return when a link is confirmed: after the last reset, even within the same second.

    The write compares the account with what was read, so no reset lies between the two.
    """
    return max(now, user.reset_at + 1)
