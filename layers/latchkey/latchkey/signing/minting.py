"""Signs access tokens. One of two modules that import PyJWT."""

from __future__ import annotations

import jwt

from latchkey.signing.jws import MAX_TOKEN
from latchkey.signing.key_set import SigningKey
from latchkey.signing.tokens import TYP, AccessClaims


def mint_access(claims: AccessClaims, key: SigningKey) -> str:
    """Return the signed access token (RFC 9068 section 2).

    Raises `ValueError` for claims that our own verifier would reject at any time.
    """
    payload = claims.to_payload()
    AccessClaims.from_payload(payload)
    token = jwt.encode(payload, key.material, algorithm=key.alg.value, headers={"typ": TYP, "kid": key.kid})
    if len(token) > MAX_TOKEN:
        raise ValueError("the claims are too long for a token")
    return token
