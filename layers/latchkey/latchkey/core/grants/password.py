"""Sign in with a password.

The answers reveal nothing: a wrong password, an unknown login and a disabled account get the same answer after the same
store calls and the same hash (OWASP ASVS 5.0 6.3.8). Every attempt is counted before anything is hashed, so that
parallel guesses never exceed the limit. A counter that is read first and written later led to CVE-2023-47111.
"""

from __future__ import annotations

from dataclasses import dataclass

from latchkey.core.credentials.logins import parse_login
from latchkey.core.credentials.passwords import (
    SALT_BYTES,
    Argon2Cost,
    WrongPassword,
    hash_password,
    spend_time,
    verify_password,
)
from latchkey.core.credentials.store import CredentialStore
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.events import Event, Journal
from latchkey.core.grants.gate import Admitted, Asked, Gate, NotAdmitted, Reason
from latchkey.core.grants.issuing import Issuer, TokenAnswer
from latchkey.core.grants.proof import PersonProof
from latchkey.core.grants.store import SessionStore
from latchkey.core.ids import Entropy
from latchkey.core.model import FIRST_PARTY_CLIENT, Credential
from latchkey.core.policy import PolicySource
from latchkey.core.throttle import ADDRESS_RULE, Counter, ThrottleStore, login_attempts, require_no_wait

METHODS = ("pwd",)
"""The method that a password proves, by its name in RFC 8176 section 2."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """The credentials that a person sends, and the address they come from. `device` is a label chosen by the app."""

    login: str
    password: str
    device: str
    address: str


@dataclass(frozen=True, slots=True)
class PasswordGrant:
    """Opens a session for a right password."""

    credentials: CredentialStore
    sessions: SessionStore
    attempts: ThrottleStore
    policies: PolicySource
    gate: Gate
    issuer: Issuer
    journal: Journal
    entropy: Entropy
    cost: Argon2Cost

    def __call__(self, request: SignIn, *, now: int) -> TokenAnswer:
        """Return the tokens of a new session.

        Raises `RATE_LIMITED` before any hash is computed, and `INVALID_CREDENTIALS` for every other failure. Four reads
        and two writes, plus one write for each of these: a hash to renew, one session too many.
        """
        login = parse_login(request.login)
        policy = self.policies.policy()  # before anything is counted, hashed or ended for tokens that cannot be minted
        self._reserve(login, request.address, now)
        credential, stale_hash = self._verify(login, request, now)
        proof = self._prove(credential, request, now)
        # Right passwords are not guesses. If they stayed in the count, it would reveal which accounts exist.
        live = self.sessions.list_sessions(proof.user.sub, now)
        asked = Asked(" ".join(proof.client.scopes), policy, live, clears=login_attempts(login))
        admitted = self._admit(proof, asked, request, now)
        if stale_hash:
            self._renew_hash(credential, request.password)
        return self.issuer.for_session(
            admitted.session, admitted.refresh, admitted.roles, policy, scope=admitted.session.scope, now=now
        )

    def _reserve(self, login: str, address: str, now: int) -> None:
        require_no_wait(self.attempts, _of_address(address), now)
        self.attempts.reserve_attempt(login_attempts(login), now)

    def _verify(self, login: str, request: SignIn, now: int) -> tuple[Credential, bool]:
        """Return the credential that the password opens, and whether its hash is due for renewal."""
        credential = self.credentials.find_credential(login)
        if credential is None:
            spend_time(request.password, self.cost)
            raise self._refusal("unknown_login", request, now)
        try:
            return credential, verify_password(request.password, credential.password_hash, self.cost)
        except WrongPassword as wrong:
            reason = "corrupt_hash" if wrong.corrupt else "wrong_password"
            raise self._refusal(reason, request, now, credential.sub) from None

    def _prove(self, credential: Credential, request: SignIn, now: int) -> PersonProof:
        """Return the proof that the right password gives."""
        user, client = self.sessions.find_user_and_client(credential.sub, FIRST_PARTY_CLIENT)
        if user is None or client is None:
            raise self._refusal(Reason.ACCOUNT_NOT_ACTIVE, request, now, credential.sub)
        return PersonProof(
            user=user, methods=METHODS, at=now, client=client, epoch=credential.epoch, device=request.device
        )

    def _admit(self, proof: PersonProof, asked: Asked, request: SignIn, now: int) -> Admitted:
        try:
            return self.gate.admit(proof, asked)
        except NotAdmitted as refused:
            raise self._refusal(refused.reason, request, now, proof.user.sub) from None

    def _refusal(self, reason: str, request: SignIn, now: int, sub: str = "") -> ServiceError:
        self.attempts.count_attempt(_of_address(request.address), now)
        self.journal.record(Event("login_failed", sub=sub, reason=reason))
        return ServiceError(Errors.INVALID_CREDENTIALS, reason)

    def _renew_hash(self, credential: Credential, password: str) -> None:
        renewed = hash_password(password, self.cost, self.entropy(SALT_BYTES))
        self.credentials.replace_password_hash(credential.login, credential.password_hash, renewed)


def _of_address(address: str) -> Counter:
    return Counter("address", address, ADDRESS_RULE)
