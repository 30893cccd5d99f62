"""Proof of ownership: a user must repeat the password to change the authenticators of an account."""

from __future__ import annotations

from dataclasses import dataclass

from latchkey.core.credentials.passwords import Argon2Cost, WrongPassword, verify_password
from latchkey.core.credentials.store import CredentialStore
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.events import Event, Journal
from latchkey.core.model import Credential, User
from latchkey.core.throttle import ThrottleStore, login_attempts


@dataclass(frozen=True, slots=True)
class Ownership:
    """Checks the present password, under the same limit as a sign-in (ASVS 5.0 6.2.3, 7.5.1)."""

    credentials: CredentialStore
    attempts: ThrottleStore
    journal: Journal
    cost: Argon2Cost

    def prove(self, user: User, password: str, *, now: int) -> Credential:
        """Return the credential that the password opens. Raises `RATE_LIMITED` or `INVALID_CREDENTIALS`."""
        if not user.login:
            raise ServiceError(Errors.INVALID_CREDENTIALS, "a partner's user has no password")
        self.attempts.reserve_attempt(login_attempts(user.login), now)
        credential = self.credentials.find_credential(user.login)
        if credential is None or credential.sub != user.sub:
            raise ServiceError(Errors.INVALID_CREDENTIALS, "the account has no credential")
        try:
            verify_password(password, credential.password_hash, self.cost)
        except WrongPassword:
            self.journal.record(Event("ownership_refused", sub=user.sub, reason="wrong_password"))
            raise ServiceError(Errors.INVALID_CREDENTIALS, "wrong_password") from None
        return credential
