"""Accounts: open one, look at one's own, change one's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from latchkey.core.credentials.logins import parse_login
from latchkey.core.credentials.passwords import (
    SALT_BYTES,
    Argon2Cost,
    BlockList,
    PasswordRules,
    WeakPassword,
    check_password,
    hash_password,
)
from latchkey.core.errors import Errors, FieldError, ServiceError
from latchkey.core.events import Event, Journal
from latchkey.core.ids import Entropy, new_id
from latchkey.core.model import Credential, Session, User, UserStatus
from latchkey.core.users.store import UserStore


@dataclass(frozen=True, slots=True)
class Registration:
    """What a person gives to open an account, as typed."""

    login: str
    password: str
    name: str = ""
    locale: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Accounts:
    """Opens accounts and answers their owners. `open_to_all` says whether strangers may register."""

    users: UserStore
    journal: Journal
    entropy: Entropy
    rules: PasswordRules
    blocklist: BlockList
    cost: Argon2Cost
    open_to_all: bool = True

    def register(self, registration: Registration, *, now: int) -> User:
        """Open an account and return it. Raises `FORBIDDEN`, `INVALID_REQUEST`, `WEAK_PASSWORD` or `USER_EXISTS`."""
        if not self.open_to_all:
            raise ServiceError(Errors.FORBIDDEN, "registration is closed")
        user = self.create(registration, roles=("user",), now=now)
        self.journal.record(Event("user_registered", sub=user.sub))
        return user

    def create(self, registration: Registration, *, roles: tuple[str, ...], now: int) -> User:
        """Store a new account with these roles, whoever asked for it."""
        user, credential = self.draft(registration, roles=roles, status=UserStatus.ACTIVE, now=now)
        self.users.create_user(user, credential)
        return user

    def draft(
        self, registration: Registration, *, roles: tuple[str, ...], status: UserStatus, now: int
    ) -> tuple[User, Credential]:
        """Return a new account and its credential, not stored yet. Raises `INVALID_REQUEST` or `WEAK_PASSWORD`."""
        login = parse_login(registration.login)
        password_hash = self.new_hash(registration.password, login)
        user = User(
            sub=new_id("usr_", self.entropy),
            login=login,
            status=status,
            roles=roles,
            epoch=0,
            created_at=now,
            name=registration.name,
            locale=registration.locale,
            source=registration.source,
        )
        return user, Credential(login, user.sub, password_hash, user.epoch)

    def new_hash(self, password: str, login: str) -> str:
        """Return the hash of a new password. Raises `WEAK_PASSWORD` where the canonical `login` may not have it."""
        return hash_password(self._acceptable(password, login), self.cost, self.entropy(SALT_BYTES))

    def present(self, sub: str, sid: str, *, now: int) -> tuple[User, tuple[Session, ...]]:
        """Return the account behind a verified token, and its live sessions, oldest first.

        An access token outlives logout, a disabled account and a password change by its own life; on our own routes
        it does not: raises `INVALID_TOKEN` when its session or account is gone.
        """
        user, sessions = self.users.find_user_with_sessions(sub, now)
        mine = next((session for session in sessions if session.sid == sid), None)
        if user is None or user.status is not UserStatus.ACTIVE:
            raise ServiceError(Errors.INVALID_TOKEN, "the account is gone or not active")
        if mine is None or mine.epoch < user.epoch:
            raise ServiceError(Errors.INVALID_TOKEN, "the session has ended")
        return user, sessions

    def update_profile(self, sub: str, sid: str, changes: Mapping[str, str], *, now: int) -> User:
        """Set members of one's own profile and return the account as it then stands."""
        self.present(sub, sid, now=now)
        user = self.users.update_profile(sub, changes)
        if user is None:
            raise ServiceError(Errors.INVALID_TOKEN, "the account went away meanwhile")
        return user

    def _acceptable(self, password: str, login: str) -> str:
        try:
            return check_password(password, login=login, rules=self.rules, blocklist=self.blocklist)
        except WeakPassword as error:
            fields = (FieldError("password", error.code, error.message),)
            raise ServiceError(Errors.WEAK_PASSWORD, error.code, fields=fields) from None
