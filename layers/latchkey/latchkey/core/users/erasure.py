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

from latchkey.core.authenticators.ownership import Ownership
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.events import Event, Journal
from latchkey.core.grants.store import SessionStore
from latchkey.core.mail.outbox import Outbox
from latchkey.core.model import MailKind, User, UserStatus
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

    def __call__(self, sub: str, sid: str, password: str, *, now: int) -> None:
        """Delete the account, or finish a deletion that was interrupted. Deleting it again is not an error.

        Finishing needs no proof again: the account is closed already. Raises `INVALID_TOKEN`, `LAST_ADMIN`, `CONFLICT`,
        and as `Ownership.prove` does.
        """
        user, session = self.sessions.find_user_and_session(sub, sid, now)
        if user is None:
            return
        if user.status is not UserStatus.DELETING:
            if user.status is not UserStatus.ACTIVE or session is None or session.epoch < user.epoch:
                raise ServiceError(Errors.INVALID_TOKEN, "the account is not active, or the session has ended")
            self.ownership.prove(user, session, password, now=now)
            self._begin(user, now)
        self.finish(user)

    def finish(self, user: User) -> None:
        """Sweep an account that is marked as `deleting`."""
        self.sessions.end_sessions(user.sub)
        self.links.forget_links(user.sub)
        if self.users.delete_user(user):
            self.journal.record(Event("user_deleted", sub=user.sub))

    def _begin(self, user: User, now: int) -> None:
        mail = self.outbox.mail(MailKind.ACCOUNT_DELETED, to=user.login, locale=user.locale, now=now)
        if not self.users.begin_deletion(user, mail=mail):
            raise ServiceError(Errors.CONFLICT, "the account changed meanwhile")
