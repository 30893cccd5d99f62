"""The first admin of a stack, who then creates the others."""

from __future__ import annotations

from dataclasses import dataclass

from latchkey.core.events import Event, Journal
from latchkey.core.model import ADMIN_ROLE, User
from latchkey.core.users.accounts import Accounts, Registration
from latchkey.core.users.store import UserStore

ROLES = (ADMIN_ROLE,)
"""Roles of the first admin."""


@dataclass(frozen=True, slots=True)
class FirstAdmin:
    """Opens one account per stack, for anyone who may invoke the function that calls it."""

    users: UserStore
    accounts: Accounts
    journal: Journal

    def create(self, registration: Registration, *, now: int) -> User:
        """Open the account.

        It is active at once, even if the stack confirms addresses. An existing account is never promoted: its owner
        knows the password. Raises `ADMIN_EXISTS`, `USER_EXISTS`, `INVALID_REQUEST` or `WEAK_PASSWORD`.
        """
        user, credential = self.accounts.new_account(registration, roles=ROLES, now=now)
        self.users.create_first_admin(user, credential)
        self.journal.record(Event("admin_initialised", sub=user.sub))
        return user
