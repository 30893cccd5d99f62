"""The first admin of a stack: without one, nobody could make one."""

from __future__ import annotations

from dataclasses import dataclass

from latchkey.core.events import Event, Journal
from latchkey.core.model import ADMIN_ROLE, User, UserStatus
from latchkey.core.users.accounts import Accounts, Registration
from latchkey.core.users.store import UserStore

ROLES = (ADMIN_ROLE, "privacy")
"""Roles of the first admin. Who lacks a permission cannot give it, and `privacy` comes with no other built-in role."""


@dataclass(frozen=True, slots=True)
class FirstAdmin:
    """Opens one account per stack, for whoever may invoke the function that asks for it."""

    users: UserStore
    accounts: Accounts
    journal: Journal

    def create(self, registration: Registration, *, now: int) -> User:
        """Open the account, active whatever the stack asks of strangers.

        An account that is there is never promoted: who opened it knows its password. Raises `ADMIN_EXISTS`,
        `USER_EXISTS`, `INVALID_REQUEST` or `WEAK_PASSWORD`.
        """
        user, credential = self.accounts.draft(registration, roles=ROLES, status=UserStatus.ACTIVE, now=now)
        self.users.create_first_admin(user, credential)
        self.journal.record(Event("admin_initialised", sub=user.sub))
        return user
