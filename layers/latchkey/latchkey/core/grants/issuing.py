"""The answer to a successful grant (RFC 6749 section 5.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.ids import Entropy, new_id
from latchkey.core.model import Session
from latchkey.core.roles.roles import BUILT_IN, Roles, beyond_built_in
from latchkey.signing.minting import mint_access
from latchkey.signing.policy import SigningPolicy
from latchkey.signing.refresh import RefreshToken, mint_refresh
from latchkey.signing.tokens import AccessClaims


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """An access token and, for a session, the refresh token that renews it. Lifetimes are in seconds.

    `device_token` is what a device keeps of a sign-in with a password.
    """

    access_token: str
    expires_in: int
    scope: str
    refresh_token: str = ""
    refresh_expires_in: int = 0
    device_token: str = ""

    def to_json(self) -> dict[str, str | int]:
        """Return the members of RFC 6749 section 5.1, `refresh_expires_in`, and `device_token` if there is one."""
        body: dict[str, str | int] = {
            "access_token": self.access_token,
            "token_type": "Bearer",
            "expires_in": self.expires_in,
            "scope": self.scope,
        }
        if self.refresh_token:
            body |= {"refresh_token": self.refresh_token, "refresh_expires_in": self.refresh_expires_in}
        if self.device_token:
            body["device_token"] = self.device_token
        return body


@dataclass(frozen=True, slots=True)
class Issuer:
    """Mints token answers. `audience` is the audience of the tokens where the policy names none.

    Every verifier knows the permissions of the built-in roles by their names. Only `registry` knows those of a stack's
    own roles, so a token lists them: all permissions together take less than 1 KB.
    """

    audience: str
    entropy: Entropy
    registry: Roles = BUILT_IN

    def for_session(  # noqa: PLR0913 - what a session is, and what of it its tokens say
        self,
        session: Session,
        refresh: RefreshToken,
        roles: tuple[str, ...],
        policy: SigningPolicy,
        *,
        scope: str,
        now: int,
    ) -> TokenAnswer:
        """Return a new access token of the session, with its refresh token."""
        claims = replace(
            self._claims(policy, session.sub, session.client_id, scope, now),
            sid=session.sid,
            roles=roles,
            permissions=beyond_built_in(self.registry, roles),
            auth_time=None if session.api_key_id else session.auth_time,  # no person signed in
            amr=session.amr,
            org=session.org or None,
        )
        return TokenAnswer(
            access_token=mint_access(claims, policy.keys.signer(now)),
            expires_in=policy.access_ttl,
            scope=scope,
            refresh_token=mint_refresh(refresh, policy.refresh_keys),
            refresh_expires_in=session.expires_at - now,
        )

    def for_client(
        self, client_id: str, roles: tuple[str, ...], policy: SigningPolicy, *, scope: str, now: int
    ) -> TokenAnswer:
        """Return an access token alone, whose subject is the client (RFC 6749 section 4.4.3, RFC 9068 section 2.2)."""
        permissions = beyond_built_in(self.registry, roles)
        claims = replace(self._claims(policy, client_id, client_id, scope, now), roles=roles, permissions=permissions)
        return TokenAnswer(mint_access(claims, policy.keys.signer(now)), policy.access_ttl, scope)

    def _claims(self, policy: SigningPolicy, sub: str, client_id: str, scope: str, now: int) -> AccessClaims:
        return AccessClaims(
            iss=policy.issuers.minted(now),
            sub=sub,
            aud=policy.audiences.minted(now) if policy.audiences else self.audience,
            client_id=client_id,
            iat=now,
            exp=now + policy.access_ttl,
            jti=new_id("", self.entropy),
            scope=scope,
        )


def granted_scope(asked: str | None, allowed: Sequence[str]) -> str:
    """Return the scope to grant: all that is allowed, or the part that was asked for (RFC 6749 section 3.3).

    Raises `INVALID_SCOPE` for anything wider.
    """
    wanted = set(allowed) if asked is None else set(asked.split(" "))
    if not wanted <= set(allowed):
        raise ServiceError(Errors.INVALID_SCOPE, "wider than allowed")
    return " ".join(scope for scope in allowed if scope in wanted)
