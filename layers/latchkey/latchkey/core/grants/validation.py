"""Say whether an access token is good, for services that hold no key and for those that want to know of a logout."""

from __future__ import annotations

from dataclasses import dataclass

from latchkey.core.clients.directory import ClientDirectory
from latchkey.core.errors import Errors, ServiceError
from latchkey.core.policy import PolicySource
from latchkey.core.throttle import ADDRESS_RULE, Counter, ThrottleStore, require_no_wait
from latchkey.core.users.accounts import Accounts
from latchkey.signing.jws import InvalidToken
from latchkey.signing.tokens import AccessClaims, verify


@dataclass(frozen=True, slots=True)
class TokenCheck:
    """Checks tokens against the signing policy and the store: a token whose session has ended is no good.

    `audience` counts only while the policy names none.
    """

    policies: PolicySource
    accounts: Accounts
    clients: ClientDirectory
    attempts: ThrottleStore
    audience: str
    throttled: bool = True

    def __call__(self, token: str, *, address: str, now: int) -> AccessClaims:
        """Return the proven claims.

        Raises `INVALID_TOKEN`, and `RATE_LIMITED` after many bad tokens from one address.
        """
        counter = Counter("validate", address, ADDRESS_RULE)
        if self.throttled:
            require_no_wait(self.attempts, counter, now)
        try:
            return self._proven(token, now)
        except ServiceError as error:
            if self.throttled and error.error is Errors.INVALID_TOKEN:
                self.attempts.count_attempt(counter, now)
            raise

    def _proven(self, token: str, now: int) -> AccessClaims:
        policy = self.policies.policy()
        accepted = policy.accepted(now)
        try:
            claims = verify(
                token,
                find_key=lambda kid: policy.keys.find(kid, now),
                issuers=accepted.issuers_at(now),
                audiences=accepted.audiences_at(now, otherwise=self.audience),
                now=now,
            )
        except InvalidToken as error:
            raise ServiceError(Errors.INVALID_TOKEN, str(error)) from None
        if claims.sub.startswith("usr_"):
            self.accounts.present(claims.sub, claims.sid or "", now=now)
        else:
            self.clients.present(claims.sub, claims.sid or "", now=now)
        return claims
