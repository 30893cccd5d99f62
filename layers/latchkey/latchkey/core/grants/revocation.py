"""The end of a session by one of its tokens: sign-out, and revocation (RFC 7009).

A phone that wakes up has a refresh token and no valid access token. Its last answer may be lost, so its token may be of
the generation before. A token that no holder of the session can have ends nothing: its thief could end the sessions of
others.
"""

from __future__ import annotations

from dataclasses import dataclass

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.events import Journal
from latchkey.core.grants.refresh import forged, is_stale, own_client, stale, verified_refresh
from latchkey.core.grants.sessions import Sessions
from latchkey.core.grants.store import SessionStore
from latchkey.core.grants.validation import proven_claims
from latchkey.core.policy import PolicySource, VerificationKeys
from latchkey.signing.refresh import RefreshToken, fingerprint

_REFRESH_PREFIX = "lk2."


@dataclass(frozen=True, slots=True)
class Revocation:
    """Ends sessions by their tokens. `audience` counts only while nothing else is published."""

    store: SessionStore
    policies: PolicySource
    keys: VerificationKeys
    sessions: Sessions
    journal: Journal
    audience: str

    def revoke(self, token: str, client_id: str, *, now: int) -> None:
        """End the session of a refresh token or an access token of this client (RFC 7009 section 2.1).

        A token that is invalid, unknown or another client's is no error, and ends nothing (section 2.2). Raises
        `UNSUPPORTED_TOKEN_TYPE` for an access token without a session, which nothing can revoke.
        """
        try:
            if token.startswith(_REFRESH_PREFIX):
                self.end(token, client_id, now=now)
            else:
                self._end_by_access_token(token, client_id, now)
        except ServiceError as error:
            if error.error not in {Errors.INVALID_GRANT, Errors.INVALID_TOKEN}:
                raise

    def end(self, text: str, client_id: str = "", *, now: int) -> None:
        """End the session of a refresh token of this client. An ended session is no error.

        Without a client, it is `cli_app`, or the service whose own session it is. Raises `INVALID_GRANT`.
        """
        token = self.holder(text, client_id, now=now)
        self.sessions.end(token.sub, token.sid, reason="logout")

    def holder(self, text: str, client_id: str = "", *, now: int) -> RefreshToken:
        """Return the content of a refresh token whose holder may end the session, which may have ended already.

        Raises `INVALID_GRANT` for a token that is malformed, forged, stale or another client's. One read.
        """
        _, token = verified_refresh(self.policies, self.journal, text, now)
        client = client_id or own_client(token.sub)
        _, _, session = self.store.find_user_client_and_session(token.sub, client, token.sid, now)
        if session is None:
            return token
        if fingerprint(token.family) != session.family_hash:
            raise forged(self.journal, token, session)
        if session.client_id != client:
            raise ServiceError(Errors.INVALID_GRANT, "the session is another client's")
        if is_stale(token, session):
            raise stale(self.journal, token, session)
        return token

    def _end_by_access_token(self, text: str, client_id: str, now: int) -> None:
        claims = proven_claims(self.keys, text, audience=self.audience, now=now)
        if claims.client_id != (client_id or own_client(claims.sub)):
            raise ServiceError(Errors.INVALID_TOKEN, "the token is another client's")
        if not claims.sid:
            raise ServiceError(Errors.UNSUPPORTED_TOKEN_TYPE, "an access token without a session")
        self.sessions.end(claims.sub, claims.sid, reason="logout")
