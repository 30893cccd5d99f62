"""Accounts: opening one, and changing its profile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from latchkey.core.credentials.logins import is_reserved, parse_login
from latchkey.core.credentials.new_passwords import NewPasswords
from latchkey.core.credentials.passwords import NO_PASSWORD
from latchkey.core.errors import Errors, ServiceError, invalid_field
from latchkey.core.events import Event, Journal
from latchkey.core.grants.sessions import require_live_session
from latchkey.core.grants.store import SessionStore
from latchkey.core.ids import Entropy, new_id
from latchkey.core.model import Credential, User, UserStatus
from latchkey.core.throttle import ThrottleStore, registrations_from, reserve_all
from latchkey.core.users.store import UserStore


@dataclass(frozen=True, slots=True)
class Registration:
    """The members of a registration, as typed. With a `password` of `None`, the account has no password yet."""

    login: str
    password: str | None
    name: str = ""
    locale: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Accounts:
    """Opens accounts. `open_to_all` says whether strangers may register."""

    users: UserStore
    sessions: SessionStore
    attempts: ThrottleStore
    new_passwords: NewPasswords
    journal: Journal
    entropy: Entropy
    open_to_all: bool = True

    def register(self, registration: Registration, *, address: str, now: int) -> User:
        """Open an account and return it.

        Raises `REGISTRATION_CLOSED`, `INVALID_REQUEST`, `WEAK_PASSWORD`, `USER_EXISTS` and, before it hashes,
        `RATE_LIMITED`.
        """
        if not self.open_to_all:
            raise ServiceError(Errors.REGISTRATION_CLOSED)
        if is_reserved(parse_login(registration.login)):
            raise invalid_field("login", "reserved_login", "This user name is reserved for the service.")
        reserve_all(self.attempts, registrations_from(address), now)
        user = self.create(registration, roles=("user",), now=now)
        self.journal.record(Event("user_registered", sub=user.sub))
        return user

    def create(self, registration: Registration, *, roles: tuple[str, ...], now: int) -> User:
        """Store a new account with these roles, without asking who requested it."""
        user, credential = self.new_account(registration, roles=roles, now=now)
        self.users.create_user(user, credential)
        return user

    def new_account(self, registration: Registration, *, roles: tuple[str, ...], now: int) -> tuple[User, Credential]:
        """Return a new account and its credential, not stored yet. Raises `INVALID_REQUEST` or `WEAK_PASSWORD`."""
        login = parse_login(registration.login)
        user = User(
            sub=new_id("usr_", self.entropy),
            login=login,
            status=UserStatus.ACTIVE,
            roles=roles,
            epoch=0,
            created_at=now,
            name=registration.name,
            locale=registration.locale,
            source=registration.source,
            can_sign_in=registration.password is not None,
        )
        return user, Credential(login, user.sub, self._hash(registration.password, login), user.epoch)

    def update_profile(self, sub: str, sid: str, changes: Mapping[str, str], *, now: int) -> User:
        """Set `name` or `locale` of the caller's profile, and return the changed account.

        Raises `INVALID_TOKEN` when the session or the account is gone.
        """
        require_live_session(self.sessions, sub, sid, now=now)
        user = self.users.update_profile(sub, changes)
        if user is None:
            raise ServiceError(Errors.INVALID_TOKEN, "the account went away meanwhile")
        return user

    def _hash(self, password: str | None, login: str) -> str:
        return NO_PASSWORD if password is None else self.new_passwords.hash(password, login)
