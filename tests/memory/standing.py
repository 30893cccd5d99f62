"""The few members that decide what an account may do, and the rule that at least one admin remains."""

from __future__ import annotations

from dataclasses import replace

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import Credential, User, is_active_admin
from tests.memory.state import State


class Standing(State):
    """Compares and changes what an account may do."""

    def _restand(self, changed: User) -> User:
        """Store an account with its new status and roles; raise `LAST_ADMIN` when no active admin would be left."""
        others = any(is_active_admin(each) for each in self._users.values() if each.sub != changed.sub)
        if is_active_admin(self._users[changed.sub]) and not is_active_admin(changed) and not others:
            raise ServiceError(Errors.LAST_ADMIN, "the last active admin")
        self._users[changed.sub] = changed
        return changed

    def _stands(self, held: Credential, user: User) -> bool:
        """Return whether the credential and the account are unchanged since a change was decided."""
        credential, standing = self._credentials.get(held.login), self._users.get(user.sub)
        if credential is None or standing is None:
            return False
        return credential == replace(held, sub=user.sub) and standing_of(standing) == standing_of(user)


def standing_of(user: User) -> tuple[object, ...]:
    return user.login, user.status, user.roles, user.epoch, user.linked_at
