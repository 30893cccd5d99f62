"""The deletion of an account.

An account is deleted in three steps, each of which may be the last before a crash, and all of which may be repeated:

    1  marked `deleting`, with a new epoch: from here on nothing signs in, refreshes or uses a code
    2  its sessions and its links with partners deleted; the external ids stay reserved, so that no one comes back
       under one of them
    3  profile, login and line in the list deleted in one write: the login is free again only when no data is left
       behind it

A code of the account then finds no account, and it expires.
"""

from __future__ import annotations

from dataclasses import dataclass

from latchkey.core.authenticators.address_window import require_settled_address
from latchkey.core.authenticators.ownership import Ownership
from latchkey.core.errors import Errors, ServiceError, invalid_field
from latchkey.core.events import Event, Journal
from latchkey.core.grants.store import SessionStore
from latchkey.core.mail.outbox import Outbox
from latchkey.core.model import RECENT_SIGN_IN, MailKind, User, UserStatus
from latchkey.core.partners.store import LinkStore
from latchkey.core.users.store import UserStore


@dataclass(frozen=True, slots=True)
class Erasure:
    """Deletes accounts at the request of their owners."""

    users: UserStore
    sessions: SessionStore
    links: LinkStore
    ownership: Ownership
    outbox: Outbox
    journal: Journal

    def __call__(self, sub: str, sid: str, password: str, *, auth_time: int = 0, now: int) -> None:
        """Delete the account, or finish an interrupted deletion. Deleting it again is not an error.

        A partner's user has no password and must have signed in recently, at `auth_time`. Raises `INVALID_TOKEN`,
        `INVALID_REQUEST`, `RATE_LIMITED`, `INVALID_CREDENTIALS`, `ADDRESS_CHANGE_PENDING`, `LAST_ADMIN` or `CONFLICT`.
        """
        user, session = self.sessions.find_user_and_session(sub, sid, now)
        if user is None:
            return
        if user.status is not UserStatus.DELETING:
            alive = session is not None and session.epoch >= user.epoch
            if user.status is not UserStatus.ACTIVE or not alive:
                raise ServiceError(Errors.INVALID_TOKEN, "the account is not active, or the session has ended")
        self._prove(user, password, auth_time, now)
        if user.status is not UserStatus.DELETING:
            require_settled_address(user, now=now)
            self._begin(user, now)
        self.finish(user)

    def finish(self, user: User) -> None:
        """Sweep an account that is marked as `deleting`."""
        self.sessions.end_sessions(user.sub)
        self.links.forget_links(user.sub)
        if self.users.delete_user(user):
            self.journal.record(Event("user_deleted", sub=user.sub))

    def _prove(self, user: User, password: str, auth_time: int, now: int) -> None:
        if user.login and not password:
            raise invalid_field("password", "required", "This member is required.")
        if user.login:
            self.ownership.prove(user, password, now=now)
        elif now - auth_time > RECENT_SIGN_IN:
            raise ServiceError(Errors.INVALID_CREDENTIALS, "a partner's user who signed in too long ago")

    def _begin(self, user: User, now: int) -> None:
        mail = self.outbox.mail(MailKind.ACCOUNT_DELETED, to=user.login, locale=user.locale, now=now)
        if not self.users.begin_deletion(user, mail=mail):
            raise ServiceError(Errors.CONFLICT, "the account changed meanwhile")
