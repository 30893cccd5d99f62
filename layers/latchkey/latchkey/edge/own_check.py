"""Access tokens that a function checks itself, at routes that take another proof as well.

A route has one authorizer, so no authorizer stands in front of such a route.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from latchkey.core.errors import Errors, ServiceError
from latchkey.core.grants.validation import proven_claims
from latchkey.core.policy import VerificationKeys
from latchkey.core.roles.roles import Operator
from latchkey.edge import bootstrap, operators
from latchkey.edge.authorizer import context_of
from latchkey.edge.http import Request


def with_caller(request: Request, keys: Callable[[], VerificationKeys]) -> Request:
    """Return the request with the caller that its Bearer token proves, as the authorizer would. Raises `INVALID_TOKEN`.

    The session of the token may have ended. `keys` are asked for only if there is a token.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise ServiceError(Errors.INVALID_TOKEN, "no Bearer token")
    claims = proven_claims(keys(), token, audience=bootstrap.settings().audience, now=request.now)
    return replace(request, caller=context_of(claims))


def require_key_or_token(request: Request, *, permission: str) -> Operator:
    """Return the holder of the API key in `X-API-Key`, or of the Bearer token, who must hold this permission.

    Raises `FORBIDDEN`, `INVALID_API_KEY` and `INVALID_TOKEN`.
    """
    if "x-api-key" in request.headers:
        return _require_key(request, permission)
    proven = with_caller(request, bootstrap.verification_keys)
    return operators.require_permission(proven, permission=permission)


def _require_key(request: Request, permission: str) -> Operator:
    if "authorization" in request.headers:
        raise ServiceError(Errors.INVALID_API_KEY, "a token too")
    if bootstrap.settings().auth_mode == "bearer":
        raise ServiceError(Errors.INVALID_API_KEY, "the stack's AuthMode accepts tokens only")
    rights = bootstrap.clients().service(request.headers["x-api-key"], address=request.address, now=request.now)
    held = rights.permissions(bootstrap.roles_now())
    if permission not in held:
        raise ServiceError(Errors.FORBIDDEN, f"{permission} is needed")
    return Operator(rights.key.client_id, held, auth_time=0)
