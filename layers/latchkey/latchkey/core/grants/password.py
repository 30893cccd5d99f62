"""Sign in with a password.

The answers reveal nothing: a wrong password, an unknown login and a disabled account get the same answer after the same
store calls and the same hash (OWASP ASVS 5.0 6.3.8). Every attempt is counted before anything is hashed (`guesses.py`),
so that parallel guesses never exceed a limit. A counter that is read first and written later led to CVE-2023-47111.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from latchkey.core.credentials.device_tokens import DeviceTokens
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
from latchkey.core.grants.guesses import Attempt, Guesses
from latchkey.core.grants.issuing import Issuer, TokenAnswer
from latchkey.core.grants.proof import PersonProof
from latchkey.core.grants.store import SessionStore
from latchkey.core.ids import Entropy
from latchkey.core.model import FIRST_PARTY_CLIENT, Credential, User, UserStatus
from latchkey.core.policy import PolicySource

METHODS = ("pwd",)
"""The method that a password proves, by its name in RFC 8176 section 2."""

_NO_ACCOUNT = "usr_none"
"""The account that is read for an unknown login, so that it costs the same calls."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """The credentials that a person sends, and the address they come from.

    `device` is a label chosen by the app. `device_token` is that of the last sign-in on this device, if it kept one.
    """

    login: str
    password: str
    device: str
    address: str
    device_token: str = ""


@dataclass(frozen=True, slots=True)
class PasswordGrant:
    """Opens a session for a right password. `mails` says whether mail can open a password that strangers closed."""

    credentials: CredentialStore
    sessions: SessionStore
    guesses: Guesses
    policies: PolicySource
    devices: DeviceTokens
    gate: Gate
    issuer: Issuer
    journal: Journal
    entropy: Entropy
    cost: Argon2Cost
    mails: bool

    def __call__(self, request: SignIn, *, now: int) -> TokenAnswer:
        """Return the tokens of a new session, and a device token.

        Raises `RATE_LIMITED` before any hash is computed, and `INVALID_CREDENTIALS` for every other failure. Three
        reads; three writes from a known device and five from any other. One write more for each of these: the first
        attempt of a device on a day, a hash to renew, one session too many.
        """
        typed = parse_login(request.login)
        policy = self.policies.policy()  # before anything is counted, hashed or ended for tokens that cannot be minted
        credential = self.credentials.find_credential(typed)
        login = credential.login if credential else typed  # a second login shares the counters of the first
        since = credential.devices_since if credential else 0
        device = self.devices.read(request.device_token, login, now=now)
        attempt = self.guesses.reserve(login, device, since=since, address=request.address, now=now)
        proof, stale_hash = self._prove(credential, request, attempt)
        live = self.sessions.list_sessions(proof.user.sub, now)
        admitted = self._admit(proof, Asked(" ".join(proof.client.scopes), policy, live))
        self.guesses.succeed(attempt)
        if stale_hash:
            self._renew_hash(login, stale_hash, request.password)
        answer = self.issuer.for_session(
            admitted.session, admitted.refresh, admitted.roles, policy, scope=admitted.session.scope, now=now
        )
        return replace(answer, device_token=self.devices.issue(login, now=now, since=since, device=device))

    def _prove(self, credential: Credential | None, request: SignIn, attempt: Attempt) -> tuple[PersonProof, str]:
        """Return the proof that the right password gives, and its hash if that is due for renewal.

        The account is read before the hash, so a right password that opens nothing costs what a wrong one does.
        """
        sub = credential.sub if credential else ""
        user, client = self.sessions.find_user_and_client(sub or _NO_ACCOUNT, FIRST_PARTY_CLIENT)
        is_closed = attempt.is_one_too_many and self._is_closed(user)
        if credential is None or is_closed:
            spend_time(request.password, self.cost)
            raise self._refusal("closed_to_strangers" if is_closed else "unknown_login", sub)
        try:
            is_stale = verify_password(request.password, credential.password_hash, self.cost)
        except WrongPassword as wrong:
            raise self._refusal("corrupt_hash" if wrong.corrupt else "wrong_password", sub) from None
        # The gate refuses an account that is not active too; before it, the sessions would be listed.
        if user is None or client is None or user.status is not UserStatus.ACTIVE:
            raise self._refusal(Reason.ACCOUNT_NOT_ACTIVE, sub)
        proof = PersonProof(
            user=user, methods=METHODS, at=attempt.now, client=client, epoch=credential.epoch, device=request.device
        )
        return proof, credential.password_hash if is_stale else ""

    def _is_closed(self, user: User | None) -> bool:
        """Say whether the owner can open the password again by mail; everyone else goes on with waits.

        NIST SP 800-63B-4 section 3.2.2.
        """
        return self.mails and user is not None and user.verified_at > 0

    def _admit(self, proof: PersonProof, asked: Asked) -> Admitted:
        try:
            return self.gate.admit(proof, asked)
        except NotAdmitted as refused:
            raise self._refusal(refused.reason, proof.user.sub) from None

    def _refusal(self, reason: str, sub: str) -> ServiceError:
        self.journal.record(Event("login_failed", sub=sub, reason=reason))
        return ServiceError(Errors.INVALID_CREDENTIALS, reason)

    def _renew_hash(self, login: str, stale: str, password: str) -> None:
        renewed = hash_password(password, self.cost, self.entropy(SALT_BYTES))
        self.credentials.replace_password_hash(login, stale, renewed)
