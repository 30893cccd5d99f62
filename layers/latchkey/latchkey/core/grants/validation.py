"""Validation of access tokens, for services that hold no key or that must notice a logout at once."""

from __future__ import annotations

from dataclasses import dataclass

from latchkey.core.clients.directory import ClientDirectory
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.grants.sessions import require_live_app, require_live_client, require_live_session
from latchkey.core.grants.store import SessionStore
from latchkey.core.policy import Trusted, VerificationKeys
from latchkey.core.throttle import JUNK_RULE, ThrottleStore, from_address, reserve_all
from latchkey.signing.jws import InvalidToken
from latchkey.signing.tokens import AccessClaims, parse, prove


@dataclass(frozen=True, slots=True)
class TokenCheck:
    """Checks tokens against the signing policy and the store.

    A token is rejected if its session has ended, or if its client is disabled or gone.

    `audience` counts only while nothing else is published.
    """

    keys: VerificationKeys
    sessions: SessionStore
    clients: ClientDirectory
    attempts: ThrottleStore
    audience: str

    def __call__(self, token: str, *, address: str, now: int) -> AccessClaims:
        """Return the proven claims.

        Raises `INVALID_TOKEN`, and `RATE_LIMITED` after many bad tokens from one address. A good token costs no count
        and is never held up; a bad one is counted before it is answered, and costs no read unless its signature holds.
        """
        try:
            return self._proven(token, now)
        except ServiceError as error:
            if error.error is Errors.INVALID_TOKEN:
                reserve_all(self.attempts, from_address("validate", address, JUNK_RULE), now)
            raise

    def _proven(self, token: str, now: int) -> AccessClaims:
        claims = proven_claims(self.keys, token, audience=self.audience, now=now)
        if claims.sub.startswith("usr_"):
            require_live_session(self.sessions, claims.sub, claims.sid or "", now=now)
            require_live_app(self.clients, claims.client_id)
        else:
            require_live_client(self.sessions, self.clients, claims.sub, claims.sid or "", now=now)
        return claims


def proven_claims(keys: VerificationKeys, token: str, *, audience: str, now: int) -> AccessClaims:
    """Return the claims of an access token of ours. Its session may have ended.

    `audience` counts only while nothing else is published. Raises `INVALID_TOKEN`.
    """
    try:
        signed = parse(token)
        trusted = _trusted(keys, signed.kid)
        return prove(
            signed,
            trusted.key,
            issuers=trusted.accepted.issuers_at(now),
            audiences=trusted.accepted.audiences_at(now, otherwise=audience),
            now=now,
        )
    except InvalidToken as error:
        raise ServiceError(Errors.INVALID_TOKEN, str(error)) from None


def _trusted(keys: VerificationKeys, kid: str) -> Trusted:
    trusted = keys.find(kid)
    if trusted is None:
        raise InvalidToken("kid is unknown")
    return trusted
