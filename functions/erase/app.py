"""`DELETE /v1/auth/me`: the end of an account."""

from latchkey.edge import account_forms, bootstrap, callers
from latchkey.edge.http import Request, Response, endpoint


@endpoint
def handler(request: Request) -> Response:
    """Answer 204 when the account is gone; to ask again finishes what was broken off."""
    me = callers.user(request)
    password = account_forms.own_password(request)
    bootstrap.erasure()(me.sub, me.sid, password, auth_time=me.auth_time, now=request.now)
    return Response(204)
