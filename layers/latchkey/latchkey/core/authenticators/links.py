"""Links: a partner's token may open an existing account too. Only the owner of the account can create a link."""

from __future__ import annotations

from dataclasses import dataclass

from latchkey.core.authenticators.ownership import Ownership
from latchkey.core.authenticators.store import StandingStore
from latchkey.core.errors import Errors, FieldError, ServiceError, invalid_field
from latchkey.core.events import Event, Journal
from latchkey.core.grants.sessions import require_live_session
from latchkey.core.grants.store import SessionStore
from latchkey.core.model import RECENT_SIGN_IN, Link, Session, User
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
class Links:
    """Links accounts with partners, and removes links, at the request of their owners."""

    links: LinkStore
    standing: StandingStore
    sessions: SessionStore
    check: AssertionCheck
    ownership: Ownership
    journal: Journal

    def add(self, sub: str, sid: str, asked: NewLink, *, now: int) -> Link:
        """Link the identity that a partner's token proves, and return the link, even if it existed before.

        Raises `INVALID_TOKEN`, `INVALID_REQUEST` if the proof is missing, `INVALID_CREDENTIALS`, `INVALID_GRANT`,
        `ALREADY_LINKED` or `RATE_LIMITED`.
        """
        user, session = require_live_session(self.sessions, sub, sid, now=now)
        self._prove(user, session, asked.password, now)
        proven = self.check(asked.assertion, issuer_id=asked.issuer_id, address=asked.address, now=now)
        self.check.use(proven, now=now)
        held = self.links.find_link(sub, proven.partner.partner_id)
        if held is not None and held.external_id == proven.identity.external_id:
            return held
        link = _new_link(user, proven, now)
        if not self.links.add_link(user, link):
            raise ServiceError(Errors.ALREADY_LINKED, "the identity or the partner is linked, or the account changed")
        self.journal.record(Event("identity_linked", sub=sub, sid=sid, partner_id=link.partner_id))
        return link

    def of(self, sub: str, sid: str, *, now: int) -> tuple[Link, ...]:
        """Return the links of an account. Raises `INVALID_TOKEN`."""
        require_live_session(self.sessions, sub, sid, now=now)
        return self.links.list_links(sub)

    def remove(self, sub: str, sid: str, partner_id: str, *, now: int) -> None:
        """Remove the link of an account with a partner, and end the sessions that the partner opened.

        The roles that the partner gave go with it. Raises `INVALID_TOKEN`, `NOT_FOUND`, `CONFLICT`, and
        `VALIDATION_FAILED` if the account has no other way to sign in.
        """
        user, _ = require_live_session(self.sessions, sub, sid, now=now)
        link = self.links.find_link(sub, partner_id)
        if link is None:
            raise ServiceError(Errors.NOT_FOUND, "no such link")
        rest = [each for each in self.links.list_links(sub) if each.partner_id != partner_id]
        if not user.login and not rest:
            fault = FieldError("partner_id", "only_way_in", "This account has no other way to sign in.")
            raise ServiceError(Errors.VALIDATION_FAILED, "the only way in", fields=(fault,))
        own = tuple(role for role in user.roles if role not in link.roles)
        if (
            own != user.roles
            and self.standing.set_standing(user, status=user.status, roles=own, epoch=user.epoch) is None
        ):
            raise ServiceError(Errors.CONFLICT, "the account changed meanwhile")
        if not self.links.remove_link(link, besides=None if user.login else rest[0]):
            raise ServiceError(Errors.CONFLICT, "the links changed meanwhile")
        self.journal.record(Event("identity_unlinked", sub=sub, sid=sid, partner_id=partner_id))
        for session in self.sessions.list_sessions(sub, now):
            if session.partner_id == partner_id:
                self.sessions.end_session(sub, session.sid)

    def _prove(self, user: User, session: Session, password: str, now: int) -> None:
        """Require the password, or a recent sign-in without a partner: a partner cannot replace a password."""
        if password:
            self.ownership.prove(user, password, now=now)
            return
        recent = now - session.auth_time <= RECENT_SIGN_IN
        if not recent or (user.login and session.partner_id):
            raise invalid_field("password", "required", "Give the password, or sign in again.")


def _new_link(user: User, proven: Proven, now: int) -> Link:
    identity = proven.identity
    return Link(
        sub=user.sub,
        partner_id=proven.partner.partner_id,
        external_id=identity.external_id,
        created_at=now,
        attributes=identity.attributes,
        first=identity.first,
    )
