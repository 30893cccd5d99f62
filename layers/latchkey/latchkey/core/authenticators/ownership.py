"""Proof of ownership: every change of what opens an account, and its deletion, pass `Ownership.prove`.

A bearer token may be stolen. On an account with a password, it alone never suffices.
"""

from __future__ import annotations

from dataclasses import dataclass

from latchkey.core.credentials.passwords import Argon2Cost, WrongPassword, verify_password
from latchkey.core.credentials.store import CredentialStore
from latchkey.core.errors import Errors, ServiceError, invalid_field
from latchkey.core.events import Event, Journal
from latchkey.core.model import RECENT_SIGN_IN, Credential, Session, User, upholds
from latchkey.core.partners.store import LinkStore
from latchkey.core.throttle import ThrottleStore, owner_in


@dataclass(frozen=True, slots=True)
class Ownership:
    """Proves that the owner of an account asks for a change (ASVS 5.0 6.2.3, 7.5.1)."""

    credentials: CredentialStore
    links: LinkStore
    attempts: ThrottleStore
    journal: Journal
    cost: Argon2Cost

    def prove(self, user: User, session: Session, password: str, *, now: int) -> None:
        """Require the present password, or a recent sign-in where partners are the only way in.

        A recent sign-in never replaces a password. Raises `OWN_SIGN_IN_REQUIRED`, `INVALID_REQUEST`, `RATE_LIMITED`,
        `INVALID_CREDENTIALS` or `RECENT_SIGN_IN_REQUIRED`.
        """
        require_own_session(user, session)
        if user.can_sign_in:
            self.prove_password(user, session, password, now=now)
        else:
            self._require_recent(user, session, now)

    def prove_password(self, user: User, session: Session, password: str, *, now: int) -> Credential:
        """Return the credential that the password opens. Raises as `prove` does.

        The limit is the session's own, so strangers who guess at the login do not hold its owner up.
        """
        require_own_session(user, session)
        if not user.can_sign_in:
            raise ServiceError(Errors.INVALID_CREDENTIALS, "the account has no password")
        if not password:
            raise invalid_field("password", "required", "Give the present password.")
        self.attempts.reserve_attempt(owner_in(session.sid), now)
        credential = self.credentials.find_credential(user.login)
        if credential is None or credential.sub != user.sub:
            raise ServiceError(Errors.INVALID_CREDENTIALS, "the account has no credential")
        try:
            verify_password(password, credential.password_hash, self.cost)
        except WrongPassword:
            self.journal.record(Event("ownership_refused", sub=user.sub, sid=session.sid, reason="wrong_password"))
            raise ServiceError(Errors.INVALID_CREDENTIALS, "wrong_password") from None
        self.attempts.give_back(owner_in(session.sid), now)
        return credential

    def _require_recent(self, user: User, session: Session, now: int) -> None:
        partner, link = self.links.find_partner_and_link(user.sub, session.partner_id)
        if not upholds(partner, link, session, reset_at=user.reset_at):
            raise ServiceError(Errors.INVALID_TOKEN, "no partner stands behind the session")
        if now - session.auth_time >= RECENT_SIGN_IN:
            self.journal.record(Event("ownership_refused", sub=user.sub, sid=session.sid, reason="old_sign_in"))
            raise ServiceError(Errors.RECENT_SIGN_IN_REQUIRED, "a partner's user who signed in too long ago")


def require_own_session(user: User, session: Session) -> None:
    """Refuse a session that a partner opened, on an account that has an authenticator of its own.

    It can end itself, and nothing else: otherwise a partner could take the account over. Raises `OWN_SIGN_IN_REQUIRED`.
    """
    if session.partner_id and user.can_sign_in:
        raise ServiceError(Errors.OWN_SIGN_IN_REQUIRED, "a partner's session on an account with a password")
