"""Accounts: how they begin, what their owners change, how they end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from latchkey.core.credentials.logins import look_of
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.model import Credential, Draft, Mail, UsedDraft, User, UserStatus, is_active_admin
from latchkey.core.paging import Page
from tests.memory.mail import Drafts, Outbox
from tests.memory.standing import Standing, standing_of
from tests.memory.state import page_of

_OWNERS_TO_CHANGE = frozenset({"name", "locale"})


class Users(Drafts, Outbox, Standing):
    """Implements `UserStore`."""

    def create_user(self, user: User, credential: Credential) -> None:
        """Store both or neither; raise `USER_EXISTS` when the login is taken."""
        with self._lock:
            logins = [login for login in (credential.login, user.username) if login]
            if not all(self._is_free(login, user.created_at) for login in logins) or user.sub in self._users:
                raise ServiceError(Errors.USER_EXISTS, "the login is taken")
            self._reservations.pop(credential.login, None)
            self._credentials[credential.login] = credential
            if user.username:
                self._aliases[user.username] = user.sub
            self._users[user.sub] = user

    def create_first_admin(self, user: User, credential: Credential) -> None:
        """Store the first admin; raise `ADMIN_EXISTS` or `USER_EXISTS`."""
        with self._lock:
            if any(is_active_admin(each) for each in self._users.values()):  # the last one never goes
                raise ServiceError(Errors.ADMIN_EXISTS, "there is an admin")
            self.create_user(user, credential)

    def find_credentials(self, logins: Sequence[str]) -> Mapping[str, Credential]:
        """Return the credentials of those logins that are taken."""
        with self._lock:
            aliases = {login: Credential(login, sub, "", 0) for login, sub in self._aliases.items()}
            taken = {look_of(login): credential for login, credential in (self._credentials | aliases).items()}
            return {login: taken[look_of(login)] for login in logins if look_of(login) in taken}

    def update_profile(self, sub: str, changes: Mapping[str, str]) -> User | None:
        """Set `name` and `locale` members; any other raises `ValueError`."""
        if not changes.keys() <= _OWNERS_TO_CHANGE:
            raise ValueError(f"not members of a profile: {sorted(changes.keys() - _OWNERS_TO_CHANGE)}")
        with self._lock:
            user = self._users.get(sub)
            if user is not None:
                name, locale = changes.get("name", user.name), changes.get("locale", user.locale)
                user = self._users[sub] = replace(user, name=name, locale=locale)
            return user

    def list_users(self, *, after: str, limit: int) -> Page[User]:
        """Return the accounts behind a position, oldest first."""
        with self._lock:
            return page_of({f"{user.created_at:011d}#{user.sub}": user for user in self._users.values()}, after, limit)

    def confirm_draft(self, user: User, credential: Credential, used: UsedDraft) -> bool:
        """Store an account and use its draft, or do nothing."""
        with self._lock:
            if not isinstance(self.find_draft(used.draft_id, used.used_at), Draft):
                return False
            if not self._is_free(credential.login, used.used_at) or user.sub in self._users:
                return False
            self._drafts[used.draft_id] = used
            self._reservations.pop(credential.login, None)
            self.create_user(user, credential)
            return True

    def verify_login(self, sub: str, login: str, now: int) -> bool:
        """Note the first confirmation of a login that the account still has."""
        with self._lock:
            user = self._users.get(sub)
            if user is None or (user.login, user.status) != (login, UserStatus.ACTIVE):
                return False
            self._users[sub] = replace(user, verified_at=user.verified_at or now)
            return True

    def begin_deletion(self, user: User, *, mail: Mail | None) -> bool:
        """Mark an account as `deleting`."""
        with self._lock:
            standing = self._users.get(user.sub)
            if standing is None or standing_of(standing) != standing_of(user):
                return False
            self._restand(replace(standing, status=UserStatus.DELETING, epoch=user.epoch + 1))
            self._post(mail)
            return True

    def delete_user(self, user: User) -> bool:
        """Delete an account that is marked, with its logins."""
        with self._lock:
            standing, held = self._users.get(user.sub), self._credentials.get(user.login)
            if standing is None or standing.status is not UserStatus.DELETING:
                return False
            if user.login and (held is None or held.sub != user.sub):
                return False
            del self._users[user.sub]
            self._credentials.pop(user.login, None)
            self._aliases.pop(user.username, None)
            return True
