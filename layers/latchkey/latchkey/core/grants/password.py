"""Sign in with a password.

Whoever watches from outside learns nothing: a wrong password, an unknown login and a disabled account get the same
answer after the same store calls and the same hash (OWASP ASVS 5.0 6.3.8). Every attempt is reserved before it is
hashed, so that parallel guesses never get more than the rule gives: a counter that is read first and written later is
CVE-2023-47111.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from latchkey.adapters.store import Store
from latchkey.core.credentials.logins import parse_login
from latchkey.core.credentials.passwords import (
    SALT_BYTES,
    Argon2Cost,
    WrongPassword,
    hash_password,
    spend_time,
    verify_password,
)
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.events import Event, Journal
from latchkey.core.grants.issuing import Issuer, TokenAnswer
from latchkey.core.grants.sessions import FIRST_PARTY_SCOPE, make_room, new_session
from latchkey.core.ids import Entropy
from latchkey.core.model import FIRST_PARTY_CLIENT, Credential, Session, User, UserStatus
from latchkey.core.policy import PolicySource
from latchkey.core.roles.roles import Roles
from latchkey.core.throttle import ADDRESS_RULE, Counter, login_attempts, require_no_wait
from latchkey.signing.policy import SigningPolicy


@dataclass(frozen=True, slots=True)
class SignIn:
    """What a person gives to sign in, and the address it came from. `device` is a label of the app's choosing."""

    login: str
    password: str
    device: str
    address: str


@dataclass(frozen=True, slots=True)
class PasswordSignIn:
    """Turns a right password into a session. `throttled` is off only where load is measured on a laptop."""

    store: Store
    policies: PolicySource
    issuer: Issuer
    roles: Roles
    journal: Journal
    entropy: Entropy
    cost: Argon2Cost
    throttled: bool = True

    def __call__(self, request: SignIn, *, now: int) -> TokenAnswer:
        """Return the tokens of a new session.

        Raises `RATE_LIMITED` before any hash is computed, `INVALID_CREDENTIALS` whatever was wrong, and
        `ACCOUNT_NOT_CONFIRMED` only to who knows the password. Three reads and two writes, plus one write for each of
        these: a hash to renew, one session too many.
        """
        login = parse_login(request.login)
        policy = self.policies.policy()  # before anything is counted, hashed or ended for tokens that cannot be made
        self._reserve(login, request.address, now)
        credential, stale_hash = self._prove(login, request, now)
        user, sessions = self._admit(credential, request, now)
        if stale_hash:
            self._renew_hash(credential, request.password)
        make_room(self.store, self.journal, sessions)
        return self._open_session(user, credential, policy, request.device, now)

    def _reserve(self, login: str, address: str, now: int) -> None:
        if not self.throttled:
            return
        require_no_wait(self.store, _of_address(address), now)
        self.store.reserve_attempt(login_attempts(login), now)

    def _prove(self, login: str, request: SignIn, now: int) -> tuple[Credential, bool]:
        """Return the credential that the password opens, and whether its hash is due for renewal."""
        credential = self.store.find_credential(login)
        if credential is None:
            spend_time(request.password, self.cost)
            raise self._refusal(Errors.INVALID_CREDENTIALS, "unknown_login", request, now)
        try:
            return credential, verify_password(request.password, credential.password_hash, self.cost)
        except WrongPassword as wrong:
            reason = "corrupt_hash" if wrong.corrupt else "wrong_password"
            raise self._refusal(Errors.INVALID_CREDENTIALS, reason, request, now, credential.sub) from None

    def _admit(self, credential: Credential, request: SignIn, now: int) -> tuple[User, tuple[Session, ...]]:
        """Return the account and its live sessions if the account may sign in."""
        user, sessions = self.store.find_user_with_sessions(credential.sub, now)
        if user is None or user.status not in {UserStatus.ACTIVE, UserStatus.PENDING}:
            raise self._refusal(Errors.INVALID_CREDENTIALS, "account_not_active", request, now, credential.sub)
        if credential.epoch < user.epoch:  # the password changed between our two reads
            raise self._refusal(Errors.INVALID_CREDENTIALS, "stale_credential", request, now, credential.sub)
        if user.status is UserStatus.PENDING:
            raise self._refusal(Errors.ACCOUNT_NOT_CONFIRMED, "not_confirmed", request, now, credential.sub)
        return user, sessions

    def _refusal(self, error: Errors, reason: str, request: SignIn, now: int, sub: str = "") -> ServiceError:
        if self.throttled:
            self.store.count_attempt(_of_address(request.address), now)
        self.journal.record(Event("login_failed", sub=sub, reason=reason))
        return ServiceError(error, reason)

    def _renew_hash(self, credential: Credential, password: str) -> None:
        renewed = hash_password(password, self.cost, self.entropy(SALT_BYTES))
        self.store.replace_password_hash(credential.login, credential.password_hash, renewed)

    def _open_session(
        self, user: User, credential: Credential, policy: SigningPolicy, device: str, now: int
    ) -> TokenAnswer:
        session = replace(
            new_session(user.sub, FIRST_PARTY_CLIENT, FIRST_PARTY_SCOPE, policy, self.entropy, now=now),
            epoch=credential.epoch,
            device=device,
        )
        # Right passwords are no guesses: were they left in the count, it would tell who has an account.
        self.store.create_session(session, clears=login_attempts(credential.login) if self.throttled else None)
        self.journal.record(Event("login", sub=user.sub, sid=session.sid, client_id=session.client_id))
        roles = self.roles.effective_roles(user.roles)
        return self.issuer.for_session(session, roles, policy, scope=session.scope, now=now)


def _of_address(address: str) -> Counter:
    return Counter("address", address, ADDRESS_RULE)
