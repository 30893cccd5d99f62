"""Validation of access tokens, for services that hold no key."""

import os
import time
from functools import cache

from latchkey.adapters.published_policy import PolicyKeys
from latchkey.core.grants.validation import TokenCheck
from latchkey.core.policy import VerificationKeys
from latchkey.edge import bootstrap, forms
from latchkey.edge.http import Request, Response
from latchkey.edge.routing import PUBLIC, Routes
from latchkey.edge.settings import Environment

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
        _keys(),
        bootstrap.store(),
        bootstrap.clients(),
        bootstrap.attempts(),
        bootstrap.settings().audience,
    )


def _keys() -> VerificationKeys:
    """Return the published keys or, if the stack allows HS256, those of the policy: a shared key is not published."""
    if Environment(os.environ).flag("LATCHKEY_ALLOW_HS256"):
        return PolicyKeys(bootstrap.verifying_policies(), time.time)
    return bootstrap.published_policy()
