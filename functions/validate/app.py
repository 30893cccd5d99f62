"""Validation of access tokens, for services that hold no key."""

from functools import cache

from latchkey.core.grants.validation import TokenCheck
from latchkey.edge import bootstrap, forms
from latchkey.edge.http import Request, Response
from latchkey.edge.routing import PUBLIC, Routes

routes = Routes("Validation of access tokens")
handler = routes.handler


@routes("POST /v1/auth/validate", needs=PUBLIC)
def validate(request: Request) -> Response:
    """Return 204 for a token that is valid now, and 401 for any other."""
    token_check()(forms.token(request), address=request.address, now=request.now)
    return Response(204)


@cache
def token_check() -> TokenCheck:
    """Return the check of access tokens."""
    return TokenCheck(
        bootstrap.verification_keys(),
        bootstrap.store(),
        bootstrap.clients(),
        bootstrap.attempts(),
        bootstrap.settings().audience,
    )
