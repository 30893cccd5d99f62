"""Access tokens that a function checks itself, at routes that take another proof as well.

A route has one authorizer, so no authorizer stands in front of such a route.
"""

from __future__ import annotations

from dataclasses import replace

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.grants.validation import proven_claims
from latchkey.core.policy import VerificationKeys
from latchkey.edge.authorizer import context_of
from latchkey.edge.http import Request


def with_caller(request: Request, keys: VerificationKeys, audience: str) -> Request:
    """Return the request with the caller that its Bearer token proves, as the authorizer would. Raises `INVALID_TOKEN`.

    The session of the token may have ended. `audience` counts only while nothing else is published.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise ServiceError(Errors.INVALID_TOKEN, "no Bearer token")
    claims = proven_claims(keys, token, audience=audience, now=request.now)
    return replace(request, caller=context_of(claims))
